"""Pictures as strangers have them, from what each tool publishes of what it writes."""

import json
from pathlib import Path
from typing import Any

import pytest

from kakusan.images.foreign import Lora, Told, read_foreign
from kakusan.images.foreign.webui import read_webui
from kakusan.interchange import translated
from tests.images import carried

LINE = "Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 42, Size: 512x768, Model: x"
NOVEL_V4: dict[str, Any] = {
    "prompt": "a {cat}",
    "steps": 28,
    "height": 1216,
    "width": 832,
    "scale": 5.0,
    "uncond_scale": 0.0,
    "cfg_rescale": 0.0,
    "seed": 42,
    "n_samples": 1,
    "noise_schedule": "karras",
    "legacy_v3_extend": False,
    "extra_passthrough_testing": {"prompt": None},
    "v4_prompt": {
        "caption": {"base_caption": "a {cat}", "char_captions": []},
        "use_coords": False,
        "use_order": True,
    },
    "v4_negative_prompt": {"caption": {"base_caption": "blurry", "char_captions": []}},
    "sampler": "k_euler_ancestral",
    "controlnet_strength": 1.0,
    "controlnet_model": None,
    "dynamic_thresholding": False,
    "dynamic_thresholding_percentile": 0.999,
    "dynamic_thresholding_mimic_scale": 10.0,
    "sm": False,
    "sm_dyn": False,
    "skip_cfg_below_sigma": 0.0,
    "deliberate_euler_ancestral_bug": False,
    "prefer_brownian": True,
    "cfg_sched_eligibility": "enable_for_post_summer_samplers",
    "uncond_per_vibe": True,
    "version": 1,
    "uc": "blurry",
    "request_type": "PromptGenerateRequest",
    "signed_hash": "x==",
}


def webui(more: str, version: str = "v1.10.1", **changes: str) -> Told:
    line = LINE
    for name, value in changes.items():
        line = line.replace(name, value)
    text = f"a cat\nNegative prompt: blurry\nSteps: 20, {line}, {more}, Version: {version}"
    return read_webui(text, "png:parameters")


def png(folder: Path, **texts: Any) -> Told:
    data = {key: v if isinstance(v, str) else json.dumps(v) for key, v in texts.items()}
    told = read_foreign(carried.written(folder, carried.png_of(data)))
    assert told is not None
    return told


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("ADetailer model: face_yolov8n.pt, ADetailer confidence: 0.3", "ADetailer drew"),
        ('Tiled Diffusion: {"Method": "MultiDiffusion", "Tile batch size": 4}', "in tiles"),
        ('RP Active: True, RP Ratios: "1,1"', "prompts of their own"),
        ("Dynamic thresholding enabled: True, Mimic scale: 7", "thresholded"),
        ('FreeU Stages: "[{\\"backbone_factor\\": 1.2}]", FreeU Version: 2', "FreeU"),
        ("SAG Guidance Enabled: True, SAG Guidance Scale: 0.75", "(SAG)"),
        ("sag_enabled: True, sag_scale: 0.5", "(SAG)"),
        ("freeu_enabled: True, freeu_b1: 1.01", "FreeU"),
        ("dynthres_enabled: True, dynthres_mimic_scale: 7", "thresholded"),
        ("hypertile_enabled: True", "HyperTile"),
        ("Refiner: sd_xl_refiner_1.0 [7440042bbd], Refiner switch at: 0.8", "a refiner"),
        ('ControlNet 0: "Module: canny, Model: c [d14c016b], Weight: 1.0"', "control network"),
    ],
)
def test_what_extensions_did_is_said(more: str, said: str) -> None:
    told = webui(more)
    assert [each for each in told.limits if said in each], told.limits
    assert told.settings.seed == 42
    assert not webui("FreeU Version: 0, sag_enabled: False").limits


def test_forges_newer_keys() -> None:
    version = "f2.0.1v1.10.1-previous-659-gc055f2d4"
    told = webui("Module 1: vae-ft-mse-840000, Beta schedule alpha: 0.6", version)
    assert (told.tool, told.settings.vae, told.unknown) == ("Forge", "vae-ft-mse-840000", {})
    told = webui("Module 1: clip_l, Hires Module 1: Use same choices", version)
    assert (told.settings.vae, told.unknown) == (None, {"Module 1": "clip_l"})


def test_sd_next() -> None:
    told = read_webui(
        "a cat\nSteps: 20, Size: 1024x1024, Sampler: DPM++ 2M, Sampler sigma: karras, Seed: 42, "
        "CFG scale: 6, Model: sdxl, App: SD.Next, Version: 5f3fe83, Operations: txt2img, "
        "Pipeline: StableDiffusionXLPipeline, Batch: 1x1",
        "png:parameters",
    )
    assert (told.tool, told.settings.scheduler, told.unknown) == ("SD.Next", "DPM++ 2M karras", {})


def test_a_schedule_that_nobody_knows_leaves_the_sampler() -> None:
    told = webui("ENSD: 1", Automatic="Zorp")
    assert told.settings.scheduler == "Euler a"
    assert "its schedule 'Zorp' is not known, so it is Euler a's own." in told.limits
    assert webui("ENSD: 1", Automatic="Zorp", Euler="Foo").settings.scheduler is None


def test_fooocus_in_the_web_uis_words(tmp_path: Path) -> None:
    """Which has the schedule in the sampler's name, and beside it."""
    text = (
        "a cat\nNegative prompt: ugly\nSteps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 123, Size: "
        '1152x896, CFG scale: 4, Sharpness: 2, ADM Guidance: "(1.5, 0.8, 0.3)", Model: jugger, '
        "Model hash: aeb7e9e689, Performance: Speed, Scheduler: karras, VAE: Default (model), "
        'Lora hashes: "offset: 4852686128", Lora weights: "offset: 0.1", Version: Fooocus v2.5.5'
    )
    told = png(tmp_path, parameters=text, fooocus_scheme="a1111")
    says = told.settings
    assert (told.tool, says.scheduler) == ("Fooocus", "DPM++ 2M SDE/karras")
    assert says.loras == (Lora(name="offset", text_weight=0.1, unet_weight=0.1, hash="4852686128"),)


def test_novelais_switches_that_are_off_say_nothing(tmp_path: Path) -> None:
    told = png(tmp_path, Software="NovelAI", Source="NovelAI V4 37442FCA", Comment=NOVEL_V4)
    assert (told.tool, told.unknown) == ("NovelAI", {})
    several = {"caption": {"base_caption": "a {cat}", "char_captions": [{"char_caption": "x"}]}}
    changed = {**NOVEL_V4, "v4_prompt": several, "sm": True}
    told = png(tmp_path, Software="NovelAI", Source="", Comment=changed)
    assert set(told.unknown) == {"v4_prompt", "sm"}
    assert len(told.limits) == 3


def test_an_absent_picture_is_no_picture_given(tmp_path: Path) -> None:
    invoke = {
        "app_version": "5.4.0",
        "generation_mode": "txt2img",
        "positive_prompt": "a cat",
        "seed": 1,
        "steps": 4,
        "width": 64,
        "height": 64,
        "scheduler": "euler",
        "init_image": None,
        "strength": None,
        "seamless_x": False,
        "hrf_enabled": False,
        "canvas_v2_metadata": {"referenceImages": [], "controlLayers": []},
    }
    told = png(tmp_path, invokeai_metadata=invoke)
    assert (told.settings.img2img, told.limits, told.unknown) == (None, (), {})
    told = png(tmp_path, invokeai_metadata={**invoke, "init_image": {"image_name": "x.png"}})
    assert told.settings.img2img is not None


def test_draw_things_newer_adapters() -> None:
    from kakusan.images.foreign.draw_things import read_draw_things

    told = read_draw_things(
        {
            "c": "a cat",
            "uc": "",
            "model": "x_f16.ckpt",
            "sampler": "Euler A",
            "seed": 1,
            "scale": 7.5,
            "steps": 20,
            "size": "512x512",
            "seed_mode": "Scale Alike",
            "v2": {"loras": [{"file": "l.ckpt", "weight": 0.6}], "width": 512, "seedMode": 2},
        },
        "xmp:UserComment",
    )
    assert told.settings.loras == (Lora(name="l.ckpt", text_weight=0.6, unet_weight=0.6),)
    assert told.unknown == {}


def test_swarms_dates_say_nothing(tmp_path: Path) -> None:
    swarm = {
        "sui_image_params": {
            "prompt": "a cat",
            "model": "x",
            "seed": 42,
            "steps": 20,
            "cfgscale": 7.0,
            "aspectratio": "1:1",
            "width": 64,
            "height": 64,
            "images": 1,
            "sampler": "euler",
            "scheduler": "normal",
            "automaticvae": True,
            "swarm_version": "0.9.5.0",
        },
        "sui_extra_data": {"date": "2025-01-01", "generation_time": "3s"},
    }
    assert png(tmp_path, parameters=swarm).unknown == {}


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_civitais_jpeg_in_any_order(encoding: str, order: str, tmp_path: Path) -> None:
    text = (
        "a cat 猫\nNegative prompt: blurry\nSteps: 25, Sampler: Euler a, CFG scale: 7, Seed: 42, "
        "Size: 832x1216, Clip skip: 2, Created Date: 2024-10-01T10:10:10.1234Z, Civitai resources: "
        '[{"type":"checkpoint","modelVersionId":128713,"modelName":"DreamShaper"},{"type":"lora",'
        '"weight":0.8,"modelName":"Detail"}], Civitai metadata: {"remixOfId":123}'
    )
    block = carried.exif({}, order=order, inner={0x9286: b"UNICODE\0" + text.encode(encoding)})
    told = read_foreign(carried.written(tmp_path, carried.jpeg_exif(block), ".jpg"))
    assert told is not None
    says = told.settings
    assert (told.tool, says.prompt, says.model, says.clip_skip) == (
        *("Civitai", "a cat 猫", "DreamShaper", 1),
    )
    assert says.loras == (Lora(name="Detail", text_weight=0.8, unet_weight=0.8),)
    assert told.unknown == {}


def test_numbers_of_strangers_are_bounded() -> None:
    told = read_webui(
        "a cat\nSteps: -5, Sampler: Euler a, CFG scale: nan, Seed: -1, Size: -512x512, "
        "Model: ../../etc/passwd, Version: v1.9.0",
        "png:parameters",
    )
    says = told.settings
    assert (says.seed, says.num_inference_steps, says.guidance_scale) == (None, None, None)
    assert says.model == "../../etc/passwd"  # shown, and never opened
    assert len([each for each in told.limits if "which cannot be" in each]) == 3
    assert "model" not in translated(told).settings
