"""Which parts a pipeline has, and which classes may stand for each."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from typing import Any, cast

from kakusan.errors import RequestError, kind_of, shown
from kakusan.models import (
    Autoencoder,
    AutoencoderKL,
    AutoencoderTiny,
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    ControlNetModel,
    ControlNetUnionModel,
    Model,
    MultiAdapter,
    MultiControlNetModel,
    StableDiffusionSafetyChecker,
    T2IAdapter,
    UNet2DConditionModel,
    within,
)
from kakusan.schedulers import SCHEDULERS
from kakusan.steering import repaints
from kakusan.text import CLIPTokenizer

_TOKENIZERS = {"CLIPTokenizer": CLIPTokenizer, "CLIPTokenizerFast": CLIPTokenizer}


@dataclass(frozen=True)
class Part:
    """A part of pipelines.

    Attributes:
        classes: ours by their names in published files; nothing is ever imported by name.
        library: where the reference's loader looks for the class.
        writes: the class's name in files; None for that of our class.
    """

    classes: Mapping[str, type[Any]]
    library: str = "diffusers"
    writes: str | None = None

    @property
    def has_weights(self) -> bool:
        return any(issubclass(kind, Model) for kind in self.classes.values())

    def published(self, value: object) -> tuple[str, str]:
        """Library and class of a part, as the reference's loader expects them in an index."""
        return self.library, self.writes or type(within(value)).__name__


# Every part that any pipeline has
PARTS: dict[str, Part] = {
    "vae": Part({"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}),
    "text_encoder": Part({"CLIPTextModel": CLIPTextModel}, "transformers"),
    "text_encoder_2": Part(
        {"CLIPTextModelWithProjection": CLIPTextModelWithProjection}, "transformers"
    ),
    "tokenizer": Part(_TOKENIZERS, "transformers"),
    "tokenizer_2": Part(_TOKENIZERS, "transformers"),
    "unet": Part({"UNet2DConditionModel": UNet2DConditionModel}),
    "controlnet": Part(
        {
            "ControlNetModel": ControlNetModel,
            "MultiControlNetModel": MultiControlNetModel,
            "ControlNetUnionModel": ControlNetUnionModel,
        }
    ),
    "adapter": Part({"T2IAdapter": T2IAdapter, "MultiAdapter": MultiAdapter}),
    "scheduler": Part(SCHEDULERS),
    "safety_checker": Part(
        {"StableDiffusionSafetyChecker": StableDiffusionSafetyChecker}, "stable_diffusion"
    ),
    "feature_extractor": Part(
        dict.fromkeys(
            (
                *("CLIPImageProcessor", "CLIPFeatureExtractor"),
                *("CLIPImageProcessorFast", "CLIPImageProcessorPil"),
            ),
            CLIPImageProcessor,
        ),
        "transformers",
    ),
    "image_encoder": Part(
        {"CLIPVisionModelWithProjection": CLIPVisionModelWithProjection}, "transformers"
    ),
}
# Parts of which there may be several, and what they are together
SEVERAL: dict[str, type[MultiControlNetModel] | type[MultiAdapter]] = {
    "controlnet": MultiControlNetModel,
    "adapter": MultiAdapter,
}
# What is beside the networks that draw a picture: its record holds the scheduler whole, tells of
# each network that steers, and says itself through which encoder a picture was seen
_BESIDE = frozenset({"scheduler", "safety_checker", "feature_extractor", "image_encoder", *SEVERAL})


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The parts of one class of pipelines, and what else its index says.

    Attributes:
        class_name: what an index that is written calls it.
        model: the models that have these parts, for people.
        parts: in the order that they are shown in.
        optional: those of them that a model's folder may lack.
        only_here: those by which a model with them is told from others.
        settings: what else an index says, with its defaults.
        is_union: whether what steers is a union of ControlNets.
    """

    class_name: str
    model: str
    parts: tuple[str, ...]
    optional: frozenset[str]
    only_here: frozenset[str] = frozenset()
    settings: Mapping[str, bool] = field(default_factory=dict[str, bool])
    is_union: bool = False

    @property
    def drawn_by(self) -> tuple[str, ...]:
        """The parts that a picture is drawn by."""
        return tuple(part for part in self.parts if part not in _BESIDE)


STABLE_DIFFUSION = Layout(
    class_name="StableDiffusionPipeline",
    model="Stable Diffusion 1 or 2",
    parts=(
        *("vae", "text_encoder", "tokenizer", "unet", "scheduler"),
        *("safety_checker", "feature_extractor", "image_encoder"),
    ),
    optional=frozenset({"safety_checker", "feature_extractor", "image_encoder"}),
)
IMAGE_TO_IMAGE = replace(STABLE_DIFFUSION, class_name="StableDiffusionImg2ImgPipeline")
INPAINTING = replace(STABLE_DIFFUSION, class_name="StableDiffusionInpaintPipeline")
LATENT_CONSISTENCY = replace(STABLE_DIFFUSION, class_name="LatentConsistencyModelPipeline")
LATENT_CONSISTENCY_IMAGE = replace(
    STABLE_DIFFUSION, class_name="LatentConsistencyModelImg2ImgPipeline"
)
_XL_ENCODERS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
STABLE_DIFFUSION_XL = Layout(
    class_name="StableDiffusionXLPipeline",
    model="SDXL",
    parts=("vae", *_XL_ENCODERS, "unet", "scheduler", "feature_extractor", "image_encoder"),
    optional=frozenset({*_XL_ENCODERS, "feature_extractor", "image_encoder"}),
    only_here=frozenset({"text_encoder_2", "tokenizer_2"}),
    settings={"force_zeros_for_empty_prompt": True},
)
# The same parts, told apart by what else an index says: the refiner's goes on from latents
STABLE_DIFFUSION_XL_REFINER = replace(
    STABLE_DIFFUSION_XL,
    class_name="StableDiffusionXLImg2ImgPipeline",
    settings={"requires_aesthetics_score": False, "force_zeros_for_empty_prompt": True},
)
XL_INPAINTING = replace(STABLE_DIFFUSION_XL_REFINER, class_name="StableDiffusionXLInpaintPipeline")
# The family whose parts a model has is the first that fits
LAYOUTS = (STABLE_DIFFUSION_XL, STABLE_DIFFUSION)


def steered(layout: Layout, class_name: str, part: str) -> Layout:
    """The parts of a layout's pipelines, and a network that steers, after the UNet."""
    parts = list(layout.parts)
    parts.insert(parts.index("unet") + 1, part)
    return replace(layout, class_name=class_name, parts=tuple(parts))


CONTROLNET = steered(STABLE_DIFFUSION, "StableDiffusionControlNetPipeline", "controlnet")
CONTROLNET_XL = steered(STABLE_DIFFUSION_XL, "StableDiffusionXLControlNetPipeline", "controlnet")
CONTROLNET_IMAGE = steered(IMAGE_TO_IMAGE, "StableDiffusionControlNetImg2ImgPipeline", "controlnet")
CONTROLNET_IMAGE_XL = steered(
    STABLE_DIFFUSION_XL_REFINER, "StableDiffusionXLControlNetImg2ImgPipeline", "controlnet"
)
CONTROLNET_INPAINTING = steered(
    INPAINTING, "StableDiffusionControlNetInpaintPipeline", "controlnet"
)
CONTROLNET_INPAINTING_XL = steered(
    XL_INPAINTING, "StableDiffusionXLControlNetInpaintPipeline", "controlnet"
)
CONTROLNET_UNION_XL = replace(
    CONTROLNET_XL, class_name="StableDiffusionXLControlNetUnionPipeline", is_union=True
)
CONTROLNET_UNION_IMAGE_XL = replace(
    CONTROLNET_IMAGE_XL, class_name="StableDiffusionXLControlNetUnionImg2ImgPipeline", is_union=True
)
CONTROLNET_UNION_INPAINTING_XL = replace(
    CONTROLNET_INPAINTING_XL,
    class_name="StableDiffusionXLControlNetUnionInpaintPipeline",
    is_union=True,
)
ADAPTER = steered(STABLE_DIFFUSION, "StableDiffusionAdapterPipeline", "adapter")
ADAPTER_XL = steered(STABLE_DIFFUSION_XL, "StableDiffusionXLAdapterPipeline", "adapter")


def as_one(part: str, value: object) -> Any:
    """A part as a pipeline has it: several networks in a list are one of them all.

    Raises:
        RequestError: They are no such networks.
    """
    if part in SEVERAL and isinstance(value, list | tuple):
        return SEVERAL[part](value)  # pyright: ignore[reportUnknownArgumentType]
    return value


def nets_of(part: object) -> list[Model[Any]]:
    """The networks that steer which a part is; none for None."""
    whole = within(part)
    if isinstance(whole, MultiControlNetModel | MultiAdapter):
        return list(whole)
    return [cast("Model[Any]", part)] if isinstance(whole, Model) else []


def check_kinds(parts: Mapping[str, object | None]) -> None:
    """Raise RequestError where a part is not what it stands for; it may be None."""
    for part, value in parts.items():
        if value is None or isinstance(within(value), tuple(PARTS[part].classes.values())):
            continue
        names = " or ".join(sorted({kind.__name__ for kind in PARTS[part].classes.values()}))
        raise RequestError(
            f"{part} must be a kakusan {names}, not {kind_of(within(value))}{_instead(part, value)}"
        )


def _instead(part: str, value: object) -> str:
    """What to do with something else that was given as a network that steers."""
    if part not in SEVERAL:
        return ""
    if isinstance(value, str | PathLike):
        kind = SEVERAL[part].kind.__name__
        return f"; load it first: {part}={kind}.from_pretrained({shown(fspath(value))})"
    if isinstance(within(value), T2IAdapter | MultiAdapter):
        return "; StableDiffusionAdapterPipeline and SDXL's are steered by those"
    if isinstance(within(value), ControlNetModel | MultiControlNetModel | ControlNetUnionModel):
        return "; StableDiffusionControlNetPipeline and SDXL's are steered by those"
    return ""


def check_together(
    parts: Mapping[str, object | None], layout: Layout, settings: Mapping[str, bool]
) -> None:
    """Raise RequestError where parts of a pipeline do not fit one another.

    A part may be None: what needs it says so.

    Args:
        settings: see `Layout.settings`.
    """
    check_kinds(parts)
    check_union(parts.get("controlnet"), layout)
    if parts.get("safety_checker") is not None and parts["feature_extractor"] is None:
        raise RequestError("safety_checker needs feature_extractor; give both or neither")
    unet, vae = within(parts["unet"]), within(parts["vae"])
    if not isinstance(unet, UNet2DConditionModel):
        return
    if isinstance(vae, Autoencoder):
        _check_latents(unet.config.in_channels, vae)
    if bool(unet.config.added_time_dim) != bool(layout.only_here):
        kind = "SDXL's" if unet.config.added_time_dim else "no SDXL's"
        raise RequestError(f"the unet is {kind}, and {layout.class_name} draws with {layout.model}")
    encoder = within(parts.get("text_encoder_2"))
    if isinstance(encoder, CLIPTextModelWithProjection):
        scored = settings.get("requires_aesthetics_score", False)
        _check_added(unet, encoder, scored=scored, layout=layout)


def check_union(net: object | None, layout: Layout) -> None:
    """Raise RequestError for a union of ControlNets where another net steers, and vice versa."""
    given = within(net)
    if given is None or isinstance(given, ControlNetUnionModel) == layout.is_union:
        return
    name, by = layout.class_name, "ControlNetUnion" if layout.is_union else "ControlNet"
    other = "ControlNet" if layout.is_union else "ControlNetUnion"
    of = name if "XL" in name else name.replace("StableDiffusion", "StableDiffusionXL")
    raise RequestError(
        f"{name} is steered by a {by}Model, and controlnet is a {type(given).__name__}; take "
        f"{of.replace(by, other)}"
    )


def check_channels(takes: int, gives: int) -> None:
    """Raise RequestError unless the UNet takes latents, or what models that repaint take."""
    if takes != gives and not repaints(takes, gives):
        raise RequestError(
            f"the unet takes {takes} channels and the vae gives {gives}: models that edit (8, as "
            "InstructPix2Pix and CosXL-edit) or see depth (5) are not drawn with yet"
        )


def _check_latents(takes: int, vae: Autoencoder[Any]) -> None:
    gives = vae.config.latent_channels
    check_channels(takes, gives)
    if repaints(takes, gives) and not vae.can_encode:
        raise RequestError(
            f"the unet takes {takes} channels, of a model that repaints: it needs a vae that also "
            "encodes, and this one only decodes"
        )


def _check_added(
    unet: UNet2DConditionModel,
    encoder: CLIPTextModelWithProjection,
    *,
    scored: bool,
    layout: Layout,
) -> None:
    """The UNet takes a pooled text and six numbers: sizes, or with a score of beauty five."""
    pooled, width = encoder.config.projection_dim, unet.config.added_time_dim
    numbers = (unet.config.added_conditioning_dim - pooled) / width
    if numbers == (5 if scored else 6):
        return
    if numbers == 5 and "requires_aesthetics_score" not in layout.settings:
        raise RequestError(
            "the unet is the refiner's, which goes on from latents; load it with "
            f"{STABLE_DIFFUSION_XL_REFINER.class_name}"
        )
    if numbers in (5, 6):
        raise RequestError(
            f"the unet is told {numbers:g} numbers beside the text; requires_aesthetics_score must "
            f"be {numbers == 5} then"
        )
    raise RequestError(
        f"the unet takes {unet.config.added_conditioning_dim} added numbers, which text_encoder_2 "
        f"with {pooled} of them does not belong to"
    )
