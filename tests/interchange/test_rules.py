"""What another tool's picture tells, as a request by its rules."""

from typing import Any

import numpy as np
import pytest

from kakusan.errors import InputError
from kakusan.images.foreign import Lora, Settings, Told
from kakusan.images.foreign.invokeai import read_metadata
from kakusan.images.foreign.webui import read_webui
from kakusan.images.parameters import parameters_text
from kakusan.interchange import check_can_be_made, translated
from kakusan.pipeline.scheduling import check_scheduler, requested_scheduler
from kakusan.request import Request
from kakusan.request.randomness import RNGS
from kakusan.schedulers import EulerDiscreteScheduler

PLAIN: dict[str, Any] = {"prompt": "a cat", "seed": 5, "width": 64, "height": 64}


def told(tool: str = "AUTOMATIC1111", limits: tuple[str, ...] = (), **settings: Any) -> Told:
    return Told(tool=tool, carrier="x", settings=Settings(**PLAIN | settings), limits=limits)


@pytest.mark.parametrize(
    ("settings", "rng"),
    [
        ({"rng": "webui-gpu"}, "webui-gpu"),
        ({"rng": "comfyui", "scheduler": "euler/normal"}, "comfyui"),
        ({"rng": "comfyui", "scheduler": "euler_ancestral/normal"}, "comfyui-gpu"),
        ({"rng": "comfyui", "scheduler": "dpmpp_sde/karras", "sampler": "dpmpp_sde"}, "comfyui"),
        (
            {"rng": "comfyui", "scheduler": "dpmpp_sde/karras", "sampler": "dpmpp_sde_gpu"},
            "comfyui-gpu",
        ),
        ({"rng": "invokeai"}, "invokeai-gpu"),
        ({"rng": "sdcpp-cuda"}, "sdcpp-cuda"),
        ({"rng": "sdcpp-std"}, None),
        ({"rng": "novelai"}, None),
        ({"rng": "drawthings"}, None),
        ({"rng": "fooocus"}, "fooocus"),
        ({}, None),
    ],
)
def test_each_tool_draws_by_its_rule(settings: dict[str, Any], rng: str | None) -> None:
    found = translated(told(**settings))
    assert found.settings.get("rng") == rng
    unknown = settings.get("rng") in ("sdcpp-std", "novelai", "drawthings")
    assert ("whose rules are not known" in " ".join(found.left)) == unknown
    assert Request.of(**found.settings).rng == rng


def test_a_rule_that_is_asked_for_counts() -> None:
    found = translated(told(rng="webui-gpu", ensd=31337), rng="comfyui").settings
    assert found["rng"] == "comfyui"
    assert "ensd" not in found
    assert translated(told(rng="webui-gpu", ensd=31337)).settings["ensd"] == 31337


def test_of_our_own_text_the_rule_is_taken() -> None:
    assert "rng" not in translated(told("kakusan")).settings
    assert translated(told("kakusan", ensd=3)).settings["ensd"] == 3
    for rng in (None, *RNGS):
        ensd = 7 if rng is None or rng.startswith("webui") else None
        record = {"kakusan": "0.1.0", "num_inference_steps": 4, "rng": rng, "ensd": ensd, **PLAIN}
        found = translated(read_webui(parameters_text(record), "png:parameters"))
        assert (found.settings.get("rng"), found.settings.get("ensd")) == (rng, ensd)
        assert not found.left


def test_settings_of_the_sampler_go_with_its_name() -> None:
    said = told(scheduler="DPM++ 2M", discard_penultimate_sigma=True)
    scheduler = translated(said).settings["scheduler"]
    assert scheduler == {"name": "DPM++ 2M", "discard_penultimate_sigma": True}
    check_scheduler(scheduler)
    made = requested_scheduler(scheduler, EulerDiscreteScheduler(beta_end=0.012))
    assert made.config.discards_penultimate
    assert made.config["beta_end"] == 0.012
    request = Request.of("a cat", seed=1, scheduler=scheduler)
    assert Request.from_record(request.to_record()).scheduler == scheduler
    # as its own usual is
    for name in ("DPM2", "DPM++ 3M SDE"):
        said = told(scheduler=name, discard_penultimate_sigma=True)
        assert translated(said).settings["scheduler"] == name
    said = told(scheduler="DPM++ 2S a", eta=0.5)
    assert translated(said).settings["scheduler"] == {"name": "DPM++ 2S a", "eta": 0.5}
    assert translated(told(scheduler="DDIM", eta=0.5)).settings["eta"] == 0.5
    assert "an eta of 0.5" in translated(told(scheduler="Euler a", eta=0.5)).left


def test_a_size_is_cut_to_whole_latents() -> None:
    found = translated(told(width=70, height=64))
    assert (found.settings["width"], found.settings["height"]) == (64, 64)
    assert "70x64, which is no multiple of 8" in found.left[0]


def test_clip_skip_is_the_familys() -> None:
    for tool, family, given, expected in (
        ("AUTOMATIC1111", "Stable Diffusion 1", 1, 1),
        ("AUTOMATIC1111", "Stable Diffusion 2", 1, None),
        ("AUTOMATIC1111", "SDXL", 1, None),
        ("AUTOMATIC1111", None, 1, 1),
        ("ComfyUI", "SDXL", 1, None),
        ("ComfyUI", "SDXL", 2, 1),
        ("ComfyUI", "Stable Diffusion 1", 1, 1),
        ("InvokeAI", "SDXL", 1, 1),
    ):
        found = translated(told(tool, clip_skip=given), family)
        assert found.settings.get("clip_skip") == expected
        said = f"clip skip {given + 1} does nothing, as in {tool} with {family}"
        assert (said in found.followed) == (tool == "AUTOMATIC1111" and expected is None)


def test_sizes_of_sdxl_are_sdxls() -> None:
    said = told("ComfyUI", original_size=(1, 2), prompt_2="a dog")
    assert "original_size" not in translated(said, "Stable Diffusion 1").settings
    assert "prompt_2" not in translated(said, "Stable Diffusion 1").settings
    found = translated(said, "SDXL").settings
    assert (found["original_size"], found["prompt_2"]) == ((1, 2), "a dog")
    assert found["force_zeros_for_empty_prompt"] is False


def test_what_cannot_be_said_is_left() -> None:
    said = told(
        limits=("it was steered.", "it was steered."),
        vae="good.pt",
        loras=(Lora(name="x" * 10_000),),
        quirks=("downcast_alphas_cumprod", "new"),
        sigma_churn=3.0,
        variation_strength=0.3,
        prompt_syntax="novelai",
    )
    left = translated(said).left
    assert left.count("it was steered.") == 1
    for each in ("VAE 'good.pt'", "LoRA 'xxx", "sigma_churn 3", "a variation, whose", "novelai"):
        assert any(each in one for one in left), each
    assert max(map(len, left)) < 500
    assert "automatic" not in str(translated(told(vae="Automatic")).left).casefold()


def test_a_picture_drawn_over_another_is_refused() -> None:
    check_can_be_made(told())
    for settings, said in (
        ({"img2img": {}}, "over another picture"),
        ({"inpaint": {"mode": "x"}}, "over a part of another picture"),
        ({"seed": None}, "no seed"),
        ({"seed": None, "prompt": None}, "no seed and no prompt"),
    ):
        with pytest.raises(InputError, match=said):
            check_can_be_made(told(**settings))


@pytest.mark.parametrize(
    ("tool", "truncates"),
    [
        ("AUTOMATIC1111", True),
        ("Forge", True),
        ("ComfyUI", True),
        ("Fooocus", True),
        ("stable-diffusion.cpp", True),
        ("InvokeAI", False),
        ("SD.Next", False),
        ("kakusan", False),
    ],
)
def test_pixels_are_made_as_the_tool_makes_them(tool: str, truncates: bool) -> None:
    found = translated(told(tool))
    assert found.settings.get("truncate_pixels", False) == truncates
    assert ("pixels cut off to whole levels, not rounded" in found.followed) == truncates
    request = Request.of(**found.settings)
    assert Request.from_record(request.to_record()) == request
    assert ("truncate_pixels" in request.to_record()) == truncates


def test_samplers_are_the_tools_own() -> None:
    text = "a\nSteps: 4, Seed: 5, Size: 64x64, Sampler: dpm2 karras, Version: stable-diffusion.cpp"
    found = translated(read_webui(text, "png:parameters")).settings["scheduler"]
    assert found == {"name": "dpm2 karras", "discard_penultimate_sigma": False}
    ancestral = text.replace("dpm2 karras", "dpm++2s_a karras, Eta: 0.000000")
    assert translated(read_webui(ancestral, "x")).settings["scheduler"] == "dpm++2s_a karras"
    plain = text.replace("dpm2", "euler")
    assert translated(read_webui(plain, "x")).settings["scheduler"] == "euler karras"


@pytest.mark.parametrize(("name", "karras"), [("dpmpp_2m_sde", None), ("dpmpp_2m_sde_k", True)])
def test_invokeais_sde_is_the_references(name: str, karras: bool | None) -> None:
    told = {"app_version": "5.4.0", "seed": 1, "positive_prompt": "a", "scheduler": name}
    found = translated(read_metadata(told, "png:invokeai_metadata"))
    assert found.left == ()
    made = requested_scheduler(found.settings["scheduler"], EulerDiscreteScheduler()).config
    assert type(made).class_name == "DPMSolverMultistepScheduler"
    assert made["algorithm_type"] == "sde-dpmsolver++"
    assert (made.get("use_karras_sigmas") or None) == karras


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M Karras", "DDIM", "UniPC"])
def test_noise_levels_of_old_versions_are_rounded(sampler: str) -> None:
    text = f"a\nSteps: 4, Seed: 5, Size: 64x64, Sampler: {sampler}, Version: v1.6.0"
    found = translated(read_webui(text, "x"))
    assert "noise levels rounded to float16" in found.followed
    assert "noise levels rounded to float16" not in found.left
    request = Request.of(**found.settings)
    assert Request.from_record(request.to_record()) == request
    model = EulerDiscreteScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012
    )
    made = requested_scheduler(found.settings["scheduler"], model)
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    rounded = np.cumprod(1 - betas).astype(np.float16).astype(np.float64)
    ours = made.alphas_cumprod.double().numpy()
    assert np.array_equal(ours, made.alphas_cumprod.half().double().numpy())
    # the reference's own cumprod, in float32, may round to the neighbour
    assert np.mean(ours == rounded) > 0.97
    assert np.abs(ours / rounded - 1).max() < 2**-10
    if sampler == "Euler a":
        sigmas = np.sqrt((1 - ours) / ours)
        made.set_timesteps(4)
        assert float(made.sigmas[0]) == pytest.approx(sigmas[-1], rel=1e-6)
    newer = translated(read_webui(text.replace("v1.6.0", "v1.10.1"), "x"))
    plain = requested_scheduler(newer.settings["scheduler"], model)
    assert not np.array_equal(ours, plain.alphas_cumprod.double().numpy())
