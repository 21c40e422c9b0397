"""What is no model, or no whole one, is said in one line that names the file."""

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kakusan import StableDiffusionPipeline
from kakusan.checkpoints.single_file.identity import identify
from kakusan.errors import CheckpointError
from tests.oracle import single


def said(path: Path) -> str:
    """What loading a file as a model says; a header's reader says the same, but for parts."""
    with pytest.raises(CheckpointError) as caught:
        StableDiffusionPipeline.from_single_file(path)
    text = str(caught.value)
    assert "\n" not in text
    assert path.name in text
    assert len(text) < 400
    return text


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


FILES: dict[str, tuple[bytes, str]] = {
    "empty.safetensors": (b"", "is empty"),
    "page.safetensors": (b"\n<!DOCTYPE html><html><head>", "page of the web"),
    "pointer.safetensors": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "git lfs"),
    "noise.safetensors": (bytes(range(256)) * 4, "not a safetensors file"),
    "short.safetensors": (b"\x10\x00", "not a safetensors file"),
    "zip.safetensors": (b"PK\x03\x04" + bytes(60), "zip archive"),
    "noise.ckpt": (b"hello world, this is no model", "not a file of weights"),
    "empty.ckpt": (b"", "is empty"),
    "cut.ckpt": (b"PK\x03\x04" + bytes(600), "is not whole"),
    "header.safetensors": (struct.pack("<Q", 10) + b"{not json}", "header is no JSON"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_weights(tmp_path: Path, name: str) -> None:
    data, words = FILES[name]
    assert words in said(written(tmp_path / name, data))


def test_a_file_that_was_cut_says_how_much_is_there(tmp_path: Path) -> None:
    whole = single.write(tmp_path / "v1.safetensors", single.v1_tensors(single.v1()))
    data = whole.read_bytes()
    cut = written(tmp_path / "cut.safetensors", data[: len(data) // 2])
    assert f"ends after {len(data) // 2} of {len(data)} bytes" in said(cut)
    longer = written(tmp_path / "longer.safetensors", data + b"more")
    assert "4 bytes follow" in said(longer)


def test_a_header_that_lies_is_refused(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 4]}
    text = json.dumps({"x": entry}).encode()
    path = written(tmp_path / "lie.safetensors", struct.pack("<Q", len(text)) + text + bytes(4))
    assert "is broken" in said(path)


class Code:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch /tmp/kakusan-ran-code",)


def test_a_pickle_with_code_is_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": {"x": torch.zeros(1)}, "bad": Code()}, tmp_path / "bad.ckpt")
    assert "was not read" in said(tmp_path / "bad.ckpt")
    old = written(tmp_path / "old.ckpt", pickle.dumps({"state_dict": Code()}))
    assert said(old)
    assert not Path("/tmp/kakusan-ran-code").exists()


def t(*shape: int) -> Tensor:
    return torch.zeros(*shape)


OTHERS: dict[str, tuple[dict[str, Tensor], str]] = {
    "kohya": (
        {
            "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": t(4, 8),
            "lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight": t(8, 4),
            "lora_unet_down_blocks_0_attentions_0_proj_in.alpha": t(1),
        },
        "is a LoRA",
    ),
    "peft": (
        {
            "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight": t(4),
            "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_B.weight": t(4),
        },
        "is a LoRA",
    ),
    "older": (
        {"down_blocks.0.attn1.processor.to_q_lora.down.weight": t(4)},
        "is a LoRA",
    ),
    "loha": (
        {f"lora_unet_x.hada_w{i}_{ab}": t(4) for i in (1, 2) for ab in "ab"},
        "is a LoRA",
    ),
    "embedding": ({"emb_params": t(4, 768)}, "is an embedding"),
    "embedding-xl": ({"clip_g": t(2, 1280), "clip_l": t(2, 768)}, "is an embedding"),
    "embedding-token": ({"<cat>": t(768)}, "is an embedding"),
    "control": ({"control_model.time_embed.0.weight": t(4, 4)}, "is a ControlNet"),
    "control-diffusers": (
        {"controlnet_cond_embedding.conv_in.weight": t(4), "conv_in.weight": t(4)},
        "is a ControlNet",
    ),
    "flux": ({"double_blocks.0.img_attn.norm.key_norm.scale": t(4)}, "is a FLUX model"),
    "flux-prefixed": (
        {"model.diffusion_model.double_blocks.0.img_attn.proj.weight": t(4)},
        "is a FLUX model",
    ),
    "sd3": (
        {"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": t(4)},
        "is a Stable Diffusion 3 model",
    ),
    "taesd": ({"1.weight": t(4), "3.conv.0.weight": t(4), "19.bias": t(3)}, "is a TAESD"),
    "ip": ({"image_proj.proj.weight": t(4), "ip_adapter.1.to_k_ip.weight": t(4)}, "IP-Adapter"),
    "t5": ({"encoder.block.0.layer.0.SelfAttention.k.weight": t(4)}, "T5"),
    "esrgan": ({"model.0.weight": t(4), "model.1.sub.0.RDB1.conv1.0.weight": t(4)}, "upscaler"),
    "nothing": ({"foo": t(2)}, "holds no part of a model"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_kinds_of_files_are_called_by_their_names(tmp_path: Path, name: str) -> None:
    tensors, words = OTHERS[name]
    path = single.write(tmp_path / f"{name}.safetensors", tensors)
    assert words in said(path)
    with pytest.raises(CheckpointError, match=words):
        identify(path)


def test_a_part_alone_is_no_model(tmp_path: Path) -> None:
    networks = single.v1()
    path = single.write(tmp_path / "vae.safetensors", single.vae_tensors(networks.vae, ""))
    assert "a VAE alone" in said(path)
    path = single.write(tmp_path / "unet.safetensors", single.unet_tensors(networks.unet))
    text = said(path)
    assert "vae=" in text
    assert "text_encoder=" in text


def test_two_families_in_one_file_are_refused(tmp_path: Path) -> None:
    mixed = single.unet_tensors(single.v1().unet) | single.sdxl_tensors(single.sdxl())
    both = single.sdxl_tensors(single.sdxl()) | single.v1_tensors(single.v1())
    wide = single.v1_tensors(single.v1())
    name = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    wide[name] = torch.zeros(49408, 128)
    twice = single.v1_tensors(single.v1()) | single.unet_tensors(single.v1().unet, "unet.")
    for tensors in (mixed, both, wide, twice):
        assert "mixes two" in said(single.write(tmp_path / "mixed.safetensors", tensors))


def test_shapes_that_contradict_a_config_are_named(tmp_path: Path) -> None:
    path = single.write(tmp_path / "v1.safetensors", single.v1_tensors(single.v1()))
    for part in ("unet", "vae"):
        (tmp_path / "configs" / part).mkdir(parents=True)
        (tmp_path / "configs" / part / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"v1.safetensors.*do not fit the config"):
        StableDiffusionPipeline.from_single_file(path, config=tmp_path / "configs")


def test_a_missing_and_an_unknown_tensor_are_named(tmp_path: Path) -> None:
    tensors = single.v1_tensors(single.v1())
    name = "model.diffusion_model.input_blocks.1.1.proj_in.bias"
    del tensors[name]
    tensors["model.diffusion_model.input_blocks.1.0.new_layer.weight"] = torch.zeros(3)
    text = said(single.write(tmp_path / "x.safetensors", tensors))
    assert "missing down_blocks.0.attentions.0.proj_in.bias" in text
    assert "new_layer" in text


def test_folders_and_archives_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(CheckpointError):
        StableDiffusionPipeline.from_single_file(tmp_path / "folder.safetensors")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert said(tmp_path / "x.zip")
    with pytest.raises(CheckpointError, match=r"missing\.safetensors"):
        StableDiffusionPipeline.from_single_file(tmp_path / "missing.safetensors")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read it")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = single.write(tmp_path / "x.safetensors", {"x": t(1)})
    path.chmod(0)
    assert "permission denied" in said(path)


def test_a_network_that_contradicts_itself_is_blamed_for_it(tmp_path: Path) -> None:
    tensors = single.v1_tensors(single.v1())
    name = "model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.weight"
    tensors[name] = tensors[name][:, :-1].contiguous()
    text = said(single.write(tmp_path / "x.safetensors", tensors))
    assert "its other tensors ask for" in text
    assert "config" not in text
    del tensors[name]
    text = said(single.write(tmp_path / "x.safetensors", tensors))
    assert "unet: its tensors make no network: missing mid_block" in text


def test_integers_are_called_what_people_call_them(tmp_path: Path) -> None:
    tensors = {
        name: tensor.to(torch.int8) if name.startswith("model.") else tensor
        for name, tensor in single.v1_tensors(single.v1()).items()
    }
    text = said(single.write(tmp_path / "x.safetensors", tensors))
    assert "is stored as int8" in text
    assert "fetch it in one of these, or as a GGUF file" in text


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (
            "ip_adapter.1.to_k_ip.weight",
            "is an IP-Adapter: it has a model draw like a picture and is none; load_ip_adapter",
        ),
        (
            "down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight",
            "is an AnimateDiff motion module: it makes films",
        ),
    ],
)
def test_what_goes_with_a_model_is_told_as_that(tmp_path: Path, name: str, kind: str) -> None:
    text = said(single.write(tmp_path / "x.safetensors", {name: torch.zeros(4, 4)}))
    assert kind in text
