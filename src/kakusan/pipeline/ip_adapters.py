"""IP-Adapters loaded into a pipeline, as scripts for the reference library call for it.

Each function is a method of the pipeline, which is its first argument.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from kakusan.checkpoints.arguments import LOADING, check_published, token_of
from kakusan.checkpoints.ip_adapter import ip_adapter_of, read_ip_adapter
from kakusan.checkpoints.own import IP_ADAPTER, own
from kakusan.checkpoints.source import local_file
from kakusan.engine import Engine
from kakusan.errors import ArgumentError, RequestError, shown, shown_path
from kakusan.inputs import SeenPictures, ThroughAdapter, seen_pictures
from kakusan.models import (
    CLIPVisionModelWithProjection,
    IPAdapter,
    UNet2DConditionModel,
    ip_adapter_for,
    within,
)
from kakusan.pipeline.adapter_files import Where, local_folder
from kakusan.pipeline.image_prompts import IPAdapters, Loaded, extractor_for
from kakusan.pipeline.ip_adapter_scales import strength_of
from kakusan.pipeline.parts import Layout
from kakusan.steering import features_of

_KNOWN = ("subfolder", "weight_name", "image_encoder_folder", "revision", "cache_dir", "token")


class Pipe(Protocol):
    """What these methods need of the pipeline."""

    unet: UNet2DConditionModel
    layout: Layout
    image_encoder: Any
    feature_extractor: Any
    ip_adapters: IPAdapters

    @property
    def components(self) -> dict[str, Any]: ...
    @property
    def engine(self) -> Engine: ...


def load_ip_adapter(
    pipe: Pipe,
    pretrained_model_name_or_path_or_dict: Any,
    subfolder: str | Sequence[str] | None = None,
    weight_name: str | Sequence[str] | None = None,
    image_encoder_folder: str | PathLike[str] | None = "image_encoder",
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | PathLike[str] | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    **published: Any,
) -> None:
    """Load an IP-Adapter, or several in lists, in place of those before.

    Calls attend to a picture through it where they are given one as `ip_adapter_image`; others are
    as they were.

    Args:
        pretrained_model_name_or_path_or_dict: "builtin" (the built-in model's), a folder, a file,
            OWNER/NAME of the Hugging Face Hub, or a mapping of tensors.
        weight_name: The file's name in a folder or repository, and `subfolder` where it lies there.
        image_encoder_folder: Where CLIP's picture encoder is: a folder's name in `subfolder`, or
            with a slash in it a path in the folder or repository. None loads none. It is passed by
            where the pipeline has an image_encoder.
        published: What the reference takes besides and changes nothing here.

    Raises:
        CheckpointError: A file is broken, something else, for another family of models, or does not
            go with the picture encoder.
        ModelNotFoundError: There is no such file.
    """
    left = {name: value for name, value in published.items() if name != "use_safetensors"}
    check_published("load_ip_adapter", left, LOADING, (*_KNOWN, "local_files_only"))
    where = Where(
        revision=revision,
        token=token_of(token, published),
        cache_dir=cache_dir,
        local_files_only=local_files_only,
        force_download=force_download,
    )
    given = pretrained_model_name_or_path_or_dict
    places = [
        (name, replace(where, subfolder=sub or None, weight_name=weight))
        for name, sub, weight in _aligned(given, subfolder, weight_name)
    ]
    unet = within(pipe.unet)
    adapters = [_read(unet, name, place) for name, place in places]
    encoder = pipe.image_encoder
    if encoder is None and image_encoder_folder is not None:
        encoder = _read_encoder(pipe, *places[0], fspath(image_encoder_folder))
        for adapter in adapters:
            _check_encoder(adapter, encoder)
    pipe.image_encoder = encoder
    if pipe.feature_extractor is None:
        pipe.feature_extractor = extractor_for(pipe, encoder)
    pipe.ip_adapters.loaded = tuple(Loaded(each, unet.config) for each in adapters)


def set_ip_adapter_scale(pipe: Pipe, scale: Any) -> None:
    """Say how strong the IP-Adapters are: 1 as they are loaded, 0 is without them.

    Args:
        scale: A number, or a mapping of blocks to numbers such as {"up": {"block_0": [0.0, 1.0,
            0.0]}}, of which all that are not named are 0; several in a list, one for each adapter.

    Raises:
        ArgumentError: It is something else, there is no such block, or none is loaded.
    """
    loaded = pipe.ip_adapters.loaded
    if not loaded:
        raise ArgumentError("no IP-Adapter is loaded; call load_ip_adapter first")
    several = list(cast("Sequence[Any]", scale)) if isinstance(scale, list | tuple) else [scale]
    if len(several) == 1:
        several = several * len(loaded)
    if len(several) != len(loaded):
        raise ArgumentError(
            "{0} scales were given, and {1} IP-Adapters are loaded; give one, or one for each",
            len(several),
            len(loaded),
        )
    strengths = [strength_of(within(pipe.unet), each) for each in several]
    pipe.ip_adapters.loaded = tuple(
        replace(each, scale=number, blocks=blocks)
        for each, (number, blocks) in zip(loaded, strengths, strict=True)
    )


def unload_ip_adapter(pipe: Pipe) -> None:
    """Forget the IP-Adapters, and the picture encoder with them."""
    pipe.ip_adapters.loaded = ()
    pipe.image_encoder = None
    if "safety_checker" not in pipe.layout.parts:
        pipe.feature_extractor = None


def encode_image(
    pipe: Pipe,
    image: Any,
    device: torch.device | str | None = None,
    num_images_per_prompt: int = 1,
    output_hidden_states: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """What the picture encoder makes of pictures, and of none, each repeated.

    Args:
        image: A picture of PIL's, or several in a list; tensors are taken as the encoder sees them.
        output_hidden_states: Whether that is not one vector for each (n, width), but the states
            before the last layer (n, tokens, width).
    """
    encoder = _encoder_of(pipe)
    given = [image] if isinstance(image, list | tuple) else image
    (seen,) = seen_pictures(given)
    pixels = seen.prepared(extractor_for(pipe, encoder))
    pooled = not output_hidden_states
    found = pipe.engine.see(encoder, pixels, pooled=pooled)
    none = torch.zeros_like(found)
    if not pooled:
        none = pipe.engine.see(encoder, torch.zeros_like(pixels), pooled=False)
    where = pipe.engine.device if device is None else device
    both = (each.repeat_interleave(num_images_per_prompt, dim=0) for each in (found, none))
    return cast("tuple[Tensor, Tensor]", tuple(each.to(where) for each in both))


def prepare_ip_adapter_image_embeds(
    pipe: Pipe,
    ip_adapter_image: Any,
    ip_adapter_image_embeds: Any = None,
    device: torch.device | str | None = None,
    num_images_per_prompt: int = 1,
    do_classifier_free_guidance: bool = True,
) -> list[Tensor]:
    """What a call takes as `ip_adapter_image_embeds`, one for each IP-Adapter.

    Returns:
        Shapes (pictures drawn, pictures seen, width), or (..., tokens, width) where an adapter
        looks at more than one vector; under guidance with as many rows of what is unconditional in
        front.
    """
    loaded = pipe.ip_adapters.loaded
    seen = seen_pictures(ip_adapter_image, ip_adapter_image_embeds)
    if len(seen) != len(loaded):
        raise ArgumentError(
            "{ip_adapter_image} has entries for {0} IP-Adapters, and {1} were loaded; give one for "
            "each",
            len(seen),
            len(loaded),
        )
    where = pipe.engine.device if device is None else device
    found: list[Tensor] = []
    for each, through in zip(seen, loaded, strict=True):
        sides = [True, False] if do_classifier_free_guidance else [False]
        given = _through(pipe, each, through)
        rows = [features_of(pipe.engine, given, unconditional=side) for side in sides]
        repeated = [row[None].to(where).expand(num_images_per_prompt, *row.shape) for row in rows]
        found.append(torch.cat(repeated))
    return found


def _through(pipe: Pipe, seen: SeenPictures, loaded: Loaded) -> ThroughAdapter:
    encoder = _encoder_of(pipe) if seen.features is None else pipe.image_encoder
    extractor = extractor_for(pipe, encoder)
    return ThroughAdapter(seen, loaded.adapter, 1.0, (), encoder, extractor)


def _encoder_of(pipe: Pipe) -> CLIPVisionModelWithProjection:
    if pipe.image_encoder is None:
        raise RequestError(
            "this pipeline has no image_encoder; load_ip_adapter loads one, or give it one "
            "(pipe.image_encoder = ...)"
        )
    return pipe.image_encoder


def _aligned(given: Any, subfolder: Any, weight_name: Any) -> list[tuple[Any, Any, Any]]:
    """The adapters that lists, or what stands for all of one, come to."""
    lists = [
        list(cast("Sequence[Any]", each)) if isinstance(each, list | tuple) else [each]
        for each in (given, subfolder, weight_name)
    ]
    longest = max(len(each) for each in lists)
    for name, each in zip(("the first argument", "subfolder", "weight_name"), lists, strict=True):
        if len(each) not in (1, longest) or not each:
            raise RequestError(
                f"load_ip_adapter: {name} has {len(each)} entries beside {longest}; give one, or "
                "as many"
            )
    return list(zip(*(each * longest if len(each) == 1 else each for each in lists), strict=True))


def _read(unet: UNet2DConditionModel, name: Any, place: Where) -> IPAdapter:
    if isinstance(name, Mapping):
        file = ip_adapter_of(cast("Mapping[str, object]", name), "the IP-Adapter")
        return ip_adapter_for(unet, file, "the IP-Adapter")
    path = place.file(own(name, IP_ADAPTER))
    return ip_adapter_for(unet, read_ip_adapter(path), shown_path(path.name), path)


def _read_encoder(
    pipe: Pipe, name: Any, place: Where, folder: str
) -> CLIPVisionModelWithProjection:
    """The picture encoder beside an adapter, where and as the pipeline's networks are."""
    if isinstance(name, Mapping):
        raise RequestError(
            "an IP-Adapter of tensors has no image encoder beside it; give the pipeline one "
            "(pipe.image_encoder = ...), or image_encoder_folder=None to go without"
        )
    text, inside = fspath(own(name, IP_ADAPTER)), folder
    if place.subfolder and "/" not in folder:
        inside = f"{place.subfolder}/{folder}"
    if (file := local_file(text)) is not None:
        text, inside = str(file.parent), folder
    local = local_folder(text)
    if local is not None:
        at = local / inside
        if not at.is_dir() and not at.is_file():
            raise RequestError(
                f"there is no image encoder {shown_path(at)}; say with image_encoder_folder= where "
                "it is, or None to go without"
            )
        encoder = CLIPVisionModelWithProjection.from_pretrained(at, torch_dtype=pipe.engine.dtype)
    else:
        encoder = CLIPVisionModelWithProjection.from_pretrained(
            text,
            subfolder=inside,
            torch_dtype=pipe.engine.dtype,
            revision=place.revision,
            token=place.token,
            cache_dir=place.cache_dir,
            local_files_only=place.local_files_only,
            force_download=place.force_download,
        )
    offloads = pipe.engine.placement.offload is not None
    return encoder if offloads else encoder.to(pipe.engine.device)


def _check_encoder(adapter: IPAdapter, encoder: CLIPVisionModelWithProjection) -> None:
    projection, config = adapter.projection, encoder.config
    width = config.projection_dim if projection.pooled else config.hidden_size
    if width != projection.features:
        raise RequestError(
            f"{adapter.name} is {projection.kind} for an image encoder that gives "
            f"{projection.features} numbers, and the one in {shown(encoder.name_or_path)} gives "
            f"{width}; say with image_encoder_folder= where the other is"
        )
