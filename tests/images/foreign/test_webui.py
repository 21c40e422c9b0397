"""AUTOMATIC1111's text and its relatives, every key that is known."""

import json
from typing import Any

import pytest

from kakusan.images.foreign import Lora, Told
from kakusan.images.foreign.webui import read_webui
from kakusan.images.settings_line import find_settings
from kakusan.samplers import meaning_of
from tests.images.foreign.infotext import GOLDEN

LINE = "Steps: 20, Sampler: DPM++ 2M, CFG scale: 7, Seed: 42, Size: 512x768"


def read(more: str = "", *, prompt: str = "a cat", line: str = LINE) -> Told:
    return read_webui(f"{prompt}\nNegative prompt: blurry\n{line}{more}", "png:parameters")


def test_the_example_of_the_web_ui() -> None:
    told = read_webui(
        "a cat, (red:1.2)\nsecond prompt line\nNegative prompt: blurry\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, "
        "Size: 512x768, Model hash: abcdef1234, Model: x, Clip skip: 2, "
        'Lora hashes: "n: 0123456789ab", Version: v1.10.1',
        "png:parameters",
    )
    says = told.settings
    assert (told.tool, told.version, told.limits) == ("AUTOMATIC1111", "v1.10.1", ())
    assert told.unknown == {"Lora hashes": "n: 0123456789ab"}  # no tag in the prompt says how much
    assert says.prompt == "a cat, (red:1.2)\nsecond prompt line"
    assert (says.negative_prompt, says.seed, says.num_inference_steps) == ("blurry", 42, 20)
    assert (says.width, says.height, says.guidance_scale) == (512, 768, 7)
    assert (says.scheduler, says.sampler, says.schedule_type) == (
        *("DPM++ 2M Karras", "DPM++ 2M", "Karras"),
    )
    assert (says.model, says.model_hash, says.clip_skip) == ("x", "abcdef1234", 1)
    assert (says.prompt_syntax, says.emphasis, says.rng) == ("webui", "Original", "webui-gpu")
    assert says.quirks == ()


@pytest.mark.parametrize(
    ("more", "name", "value"),
    [
        (", RNG: CPU", "rng", "webui-cpu"),
        (", RNG: NV", "rng", "webui-nv"),
        (", ENSD: 31337", "ensd", 31337),
        (", Variation seed: 5, Variation seed strength: 0.25", "variation_seed", 5),
        (", Variation seed: 5, Variation seed strength: 0.25", "variation_strength", 0.25),
        (", Seed resize from: 512x640", "seed_resize", (512, 640)),
        (", Emphasis: No norm", "emphasis", "No norm"),
        (", Eta: 0.5", "eta", 0.5),
        (", Clip skip: 1", "clip_skip", 0),
        (", VAE: a.safetensors, VAE hash: 0123456789", "vae", "a.safetensors"),
        (", VAE: a.safetensors, VAE hash: 0123456789", "vae_hash", "0123456789"),
        (", Sigma churn: 2.5", "sigma_churn", 2.5),
        (", Sigma noise: 1.01", "sigma_noise", 1.01),
        (", Schedule min sigma: 0.1", "schedule_sigma_min", 0.1),
        (", Schedule max sigma: 10", "schedule_sigma_max", 10),
        (", Schedule rho: 5", "schedule_rho", 5),
        (", Discard penultimate sigma: True", "discard_penultimate_sigma", True),
        (", Pad conds: True", "quirks", ("pad_conds",)),
        (", Noise Schedule: Zero Terminal SNR", "quirks", ("zero_terminal_snr",)),
        (", Model: 'a', Version: v1.5.2", "quirks", ("downcast_alphas_cumprod",)),
        (", Version: v1.7.0-225-gabcdef0", "quirks", ()),
        (", Version: v1.7.0-224-gabcdef0", "quirks", ("downcast_alphas_cumprod",)),
        (
            ", Refiner: xl [0123456789], Version: v1.7.0-300-gabc",
            "quirks",
            ("refiner_by_sampling_steps",),
        ),
        (", Denoising strength: 0.6", "strength", 0.6),
        (", Denoising strength: 0.6", "img2img", {}),
        (
            ", Hires upscale: 2, Hires steps: 10, Hires upscaler: Latent, Denoising strength: 0.5",
            "hires",
            {"scale": 2, "steps": 10, "upscaler": "Latent"},
        ),
        (
            ", Mask blur: 4, Denoising strength: 0.5",
            "inpaint",
            {
                "mode": "Inpaint masked",
                "blur": 4,
                "area": "Whole picture",
                "padding": 32,
                "content": "original",
            },
        ),
        (
            ", Refiner: xl_refiner [0123456789], Refiner switch at: 0.8, Version: v1.8.0",
            "refiner",
            {"model": "xl_refiner", "model_hash": "0123456789", "switch_at": 0.8},
        ),
    ],
)
def test_each_key(more: str, name: str, value: Any) -> None:
    assert getattr(read(more).settings, name) == value


def test_a_control_unit() -> None:
    unit = (
        'ControlNet 0: "Module: canny, Model: control_v11p_sd15_canny [d14c016b], Weight: 1.0, '
        "Resize Mode: Crop and Resize, Processor Res: 512, Threshold A: 100.0, Threshold B: 200.0, "
        'Guidance Start: 0.0, Guidance End: 1.0, Pixel Perfect: True, Control Mode: Balanced"'
    )
    told = read(f", {unit}")
    (control,) = told.settings.controlnets
    assert (control["module"], control["model"]) == ("canny", "control_v11p_sd15_canny")
    assert (control["model_hash"], control["weight"]) == ("d14c016b", 1.0)
    assert (control["threshold_a"], control["pixel_perfect"]) == ("100.0", "True")
    assert (control["guidance_start"], control["guidance_end"]) == (0.0, 1.0)
    assert any("control network" in each for each in told.limits)
    old = read(', ControlNet 0: "preprocessor: canny, model: c [d14c016b], weight: 0.5"')
    assert old.settings.controlnets[0]["weight"] == 0.5


@pytest.mark.parametrize(
    ("line", "scheduler"),
    [
        ("Sampler: DPM++ 2M Karras, Version: v1.5.0", "DPM++ 2M Karras"),
        ("Sampler: DPM++ 2M, Version: v1.8.0", "DPM++ 2M Uniform"),
        ("Sampler: DPM++ 2M", "DPM++ 2M Uniform"),
        ("Sampler: DPM++ 2M, Version: v1.9.0", "DPM++ 2M"),
        ("Sampler: DPM++ 2M, Schedule type: Automatic, Version: v1.10.1", "DPM++ 2M"),
        ("Sampler: DPM++ 2M, Version: f0.0.17v1.8.0rc-latest-276-g29be1da7", "DPM++ 2M Uniform"),
        ("Sampler: DPM++ 2M, Version: f2.0.1v1.10.1-previous-1-gabc", "DPM++ 2M"),
        ("Sampler: Euler a, Version: v1.5.0", "Euler a Uniform"),
        ("Sampler: DDIM, Version: v1.5.0", "DDIM"),
        ("Sampler: UniPC", "UniPC"),
        ("Sampler: Restart, Version: v1.6.0", "Restart"),
        ("Sampler: DPM++ 2M, Version: f1.0.0v2-v1.10.1RC-latest-671-g8e5a9a5", "DPM++ 2M"),
        ("Sampler: DPM++ 2M, Schedule type: Automatic, Version: f9-mine", "DPM++ 2M"),
        (
            "Sampler: DPM++ 2M SDE, Schedule type: SGM Uniform, Version: v1.10.1",
            "DPM++ 2M SDE SGM Uniform",
        ),
        ("Sampler: DPM++ 3M SDE Exponential", "DPM++ 3M SDE Exponential"),
    ],
)
def test_samplers_on_their_schedules(line: str, scheduler: str) -> None:
    says = read(line=f"Steps: 20, {line}, Seed: 1, Size: 8x8").settings
    assert says.scheduler == scheduler
    meaning_of(scheduler)


def test_a_sampler_that_is_not_there_is_said() -> None:
    told = read(line="Steps: 20, Sampler: Wobble 3, Seed: 1, Size: 8x8")
    assert told.settings.scheduler is None
    assert told.settings.sampler == "Wobble 3"
    assert any("Wobble 3" in each for each in told.limits)


def test_adapters_and_embeddings() -> None:
    told = read(
        ', Lora hashes: "detail: 0123456789AB, style: abcdef012345", TI hashes: "bad: 00112233"',
        prompt="a cat <lora:detail:0.5:0.8> <lora:style:te=0.2:unet=0.9> <lora:x> <hypernet:h:1>",
    )
    assert told.settings.loras == (
        Lora(name="detail", text_weight=0.5, unet_weight=0.8, hash="0123456789ab"),
        Lora(name="style", text_weight=0.2, unet_weight=0.9, hash="abcdef012345"),
        Lora(name="x"),
    )
    assert [(each.name, each.hash) for each in told.settings.embeddings] == [("bad", "00112233")]
    assert any("hypernetwork" in each for each in told.limits)
    assert told.settings.prompt is not None
    assert "<lora:detail:0.5:0.8>" in told.settings.prompt


def test_hashes_without_a_tag_are_kept() -> None:
    told = read(
        ', Lora hashes: "detail: 0123456789ab, gone: abcdef012345"', prompt="<lora:detail:1>"
    )
    assert [each.name for each in told.settings.loras] == ["detail"]
    assert told.unknown == {"Lora hashes": "gone: abcdef012345"}


def test_civitai_lists_its_resources() -> None:
    told = read(
        ', Civitai resources: [{"type":"checkpoint","modelVersionId":1,"modelName":"Dream, 5",'
        '"modelVersionName":"v1"},{"type":"lora","weight":0.8,"modelVersionId":2,'
        '"modelName":"Detail"}], Civitai metadata: {}'
    )
    assert told.tool == "Civitai"
    assert told.settings.model == "Dream, 5"
    assert told.settings.loras == (Lora(name="Detail", text_weight=0.8, unet_weight=0.8),)
    hashed = read(
        ', Hashes: {"model": "abcdef1234", "lora:detail": "0123456789"}', prompt="<lora:detail:1>"
    )
    assert (hashed.settings.model_hash, hashed.settings.loras[0].hash) == (
        "abcdef1234",
        "0123456789",
    )


@pytest.mark.parametrize(
    ("more", "tool"),
    [
        (", Version: v1.10.1", "AUTOMATIC1111"),
        (", Version: f2.0.1v1.10.1-previous-1-gabc", "Forge"),
        (", Version: 9c6a4f2, App: SD.Next", "SD.Next"),
        (", Version: Fooocus v2.5.5", "Fooocus"),
        (", Version: ComfyUI", "ComfyUI"),
        (", Version: kakusan 0.1.0", "kakusan"),
        (", Version: stable-diffusion.cpp", "stable-diffusion.cpp"),
    ],
)
def test_which_tool_wrote_it(more: str, tool: str) -> None:
    assert read(more).tool == tool


def test_stable_diffusion_cpp() -> None:
    told = read_webui(
        "a cat\nSteps: 20, CFG scale: 7.000000, Guidance: 3.500000, Eta: 0.000000, Seed: 1, "
        "Size: 512x512, Model: x.safetensors, RNG: cuda, Sampler: euler_a karras, Clip skip: 2, "
        "VAE: y.safetensors, Version: stable-diffusion.cpp, "
        'SDCPP: {"seed": 9, "a": ["Seed: 8, x"]}',
        "xmp:parameters",
    )
    says = told.settings
    assert (says.scheduler, says.rng, says.eta) == ("euler_a karras", "sdcpp-cuda", 0)
    assert (says.seed, says.clip_skip, says.model, says.vae) == (
        1,
        1,
        "x.safetensors",
        "y.safetensors",
    )
    for said, means in {
        "dpm++2m": "uniform",
        "euler_a": "uniform",
        "dpm++2m karras": "karras",
    }.items():
        line = f"Steps: 20, Seed: 1, Sampler: {said}, Version: stable-diffusion.cpp"
        name = read(line=line).settings.scheduler
        assert name is not None
        assert meaning_of(name).settings["sigma_schedule"] == means
    assert meaning_of("euler_a karras").kind == "EulerAncestralDiscreteScheduler"
    assert told.unknown == {"Guidance": "3.500000"}
    for rng in ("cpu", "std_default"):
        line = f"Steps: 20, Seed: 1, Sampler: euler, RNG: {rng}, Version: stable-diffusion.cpp"
        assert read(line=line).settings.rng == f"sdcpp-{rng.partition('_')[0]}"


def test_hires_of_old_versions() -> None:
    told = read(", Denoising strength: 0.7, First pass size: 0x0")
    assert (told.settings.width, told.settings.height) == (448, 640)
    assert told.settings.hires == {"width": 512, "height": 768, "upscaler": "None"}
    told = read(", Denoising strength: 0.7, First pass size: 256x384")
    assert (told.settings.width, told.settings.height) == (256, 384)


@pytest.mark.parametrize("name", ["Steps", "Seed", "CFG scale", "Clip skip", "Size", "ENSD"])
@pytest.mark.parametrize(
    "value", ["1000000000000000000000000", "-99999999999999999999999", "nan", "1e400", "x"]
)
def test_numbers_that_cannot_be_are_said(name: str, value: str) -> None:
    told = read(line=f"{name}: {value}, Sampler: Euler, Seed: 1, Steps: 3")
    if name == "ENSD" or f"{name}: {value}" in ("Seed: 1", "Steps: 3"):
        return
    assert told.unknown[name] == value
    assert any(each.startswith(f"its {name} is ") for each in told.limits)


def test_what_is_not_understood_is_kept() -> None:
    told = read(
        ', Wonder: x, ADetailer model: face.pt, Tiled Diffusion: {"a": 1, "b": [2]}\n'
        "Template: a {x|y}"
    )
    assert told.unknown == {
        "Wonder": "x",
        "ADetailer model": "face.pt",
        "Tiled Diffusion": '{"a": 1, "b": [2]}',
        "Template": "a {x|y}",
    }
    assert {"ADetailer drew parts of it again.", "it was drawn in tiles (Tiled Diffusion)."} == set(
        told.limits
    )


READ: list[tuple[str, dict[str, str]]] = json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("text", "theirs"), READ, ids=range(len(READ)))
def test_the_web_uis_own_parser_reads_the_same(text: str, theirs: dict[str, str]) -> None:
    says, line = read_webui(text, "x").settings, find_settings(text)
    assert line is not None
    assert says.prompt == theirs.pop("Prompt")
    assert says.negative_prompt == theirs.pop("Negative prompt")
    sizes = {name[:-2] for name in theirs if name.endswith("-1")}
    for name in sizes:
        theirs[name] = f"{theirs.pop(f'{name}-1')}x{theirs.pop(f'{name}-2')}"
    assert line.told == theirs


def test_a_line_of_settings_with_impossible_values_is_no_prompt() -> None:
    line = "Steps: many, Sampler: , CFG scale: x, Seed: none, Size: big, Model: "
    told = read_webui(f"a cat\n{line}", "PNG")
    assert (told.tool, told.settings.prompt) == ("AUTOMATIC1111", "a cat")
    assert told.settings.seed is None
    prose = "Steps: many, a cat, Seed: none"
    assert read_webui(prose, "PNG").settings.prompt == prose
