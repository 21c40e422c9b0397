"""GGUF files of Stable Diffusion, as other programs write them, and as `convert` does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import kakusan
from kakusan import StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from kakusan.checkpoints.gguf import read_header
from kakusan.checkpoints.gguf_fields import Field, integers_field, text_field
from kakusan.checkpoints.gguf_writing import write_gguf
from kakusan.checkpoints.names import text
from kakusan.checkpoints.quantizing import formats_of
from kakusan.checkpoints.single_file.writing import as_is
from kakusan.errors import CheckpointError, RequestError
from kakusan.pipeline.convert import convert
from kakusan.quantized.formats import BY_NAME, F16, F32, Format
from kakusan.quantized.packing import pack
from kakusan.quantized.tensor import QuantizedTensor
from kakusan.quantized.unpacking import unpack
from tests.oracle import single

IDS = torch.randint(0, 49407, (2, 77), generator=torch.Generator().manual_seed(0))
LATENTS = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
ASKED: dict[str, Any] = {"steps": 2, "width": 64, "height": 64, "seed": 3, "progress": False}


def rounded(tensors: Mapping[str, Tensor], formats: Mapping[str, Format]) -> dict[str, Tensor]:
    """What a file of these formats holds, as plain numbers."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        kind = formats[name]
        values = tensor.detach().float() if tensor.is_floating_point() else tensor
        if kind.dtype is None:
            values = unpack(pack(values, kind), kind).view(tensor.shape)
        elif tensor.is_floating_point():
            values = values.to(kind.dtype).float()
        found[name] = values
    return found


def as_cpp_writes(path: Path, kind: Format) -> dict[str, Tensor]:
    """stable-diffusion.cpp's: all parts, no named values; returns what it holds."""
    tensors = single.v1_tensors(single.v1())
    formats = formats_of({name: as_is(tensor) for name, tensor in tensors.items()}, kind)
    write_gguf(path, {name: t.detach() for name, t in tensors.items()}, formats, {})
    return rounded(tensors, formats)


def as_comfyui_writes(path: Path, kind: Format) -> dict[str, Tensor]:
    """ComfyUI-GGUF's: the UNet alone without a prefix, small tensors in F32, rows of 256."""
    tensors = single.unet_tensors(single.v1().unet, "")
    formats: dict[str, Format] = {}
    fields: dict[str, Field] = {"general.architecture": text_field("sd1")}
    written: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        tensor = written[name] = tensor.detach()
        formats[name] = F32 if tensor.ndim == 1 or tensor.numel() <= 1024 else kind
        if formats[name] == kind and tensor.shape[-1] % 256:
            if tensor.numel() % 256:
                formats[name] = F16
                continue
            fields[f"comfy.gguf.orig_shape.{name}"] = integers_field(tuple(tensor.shape))
            written[name] = tensor.reshape(-1, 256)
    write_gguf(path, written, formats, fields)
    return rounded(tensors, formats)


def equal(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5) -> bool:
    scale = float(theirs.abs().max())
    return bool((ours - theirs).abs().max() < tolerance * max(1.0, scale))


def blocks(network: nn.Module) -> int:
    return sum(isinstance(parameter, QuantizedTensor) for parameter in network.parameters())


@torch.no_grad()
def check_same(
    ours: StableDiffusionPipeline, plain: StableDiffusionPipeline, tolerance: float = 1e-5
) -> None:
    texts = plain.text_encoder(IDS)[0]
    assert equal(ours.text_encoder(IDS)[0], texts, tolerance)
    expected = plain.unet(LATENTS, 500, texts).sample
    assert equal(ours.unet(LATENTS, 500, texts).sample, expected, tolerance)
    assert equal(ours.vae.decode(LATENTS).sample, plain.vae.decode(LATENTS).sample, tolerance)


@pytest.mark.parametrize("name", ["f16", "q8_0", "q4_0", "q5_1"])
def test_a_file_of_stable_diffusion_cpp_computes_what_it_holds(tmp_path: Path, name: str) -> None:
    held = as_cpp_writes(tmp_path / "x.gguf", BY_NAME[name])
    plain = single.write(tmp_path / "plain.safetensors", held)
    ours = StableDiffusionPipeline.from_single_file(tmp_path / "x.gguf")
    check_same(ours, StableDiffusionPipeline.from_single_file(plain))
    assert ours.unet.dtype == torch.float32
    assert blocks(ours.unet) > 40
    kinds = {p.kind.name for p in ours.unet.parameters() if isinstance(p, QuantizedTensor)}
    assert kinds == {"F16", name.upper()} - ({"Q5_1"} if name == "q5_1" else set())


@pytest.mark.parametrize("name", ["q8_0", "q4_0"])
def test_a_file_of_comfyui_computes_what_it_holds(tmp_path: Path, name: str) -> None:
    held = as_comfyui_writes(tmp_path / "x.gguf", BY_NAME[name])
    plain = single.write(tmp_path / "plain.safetensors", held)
    ours = UNet2DConditionModel.from_single_file(tmp_path / "x.gguf")
    theirs = UNet2DConditionModel.from_single_file(plain)
    texts = torch.randn(2, 77, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = theirs(LATENTS, 500, texts).sample
        assert equal(ours(LATENTS, 500, texts).sample, expected)
        assert equal(ours.upcast()(LATENTS, 500, texts).sample, expected)
        half = ours.to(torch.float16)
        assert blocks(half) > 40
        assert equal(half(LATENTS.half(), 500, texts.half()).sample.float(), expected, 0.05)


def test_sdxl_as_stable_diffusion_cpp_names_it(tmp_path: Path) -> None:
    """Its second text encoder half renamed: fused attention, and a projection not transposed."""
    networks = single.sdxl()
    prefixes = [f"cond_stage_model.{each}transformer.text_model." for each in ("", "1.")]
    tensors = {**single.unet_tensors(networks.unet), **single.vae_tensors(networks.vae)}
    first = networks.text_encoder.state_dict()
    tensors |= {prefixes[0] + text.bare(name): tensor for name, tensor in first.items()}
    second = {text.bare(name): t for name, t in networks.text_encoder_2.state_dict().items()}
    for name, tensor in second.items():
        if name == "text_projection.weight":
            tensors[f"{prefixes[1]}text_projection"] = tensor.t().contiguous()
        elif "q_proj" in name:
            fused = [second[name.replace("q_proj", third)] for third in text.FUSED]
            tensors[prefixes[1] + name.replace("q_proj", "in_proj")] = torch.cat(fused)
        elif "k_proj" not in name and "v_proj" not in name:
            tensors[prefixes[1] + name] = tensor
    write_gguf(tmp_path / "x.gguf", {n: t.detach() for n, t in tensors.items()}, {}, {})
    pipe = StableDiffusionXLPipeline.from_single_file(tmp_path / "x.gguf")
    with torch.no_grad():
        for ours, theirs in zip(
            pipe.text_encoder_2(IDS)[:2], networks.text_encoder_2(IDS)[:2], strict=True
        ):
            assert equal(ours, theirs)
        assert equal(pipe.text_encoder(IDS)[0], networks.text_encoder(IDS)[0])
    assert convert(tmp_path / "x.gguf", tmp_path / "q.gguf", quantize="q8_0").dropped == []
    again = StableDiffusionXLPipeline.from_single_file(tmp_path / "q.gguf")
    with torch.no_grad():
        ours, theirs = again.text_encoder_2(IDS)[0], networks.text_encoder_2(IDS)[0]
    assert (ours - theirs).norm() < 0.03 * theirs.norm()
    assert blocks(again.text_encoder_2) > 10


def test_a_unet_alone_says_what_supplies_the_rest(tmp_path: Path) -> None:
    as_comfyui_writes(tmp_path / "x.gguf", BY_NAME["q8_0"])
    with pytest.raises(CheckpointError, match=r"x\.gguf.*text_encoder"):
        StableDiffusionPipeline.from_single_file(tmp_path / "x.gguf")


def test_it_draws_by_every_way_to_name_it(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    held = as_cpp_writes(path, BY_NAME["q8_0"])
    plain = single.write(tmp_path / "plain.safetensors", held)
    (ours,) = kakusan.generate("a cat", model=path, dtype="float32", **ASKED)
    (theirs,) = kakusan.generate("a cat", model=plain, dtype="float32", **ASKED)
    a, b = (
        torch.frombuffer(bytearray(p.image.tobytes()), dtype=torch.uint8) for p in (ours, theirs)
    )
    assert (a.int() - b.int()).abs().max() <= 1
    pipe = StableDiffusionPipeline.from_pretrained(path, torch_dtype="auto")
    assert pipe.unet.dtype == torch.float16
    again = kakusan.reproduce(ours.record, trust_model=True, progress=False)
    assert again.image.tobytes() == ours.image.tobytes()


def test_without_kernels_torch_computes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_cpp_writes(tmp_path / "x.gguf", BY_NAME["q8_0"])
    ours, other = (StableDiffusionPipeline.from_single_file(tmp_path / "x.gguf") for _ in "ab")
    with torch.no_grad():
        texts = ours.text_encoder(IDS)[0]
        expected = ours.unet(LATENTS, 500, texts).sample
        monkeypatch.setattr("kakusan.runtime.kernels.loaded", lambda: None)
        assert equal(other.unet(LATENTS, 500, texts).sample, expected)
        halves = StableDiffusionPipeline.from_single_file(
            tmp_path / "x.gguf", torch_dtype=torch.float16
        )
        halves.unet.prepare()
        texts = texts.to(halves.unet.compute_dtype)
        result = halves.unet(LATENTS.to(texts), 500, texts).sample
        assert equal(result.float(), expected, 0.05)
        halves.to(torch.float16)
        assert halves.unet.dtype == torch.float16
        assert blocks(halves.unet) > 40


def test_saved_as_a_folder_it_is_plain(tmp_path: Path) -> None:
    as_cpp_writes(tmp_path / "x.gguf", BY_NAME["q4_0"])
    ours = StableDiffusionPipeline.from_single_file(tmp_path / "x.gguf")
    ours.save_pretrained(tmp_path / "folder")
    again = StableDiffusionPipeline.from_pretrained(tmp_path / "folder")
    assert blocks(again.unet) == 0
    check_same(ours, again)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("folder")
    source = single.write(path / "v1.safetensors", single.v1_tensors(single.v1()))
    StableDiffusionPipeline.from_single_file(source).save_pretrained(path / "model")
    return path / "model"


@pytest.mark.parametrize("name", [None, "q8_0", "Q4_0", "q4_1", "q5_0", "q5_1"])
@pytest.mark.parametrize("convolutions", [False, True])
def test_convert_quantises(
    folder: Path, tmp_path: Path, name: str | None, convolutions: bool
) -> None:
    target = tmp_path / "x.gguf"
    convert(folder, target, quantize=name, convolutions=convolutions)
    file = read_header(target)
    assert "general.architecture" not in file.fields
    kinds = {each: stored.kind.name for each, stored in file.stored.items()}
    to_q = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    conv = "model.diffusion_model.input_blocks.1.0.in_layers.2.weight"
    words = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    assert kinds[to_q] == (name or "F32").upper()
    assert kinds[words] == ("F16" if name else "F32")
    assert kinds["model.diffusion_model.time_embed.0.weight"] == ("F16" if name else "F32")
    in_blocks = convolutions and name
    assert kinds[conv] == (name.upper() if in_blocks and name else kinds[words])
    assert kinds["model.diffusion_model.out.0.weight"] == "F32"
    ours = StableDiffusionPipeline.from_single_file(target)
    theirs = StableDiffusionPipeline.from_pretrained(folder)
    with torch.no_grad():
        texts = theirs.text_encoder(IDS)[0]
        result = ours.unet(LATENTS, 500, texts).sample
        expected = theirs.unet(LATENTS, 500, texts).sample
    error = float((result - expected).norm() / expected.norm())
    assert error < {None: 1e-5, "q8_0": 0.03}.get(name, 0.5)
    assert ours.scheduler.config == theirs.scheduler.config


def test_convert_from_a_file_back_to_a_folder_and_anew(folder: Path, tmp_path: Path) -> None:
    convert(folder, tmp_path / "x.safetensors", dtype=torch.float16)
    convert(tmp_path / "x.safetensors", tmp_path / "x.gguf", quantize="q8_0")
    back = convert(tmp_path / "x.gguf", tmp_path / "back")
    assert (back.dropped, back.changed) == ([], ["blocks of Q8_0 became plain numbers"])
    check_same(
        StableDiffusionPipeline.from_single_file(tmp_path / "x.gguf"),
        StableDiffusionPipeline.from_pretrained(tmp_path / "back"),
        2e-3,  # the folder is in float16
    )
    convert(tmp_path / "x.gguf", tmp_path / "y.gguf", quantize="q4_0")
    assert (tmp_path / "y.gguf").stat().st_size < (tmp_path / "x.gguf").stat().st_size


def test_what_convert_cannot_quantise(folder: Path, tmp_path: Path) -> None:
    for quantize, target, message in (
        ("q8_0", "x.safetensors", "only a .gguf file is quantised"),
        ("q6_k", "x.gguf", "quantize is 'q6_k'; it must be one of: q8_0, q4_0"),
        ("int8", "x.gguf", "must be one of"),
    ):
        with pytest.raises(RequestError, match=message):
            convert(folder, tmp_path / target, quantize=quantize)
    assert not list(tmp_path.iterdir())
