"""CosXL and Playground v2.5 in one file and as a folder, beside the reference's pipeline."""

import dataclasses
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import kakusan
from kakusan import DiffusionPipeline, StableDiffusionXLPipeline
from kakusan.checkpoints.gguf import open_gguf
from kakusan.checkpoints.gguf_fields import text_field
from kakusan.checkpoints.gguf_writing import write_gguf
from kakusan.checkpoints.identification import facts_of
from kakusan.errors import CheckpointError, InputError, RequestError
from kakusan.pipeline import decode, save_latents
from kakusan.pipeline.convert import convert
from kakusan.pipeline.preview import LatentPreview
from tests.oracle import single, tiny

COSXL, PLAYGROUND = "CosXL", "Playground v2.5"
MEAN, STD = [-1.6574, 1.886, -1.383, 2.5155], [8.4927, 5.9022, 6.5498, 5.2299]
FLAGS = {
    PLAYGROUND: {
        "edm_mean": torch.tensor(MEAN).reshape(1, 4, 1, 1),
        "edm_std": torch.tensor(STD).reshape(1, 4, 1, 1),
    },
    COSXL: {
        "edm_vpred.sigma_max": torch.tensor(120.0),
        "edm_vpred.sigma_min": torch.tensor(0.002),
    },
}
SCHEDULER = {
    PLAYGROUND: ("EDMDPMSolverMultistepScheduler", "epsilon", 0.5, 80.0),
    COSXL: ("EDMEulerScheduler", "v_prediction", 1.0, 120.0),
}
LATENTS = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=[COSXL, PLAYGROUND])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def file(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("edm") / "some.safetensors"
    return single.write(path, single.sdxl_tensors(single.sdxl()) | FLAGS[name])


@pytest.fixture(scope="module")
def folder(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("edm") / "folder"
    convert(file, path)
    return path


def picture(pipe: Any, **changes: Any) -> np.ndarray:
    pipe.set_progress_bar_config(disable=True)
    call = {"num_inference_steps": 6, "guidance_scale": 3.0, "latents": LATENTS, **changes}
    with tiny.quiet():
        return pipe("a cat", height=64, width=64, output_type="np", **call).images


def test_pictures_are_the_references(name: str, file: Path, folder: Path) -> None:
    pipe = DiffusionPipeline.from_single_file(file)
    assert type(pipe) is StableDiffusionXLPipeline
    kind, prediction, data, highest = SCHEDULER[name]
    config = pipe.scheduler.config
    assert type(pipe.scheduler).__name__ == kind
    assert config.prediction_type == prediction
    assert config.edm == (0.002, highest, data)
    ours = picture(pipe)
    with tiny.quiet():
        theirs = diffusers.DiffusionPipeline.from_pretrained(folder)
    assert type(theirs.scheduler).__name__ == kind
    assert ours.std() > 0.05
    assert abs(ours - picture(theirs)).max() < 1 / 255
    again = picture(DiffusionPipeline.from_pretrained(folder))
    assert np.allclose(ours, again, rtol=0, atol=1e-5)


def test_latents_of_pictures_and_back(name: str, file: Path) -> None:
    vae = kakusan.AutoencoderKL.from_single_file(file)
    plain = kakusan.AutoencoderKL(dataclasses.replace(vae.config, latents_mean=None))
    plain.load_state_dict(vae.state_dict())
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = vae.encode(pixels)[0].mode()
    scale = vae.config.scaling_factor
    if name == COSXL:
        assert scale == 0.13025
        assert vae.config.latents_mean is None
        expected = latents * scale
    else:
        assert scale == 0.5
        mean, std = (torch.tensor(each).reshape(1, 4, 1, 1) for each in (MEAN, STD))
        expected = (latents - mean) * 0.5 / std
    torch.testing.assert_close(vae.to_latents(pixels), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        vae.to_pixels(expected), vae.decode(latents)[0], rtol=1e-4, atol=1e-4
    )
    assert torch.isfinite(LatentPreview(vae).weights).all()


def test_files_go_there_and_back(name: str, file: Path, folder: Path, tmp_path: Path) -> None:
    convert(folder, tmp_path / "again.safetensors")
    before, after = load_file(file), load_file(tmp_path / "again.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[each], after[each]) for each in before)
    # a folder that was not made of a file has what tells them to other programs too
    (folder / "kakusan-aside.safetensors").rename(tmp_path / "aside")
    try:
        convert(folder, tmp_path / "told.safetensors", dtype=torch.float16)
    finally:
        (tmp_path / "aside").rename(folder / "kakusan-aside.safetensors")
    told = load_file(tmp_path / "told.safetensors")
    assert all(torch.equal(told[each], flag) for each, flag in FLAGS[name].items())


@pytest.mark.parametrize("source", ["file", "folder"])
@pytest.mark.parametrize("quantize", [None, "q8_0", "q4_0"])
def test_gguf_files_keep_what_tells_them(
    name: str, file: Path, folder: Path, tmp_path: Path, source: str, quantize: str | None
) -> None:
    path = tmp_path / "some.gguf"
    convert({"file": file, "folder": folder}[source], path, quantize=quantize)
    stored = {each: open_gguf(path).stored[each] for each in FLAGS[name]}
    assert {each: (held.kind.name, held.shape) for each, held in stored.items()} == {
        each: ("F32", tuple(flag.shape)) for each, flag in FLAGS[name].items()
    }
    assert (facts_of(path).family, facts_of(path).prediction) == (name, SCHEDULER[name][1])
    ours, plain = (DiffusionPipeline.from_single_file(each) for each in (path, file))
    assert dict(ours.scheduler.config) == dict(plain.scheduler.config)
    assert ours.vae.config == plain.vae.config
    difference = abs(picture(ours) - picture(plain)).mean()
    assert difference < {None: 1e-5, "q8_0": 0.01, "q4_0": 0.1}[quantize]


def test_a_unet_alone_in_gguf(name: str, file: Path, tmp_path: Path) -> None:
    """As ComfyUI-GGUF's converter writes one, of a file whose flags stand beside its UNet."""
    prefix = single.UNET_PREFIX
    tensors = {
        each.removeprefix(prefix): tensor
        for each, tensor in load_file(file).items()
        if each.startswith(prefix) or each in FLAGS[name]
    }
    write_gguf(tmp_path / "unet.gguf", tensors, {}, {"general.architecture": text_field("sdxl")})
    assert facts_of(tmp_path / "unet.gguf").family == name
    parts = DiffusionPipeline.from_single_file(file).components
    given = {each: parts[each] for each in ("vae", "text_encoder", "text_encoder_2")}
    pipe = DiffusionPipeline.from_single_file(tmp_path / "unet.gguf", **given)
    assert np.allclose(picture(pipe), picture(DiffusionPipeline.from_single_file(file)), atol=1e-5)


@pytest.mark.parametrize("form", ["file", "folder", "gguf"])
def test_latents_are_decoded_later(
    name: str, file: Path, folder: Path, tmp_path: Path, form: str
) -> None:
    model = {"file": file, "folder": folder, "gguf": tmp_path / "x.gguf"}[form]
    if form == "gguf":
        convert(file, model, quantize="q8_0")
    size = {"height": 64, "width": 64, "steps": 2, "seed": 1, "progress": False}
    (drawn,) = kakusan.generate("a cat", model=model, dtype="float32", **size)
    pipe = DiffusionPipeline.from_pretrained(model)
    pipe.set_progress_bar_config(disable=True)
    call = {"height": 64, "width": 64, "num_inference_steps": 2, "seed": 1}
    latents = pipe("a cat", **call, output_type="latent").images
    save_latents(tmp_path / "cat.safetensors", latents, [drawn.record])
    (decoded,) = decode(tmp_path / "cat.safetensors", trust_model=True)
    assert np.array_equal(np.asarray(decoded.image), np.asarray(drawn.image))
    # and with the VAE of a file, which does not say how its latents are spread
    vae = single.write(tmp_path / "vae.safetensors", single.vae_tensors(single.sdxl().vae, ""))
    (named,) = decode(tmp_path / "cat.safetensors", model=model, vae=vae)
    difference = abs(np.asarray(named.image).astype(int) - np.asarray(drawn.image)).max()
    assert difference <= (8 if form == "gguf" else 0)


def test_what_is_said_of_them(name: str, file: Path, folder: Path) -> None:
    for path in (file, folder):
        facts = facts_of(path)
        assert facts.family == name
        assert facts.prediction == SCHEDULER[name][1]


def test_generate_and_records(file: Path, name: str) -> None:
    for scheduler in (None, "euler karras", "DPM++ 2M SDE", "EDMEulerScheduler"):
        drawn = kakusan.generate(
            "a cat",
            model=file,
            steps=3,
            height=64,
            width=64,
            seed=1,
            scheduler=scheduler,
            progress=False,
        )
        again = kakusan.reproduce(drawn[0].record, trust_model=True, progress=False)
        assert np.array_equal(np.asarray(drawn[0].image), np.asarray(again.image)), scheduler
    with pytest.raises(RequestError, match=r"'ddim'|DDIMScheduler"):
        kakusan.generate("x", model=file, scheduler="ddim", progress=False)


def test_parts_of_the_way_are_told_by_timesteps(file: Path) -> None:
    with pytest.raises(InputError, match="denoising_end"):
        picture(DiffusionPipeline.from_single_file(file), denoising_end=0.8)


def test_the_one_that_edits_is_told(tmp_path: Path) -> None:
    tensors = single.sdxl_tensors(single.sdxl(8)) | FLAGS[COSXL]
    path = single.write(tmp_path / "x.safetensors", tensors)
    assert facts_of(path).family == "CosXL-edit"
    with pytest.raises(InputError, match="CosXL-edit") as caught:
        DiffusionPipeline.from_single_file(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"edm_vpred.sigma_max": torch.tensor(0.001)},
        {"edm_vpred.sigma_max": torch.tensor(float("nan"))},
        {"edm_vpred.sigma_max": torch.ones(3)},
        {"edm_mean": torch.zeros(1, 4, 1, 1)},
        {"edm_mean": torch.zeros(1, 4, 1, 1), "edm_std": torch.zeros(1, 4, 1, 1)},
        {"edm_mean": torch.zeros(3), "edm_std": torch.ones(3)},
        {"edm_mean": torch.zeros(1000, 1000), "edm_std": torch.ones(4)},
    ],
)
def test_bad_flags(changes: dict[str, Any], tmp_path: Path) -> None:
    tensors = single.sdxl_tensors(single.sdxl()) | changes
    path = single.write(tmp_path / "x.safetensors", tensors)
    with pytest.raises(CheckpointError) as caught:
        DiffusionPipeline.from_single_file(path)
    assert "x.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_flags_in_half_precision_and_below_the_unet(tmp_path: Path) -> None:
    flags = {f"model.diffusion_model.{k}": v.half() for k, v in FLAGS[COSXL].items()}
    path = single.write(tmp_path / "x.safetensors", single.sdxl_tensors(single.sdxl()) | flags)
    config = DiffusionPipeline.from_single_file(path).scheduler.config
    assert config.edm == pytest.approx((0.002, 120.0, 1.0), rel=1e-3)


def test_vaes_named_for_a_model(tmp_path: Path) -> None:
    whole = single.sdxl_tensors(single.sdxl())
    playground = single.write(tmp_path / "p.safetensors", whole | FLAGS[PLAYGROUND])
    sdxl = single.write(tmp_path / "x.safetensors", whole)
    own = single.vae_tensors(single.sdxl().vae, prefix="")
    vae = single.write(tmp_path / "vae.safetensors", own)
    size = {"height": 64, "width": 64, "steps": 2, "seed": 1, "progress": False}
    plain = kakusan.generate("a cat", model=playground, **size)[0].image
    named = kakusan.generate("a cat", model=playground, vae=vae, **size)[0].image
    assert np.array_equal(np.asarray(plain), np.asarray(named))
    with pytest.raises(RequestError, match="latents_mean"):
        kakusan.generate("a cat", model=sdxl, vae=playground, **size)
