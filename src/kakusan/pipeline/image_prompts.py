"""The IP-Adapters of a pipeline and of requests, and what each call sees through them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import fspath
from pathlib import Path
from typing import Any, Protocol

from kakusan.checkpoints.ip_adapter import (
    check_is_ip_adapter,
    ip_adapter_shape,
    read_ip_adapter,
)
from kakusan.checkpoints.own import IMAGE_ENCODER, IP_ADAPTER, own
from kakusan.checkpoints.source import local_file
from kakusan.engine import Engine
from kakusan.errors import ArgumentError, CheckpointError, shown, shown_path
from kakusan.inputs import Inputs, SeenPictures, ThroughAdapter, told
from kakusan.models import (
    CLIPImageProcessor,
    CLIPVisionModelWithProjection,
    ImageProcessorConfig,
    IPAdapter,
    UNet2DConditionModel,
    UNetConfig,
    ip_adapter_for,
    within,
)
from kakusan.pipeline.adapter_files import Where
from kakusan.pipeline.adapter_search import hash_of_file
from kakusan.request import Request
from kakusan.request.image_prompts import ImagePrompt

# Where picture encoders lie beside the files of adapters, as in the published repository
BESIDE = ("image_encoder", "../image_encoder", "../models/image_encoder")
# Files whose weights wait to be asked for again
MOST_FILES = 4
Blocks = tuple[tuple[str, float], ...]


class Pipe(Protocol):
    """What these functions need of the pipeline."""

    unet: UNet2DConditionModel

    @property
    def components(self) -> dict[str, Any]: ...
    @property
    def engine(self) -> Engine: ...


@dataclass(frozen=True)
class Loaded:
    """An adapter that a pipeline has, and how strong it is; see `kakusan.models.ImageTokens`.

    Attributes:
        config: of the UNet that it was read for.
    """

    adapter: IPAdapter
    config: UNetConfig
    scale: float = 1.0
    blocks: Blocks = ()


class IPAdapters:
    """Those that were loaded for a pipeline, and those that requests named.

    Attributes:
        loaded: in the order in which calls give their pictures.
    """

    def __init__(self) -> None:
        self.loaded: tuple[Loaded, ...] = ()
        self._read: dict[object, Any] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> "IPAdapters":
        made = IPAdapters()
        made.loaded = self.loaded
        return made

    def read(self, unet: UNet2DConditionModel, path: Path) -> IPAdapter:
        """The adapter of a file, as last read where file and network are the same.

        Raises:
            CheckpointError: It is broken, something else, or for another family of models.
        """
        status = path.stat()
        key = (str(path.resolve()), status.st_mtime_ns, status.st_size, id(unet))

        def made() -> tuple[object, IPAdapter]:  # the network is held, so that none has its id
            return unet, ip_adapter_for(unet, read_ip_adapter(path), shown_path(path.name), path)

        return self._kept(key, made)[1]

    def encoder(self, path: Path, engine: Engine) -> CLIPVisionModelWithProjection:
        """A picture encoder, where and as the networks of an engine compute."""

        def made() -> CLIPVisionModelWithProjection:
            found = CLIPVisionModelWithProjection.from_pretrained(path, torch_dtype=engine.dtype)
            return found if engine.placement.offload is not None else found.to(engine.device)

        return self._kept((str(path), str(engine.device), engine.dtype), made)

    def _kept(self, key: object, make: Any) -> Any:
        found = self._read.pop(key, None) or make()
        while len(self._read) >= MOST_FILES:
            del self._read[next(iter(self._read))]
        self._read[key] = found
        return found


def resolved(pipe: Pipe, adapters: IPAdapters, request: Request, inputs: Inputs) -> Inputs:
    """What is handed in, with the adapters that its pictures are seen through.

    Raises:
        InputError: There are none, or they do not fit the model or the pictures.
    """
    seen, asked = inputs.seen, request.image_prompts
    if not seen and asked is None:
        return inputs
    if asked is None:
        through = _through_loaded(pipe, adapters, seen)
    else:
        _check_handed_in(asked, seen)
        pairs = enumerate(zip(asked, seen, strict=True))
        through = [_through(pipe, adapters, place, *pair) for place, pair in pairs]
    return replace(inputs, image_prompts=tuple(through))


def check_files(request: Request, inputs: Inputs) -> None:
    """See that files and pictures which a request names are there, before a model is loaded.

    Raises:
        InputError: One is not, or is something else.
    """
    if request.image_prompts is not None:
        _check_handed_in(request.image_prompts, inputs.seen)
    for each in request.image_prompts or ():
        if each.model is not None:
            check_is_ip_adapter(_file(each.model))
        if each.encoder is not None and local_file(each.encoder) is None:
            _folder(each.encoder)


def check_made_for(request: Request, pipe: Pipe) -> None:
    """Compare a request's IP-Adapters with a pipeline's UNet, by the headers of their files.

    Raises:
        ArgumentError: One is for another family of models, or broken.
    """
    for each in request.image_prompts or ():
        if each.model is None:
            continue
        path = _file(each.model)
        try:
            ip_adapter_for(within(pipe.unet), ip_adapter_shape(path), shown_path(path.name))
        except CheckpointError as error:
            raise ArgumentError("{image_prompts}: {0}", str(error)) from None


def _through_loaded(
    pipe: Pipe, adapters: IPAdapters, seen: Sequence[SeenPictures]
) -> list[ThroughAdapter]:
    loaded = adapters.loaded
    if not loaded:
        raise ArgumentError(
            "{ip_adapter_image} is given, and the pipeline has no IP-Adapter; load one with "
            "load_ip_adapter"
        )
    if len(seen) != len(loaded):
        raise ArgumentError(
            "{ip_adapter_image} has entries for {0} IP-Adapters, and {1} were loaded; give one for "
            "each, and several pictures for one of them in a list of their own: [[first, second]]",
            len(seen),
            len(loaded),
        )
    encoder = pipe.components.get("image_encoder")
    found: list[ThroughAdapter] = []
    for each, through in zip(seen, loaded, strict=True):
        if through.config != within(pipe.unet).config:
            raise ArgumentError(
                "the unet was exchanged after load_ip_adapter, which read {0} for the one before; "
                "call load_ip_adapter again",
                through.adapter.name,
            )
        extractor = extractor_for(pipe, encoder)
        strength = (through.scale, through.blocks)
        found.append(ThroughAdapter(each, through.adapter, *strength, encoder, extractor))
    return found


def _check_handed_in(asked: Sequence[ImagePrompt], seen: Sequence[SeenPictures]) -> None:
    if len(asked) == len(seen):
        return
    missing = asked[len(seen)] if len(seen) < len(asked) else None
    if missing is not None and missing.images:
        raise ArgumentError(
            "the request needs the picture {0}, which is not handed in; give it as {image_prompts}",
            told(missing.images[0]),
        )
    raise ArgumentError(
        "the request has {0} IP-Adapters, and pictures for {1} were handed in",
        len(asked),
        len(seen),
    )


def _through(
    pipe: Pipe, adapters: IPAdapters, place: int, asked: ImagePrompt, seen: SeenPictures
) -> ThroughAdapter:
    if asked.model is not None:
        path = _file(asked.model)
        if asked.sha256 is not None and hash_of_file(path) not in (None, asked.sha256):
            raise ArgumentError(
                "the IP-Adapter {0} is another file than the one that the record tells of, whose "
                "SHA-256 begins with {1}",
                shown_path(path),
                asked.sha256[:10],
            )
        adapter = adapters.read(within(pipe.unet), path)
    elif place < len(adapters.loaded):
        adapter = adapters.loaded[place].adapter
    else:
        raise ArgumentError(
            "{image_prompts} names no IP-Adapter, and the pipeline has none; say which with "
            "{ip_adapter}"
        )
    encoder = _encoder(pipe, adapters, asked, adapter)
    extractor = extractor_for(pipe, encoder)
    return ThroughAdapter(seen, adapter, asked.scale, asked.blocks, encoder, extractor)


def _file(name: str) -> Path:
    given = fspath(own(name, IP_ADAPTER))
    path = local_file(given)
    return Where().file(given) if path is None else path


def _folder(name: str) -> Path:
    path = Path(own(name, IMAGE_ENCODER)).expanduser()
    if not path.is_dir():
        raise ArgumentError(
            "there is no image encoder {0}; give its folder, with config.json and weights, or its "
            "file",
            shown(name),
        )
    return path


def _encoder(
    pipe: Pipe, adapters: IPAdapters, asked: ImagePrompt, adapter: IPAdapter
) -> CLIPVisionModelWithProjection | None:
    """The one that is named, else the pipeline's, else one beside the file that fits."""
    if asked.encoder is not None:
        path = local_file(asked.encoder) or _folder(asked.encoder)
        return adapters.encoder(path, pipe.engine)
    own = pipe.components.get("image_encoder")
    if own is not None:
        return own
    if adapter.path is None:
        return None
    for place in BESIDE:
        path = adapter.path.parent / place
        if (path / "config.json").is_file() and _fits(path, adapter):
            return adapters.encoder(path.resolve(), pipe.engine)
    return None


def _fits(folder: Path, adapter: IPAdapter) -> bool:
    """Whether an encoder gives what an adapter takes, as far as its config tells."""
    try:
        config = CLIPVisionModelWithProjection.shaped_as(folder).config
    except CheckpointError:
        return False
    pooled = adapter.projection.pooled
    width = config.projection_dim if pooled else config.hidden_size
    return width == adapter.projection.features


def extractor_for(pipe: Pipe, encoder: CLIPVisionModelWithProjection | None) -> CLIPImageProcessor:
    """The pipeline's, where it makes pictures of the size that the encoder looks at."""
    own: CLIPImageProcessor | None = pipe.components.get("feature_extractor")
    side = 224 if encoder is None else within(encoder).config.image_size
    if own is not None and own.config.crop_size in (side, (side, side)):
        return own
    return CLIPImageProcessor(ImageProcessorConfig(size=side, crop_size=side))
