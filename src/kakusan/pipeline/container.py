"""What parts are loaded from: a folder, or whatever else holds those of a pipeline."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError, shown
from kakusan.models import (
    Autoencoder,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Model,
    UNet2DConditionModel,
    within,
)
from kakusan.pipeline.belonging import check_unet, check_vae, warn_of_family
from kakusan.pipeline.parts import (
    LAYOUTS,
    PARTS,
    STABLE_DIFFUSION_XL,
    STABLE_DIFFUSION_XL_REFINER,
    Layout,
    check_channels,
    check_together,
)
from kakusan.text import CLIPTokenizer

# Sizes and places are six numbers; the refiner is told a score in the place of two
_WITH_SCORE = 5


@dataclass(frozen=True)
class WeightsOptions:
    """Which weights are taken, and what they are stored in.

    Attributes:
        dtypes: by part, "default" for the others; None is what the file has.
    """

    dtypes: Mapping[str, torch.dtype | None]
    variant: str | None = None
    use_safetensors: bool | None = None

    def dtype_of(self, part: str) -> torch.dtype | None:
        """What the weights of a part are to be stored in."""
        return self.dtypes[part] if part in self.dtypes else self.dtypes["default"]


class Shape(NamedTuple):
    """A network as its files describe it.

    Attributes:
        network: without weights.
        stored: the dtype of the file's weights, by its name; None where they have several, or the
            file is not one that can be mapped.
        blocks: bytes of weights that stay as the file has them, whatever they are to be stored in;
            None for plain ones.
    """

    network: Model[Any]
    stored: str | None
    blocks: int | None = None


class Container(ABC):
    """Holds the parts of a pipeline; `str()` of it names it in messages."""

    @property
    @abstractmethod
    def class_name(self) -> JSON:
        """The class of pipelines that it says it was made by; its parts are what counts."""

    @property
    @abstractmethod
    def named(self) -> Mapping[str, object]:
        """A class's name for each part that it holds, None for one that it says it lacks."""

    @abstractmethod
    def classes(self, layout: Layout, given: Collection[str]) -> Mapping[str, type[Any] | None]:
        """Our class of each part that is loaded; None for an optional one that is not there.

        Args:
            given: parts that are not loaded; nothing about them is looked at.

        Raises:
            CheckpointError: It lacks parts, or has classes that kakusan lacks.
        """

    @abstractmethod
    def settings(self, layout: Layout) -> dict[str, bool]:
        """What it says besides, see `Layout.settings`.

        Raises:
            CheckpointError: A value is not true or false.
        """

    @abstractmethod
    def load(self, part: str, kind: type[Any], options: WeightsOptions) -> Any:
        """One part, of the class that `classes` said.

        Raises:
            CheckpointError: A file is missing, broken, or not what it claims to be.
        """

    def config(self, part: str) -> Mapping[str, JSON] | None:  # noqa: ARG002
        """The published config of a part, as far as it is known before weights are read."""
        return None

    def shape(
        self,
        part: str,  # noqa: ARG002
        kind: type[Model[Any]],  # noqa: ARG002
        options: WeightsOptions,  # noqa: ARG002
    ) -> Shape | None:
        """One part as its files describe it, whose weights are not read; None if that is unknown.

        Raises:
            CheckpointError: A file is missing, broken, or not what it claims to be.
        """
        return None

    @abstractmethod
    def defaults(self) -> dict[str, JSON]:
        """What it says is good for the model: steps and guidance; empty where it does not say.

        Raises:
            CheckpointError: A value is out of its range.
        """


def family_of(container: Container, given: Collection[str]) -> Layout:
    """The family whose parts a model has, whatever it says of itself.

    Args:
        given: parts that are not loaded; nothing about them is looked at.

    Raises:
        CheckpointError: It has parts that kakusan lacks.
    """
    named = container.named
    for part, name in named.items():
        if name is not None and part not in {*PARTS, *given}:
            raise CheckpointError(
                f"{container} has the part {shown(part)}, {shown(name)}: models with such a part "
                "are not read yet"
            )
    return next(layout for layout in LAYOUTS if layout.only_here <= named.keys())


def check_family(container: Container, given: Collection[str], layout: Layout) -> None:
    """Raise CheckpointError where a model is of another family than pipelines of `layout`."""
    own = family_of(container, given)
    if own.only_here != layout.only_here:
        model = own.model
        if own is STABLE_DIFFUSION_XL and is_refiner(container):
            own, model = STABLE_DIFFUSION_XL_REFINER, "SDXL's refiner"
        raise CheckpointError(
            f"{container} holds {model}, and {layout.class_name} draws with {layout.model}; "
            f"load it with {own.class_name}, or with DiffusionPipeline"
        )


def is_refiner(container: Container) -> bool:
    """Whether a model is SDXL's refiner, whose UNet is told scores of beauty, as SDXL's is not."""
    said = container.settings(STABLE_DIFFUSION_XL_REFINER)["requires_aesthetics_score"]
    return said or _numbers_told(container) == _WITH_SCORE


def check_scores(
    container: Container, given: Collection[str], layout: Layout, settings: Mapping[str, bool]
) -> None:
    """Refuse a refiner that is loaded as something else, before its weights are read.

    Raises:
        CheckpointError: Pipelines of `layout` do not tell the UNet scores, or are told not to.
    """
    if not layout.only_here or {"unet", "text_encoder_2"} & set(given):
        return  # parts that are given are looked at with the others
    if "requires_aesthetics_score" not in layout.settings:
        check_no_refiner(container)
    elif _numbers_told(container) == _WITH_SCORE and not settings["requires_aesthetics_score"]:
        raise CheckpointError(
            f"{container} is SDXL's refiner, but its model_index.json does not say "
            '"requires_aesthetics_score": true; write that there, or give '
            "requires_aesthetics_score=True"
        )


def check_no_refiner(container: Container) -> None:
    """Raise CheckpointError where a model cannot draw from a text alone."""
    if is_refiner(container):
        raise CheckpointError(
            f"{container} is SDXL's refiner, which goes on from another model's latents; load it "
            f"with {STABLE_DIFFUSION_XL_REFINER.class_name}"
        )


def _numbers_told(container: Container) -> float | None:
    """How many numbers the UNet is told beside the pooled text; None where that is not known."""
    unet, encoder = container.config("unet"), container.config("text_encoder_2")
    if unet is None or encoder is None:
        return None
    match (
        unet.get("projection_class_embeddings_input_dim"),
        unet.get("addition_time_embed_dim"),
        encoder.get("projection_dim"),
    ):
        case int(added), int(width), int(pooled) if width > 0:
            return (added - pooled) / width
        case _:
            return None


def load_parts(
    container: Container,
    layout: Layout,
    given: Mapping[str, Any],
    settings: Mapping[str, bool],
    options: WeightsOptions,
) -> dict[str, Any]:
    """Every part of a pipeline: those of `given` as they are, the others from the container.

    Args:
        settings: see `Layout.settings`.

    Raises:
        CheckpointError: A file is missing, broken, or not what it claims to be.
        RequestError: A part that is given is not one, or they do not belong together.
    """
    parts = {part: value for part, value in given.items() if part in layout.parts}
    classes = container.classes(layout, given)
    check_exchanged(container, parts)
    warn_of_family(parts.get("vae"), None if "unet" in given else container.config("unet"))
    # Small parts first, so that a broken one is found before gigabytes are read
    for part in sorted(classes, key=lambda part: PARTS[part].has_weights):
        kind = classes[part]
        parts[part] = None if kind is None else container.load(part, kind, options)
    check_together(parts, layout, settings)
    for tokenizer, encoder in (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2")):
        if parts.get(tokenizer) is not None and parts.get(encoder) is not None:
            _check_vocabulary(container, parts[tokenizer], within(parts[encoder]))
    return parts


def check_exchanged(container: Container, given: Mapping[str, Any]) -> None:
    """Refuse networks from elsewhere that are another family's, before the model's are read.

    Args:
        given: parts by name; networks may be without weights.

    Raises:
        CheckpointError: A config is broken.
        RequestError: A network does not fit those of the model.
    """
    vae, unet = within(given.get("vae")), within(given.get("unet"))
    if isinstance(vae, Autoencoder) and vae.name_or_path is not None:
        own = {part: container.config(part) for part in ("unet", "vae")}
        check_vae(vae, own if "unet" not in given else {**own, "unet": None})
    if isinstance(unet, UNet2DConditionModel):
        check_unet(unet, _text_widths(container, given), container.config("unet"))
    takes = _told(container, given, "unet", "in_channels")
    gives = _told(container, given, "vae", "latent_channels")
    if isinstance(takes, int) and isinstance(gives, int):
        check_channels(takes, gives)


def _text_widths(container: Container, given: Mapping[str, Any]) -> list[int] | None:
    """Of what each text encoder gives; None where one is gone without, or does not say."""
    encoders = ("text_encoder", "text_encoder_2")
    there = [each for each in encoders if each in given or container.config(each) is not None]
    found = [_told(container, given, each, "hidden_size") for each in there]
    widths = [width for width in found if isinstance(width, int)]
    return widths if len(widths) == len(found) else None


def _told(container: Container, given: Mapping[str, Any], part: str, name: str) -> object:
    """A number of a network's config, before weights are read; None where it is not known."""
    if part not in given:
        return (container.config(part) or {}).get(name)
    return getattr(getattr(within(given[part]), "config", None), name, None)


def _check_vocabulary(
    container: Container,
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel | CLIPTextModelWithProjection,
) -> None:
    config = text_encoder.config
    highest = max(tokenizer.get_vocab().values())
    if highest >= config.vocab_size:
        raise CheckpointError(
            f"{container}: the tokenizer has a token of id {highest}, but the text encoder embeds "
            f"only {config.vocab_size} tokens; they do not belong together"
        )
    if not 3 <= tokenizer.model_max_length <= config.max_position_embeddings:
        raise CheckpointError(
            f"{container}: the tokenizer's model_max_length is {tokenizer.model_max_length}; the "
            f"text encoder reads 3 to {config.max_position_embeddings} tokens"
        )
