"""A pipeline's parts in one file: networks from its tensors, the others from its family."""

from collections.abc import Collection, Mapping
from typing import Any

from kakusan.checkpoints.files import JSON
from kakusan.checkpoints.single_file.checkpoint import Checkpoint
from kakusan.checkpoints.single_file.entries import one_float
from kakusan.checkpoints.single_file.families import FAMILY
from kakusan.checkpoints.single_file.loading import checkpoint_of
from kakusan.checkpoints.single_file.recognition import NEEDED, PARTS_OF
from kakusan.checkpoints.source import Source
from kakusan.errors import ArgumentError, CheckpointError, PartError
from kakusan.models import Model
from kakusan.pipeline.container import Container, Shape, WeightsOptions, is_refiner
from kakusan.pipeline.index import DEFAULTS, Folder, checked_defaults
from kakusan.pipeline.net_parts import check_is_steered
from kakusan.pipeline.parts import PARTS, Layout
from kakusan.pipeline.scheduling import check_scheduler
from kakusan.schedulers import named_scheduler, scheduler_class
from kakusan.text import CLIPTokenizer
from kakusan.text.clip_vocabulary import PAD_END, PAD_ZERO, clip_vocabulary
from kakusan.text.vocabulary import Vocabulary

# The reference's names of scheduler_type that are not ours
_SHORT = {"euler-ancestral": "euler-a", "dpm": "dpmpp-2m"}
_TOKENIZERS = {"tokenizer": "text_encoder", "tokenizer_2": "text_encoder_2"}


def container_of(source: Source, prediction_type: str | None = None) -> Container:
    """What holds the parts of a model that was located.

    Args:
        prediction_type: of a single file, in place of what it tells.

    Raises:
        CheckpointError: It holds no model.
        RequestError: A folder was given a `prediction_type`.
    """
    if source.file is not None:
        return SingleFile(checkpoint_of(source.file, {"prediction_type": prediction_type}))
    if prediction_type is not None:
        raise ArgumentError(
            "{prediction_type} is for single files, and {0} is a folder: its "
            "scheduler/scheduler_config.json says what its UNet predicts; leave it out",
            source.name,
        )
    return Folder(source.folder)


def check_drawn_with(container: Container, others: Collection[str]) -> None:
    """Refuse a model that a request names and cannot draw from a text with.

    Args:
        others: the parts that it names besides.

    Raises:
        PartError: It lacks parts, is a part alone, or is SDXL's refiner; says what to name.
    """
    if is_refiner(container):
        raise PartError(
            "{0} is SDXL's refiner, which goes on from another model's latents, not from a text; "
            "name another with {model}, or load it in Python with StableDiffusionXLImg2ImgPipeline",
            container,
        )
    if not isinstance(container, SingleFile):
        check_has_vae(container, others)
        return
    family, held = container.checkpoint.family, container.checkpoint.found.parts
    if family is None:
        advice = "{0} is {1} alone, no whole model; name a whole one with {model}"
        if "vae" in held:
            advice += ", and this file with {vae}"
        raise PartError(advice, container, _alone(held))
    lacking = [part for part in PARTS_OF[family] if part not in held and part not in others]
    if lacking == ["vae"]:
        check_has_vae(container, others)
    if lacking:
        raise PartError(
            "{0} has no {1}; name a whole model with {model}, and this file with {unet}",
            container,
            " and no ".join(lacking),
        )


def check_has_vae(container: Container, others: Collection[str]) -> None:
    """Raise PartError where neither a model nor the parts named besides are a VAE."""
    if isinstance(container, SingleFile):
        absent = "vae" not in container.checkpoint.found.parts
    else:
        absent = container.named.get("vae", "") is None
    if absent and "vae" not in others:
        raise PartError("{0} has no vae; give the file of one with {vae}", container)


class SingleFile(Container):
    """A single file as a pipeline's parts.

    Args:
        scheduler: another one in place of the family's, as the reference calls it.

    Raises:
        InputError: There is no such scheduler.
    """

    def __init__(self, checkpoint: Checkpoint, scheduler: str | None = None) -> None:
        self.checkpoint = checkpoint
        self._scheduler = None if scheduler is None else _SHORT.get(scheduler, scheduler)
        if self._scheduler is not None:
            check_scheduler(self._scheduler)

    def __str__(self) -> str:
        return str(self.checkpoint)

    @property
    def class_name(self) -> JSON:
        return None

    @property
    def named(self) -> Mapping[str, object]:
        family = self.checkpoint.family
        if family is None:
            return dict.fromkeys(self.checkpoint.found.parts, "part")
        weights = PARTS_OF[family]
        tokenizers = [part for part, encoder in _TOKENIZERS.items() if encoder in weights]
        return {part: _kind(part).__name__ for part in (*weights, *tokenizers, "scheduler")}

    def classes(self, layout: Layout, given: Collection[str]) -> dict[str, type[Any] | None]:
        family, held = self.checkpoint.family, self.checkpoint.found.parts
        if family is None:
            raise CheckpointError(
                f"{self} is {_alone(held)} alone, no whole model; load it with {_loads(held)}, or "
                "give it as a part of one"
            )
        lacking = [part for part in PARTS_OF[family] if part not in held and part not in given]
        if lacking:
            supply = ", ".join(NEEDED[part] for part in lacking)
            raise CheckpointError(f"{self} has no {' and no '.join(lacking)}; give {supply}")
        named = self.named
        check_is_steered(layout, {**named, **dict.fromkeys(given)})
        return {
            part: _kind(part) if part in named else None
            for part in layout.parts
            if part not in given
        }

    def settings(self, layout: Layout) -> dict[str, bool]:
        family = self.checkpoint.family or "v1"
        own = {
            "force_zeros_for_empty_prompt": FAMILY[family].force_zeros_for_empty_prompt,
            "requires_aesthetics_score": family == "sdxl-refiner",
        }
        return {name: own.get(name, default) for name, default in layout.settings.items()}

    def load(self, part: str, kind: type[Any], options: WeightsOptions) -> Any:
        if issubclass(kind, Model):
            return kind.from_checkpoint(self.checkpoint, options.dtype_of(part))
        if part == "scheduler":
            config = self.checkpoint.scheduler()
            own = scheduler_class(str(config["_class_name"])).from_config(config)
            return own if self._scheduler is None else named_scheduler(self._scheduler, own)
        return CLIPTokenizer(self._vocabulary(part))

    def config(self, part: str) -> dict[str, JSON] | None:
        held = part in self.checkpoint.found.parts
        return self.checkpoint.config(part) if held else None

    def shape(self, part: str, kind: type[Model[Any]], options: WeightsOptions) -> Shape:  # noqa: ARG002
        network = kind.unfilled(self.checkpoint)
        found = self.checkpoint.part(kind.name_in(self.checkpoint))
        entries = self.checkpoint.file.entries
        own = [entries[held.name] for held in found.tensors.values()]
        path = self.checkpoint.path
        if path.suffix == ".gguf":
            share = sum(each.numel for each in own) / sum(e.numel for e in entries.values())
            return Shape(network, None, int(path.stat().st_size * share))
        return Shape(network, one_float(own) if path.suffix == ".safetensors" else None)

    def defaults(self) -> dict[str, JSON]:
        kept = self.checkpoint.kept(DEFAULTS)
        return {} if kept is None else checked_defaults(kept, str(self))

    def _vocabulary(self, part: str) -> Vocabulary:
        kept = self.checkpoint.kept(part)
        if kept is not None:
            return Vocabulary.of_json(kept, str(self))
        known = FAMILY[self.checkpoint.family or "v1"]
        return clip_vocabulary(PAD_ZERO if part in known.pads_with_zero else PAD_END)


def _kind(part: str) -> type[Any]:
    """Our class of a part, where it is only one."""
    return next(iter(PARTS[part].classes.values()))


def _alone(held: Collection[str]) -> str:
    words = {"vae": "a VAE", "text_encoder": "a text encoder", "text_encoder_2": "a text encoder"}
    return " and ".join(dict.fromkeys(words[part] for part in held))


def _loads(held: Collection[str]) -> str:
    return " and ".join(f"{_kind(part).__name__}.from_single_file" for part in held)
