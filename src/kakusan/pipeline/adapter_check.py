"""Adapters and learnt words are read before a model's weights, so that a misfit is soon said."""

from pathlib import Path

from kakusan.checkpoints.adapters.reading import opened_adapter, read_adapter
from kakusan.errors import ArgumentError, CheckpointError
from kakusan.models import CLIPTextModel, CLIPTextModelWithProjection, Model
from kakusan.pipeline.adapter_parts import PARTS, Pipe, shapes
from kakusan.pipeline.container import Container
from kakusan.pipeline.loading import Loading
from kakusan.pipeline.parts import Layout
from kakusan.pipeline.reading import TOKENIZERS, embeddings_for
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
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for part in PARTS:
        kind = classes.get(part)
        if kind is None or not issubclass(kind, Model):
            continue
        described = container.shape(part, kind, loading.weights)
        if described is None:
            return
        own = described.network.named_parameters()
        found[part] = {name: tuple(each.shape) for name, each in own}
    for file in request.lora_files.values():
        read_adapter(Path(file.path), found, tells=False)


def check_made_for(request: Request, pipe: Pipe) -> None:
    """Compare a request's adapters with a pipeline's networks, by the headers of their files.

    Raises:
        ArgumentError: One is broken, no adapter, or for another family of models.
    """
    own = shapes(pipe)
    for file in (request.lora_files or {}).values():
        try:
            opened_adapter(Path(file.path), own)
        except CheckpointError as error:
            raise ArgumentError("{loras}: {0}", str(error)) from None


def check_learnt_words(
    request: Request, container: Container, layout: Layout, loading: Loading
) -> None:
    """Compare a request's embeddings with the text encoders that a model's files describe.

    Raises:
        ArgumentError: One that a prompt names is for another model.
    """
    named = embeddings_for(request) if request.embeddings else []
    if not named:
        return
    widths: dict[str, int] = {}
    classes = container.classes(layout, loading.parts)
    for part in TOKENIZERS:
        kind = classes.get(part)
        if kind is None or not issubclass(kind, CLIPTextModel | CLIPTextModelWithProjection):
            continue
        described = container.shape(part, kind, loading.weights)
        if described is None:
            return
        widths[part] = described.network.config.hidden_size
    for each in named if widths else ():
        each.for_model(widths)
