"""Between folders and single files: every tensor comes back bit for bit."""

import json
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

import kakusan
from kakusan import AutoencoderKL, StableDiffusionPipeline
from kakusan.checkpoints.single_file.identity import identify
from kakusan.errors import InputError, OutputError, RequestError
from kakusan.pipeline.convert import convert
from kakusan.pipeline.converted import ASIDE
from tests.oracle import single, tiny

WEIGHTS = {
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert tensor.dtype == second[name].dtype, name
        assert torch.equal(tensor, second[name]), name


def v2_whole() -> dict[str, Tensor]:
    """A file of version 2 with what folders have no place for."""
    prefix = "cond_stage_model.model."
    last = {
        name.replace("resblocks.1.", "resblocks.2."): tensor + 1
        for name, tensor in single.v2_tensors(single.v2()).items()
        if f"{prefix}transformer.resblocks.1." in name
    }
    return {
        **single.v2_tensors(single.v2()),
        **last,
        f"{prefix}logit_scale": torch.tensor(4.605),
        f"{prefix}text_projection": torch.randn(64, 40),
        "betas": torch.rand(1000, dtype=torch.float64),
    }


FILES: dict[str, Any] = {
    "v1": lambda: single.v1_tensors(single.v1()),
    "v1-half": lambda: {k: t.half() for k, t in single.v1_tensors(single.v1()).items()},
    "v2": v2_whole,
    "turbo": lambda: single.v2_tensors(single.v2(), "conditioner.embedders.0.model."),
    "sdxl": lambda: single.sdxl_tensors(single.sdxl()),
    "old-names": lambda: {
        name.replace("transformer.text_model.", "transformer."): tensor
        for name, tensor in single.v1_tensors(single.v1()).items()
    },
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_comes_back_from_a_folder(tmp_path: Path, name: str) -> None:
    original = single.write(tmp_path / "a.safetensors", FILES[name](), {"modelspec.title": "Cat"})
    assert convert(original, tmp_path / "folder").dropped == []
    assert convert(tmp_path / "folder", tmp_path / "b.safetensors").dropped == []
    same(load_file(original), load_file(tmp_path / "b.safetensors"))
    with safe_open(tmp_path / "b.safetensors", "pt") as file:
        assert file.metadata()["modelspec.title"] == "Cat"


@pytest.mark.parametrize("family", ["tiny_v1", "tiny_v2", "tiny_v1_published"])
def test_a_folder_comes_back_from_a_file(
    tmp_path: Path, family: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(family)
    done = convert(folder, tmp_path / "x.safetensors")
    checked = family == "tiny_v1_published"
    assert len(done.dropped) == 2 * checked
    convert(tmp_path / "x.safetensors", tmp_path / "again")
    ours = StableDiffusionPipeline.from_pretrained(tmp_path / "again")
    theirs = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    for part in WEIGHTS:
        same(getattr(theirs, part).state_dict(), getattr(ours, part).state_dict())
        assert getattr(theirs, part).config == getattr(ours, part).config
    assert dict(ours.scheduler.config) == dict(theirs.scheduler.config)
    assert ours.tokenizer.get_vocab() == theirs.tokenizer.get_vocab()
    assert ours.tokenizer.pad_token_id == theirs.tokenizer.pad_token_id
    file = StableDiffusionPipeline.from_single_file(tmp_path / "x.safetensors")
    assert file.unet.config == theirs.unet.config
    assert file.tokenizer.get_vocab() == theirs.tokenizer.get_vocab()


def test_the_built_in_model_draws_the_same_from_each_form(tmp_path: Path) -> None:
    file, folder = tmp_path / "x.safetensors", tmp_path / "folder"
    convert("builtin", file)
    convert(file, folder)
    assert identify(file).name == "Stable Diffusion 2"  # whose form its networks have
    asked: dict[str, Any] = {"steps": 3, "seed": 3, "dtype": "float32", "progress": False}
    for prompt in ("a red apple on the grass", "りんご"):
        pictures = [
            kakusan.generate(prompt, model=model, **asked)[0] for model in ("builtin", file, folder)
        ]
        assert len({picture.image.tobytes() for picture in pictures}) == 1
        assert pictures[0].record["guidance_scale"] == pictures[1].record["guidance_scale"]


def test_the_reference_reads_both_forms(tmp_path: Path) -> None:
    networks = single.v1()
    original = single.write(tmp_path / "a.safetensors", single.v1_tensors(networks))
    convert(original, tmp_path / "folder")
    with tiny.quiet():
        theirs = diffusers.StableDiffusionPipeline.from_pretrained(tmp_path / "folder")
        convert(tmp_path / "folder", tmp_path / "b.safetensors")
        unet = diffusers.UNet2DConditionModel.from_single_file(
            str(tmp_path / "b.safetensors"), config=str(tmp_path / "folder"), subfolder="unet"
        )
        vae = diffusers.AutoencoderKL.from_single_file(
            str(tmp_path / "b.safetensors"), config=str(tmp_path / "folder"), subfolder="vae"
        )
    same(networks.unet.state_dict(), dict(theirs.unet.state_dict()))
    same(networks.unet.state_dict(), dict(unet.state_dict()))
    same(networks.vae.state_dict(), dict(vae.state_dict()))


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    tensors = single.v1_tensors(single.v1())
    tensors["model_ema.decay"] = torch.tensor(0.99)
    done = convert(single.write(tmp_path / "a.safetensors", tensors), tmp_path / "folder")
    assert "model_ema" in done.dropped[0]
    assert "model_ema.decay" not in load_file(tmp_path / "folder" / ASIDE)


def test_another_dtype(tmp_path: Path) -> None:
    original = single.write(tmp_path / "a.safetensors", single.v1_tensors(single.v1()))
    convert(original, tmp_path / "half", dtype=torch.float16)
    found = load_file(tmp_path / "half" / "unet" / WEIGHTS["unet"])
    assert {tensor.dtype for tensor in found.values()} == {torch.float16}
    convert(tmp_path / "half", tmp_path / "b.safetensors", dtype=torch.bfloat16)
    assert identify(tmp_path / "b.safetensors").parts["unet"] == "bfloat16"


def test_a_part_alone_becomes_a_folder(tmp_path: Path) -> None:
    networks = single.v1()
    path = single.write(tmp_path / "vae.safetensors", single.vae_tensors(networks.vae, ""))
    convert(path, tmp_path / "vae")
    found = AutoencoderKL.from_pretrained(tmp_path / "vae")
    same(dict(networks.vae.state_dict()), found.state_dict())


def test_nothing_that_is_there_is_replaced_unasked(tmp_path: Path) -> None:
    original = single.write(tmp_path / "a.safetensors", single.v1_tensors(single.v1()))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="--overwrite"):
        convert(original, tmp_path / "full")
    with pytest.raises(RequestError, match="single file already"):
        convert(original, tmp_path / "b.safetensors")
    convert(original, tmp_path / "folder")
    with pytest.raises(OutputError, match="--overwrite"):
        convert(tmp_path / "folder", original)
    with pytest.raises(RequestError, match=r"must be a \.safetensors or \.gguf file"):
        convert(tmp_path / "folder", tmp_path / "other")
    with pytest.raises(InputError):
        convert(tmp_path / "none", tmp_path / "b.safetensors")
    assert not (tmp_path / "b.safetensors").exists()


def test_the_file_says_what_it_is(tmp_path: Path, tiny_v2: Path) -> None:
    convert(tiny_v2, tmp_path / "cats.safetensors")
    told = identify(tmp_path / "cats.safetensors")
    assert (told.family, told.prediction) == ("v2", "v_prediction")
    assert told.metadata["modelspec.architecture"] == "stable-diffusion-v2-768-v"
    assert told.metadata["modelspec.title"] == "cats"
    assert json.loads(told.metadata["kakusan.configs"])["unet"]["cross_attention_dim"] == 40
