"""Networks of single files beside the original code: `make_goldens.py` ran it."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kakusan import AutoencoderKL, UNet2DConditionModel
from kakusan.models import CLIPTextModel, CLIPTextModelWithProjection
from tests.checkpoints.single_file import weights
from tests.oracle import single


@cache
def goldens() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "goldens.json").read_text())


def written(path: Path, name: str, prefix: str, seed: int) -> Path:
    tensors = weights.filled(goldens()[name]["shapes"], seed)
    return single.write(path, {prefix + each: tensor for each, tensor in tensors.items()})


def close(ours: Tensor, theirs: list[float]) -> None:
    wanted = torch.tensor(theirs)
    found = ours.flatten()[: len(theirs)]
    assert (found - wanted).abs().max() < 1e-5 * max(1.0, float(wanted.abs().max()))


@pytest.mark.parametrize(("name", "channels"), [("v1", 4), ("inpainting", 9), ("v2", 4)])
@torch.no_grad()
def test_the_unet_computes_what_the_original_code_does(
    tmp_path: Path, name: str, channels: int
) -> None:
    path = written(tmp_path / "unet.safetensors", name, "model.diffusion_model.", 1)
    unet = UNet2DConditionModel.from_single_file(path)
    x, context = weights.inputs((2, channels, 8, 8), 2), weights.inputs((2, 7, 64), 3)
    close(unet(x, torch.tensor([500, 20]), context).sample, goldens()[name]["out"])


@torch.no_grad()
def test_the_vae_computes_what_the_original_code_does(tmp_path: Path) -> None:
    vae = AutoencoderKL.from_single_file(
        written(tmp_path / "vae.safetensors", "vae", "first_stage_model.", 4)
    )
    latents = vae.encode(weights.inputs((1, 3, 16, 16), 5)).latent_dist
    moments = torch.tensor(goldens()["vae"]["moments"]).reshape(1, 8, 8, 8)
    close(latents.mean, moments[:, :4].flatten().tolist())
    close(vae.decode(weights.inputs((1, 4, 4, 4), 6)).sample, goldens()["vae"]["pixels"])


TEXTS: list[tuple[Any, str, Callable[[Any], Tensor], str]] = [
    (CLIPTextModel, "cond_stage_model.model.", lambda out: out.last_hidden_state, "penultimate"),
    (
        CLIPTextModelWithProjection,
        "conditioner.embedders.1.model.",
        lambda out: out.hidden_states[-2],
        "hidden",
    ),
    (
        CLIPTextModelWithProjection,
        "conditioner.embedders.1.model.",
        lambda out: out.text_embeds,
        "pooled",
    ),
]


@pytest.mark.parametrize(("kind", "prefix", "taken", "name"), TEXTS)
@torch.no_grad()
def test_the_text_encoder_computes_what_openclip_does(
    tmp_path: Path, kind: Any, prefix: str, taken: Callable[[Any], Tensor], name: str
) -> None:
    path = written(tmp_path / "text.safetensors", "openclip", prefix, 7)
    out = kind.from_single_file(path)(weights.tokens(100), output_hidden_states=True)
    close(taken(out), goldens()["openclip"][name])
