"""A request to pictures: the model that it names is loaded, and stays for the next request."""

import copy
import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from kakusan.checkpoints.facts import facts_of_other
from kakusan.checkpoints.single_file.loading import checkpoint_of
from kakusan.checkpoints.source import BUILTIN, PathLike, locate
from kakusan.errors import DecodeError, GenerationInterrupted, undecoded_of
from kakusan.inputs import Inputs
from kakusan.models import AutoencoderKL, UNet2DConditionModel, within
from kakusan.pipeline.adapter_check import check_adapters, check_learnt_words
from kakusan.pipeline.adapter_search import located
from kakusan.pipeline.auto import (
    AutoPipelineForImage2Image,
    AutoPipelineForText2Image,
    DiffusionPipeline,
)
from kakusan.pipeline.container import Container, Shape, check_exchanged
from kakusan.pipeline.control_nets import NamedNet, named_nets, with_nets
from kakusan.pipeline.drawing import Drawing
from kakusan.pipeline.exchanged import INDEX, class_of, named_parts, read_parts
from kakusan.pipeline.image_prompts import check_files
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.pipeline.loading import Loading
from kakusan.pipeline.output import Picture, Pictures
from kakusan.pipeline.parsed_prompts import Grammar
from kakusan.pipeline.plan import Plan, plan, shapes_of
from kakusan.pipeline.progress import OnProgress
from kakusan.pipeline.reading import check_embeddings
from kakusan.pipeline.scheduling import check_scheduler, ignored_by
from kakusan.pipeline.single_file import SingleFile, check_drawn_with, container_of
from kakusan.request import DEFAULT_STEPS, Request
from kakusan.runtime.device import parse_device
from kakusan.runtime.precision import default_dtype, parse_dtype
from kakusan.steering import WAYS
from kakusan.text import not_said

# What a request says of the pipeline that is loaded for it
NAMED_BY_LOADING = (
    "model",
    "commit",
    "variant",
    "unet",
    "vae",
    "prediction_type",
    "dtype",
    "device",
)

OnPicture = Callable[[Picture], object]
logger = logging.getLogger(__name__)
# Told, at the level INFO, what a run takes of memory
memory = logging.getLogger("kakusan.memory")


def draw(
    request: Request,
    inputs: Inputs | None = None,
    *,
    on_picture: OnPicture | None = None,
    progress: bool | OnProgress | None = True,
    local_files_only: bool = False,
    lora_dirs: Sequence[PathLike] | None = None,
    trusted: bool = True,
) -> Pictures:
    """Draw all pictures of a request with the model that it names, or else the built-in one.

    Args:
        inputs: What is handed in ready-made, beside the request.
        on_picture: Called with each picture as soon as it is finished.
        progress: Whether to show a bar on stderr; None shows it only on a terminal. A function is
            called in its place, with how much is done, from 0 to 1, and with what is being done.
        local_files_only: Do not ask the hub for the model.
        lora_dirs: Folders in which names of adapters are looked for; those of the environment
            variable KAKUSAN_LORA_DIR where not given.
        trusted: Whether the request may name files of adapters itself.

    Raises:
        InputError: Something given cannot be used; said before weights are read where possible.
        DecodeError: Finished latents could not be decoded; it carries them, and the pictures that
            were finished.
        GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
    """
    inputs = Inputs() if inputs is None else inputs
    request = checked(request, inputs, lora_dirs, trusted=trusted)
    model = BUILTIN if request.model is None else request.model
    device = parse_device(request.device)
    nets = named_nets(request, inputs, local_files_only=local_files_only)
    begun = inputs.image is not None
    wanted = Wanted(model, device, request, local_files_only, begun=begun, nets=nets)
    pipe = copy.copy(loaded(wanted))
    tell = progress if callable(progress) else None
    pipe.set_progress_bar_config(disable=None if progress is None else not progress)
    drawing = drawing_of(pipe, request, inputs, nets)
    said = (drawing.usual, ignored_by(request.scheduler), *drawing.told)
    for told in not_said(each for each in said if each):
        logger.warning("%s", told)
    return _collected(pipe.drawn(drawing, tell=tell), on_picture)


def checked(
    request: Request, inputs: Inputs, lora_dirs: Sequence[PathLike] | None, *, trusted: bool
) -> Request:
    """A request whose files are there, with what can be said before a model is loaded.

    Raises:
        InputError: Something of it cannot be used.
    """
    check_scheduler(request.scheduler)
    request = located(request, lora_dirs, trusted=trusted)
    check_embeddings(request)
    check_files(request, inputs)
    Grammar.of(request, inputs, DEFAULT_STEPS)
    for way in WAYS:
        way.check(request, inputs)
    return request


def drawing_of(
    pipe: LatentDiffusionPipeline, request: Request, inputs: Inputs, nets: Sequence[NamedNet]
) -> Drawing:
    """What draws a checked request with the pipeline that was loaded for it.

    Args:
        nets: those that the request names.

    Raises:
        InputError: Something of it does not fit the model.
    """
    unet = within(pipe.unet)
    if nets:
        request, inputs = with_nets(request, inputs, nets, unet.stored_dtype, unet)
    # It is the one that the request names, as this machine calls it
    return pipe.prepared(replace(request, **dict.fromkeys(NAMED_BY_LOADING)), inputs)


class Wanted:
    """The model of a request on a device; equal where the same pipeline draws both.

    Attributes:
        begun: whether what is drawn begins at a picture.
        nets: that steer, and are named.
    """

    def __init__(
        self,
        model: str,
        device: torch.device,
        request: Request,
        local_files_only: bool,
        *,
        begun: bool = False,
        nets: Sequence[NamedNet] = (),
    ) -> None:
        self.model, self.device, self.request = model, device, request
        self.local_files_only, self.begun, self.nets = local_files_only, begun, tuple(nets)
        version = (request.commit, request.variant, request.dtype, request.safety_checker)
        parts = (request.unet, request.vae, request.prediction_type)
        self._key = (model, device, version, parts, local_files_only, self.nets)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wanted) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@functools.lru_cache(maxsize=1)
def loaded(wanted: Wanted) -> LatentDiffusionPipeline:
    """The pipeline of a model, as last loaded if it is the same; it must not be changed.

    What it takes of memory is planned, and the log is told.

    Raises:
        RequestError: What the request asks for cannot fit into the memory that is free.
    """
    loaded.cache_clear()  # two models at once may be more than memory holds
    model, device, request = wanted.model, wanted.device, wanted.request
    # The built-in model is small enough that full precision costs nothing
    own = torch.float32 if model == BUILTIN else default_dtype(device)
    # Others can be stored in float16, and stay in their file where that has them so
    dtypes = [own] if model == BUILTIN or own == torch.float16 else [own, torch.float16]
    if request.dtype is not None:
        dtypes = [parse_dtype(request.dtype)]
    without: dict[str, Any] = {} if request.safety_checker else {"safety_checker": None}
    loading = Loading.of(
        "draw",
        torch_dtype=dtypes[0],
        revision=request.commit,
        variant=request.variant,
        local_files_only=wanted.local_files_only,
        prediction_type=request.prediction_type,
        **without,
    )
    source = loading.locate(model)
    container = container_of(source, loading.prediction_type)
    others = [part for part in ("unet", "vae") if getattr(request, part) is not None]
    check_drawn_with(container, others)
    kind = kind_drawn_with(container, loading.parts, begun=wanted.begun)
    named = named_parts(
        {"unet": request.unet, "vae": request.vae},
        own_vae=lambda: container.config("vae"),
        local_files_only=wanted.local_files_only,
    )
    check_exchanged(container, {part: each.network for part, each in named.items()})
    planned = _planned(container, kind, loading, wanted, dtypes)
    stored = dtypes[0] if planned is None else planned.dtype
    check_adapters(request, container, kind.layout, loading)
    check_learnt_words(request, container, kind.layout, loading)
    exchanged = read_parts(named, stored)
    if planned is not None:
        memory.info("%s", planned)
    loading = loading.stored_in(stored).with_parts(exchanged)
    pipe = kind.from_container(container, source, loading)
    if device.type == "cuda" and planned is not None and planned.takes_turns:
        pipe.enable_model_cpu_offload(device=device)
        return pipe
    return pipe.to(device)


def kind_drawn_with(
    container: Container, given: Mapping[str, object], *, begun: bool
) -> type[LatentDiffusionPipeline]:
    """The pipeline of a model; any draws both, but the refiner, which begins at pictures."""
    if begun and DiffusionPipeline.refines(container, given):
        return AutoPipelineForImage2Image.kind(container, given)
    return AutoPipelineForText2Image.kind(container, given)


def _planned(
    container: Container,
    kind: type[LatentDiffusionPipeline],
    loading: Loading,
    wanted: Wanted,
    dtypes: Sequence[torch.dtype],
) -> Plan | None:
    """What is done for what the model takes of memory; None where its files do not tell."""
    # another UNet is as large as the model's own, another VAE may be far smaller
    vae = wanted.request.vae
    own = loading if vae is None else loading.with_parts({"vae": None})
    shapes = shapes_of(container, kind.layout, own)
    if shapes is None:
        return None
    if vae is not None:
        shapes += _shapes_of_vae(vae, loading, local_files_only=wanted.local_files_only)
    unet = next((s.network for s in shapes if isinstance(s.network, UNet2DConditionModel)), None)
    for net in wanted.nets:
        if unet is not None:
            net.check(unet)
        shapes.append(Shape(net.network, None))
    return plan(shapes, wanted.request, wanted.device, dtypes)


def _shapes_of_vae(name: str, loading: Loading, *, local_files_only: bool) -> list[Shape]:
    """The VAE that a request names; none for the file of a TAESD, which takes next to nothing."""
    source = locate(name, local_files_only=local_files_only, files=True)
    if source.file is None:
        inside = source.folder / "vae"
        folder = inside if (source.folder / INDEX).is_file() else source.folder
        return [Shape(class_of("vae", folder).shaped_as(folder), None)]
    if facts_of_other(source.file) is not None:
        return []
    file = SingleFile(checkpoint_of(source.file, {}))
    return [file.shape("vae", AutoencoderKL, loading.weights)]


def _collected(drawn: Iterator[Picture], on_picture: OnPicture | None) -> Pictures:
    finished = Pictures()
    try:
        for picture in drawn:
            finished.append(picture)
            if on_picture is not None:
                on_picture(picture)
    except KeyboardInterrupt as error:
        raise GenerationInterrupted(finished, undecoded_of(error)) from None
    except DecodeError as error:
        error.finished = finished
        raise
    return finished
