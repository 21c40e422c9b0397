"""LoRA layers into a file, as training scripts for the reference library have them written."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kakusan.checkpoints.adapters.config import KEY
from kakusan.checkpoints.arguments import SAVING, check_published
from kakusan.checkpoints.files import atomic
from kakusan.errors import RequestError, listed, shown
from kakusan.pipeline.adapter_files import USUAL_NAMES

Layers = Mapping[str, Tensor] | nn.Module
_PUBLISHED = {name: SAVING[name] for name in ("is_main_process", "save_function")}
_KNOWN = (
    *("unet_lora_layers", "text_encoder_lora_layers", "text_encoder_2_lora_layers"),
    *("weight_name", "safe_serialization", "unet_lora_adapter_metadata"),
    *("text_encoder_lora_adapter_metadata", "text_encoder_2_lora_adapter_metadata"),
)


def save_lora_weights(
    kind: type[object],  # noqa: ARG001
    save_directory: str | PathLike[str],
    unet_lora_layers: Layers | None = None,
    text_encoder_lora_layers: Layers | None = None,
    *,
    text_encoder_2_lora_layers: Layers | None = None,
    weight_name: str | None = None,
    safe_serialization: bool = True,
    unet_lora_adapter_metadata: Mapping[str, object] | None = None,
    text_encoder_lora_adapter_metadata: Mapping[str, object] | None = None,
    text_encoder_2_lora_adapter_metadata: Mapping[str, object] | None = None,
    **published: Any,
) -> None:
    """Write LoRA layers as one file, whole or not at all; a method of the pipeline's class.

    `load_lora_weights` and the reference read it back.

    Args:
        save_directory: The folder that the file is written into; made if need be.
        unet_lora_layers: Tensors by the names of the UNet's layers, such as
            "mid_block.attentions.0.proj_in.lora_A.weight", or a module that holds them.
        text_encoder_lora_layers: Those of the text encoder.
        text_encoder_2_lora_layers: Those of SDXL's second one.
        weight_name: The file's name; pytorch_lora_weights.safetensors where not given.
        safe_serialization: False writes a pickle of tensors, pytorch_lora_weights.bin.
        unet_lora_adapter_metadata: What peft's config says of the UNet's layers: r, lora_alpha, ...
        text_encoder_lora_adapter_metadata: Likewise.
        text_encoder_2_lora_adapter_metadata: Likewise.

    Raises:
        RequestError: There is no tensor, one is none, or metadata cannot be written.
        OutputError: The file cannot be written.
    """
    check_published("save_lora_weights", published, _PUBLISHED, _KNOWN)
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, object] = {}
    for part, layers, said in (
        ("unet", unet_lora_layers, unet_lora_adapter_metadata),
        ("text_encoder", text_encoder_lora_layers, text_encoder_lora_adapter_metadata),
        ("text_encoder_2", text_encoder_2_lora_layers, text_encoder_2_lora_adapter_metadata),
    ):
        if layers:
            tensors |= _named(part, layers)
            metadata |= {f"{part}.{key}": value for key, value in (said or {}).items()}
    if not tensors:
        raise RequestError(
            "there are no layers to save; give unet_lora_layers, text_encoder_lora_layers or "
            "text_encoder_2_lora_layers"
        )
    if metadata and not safe_serialization:
        raise RequestError("a pickle has no place for metadata; leave safe_serialization out")
    name = weight_name or USUAL_NAMES[0 if safe_serialization else 1]
    words = {"format": "pt"} | ({KEY: _written(metadata)} if metadata else {})
    with atomic(Path(save_directory).expanduser() / name) as temporary:
        if safe_serialization:
            save_file(tensors, temporary, metadata=words)
        else:
            torch.save(tensors, temporary)


def _named(part: str, layers: Layers) -> dict[str, Tensor]:
    given = layers.state_dict() if isinstance(layers, nn.Module) else layers
    found: dict[str, Tensor] = {}
    for name, tensor in cast("Mapping[object, object]", given).items():
        if not isinstance(tensor, Tensor):
            raise RequestError(f"{part}_lora_layers has {shown(name)}, which is no tensor")
        # of its own memory: a file has each tensor once, and whole
        found[f"{part}.{name}"] = tensor.detach().to("cpu", copy=True).contiguous()
    return found


def _written(metadata: Mapping[str, object]) -> str:
    plain = {
        key: sorted(cast("set[Any]", value)) if isinstance(value, set | frozenset) else value
        for key, value in metadata.items()
    }
    try:
        return json.dumps(plain, indent=2, sort_keys=True)
    except (TypeError, ValueError):
        raise RequestError(
            f"metadata must be plain JSON under the names {listed(plain)}; one value is not"
        ) from None
