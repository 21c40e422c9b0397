"""A pipeline without weights, which checks a request as the whole one does."""

from collections.abc import Collection, Mapping
from typing import Any

from kakusan.checkpoints.files import JSON
from kakusan.checkpoints.source import PathLike
from kakusan.models import Model
from kakusan.pipeline.container import Container, Shape, WeightsOptions
from kakusan.pipeline.draw import kind_drawn_with
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.pipeline.loading import Loading
from kakusan.pipeline.parts import Layout
from kakusan.pipeline.single_file import container_of


def unfilled(name: PathLike, *, begun: bool = False) -> LatentDiffusionPipeline:
    """The pipeline of a model that is on this disk, whose networks have shapes and no weights.

    Args:
        begun: whether what is drawn begins at a picture.

    Raises:
        CheckpointError: The model is not there, or broken.
    """
    loading = Loading.of("draw", local_files_only=True, safety_checker=None)
    source = loading.locate(name)
    container = _Unfilled(container_of(source))
    kind = kind_drawn_with(container, loading.parts, begun=begun)
    return kind.from_container(container, source, loading)


class _Unfilled(Container):
    """What another container holds, with the shapes of networks in their place."""

    def __init__(self, of: Container) -> None:
        self._of = of

    def __str__(self) -> str:
        return str(self._of)

    @property
    def class_name(self) -> JSON:
        return self._of.class_name

    @property
    def named(self) -> Mapping[str, object]:
        return self._of.named

    def classes(self, layout: Layout, given: Collection[str]) -> Mapping[str, type[Any] | None]:
        return self._of.classes(layout, given)

    def settings(self, layout: Layout) -> dict[str, bool]:
        return self._of.settings(layout)

    def load(self, part: str, kind: type[Any], options: WeightsOptions) -> Any:
        if issubclass(kind, Model) and (shape := self.shape(part, kind, options)) is not None:
            return shape.network
        return self._of.load(part, kind, options)

    def config(self, part: str) -> Mapping[str, JSON] | None:
        return self._of.config(part)

    def shape(self, part: str, kind: type[Model[Any]], options: WeightsOptions) -> Shape | None:
        return self._of.shape(part, kind, options)

    def defaults(self) -> dict[str, JSON]:
        return self._of.defaults()
