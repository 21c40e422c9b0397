"""Models that pages name, as if readers had them: in a cache of the Hub, and in single files."""

import shutil
from collections.abc import Callable
from pathlib import Path

import diffusers
from safetensors.torch import save_file

from benchmarks.v1_4 import write_checkpoint
from kakusan import AutoencoderTiny
from kakusan.pipeline.convert import convert
from tests.oracle import ip_adapters, tiny
from tests.programs import FILES

CLIP = "openai/clip-vit-large-patch14"
CONTROLNET = "lllyasviel/sd-controlnet-canny"
ADAPTER = "TencentARC/t2iadapter_canny_sd14v1"
IP_ADAPTER = "h94/IP-Adapter"
V1_4 = "CompVis/stable-diffusion-v1-4"
# Others of the Hub that pages name, and what writes such a model with the reference's classes
OTHERS: dict[str, Callable[[Path], Path]] = {
    "SimianLuo/LCM_Dreamshaper_v7": tiny.write_lcm,
    "stabilityai/stable-diffusion-xl-base-1.0": tiny.write_xl,
    "stabilityai/stable-diffusion-xl-refiner-1.0": tiny.write_refiner,
}


def write_hub_cache(home: Path) -> None:
    """A Hub cache that holds published models, tiny and with random weights, and single files."""
    whole, clip = (_snapshot(home, name) for name in (V1_4, CLIP))
    write_checkpoint(whole, "tiny")
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(whole / part, clip, dirs_exist_ok=True)
    for name, write in OTHERS.items():
        write(_snapshot(home, name))
    _write_steering(home, whole)
    (home / FILES).mkdir()
    convert(whole, home / FILES / "model.safetensors")
    widths = dict.fromkeys(("encoder_block_out_channels", "decoder_block_out_channels"), (8,) * 4)
    save_file(AutoencoderTiny(**widths).state_dict(), home / FILES / "taesd.safetensors")


def _write_steering(home: Path, model: Path) -> None:
    """What steers that model: a ControlNet, a T2I-Adapter and an IP-Adapter."""
    with tiny.quiet():
        unet = diffusers.UNet2DConditionModel.from_pretrained(model / "unet")
        net = diffusers.ControlNetModel.from_unet(unet)
        adapter = diffusers.T2IAdapter(channels=list(unet.config.block_out_channels))
        net.save_pretrained(_snapshot(home, CONTROLNET))
        adapter.save_pretrained(_snapshot(home, ADAPTER))
        folder = _snapshot(home, IP_ADAPTER) / "models"
        ip_adapters.image_encoder().save_pretrained(folder / "image_encoder")
    state = ip_adapters.state(unet)
    tensors = {f"{part}.{name}": each for part in state for name, each in state[part].items()}
    save_file(tensors, folder / "ip-adapter_sd15.safetensors")


def _snapshot(home: Path, name: str) -> Path:
    """The folder in which the cache under `home` keeps the model's files."""
    model = home / "hub" / f"models--{name.replace('/', '--')}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0" * 40, encoding="ascii")
    folder = model / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    return folder
