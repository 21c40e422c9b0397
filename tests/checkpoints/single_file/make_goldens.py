"""Writes goldens.json: what the original code computes with small networks of random weights.

It needs packages that the tests do not: the original latent diffusion code and OpenCLIP, both
unzipped into the folder `deps`.

    pip download --no-deps stable-diffusion-sdkit==2.1.5 open-clip-torch==3.3.0
    pip install --no-deps --target deps einops ftfy wcwidth regex
    pip install --no-deps --target deps omegaconf antlr4-python3-runtime==4.9.3
    PYTHONPATH=deps:. python -m tests.checkpoints.single_file.make_goldens

The weights are not kept: `weights.filled` makes them again from names and shapes.
"""

import importlib.util
import json
import sys
import types
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.checkpoints.single_file import weights

GOLDENS = Path(__file__).parent / "goldens.json"
UNET: dict[str, Any] = {
    "image_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 64,
    "num_res_blocks": 2,
    "channel_mult": [1, 2],
    "attention_resolutions": [1],
    "use_spatial_transformer": True,
    "transformer_depth": 1,
    "context_dim": 64,
    "use_checkpoint": False,
    "legacy": False,
}
VAE: dict[str, Any] = {
    "double_z": True,
    "z_channels": 4,
    "resolution": 16,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 32,
    "ch_mult": [1, 2],
    "num_res_blocks": 1,
    "attn_resolutions": [],
    "dropout": 0.0,
}


def bare_package() -> None:
    """OpenCLIP's one module that is needed: its `__init__` imports all that it has."""
    spec = importlib.util.find_spec("open_clip")
    assert spec is not None
    package = types.ModuleType("open_clip")
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["open_clip"] = package
    misc = types.ModuleType("torchvision.ops.misc")
    vars(misc)["FrozenBatchNorm2d"] = nn.BatchNorm2d  # of its picture towers
    for module in (types.ModuleType("torchvision"), types.ModuleType("torchvision.ops"), misc):
        sys.modules.setdefault(module.__name__, module)


class Vae(nn.Module):
    """AutoencoderKL's networks, without the training around them."""

    def __init__(self) -> None:
        super().__init__()
        from ldm.modules.diffusionmodules.model import Decoder, Encoder

        self.encoder, self.decoder = Encoder(**VAE), Decoder(**VAE)
        self.quant_conv = nn.Conv2d(8, 8, 1)
        self.post_quant_conv = nn.Conv2d(4, 4, 1)


def shapes(network: nn.Module) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}


@torch.no_grad()
def unet(**changes: Any) -> dict[str, Any]:
    from ldm.modules.diffusionmodules.openaimodel import UNetModel

    network = UNetModel(**UNET | changes)
    told = shapes(network)
    network.load_state_dict(weights.filled(told, 1))
    x, context = weights.inputs((2, network.in_channels, 8, 8), 2), weights.inputs((2, 7, 64), 3)
    out = network.eval()(x, torch.tensor([500, 20]), context=context)
    return {"shapes": told, "out": out.flatten().tolist()}


@torch.no_grad()
def vae() -> dict[str, Any]:
    network = Vae()
    told = shapes(network)
    network.load_state_dict(weights.filled(told, 4))
    network.eval()
    moments = network.quant_conv(network.encoder(weights.inputs((1, 3, 16, 16), 5)))
    pixels = network.decoder(network.post_quant_conv(weights.inputs((1, 4, 4, 4), 6)))
    return {
        "shapes": told,
        "moments": moments.flatten().tolist(),
        "pixels": pixels.flatten().tolist(),
    }


@torch.no_grad()
def openclip() -> dict[str, Any]:
    """What version 2 and SDXL take of OpenCLIP's encoder: the last layers, and the pooled text."""
    from open_clip.transformer import TextTransformer

    network = TextTransformer(width=64, heads=1, layers=3, output_dim=32, vocab_size=100)
    told = {name: shape for name, shape in shapes(network).items() if name != "attn_mask"}
    network.load_state_dict(weights.filled(told, 7), strict=False)
    network.eval()
    ids = weights.tokens(100)
    x = network.token_embedding(ids) + network.positional_embedding[: ids.shape[1]]
    mask = network.attn_mask
    states: list[Tensor] = []
    for block in network.transformer.resblocks:
        x = block(x, attn_mask=mask)
        states.append(x)
    last = network.ln_final(x)
    pooled = last[torch.arange(len(ids)), ids.argmax(-1)] @ network.text_projection
    return {
        "shapes": told,
        "penultimate": network.ln_final(states[-2]).flatten().tolist()[:2000],
        "hidden": states[-2].flatten().tolist()[:2000],
        "pooled": pooled.flatten().tolist(),
    }


def main() -> None:
    bare_package()
    heads = {"num_heads": 8, "num_head_channels": -1}
    made = {
        "made_with": {"torch": torch.__version__, "sdkit": "2.1.5", "open-clip-torch": "3.3.0"},
        "v1": unet(**heads),
        "inpainting": unet(**heads, in_channels=9),
        "v2": unet(num_head_channels=64, use_linear_in_transformer=True),
        "vae": vae(),
        "openclip": openclip(),
    }
    text = json.dumps(made, separators=(",", ":"))
    GOLDENS.write_text(text.replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()
