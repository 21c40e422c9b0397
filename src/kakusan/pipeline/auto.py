"""Pipelines by what a model's folder holds, as users of the reference library load them."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from kakusan.checkpoints.source import PathLike
from kakusan.errors import RequestError, kind_of
from kakusan.models import ControlNetUnionModel, within
from kakusan.pipeline.container import Container, check_no_refiner, family_of, is_refiner
from kakusan.pipeline.controlnet import (
    StableDiffusionControlNetPipeline,
    StableDiffusionXLControlNetPipeline,
)
from kakusan.pipeline.controlnet_img2img import (
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetImg2ImgPipeline,
)
from kakusan.pipeline.controlnet_inpaint import (
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionXLControlNetInpaintPipeline,
)
from kakusan.pipeline.controlnet_union import (
    StableDiffusionXLControlNetUnionImg2ImgPipeline,
    StableDiffusionXLControlNetUnionInpaintPipeline,
    StableDiffusionXLControlNetUnionPipeline,
)
from kakusan.pipeline.file_loading import FileLoading
from kakusan.pipeline.latent_consistency import LatentConsistencyModelPipeline
from kakusan.pipeline.latent_consistency_img2img import LatentConsistencyModelImg2ImgPipeline
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.pipeline.loading import Loading
from kakusan.pipeline.parts import Layout
from kakusan.pipeline.single_file import container_of
from kakusan.pipeline.stable_diffusion import StableDiffusionPipeline
from kakusan.pipeline.stable_diffusion_img2img import StableDiffusionImg2ImgPipeline
from kakusan.pipeline.stable_diffusion_inpaint import StableDiffusionInpaintPipeline
from kakusan.pipeline.stable_diffusion_xl import StableDiffusionXLPipeline
from kakusan.pipeline.stable_diffusion_xl_img2img import StableDiffusionXLImg2ImgPipeline
from kakusan.pipeline.stable_diffusion_xl_inpaint import StableDiffusionXLInpaintPipeline
from kakusan.pipeline.t2i_adapter import (
    StableDiffusionAdapterPipeline,
    StableDiffusionXLAdapterPipeline,
)

# The pipelines that draw from a text; of a family the last, unless the index names another
PIPELINES: tuple[type[LatentDiffusionPipeline], ...] = (
    StableDiffusionXLPipeline,
    LatentConsistencyModelPipeline,
    StableDiffusionPipeline,
)
# Likewise those that begin at pictures
BEGUN: tuple[type[LatentDiffusionPipeline], ...] = (
    StableDiffusionXLImg2ImgPipeline,
    LatentConsistencyModelImg2ImgPipeline,
    StableDiffusionImg2ImgPipeline,
)
# And those that draw a part of them anew
PAINTED: tuple[type[LatentDiffusionPipeline], ...] = (
    StableDiffusionXLInpaintPipeline,
    StableDiffusionInpaintPipeline,
)

# Those that ControlNets steer which begin at pictures, or draw a part of them anew
CONTROLLED_BEGUN: tuple[type[LatentDiffusionPipeline], ...] = (
    StableDiffusionXLControlNetUnionImg2ImgPipeline,
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionControlNetImg2ImgPipeline,
)
CONTROLLED_PAINTED: tuple[type[LatentDiffusionPipeline], ...] = (
    StableDiffusionXLControlNetUnionInpaintPipeline,
    StableDiffusionXLControlNetInpaintPipeline,
    StableDiffusionControlNetInpaintPipeline,
)
# Those that networks steer, by the part that does; of a family the last, unless it is named
CONTROLLED: tuple[type[LatentDiffusionPipeline], ...] = (
    StableDiffusionXLControlNetUnionPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionControlNetPipeline,
)
# Those of one kind, whose parts alone do not tell them
_LATENT_CONSISTENCY = [
    kind.layout.class_name
    for kind in (LatentConsistencyModelPipeline, LatentConsistencyModelImg2ImgPipeline)
]
_CONTROLLED = (*CONTROLLED, *CONTROLLED_BEGUN, *CONTROLLED_PAINTED)
ADAPTED: tuple[type[LatentDiffusionPipeline], ...] = (
    StableDiffusionXLAdapterPipeline,
    StableDiffusionAdapterPipeline,
)


class _Kind(type):
    """What loads pipelines counts as what every pipeline is, to `isinstance`."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, LatentDiffusionPipeline)


class DiffusionPipeline(metaclass=_Kind):
    """Loads whichever pipeline the parts of a model make; itself it is none.

    Every pipeline is an instance of it, to `isinstance`.

    Attributes:
        pipelines: those that it makes of others' parts; None leaves them what they are.
        controlled: likewise where a ControlNet is given.
    """

    pipelines: ClassVar[tuple[type[LatentDiffusionPipeline], ...] | None] = None
    controlled: ClassVar[tuple[type[LatentDiffusionPipeline], ...]] = ()

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: PathLike, **options: Any
    ) -> LatentDiffusionPipeline:
        """Load "builtin", a folder, or a Hub id.

        Args:
            options: those of `StableDiffusionPipeline.from_pretrained`.

        Raises:
            CheckpointError: A file is missing, broken, or not what it claims to be.
            UnknownArgumentError: An argument that does not exist.
        """
        loading = Loading.of(f"{cls.__name__}.from_pretrained", **options)
        source = loading.locate(pretrained_model_name_or_path)
        container = container_of(source, loading.prediction_type)
        return cls.kind(container, loading.parts).from_container(container, source, loading)

    @classmethod
    def from_single_file(
        cls, pretrained_model_link_or_path: PathLike, **options: Any
    ) -> LatentDiffusionPipeline:
        """Load whichever pipeline draws with a single file.

        Args:
            options: those of `StableDiffusionPipeline.from_single_file`.

        Raises:
            CheckpointError: The file is missing, broken, something else, or lacks parts.
            UnknownArgumentError: An argument that does not exist.
        """
        asked = FileLoading.of(f"{cls.__name__}.from_single_file", **options)
        source, container = asked.open(pretrained_model_link_or_path)
        kind = cls.kind(container, asked.loading.parts)
        return kind.from_container(container, source, asked.loading)

    @classmethod
    def kind(
        cls, container: Container, given: Mapping[str, object]
    ) -> type[LatentDiffusionPipeline]:
        """The class of pipelines that the parts of a model make.

        Args:
            given: parts that are not loaded; nothing about them is looked at.

        Raises:
            CheckpointError: It has parts that kakusan lacks.
        """
        painted = _of_family(PAINTED, container, given)
        if container.class_name == painted.layout.class_name:
            return painted
        for steered in (*_CONTROLLED, *ADAPTED):
            if container.class_name == steered.layout.class_name:
                return steered
        begun = _of_family(BEGUN, container, given)
        if cls.refines(container, given) or container.class_name == begun.layout.class_name:
            return begun
        return _of_family(PIPELINES, container, given)

    @staticmethod
    def refines(container: Container, given: Mapping[str, object]) -> bool:
        """Whether a model is SDXL's refiner."""
        is_xl = _of_family(BEGUN, container, given) is StableDiffusionXLImg2ImgPipeline
        return is_xl and is_refiner(container)

    @classmethod
    def from_pipe(cls, pipeline: object, **parts: Any) -> LatentDiffusionPipeline:
        """A pipeline with the parts of another; see `StableDiffusionPipeline.from_pipe`.

        What ControlNets steer stays so, unless `controlnet` is None.

        Raises:
            RequestError: It is no pipeline of kakusan, or a part does not fit.
        """
        if not isinstance(pipeline, LatentDiffusionPipeline):
            raise RequestError(
                f"{cls.__name__}.from_pipe takes a pipeline of kakusan, not {kind_of(pipeline)}"
            )
        kind, wanted = type(pipeline), cls.pipelines
        net = parts.get("controlnet", getattr(pipeline, "controlnet", None))
        if cls.controlled and net is not None:
            wanted = cls.controlled
        elif cls.controlled:
            parts.pop("controlnet", None)
        relatives = (*CONTROLLED_BEGUN, *CONTROLLED_PAINTED) if wanted is CONTROLLED else ()
        if wanted is not None:
            fitting = _fitting(wanted, kind.layout, is_union=_is_union(net))
            if not issubclass(kind, tuple(fitting)) or issubclass(kind, relatives):
                kind = _named(fitting, kind.layout.class_name)
        return kind.from_pipe(pipeline, **parts)


class AutoPipelineForText2Image(DiffusionPipeline):
    """Loads whichever pipeline draws from a text alone with the parts of a model."""

    pipelines, controlled = PIPELINES, CONTROLLED

    @classmethod
    def kind(
        cls, container: Container, given: Mapping[str, object]
    ) -> type[LatentDiffusionPipeline]:
        if _is_steered(container, given):
            return _of_family(CONTROLLED, container, given)
        kind = _of_family(PIPELINES, container, given)
        if kind is StableDiffusionXLPipeline:
            check_no_refiner(container)
        return kind


class AutoPipelineForImage2Image(DiffusionPipeline):
    """Loads whichever pipeline begins at pictures with the parts of a model."""

    pipelines, controlled = BEGUN, CONTROLLED_BEGUN

    @classmethod
    def kind(
        cls, container: Container, given: Mapping[str, object]
    ) -> type[LatentDiffusionPipeline]:
        steered = _is_steered(container, given)
        return _of_family(CONTROLLED_BEGUN if steered else BEGUN, container, given)


class AutoPipelineForInpainting(DiffusionPipeline):
    """Loads whichever pipeline draws a part of pictures anew with the parts of a model."""

    pipelines, controlled = PAINTED, CONTROLLED_PAINTED

    @classmethod
    def kind(
        cls, container: Container, given: Mapping[str, object]
    ) -> type[LatentDiffusionPipeline]:
        steered = _is_steered(container, given)
        return _of_family(CONTROLLED_PAINTED if steered else PAINTED, container, given)


def _is_steered(container: Container, given: Mapping[str, object]) -> bool:
    """Whether a ControlNet is given, or among the parts of a model."""
    if "controlnet" in given:
        return given["controlnet"] is not None
    return any(container.class_name == kind.layout.class_name for kind in _CONTROLLED)


def _is_union(net: object) -> bool:
    return isinstance(within(net), ControlNetUnionModel)


def _of_family(
    pipelines: Sequence[type[LatentDiffusionPipeline]],
    container: Container,
    given: Mapping[str, object],
) -> type[LatentDiffusionPipeline]:
    """Of the pipelines the one that draws with the parts of a model."""
    is_union = _is_union(given.get("controlnet"))
    if "controlnet" not in given:
        names = [kind.layout.class_name for kind in _CONTROLLED if kind.layout.is_union]
        is_union = container.class_name in names
    fitting = _fitting(pipelines, family_of(container, given), is_union=is_union)
    return _named(fitting, container.class_name)


def _named(
    fitting: Sequence[type[LatentDiffusionPipeline]], class_name: object
) -> type[LatentDiffusionPipeline]:
    """The one of a name, or of the kind that it names, or the last."""
    names = _LATENT_CONSISTENCY if class_name in _LATENT_CONSISTENCY else [class_name]
    return next((kind for kind in fitting if kind.layout.class_name in names), fitting[-1])


def _fitting(
    pipelines: Sequence[type[LatentDiffusionPipeline]], family: Layout, *, is_union: bool
) -> list[type[LatentDiffusionPipeline]]:
    """Those of the pipelines that draw with the parts of a family, and are steered so."""
    fitting = [kind for kind in pipelines if kind.layout.only_here == family.only_here]
    # where none is steered by a union, the net is refused with the rest of the parts
    return [kind for kind in fitting if kind.layout.is_union == is_union] or fitting
