"""Rewrite a folder of today's reference libraries as the first releases had it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.oracle import bpe, tiny

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.2.2",
    "feature_extractor": ["transformers", "CLIPFeatureExtractor"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
OLD_UNET_KEYS = {
    *("act_fn", "attention_head_dim", "block_out_channels", "center_input_sample"),
    *("cross_attention_dim", "down_block_types", "downsample_padding", "flip_sin_to_cos"),
    *("freq_shift", "in_channels", "layers_per_block", "mid_block_scale_factor", "norm_eps"),
    *("norm_num_groups", "out_channels", "sample_size", "up_block_types", "_class_name"),
}
OLD_VAE_KEYS = {
    *("act_fn", "block_out_channels", "down_block_types", "in_channels", "latent_channels"),
    *("layers_per_block", "out_channels", "sample_size", "up_block_types", "_class_name"),
    "norm_num_groups",
}


def rewrite(today: Path, folder: Path) -> Path:
    """The same weights in the published v1 layout, names and configs."""
    for part in ("unet", "vae", "text_encoder", "safety_checker", "scheduler"):
        shutil.copytree(today / part, folder / part)
    bpe.write_files(folder / "tokenizer", pad_token=bpe.END)
    _write(folder / "model_index.json", INDEX)
    _write(folder / "scheduler/scheduler_config.json", _old_scheduler())
    (folder / "feature_extractor").mkdir()
    _write(folder / "feature_extractor/preprocessor_config.json", _old_extractor())
    _keep(folder / "unet/config.json", OLD_UNET_KEYS)
    _keep(folder / "vae/config.json", OLD_VAE_KEYS)
    _change(folder / "text_encoder/config.json", {"bos_token_id": 0, "eos_token_id": 2})
    _rename(folder / "vae/diffusion_pytorch_model.safetensors", vae_name)
    _to_bin(folder / "vae/diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
    positions = torch.arange(77)[None]
    _rename(
        folder / "text_encoder/model.safetensors",
        lambda name: f"text_model.{name}",
        {"text_model.embeddings.position_ids": positions},
    )
    _rename(
        folder / "safety_checker/model.safetensors",
        lambda name: name.replace("vision_model.", "vision_model.vision_model."),
        {"vision_model.vision_model.embeddings.position_ids": torch.arange(17)[None]},
    )
    return folder


def vae_name(name: str) -> str:
    """The name that version 1 gave to a tensor of the VAE."""
    if ".attentions." in name:
        for new, old in OLD_ATTENTION.items():
            name = name.replace(f".{new}.", f".{old}.")
    return name


def _old_scheduler() -> dict[str, Any]:
    header = {"_class_name": "PNDMScheduler", "_diffusers_version": "0.7.0.dev0"}
    return header | tiny.SCHEDULER | {"clip_sample": False}


def _old_extractor() -> dict[str, Any]:
    return {
        "crop_size": 224,
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3,
        "size": 224,
    }


def _rename(
    path: Path, new_name: Callable[[str], str], extra: dict[str, torch.Tensor] | None = None
) -> None:
    tensors = {new_name(name): tensor for name, tensor in load_file(path).items()}
    save_file(tensors | (extra or {}), path, metadata={"format": "pt"})


def _to_bin(path: Path, name: str) -> None:
    torch.save({key: tensor.clone() for key, tensor in load_file(path).items()}, path.parent / name)
    path.unlink()


def _keep(path: Path, keys: set[str]) -> None:
    _write(path, {key: value for key, value in json.loads(path.read_text()).items() if key in keys})


def _change(path: Path, changes: dict[str, Any]) -> None:
    _write(path, json.loads(path.read_text()) | changes)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2))
