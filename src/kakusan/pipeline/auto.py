"""Pipelines by what a model's folder holds, as users of the reference library load them."""

from typing import Any

from kakusan.checkpoints.source import PathLike
from kakusan.errors import RequestError, kind_of
from kakusan.pipeline.container import family_of
from kakusan.pipeline.index import Folder
from kakusan.pipeline.latent_consistency import LatentConsistencyModelPipeline
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.pipeline.loading import Loading
from kakusan.pipeline.stable_diffusion import StableDiffusionPipeline
from kakusan.pipeline.stable_diffusion_xl import StableDiffusionXLPipeline

# The pipelines that draw from a text; of a family the last, unless the index names another
PIPELINES: tuple[type[LatentDiffusionPipeline], ...] = (
    StableDiffusionXLPipeline,
    LatentConsistencyModelPipeline,
    StableDiffusionPipeline,
)


class _Kind(type):
    """What loads pipelines counts as what every pipeline is, to `isinstance`."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, PIPELINES)


class DiffusionPipeline(metaclass=_Kind):
    """Loads whichever pipeline the parts of a model make; itself it is none.

    Every pipeline is an instance of it, to `isinstance`.
    """

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
        folder = Folder(source.folder)
        family = family_of(folder, loading.parts)
        fitting = [kind for kind in PIPELINES if kind.layout.only_here == family.only_here]
        named = (kind for kind in fitting if kind.layout.class_name == folder.class_name)
        kind = next(named, fitting[-1])
        return kind.from_container(folder, source, loading)

    @classmethod
    def from_pipe(cls, pipeline: object, **parts: Any) -> LatentDiffusionPipeline:
        """A pipeline with the parts of another; see `StableDiffusionPipeline.from_pipe`.

        Raises:
            RequestError: It is no pipeline of kakusan, or a part does not fit.
        """
        if not isinstance(pipeline, LatentDiffusionPipeline):
            raise RequestError(
                f"{cls.__name__}.from_pipe takes a pipeline of kakusan, not {kind_of(pipeline)}"
            )
        return type(pipeline).from_pipe(pipeline, **parts)


class AutoPipelineForText2Image(DiffusionPipeline):
    """Loads whichever pipeline draws from a text with the parts of a model."""
