"""Adapters are read for a model before its weights are, so that what does not fit is soon said."""

from pathlib import Path

from kakusan.checkpoints.adapters.reading import read_adapter
from kakusan.models import Model
from kakusan.pipeline.adapter_parts import PARTS
from kakusan.pipeline.container import Container
from kakusan.pipeline.loading import Loading
from kakusan.pipeline.parts import Layout
from kakusan.request import Request


def check_adapters(
    request: Request, container: Container, layout: Layout, loading: Loading
) -> None:
    """Read a request's adapters for the networks that a model's files describe.

    Nothing is said of a model whose files do not tell, or that is drawn with another UNet.

    Raises:
        CheckpointError: One is broken, no adapter, or for another family of models.
    """
    if not request.lora_files or request.unet is not None:
        return
    classes = container.classes(layout, loading.parts)
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for part in PARTS:
        kind = classes.get(part)
        if kind is None or not issubclass(kind, Model):
            continue
        described = container.shape(part, kind, loading.weights)
        if described is None:
            return
        own = described.network.named_parameters()
        shapes[part] = {name: tuple(each.shape) for name, each in own}
    for file in request.lora_files.values():
        read_adapter(Path(file.path), shapes, tells=False)
