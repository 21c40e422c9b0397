"""Pipelines and parts from single files, beside the reference's networks that they were made of."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import kakusan
from kakusan import (
    AutoencoderKL,
    AutoPipelineForText2Image,
    DiffusionPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from kakusan.errors import CheckpointError, RequestError, UnknownArgumentError
from kakusan.models import CLIPTextModel, CLIPTextModelWithProjection
from kakusan.pipeline.convert import convert
from tests.oracle import single, tiny

IDS = torch.randint(0, 49407, (2, 77), generator=torch.Generator().manual_seed(0))
LATENTS = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def v1_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("single") / "v1.safetensors"
    return single.write(path, single.v1_tensors(single.v1()))


@pytest.fixture(scope="module")
def v2_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("single") / "v2.safetensors"
    return single.write(path, single.v2_tensors(single.v2()))


def equal(ours: Tensor, theirs: Tensor) -> bool:
    scale = float(theirs.abs().max())
    return bool((ours - theirs).abs().max() < 1e-5 * max(1.0, scale))


@torch.no_grad()
def check_networks(unet: Any, vae: Any, text_encoder: Any, theirs: single.Networks) -> None:
    texts = theirs.text_encoder(IDS)[0]
    assert equal(text_encoder(IDS)[0], texts)
    assert equal(unet(LATENTS, 500, texts).sample, theirs.unet(LATENTS, 500, texts).sample)
    assert equal(vae.decode(LATENTS).sample, theirs.vae.decode(LATENTS).sample)
    pixels = torch.randn(1, 3, 16, 16)
    mean = theirs.vae.encode(pixels).latent_dist.mean
    assert equal(vae.encode(pixels).latent_dist.mean, mean)


def test_version_1_computes_what_its_networks_compute(v1_file: Path) -> None:
    pipe = StableDiffusionPipeline.from_single_file(v1_file)
    check_networks(pipe.unet, pipe.vae, pipe.text_encoder, single.v1())
    assert type(pipe.scheduler).__name__ == "PNDMScheduler"
    assert pipe.vae.config.scaling_factor == 0.18215
    assert pipe.tokenizer.pad_token_id == 49407


def test_version_2_computes_what_its_networks_compute(v2_file: Path) -> None:
    pipe = StableDiffusionPipeline.from_single_file(v2_file)
    check_networks(pipe.unet, pipe.vae, pipe.text_encoder, single.v2())
    assert pipe.tokenizer.pad_token_id == 0
    assert pipe.text_encoder.config.hidden_act == "gelu"


def test_parts_of_an_sdxl_file_compute_what_they_computed(tmp_path: Path) -> None:
    networks = single.sdxl()
    path = single.write(tmp_path / "xl.safetensors", single.sdxl_tensors(networks))
    first, second = (
        kind.from_single_file(path) for kind in (CLIPTextModel, CLIPTextModelWithProjection)
    )
    unet, vae = UNet2DConditionModel.from_single_file(path), AutoencoderKL.from_single_file(path)
    with torch.no_grad():
        assert equal(first(IDS)[0], networks.text_encoder(IDS)[0])
        assert equal(second(IDS)[0], networks.text_encoder_2(IDS)[0])
        assert equal(
            second(IDS, output_hidden_states=True).hidden_states[-2],
            networks.text_encoder_2(IDS, output_hidden_states=True).hidden_states[-2],
        )
        texts = torch.randn(2, 7, 128)
        added = {"text_embeds": torch.randn(2, 64), "time_ids": torch.randint(0, 99, (2, 6))}
        theirs = networks.unet(LATENTS, 500, texts, added_cond_kwargs=added).sample
        assert equal(unet(LATENTS, 500, texts, added_cond_kwargs=added).sample, theirs)
    assert vae.config.scaling_factor == 0.13025
    assert vae.config.force_upcast


def test_a_file_draws_what_its_folder_draws(v1_file: Path, tmp_path: Path) -> None:
    pipe = StableDiffusionPipeline.from_single_file(v1_file)
    pipe.save_pretrained(tmp_path)
    asked = {"steps": 2, "width": 64, "height": 64, "seed": 3, "progress": False}
    (file,) = kakusan.generate("a cat", model=v1_file, dtype="float32", **asked)
    (folder,) = kakusan.generate("a cat", model=tmp_path, dtype="float32", **asked)
    assert file.image.tobytes() == folder.image.tobytes()
    assert file.record["model"] == str(v1_file)
    again = kakusan.reproduce(file.record, trust_model=True, progress=False)
    assert again.image.tobytes() == file.image.tobytes()
    with pytest.raises(RequestError, match="which is a file"):
        kakusan.reproduce(file.record, progress=False)


def test_every_way_to_load_takes_a_file(v1_file: Path) -> None:
    for kind in (DiffusionPipeline, AutoPipelineForText2Image, StableDiffusionPipeline):
        assert isinstance(kind.from_single_file(str(v1_file)), StableDiffusionPipeline)
        assert isinstance(kind.from_pretrained(v1_file), StableDiffusionPipeline)
    assert UNet2DConditionModel.from_pretrained(v1_file).config.num_heads == (8, 8, 8)
    half = StableDiffusionPipeline.from_single_file(v1_file, torch_dtype=torch.float16)
    assert {half.unet.dtype, half.vae.dtype, half.text_encoder.dtype} == {torch.float16}


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin"])
def test_training_programs_pickles_load(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    tensors = single.v1_tensors(single.v1()) | {
        "model_ema.decay": torch.tensor(0.99),
        "model_ema.diffusion_modelinput_blocks00weight": torch.zeros(64, 4, 3, 3),
        "alphas_cumprod": torch.zeros(1000),
    }
    wrapped = {"epoch": 1, "state_dict": tensors | {"note": "text"}, "callbacks": {"a": [1]}}
    torch.save(wrapped, path)
    pipe = StableDiffusionPipeline.from_single_file(path)
    check_networks(pipe.unet, pipe.vae, pipe.text_encoder, single.v1())


def test_a_lightning_callback_in_a_pickle_is_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys
    import types

    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    kind = type("ModelCheckpoint", (), {"__module__": module.__name__})
    module.ModelCheckpoint = kind  # type: ignore[attr-defined]
    with monkeypatch.context() as patched:
        for name in ("pytorch_lightning", "pytorch_lightning.callbacks", module.__name__):
            patched.setitem(sys.modules, name, module)
        callback = kind()
        callback.best = 1.5
        state = single.v1_tensors(single.v1())
        torch.save({"callbacks": {kind: callback}, "state_dict": state}, tmp_path / "pl.ckpt")
    before = set(torch.serialization.get_safe_globals())
    with ThreadPoolExecutor(4) as threads:
        for unet in threads.map(UNet2DConditionModel.from_single_file, [tmp_path / "pl.ckpt"] * 4):
            assert unet.config.in_channels == 4
    assert set(torch.serialization.get_safe_globals()) == before


def test_names_without_text_model_load(tmp_path: Path) -> None:
    tensors = {
        name.replace("transformer.text_model.", "transformer."): tensor
        for name, tensor in single.v1_tensors(single.v1()).items()
    }
    path = single.write(tmp_path / "old.safetensors", tensors)
    encoder = CLIPTextModel.from_single_file(path)
    with torch.no_grad():
        assert equal(encoder(IDS)[0], single.v1().text_encoder(IDS)[0])


def test_a_missing_part_is_given(v1_file: Path, tmp_path: Path) -> None:
    networks = single.v1()
    bare = single.write(tmp_path / "unet.safetensors", single.unet_tensors(networks.unet, ""))
    named = single.write(tmp_path / "diffusers.safetensors", networks.unet.state_dict())
    vae = single.write(tmp_path / "vae.safetensors", single.vae_tensors(networks.vae, ""))
    theirs = single.write(tmp_path / "vae2.safetensors", networks.vae.state_dict())
    text = single.write(tmp_path / "text.safetensors", networks.text_encoder.state_dict())
    for unet_file, vae_file in ((bare, vae), (named, theirs)):
        pipe = StableDiffusionPipeline.from_single_file(
            unet_file,
            vae=AutoencoderKL.from_single_file(vae_file),
            text_encoder=CLIPTextModel.from_single_file(text),
        )
        check_networks(pipe.unet, pipe.vae, pipe.text_encoder, networks)
    with pytest.raises(CheckpointError, match="no vae and no text_encoder"):
        StableDiffusionPipeline.from_single_file(bare)


def test_what_the_caller_says_counts(v2_file: Path, tmp_path: Path) -> None:
    kinds = ("epsilon", "v_prediction", "sample")
    for kind in kinds:
        pipe = StableDiffusionPipeline.from_single_file(v2_file, prediction_type=kind)
        assert pipe.scheduler.config["prediction_type"] == kind
    pipe = StableDiffusionPipeline.from_single_file(
        v2_file, image_size=256, scheduler_type="euler-ancestral", upcast_attention=True
    )
    assert pipe.unet.config.sample_size == 32
    assert type(pipe.scheduler).__name__ == "EulerAncestralDiscreteScheduler"
    with pytest.raises(RequestError, match="prediction_type"):
        StableDiffusionPipeline.from_single_file(v2_file, prediction_type="velocity")
    with pytest.raises(CheckpointError, match="num_in_channels is 9"):
        StableDiffusionPipeline.from_single_file(v2_file, num_in_channels=9)
    with pytest.raises(RequestError, match="safety_checker="):
        StableDiffusionPipeline.from_single_file(v2_file, load_safety_checker=True)
    with pytest.raises(UnknownArgumentError, match="predicton"):
        StableDiffusionPipeline.from_single_file(v2_file, predicton="v")


def test_a_trainings_config_beside_the_file_counts(v1_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(v1_file.read_bytes())
    yaml = 'model:\n  params:\n    parameterization: "v"\n    unet_config:\n      num_heads: 4\n'
    path.with_suffix(".yaml").write_text(yaml)
    pipe = StableDiffusionPipeline.from_single_file(path)
    assert pipe.scheduler.config["prediction_type"] == "v_prediction"
    assert pipe.unet.config.num_heads == (4, 4, 4)
    (tmp_path / "other.yaml").write_text("model:\n  parameterization: eps\n")
    pipe = StableDiffusionPipeline.from_single_file(path, original_config=tmp_path / "other.yaml")
    assert pipe.scheduler.config["prediction_type"] == "epsilon"


@pytest.mark.parametrize(("deviation", "kind"), [(0.05, "epsilon"), (0.2, "v_prediction")])
def test_comfyuis_rule_tells_version_2s_prediction(
    tmp_path: Path, deviation: float, kind: str
) -> None:
    tensors = single.v2_tensors(single.v2())
    name = "model.diffusion_model.output_blocks.8.1.transformer_blocks.0.norm1.bias"
    signs = torch.ones(64)
    signs[::2] = -1
    tensors[name] = signs * deviation
    path = single.write(tmp_path / "v2.safetensors", tensors)
    scheduler = StableDiffusionPipeline.from_single_file(path).scheduler
    assert scheduler.config["prediction_type"] == kind
    told = single.write(
        tmp_path / "told.safetensors", tensors, {"modelspec.prediction_type": "epsilon"}
    )
    scheduler = StableDiffusionPipeline.from_single_file(told).scheduler
    assert scheduler.config["prediction_type"] == "epsilon"
    wrapped = {"global_step": 875000, "state_dict": tensors}
    torch.save(wrapped, tmp_path / "v2.ckpt")
    scheduler = StableDiffusionPipeline.from_single_file(tmp_path / "v2.ckpt").scheduler
    assert scheduler.config["prediction_type"] == "epsilon"


def test_flags_say_v_and_zero_snr(tmp_path: Path) -> None:
    flags = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    path = single.write(tmp_path / "v.safetensors", single.v1_tensors(single.v1()) | flags)
    config = StableDiffusionPipeline.from_single_file(path).scheduler.config
    assert config["prediction_type"] == "v_prediction"
    assert config["rescale_betas_zero_snr"]


def test_nothing_is_copied_where_the_dtype_is_that_of_the_file(v2_file: Path) -> None:
    pipe = StableDiffusionPipeline.from_single_file(v2_file)
    layer = pipe.text_encoder.encoder.layers[0].self_attn
    fused = {p.weight.untyped_storage().data_ptr() for p in (layer.q_proj, layer.k_proj)}
    assert len(fused) == 1


def test_the_reference_loads_the_same_networks(v1_file: Path, tiny_v1: Path) -> None:
    configs = tiny_v1.parent  # only a place for the reference's config
    with tiny.quiet():
        single.v1().unet.save_config(configs / "own" / "unet")
        theirs = diffusers.UNet2DConditionModel.from_single_file(
            str(v1_file), config=str(configs / "own"), subfolder="unet"
        )
    ours = UNet2DConditionModel.from_single_file(v1_file)
    with torch.no_grad():
        texts = torch.randn(2, 7, 64)
        assert equal(ours(LATENTS, 3, texts).sample, theirs(LATENTS, 3, texts).sample)


def test_an_sdxl_file_draws_what_the_reference_draws(tmp_path: Path) -> None:
    path = single.write(tmp_path / "xl.safetensors", single.sdxl_tensors(single.sdxl()))
    pipe = DiffusionPipeline.from_single_file(path)
    assert type(pipe).__name__ == "StableDiffusionXLPipeline"
    assert pipe.tokenizer_2.pad_token_id == 0
    assert pipe.scheduler.config["timestep_spacing"] == "leading"
    pipe.save_pretrained(tmp_path / "folder")
    with tiny.quiet():
        theirs = diffusers.StableDiffusionXLPipeline.from_pretrained(tmp_path / "folder")
    theirs.set_progress_bar_config(disable=True)
    pipe.set_progress_bar_config(disable=True)
    with tiny.quiet():
        ours, wanted = (
            each(
                "a cat",
                height=64,
                width=64,
                num_inference_steps=3,
                generator=torch.Generator().manual_seed(1),
                output_type="np",
            ).images
            for each in (pipe, theirs)
        )
    assert abs(ours - wanted).max() < 1 / 255


def test_a_network_that_takes_guidance_gets_its_scheduler(tmp_path: Path) -> None:
    networks = single.v1()
    distilled = tiny.unet(**single.UNET, time_cond_proj_dim=256)
    tensors = single.v1_tensors(networks) | single.unet_tensors(distilled)
    path = single.write(tmp_path / "lcm.safetensors", tensors)
    pipe = StableDiffusionPipeline.from_single_file(path)
    assert type(pipe.scheduler).__name__ == "LCMScheduler"
    assert pipe.unet.config.guidance_dim == 256


ATTENTIONS = {
    "q": ("to_q", "query"),
    "k": ("to_k", "key"),
    "v": ("to_v", "value"),
    "proj_out": ("to_out.0", "proj_attn"),
    "norm": ("group_norm", "group_norm"),
}


@pytest.mark.parametrize("sides", [2, 3, 4])
@pytest.mark.parametrize("form", [None, 0, 1], ids=["original", "today", "old"])
def test_the_attention_of_a_vae_as_converters_left_it(
    tmp_path: Path, sides: int, form: int | None
) -> None:
    networks, mark = single.v1(), ".mid.attn_1."
    tensors: dict[str, Tensor] = {}
    for name, tensor in single.v1_tensors(networks).items():
        if mark in name:
            head, _, rest = name.partition(mark)
            kind, _, last = rest.rpartition(".")
            kind = kind if form is None else ATTENTIONS[kind][form]
            name = f"{head}{mark}{kind}.{last}"
            tensor = tensor.reshape(tensor.shape[:sides])
        tensors[name] = tensor
    path = single.write(tmp_path / "x.safetensors", tensors)
    pipe = StableDiffusionPipeline.from_single_file(path)
    check_networks(pipe.unet, pipe.vae, pipe.text_encoder, networks)
    convert(path, tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "again.safetensors")
    again = load_file(tmp_path / "again.safetensors")
    assert {name: t.shape for name, t in again.items()} == {n: t.shape for n, t in tensors.items()}
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
