"""What distilled models are drawn with where nobody says: told from the parts, or the name."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kakusan
from kakusan.models import UNet2DConditionModel, UNetConfig
from kakusan.pipeline.draw import loaded
from kakusan.pipeline.few_steps import usual
from kakusan.schedulers import (
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
    TCDScheduler,
)

V1 = UNetConfig()
V2 = UNetConfig(cross_attention_dim=1024)
XL = UNetConfig(cross_attention_dim=2048, added_time_dim=256, added_conditioning_dim=2816)
LCM = UNetConfig(guidance_dim=256)
BASE = EulerDiscreteScheduler(beta_schedule="scaled_linear", timestep_spacing="leading")
TRAILING = {"timestep_spacing": "trailing"}


@pytest.mark.parametrize(
    ("name", "unet", "expected"),
    [
        ("sdxl_lightning_4step_unet.safetensors", XL, (4, 0.0, "EulerDiscreteScheduler", TRAILING)),
        ("a/sdxl_lightning_8step.safetensors", XL, (8, 0.0, "EulerDiscreteScheduler", TRAILING)),
        (
            "sdxl_lightning_1step_unet_x0.safetensors",
            XL,
            (1, 0.0, "EulerDiscreteScheduler", TRAILING | {"prediction_type": "sample"}),
        ),
        ("juggernautXL_v9Rdphoto2Lightning", XL, (4, 0.0, "EulerDiscreteScheduler", TRAILING)),
        ("Hyper-SD15-8steps.safetensors", V1, (8, 0.0, "DDIMScheduler", TRAILING)),
        ("Hyper-SDXL-12steps-CFG.safetensors", XL, (12, 5.0, "DDIMScheduler", TRAILING)),
        ("Hyper-SDXL-1step-Unet.safetensors", XL, (1, 0.0, "LCMScheduler", {})),
        ("C:\\models\\LCM_Dreamshaper_v7_4k.safetensors", V1, (4, 1.0, "LCMScheduler", {})),
        ("dreamshaper_8LCM.ckpt", V1, (4, 1.0, "LCMScheduler", {})),
        ("some-tcd-merge", V1, (4, 0.0, "TCDScheduler", {})),
        ("stabilityai/sd-turbo", V2, (4, 0.0, "EulerDiscreteScheduler", TRAILING)),
        (
            "sd_xl_turbo_1.0_fp16.safetensors",
            XL,
            (4, 0.0, "EulerAncestralDiscreteScheduler", TRAILING),
        ),
    ],
)
def test_names_of_files(name: str, unet: UNetConfig, expected: Any) -> None:
    found = usual(unet, BASE, name=name, scheduler_fits=False)
    assert found is not None
    assert found.scheduler is not None
    steps, guidance, scheduler, settings = expected
    assert (found.steps, found.guidance) == (steps, guidance)
    assert found.scheduler["_class_name"] == scheduler
    assert {key: found.scheduler[key] for key in settings} == settings
    assert found.scheduler["beta_schedule"] == "scaled_linear"
    assert not found.scheduler.get("sigma_schedule")  # which would say more than the spacing
    assert (found.timesteps == (800,)) == ("Hyper" in name and "1step" in name)
    assert found.size == (512 if "xl_turbo" in name else None)
    # the folder's scheduler, and the user's, stay
    for fits in (True, None):
        kept = usual(unet, BASE, name=name, scheduler_fits=fits)
        assert kept is not None
        assert (kept.steps, kept.guidance, kept.scheduler) == (steps, guidance, None)


@pytest.mark.parametrize(
    "name",
    [
        *("runwayml/stable-diffusion-v1-5", "hyperrealism_v3.safetensors", "walcmart", "outcdoor"),
        *("turbo/v1-5.safetensors", "lightning/model", "builtin", "steps_8.safetensors", ""),
    ],
)
def test_names_of_others(name: str) -> None:
    assert usual(V1, BASE, name=name, scheduler_fits=False) is None
    assert usual(V1, BASE, name=None, scheduler_fits=False) is None


def test_schedulers_that_a_model_came_with() -> None:
    def told(unet: UNetConfig, scheduler: Any) -> tuple[int, float] | None:
        found = usual(unet, scheduler, name="model", scheduler_fits=True)
        assert usual(unet, scheduler, name="model", scheduler_fits=None) is None
        return None if found is None else (found.steps, found.guidance)

    assert told(V1, LCMScheduler()) == (4, 1.0)
    assert told(V1, TCDScheduler()) == (4, 0.0)
    turbo = EulerDiscreteScheduler(timestep_spacing="trailing")
    assert told(V2, turbo) == (4, 0.0)
    assert told(XL, turbo) == (4, 0.0)
    ancestral = EulerAncestralDiscreteScheduler(timestep_spacing="trailing")
    assert told(XL, ancestral) == (4, 0.0)
    # full models that are spaced so, too
    zero = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    assert told(XL, EulerDiscreteScheduler(timestep_spacing="trailing", **zero)) is None
    large = UNetConfig(**{**vars(XL), "sample_size": 128})
    assert told(large, turbo) is None
    assert told(V1, turbo) is None
    assert told(XL, BASE) is None
    assert told(V1, PNDMScheduler()) is None


def test_a_unet_that_takes_guidance() -> None:
    found = usual(LCM, LCMScheduler(), name="x_lightning_2step", scheduler_fits=True)
    assert found is not None
    assert (found.steps, found.guidance, found.scheduler) == (4, 8.5, None)
    found = usual(LCM, BASE, name=None, scheduler_fits=False)
    assert found is not None
    assert found.scheduler is not None
    assert found.scheduler["_class_name"] == "LCMScheduler"


@pytest.fixture
def fresh() -> Any:
    loaded.cache_clear()
    yield
    loaded.cache_clear()


def drawn(model: Path, **settings: Any) -> dict[str, Any]:
    (picture,) = kakusan.generate("a cat", model=model, seed=1, progress=False, **settings)
    return picture.record


def test_lcm_by_its_folder(tiny_lcm: Path, caplog: pytest.LogCaptureFixture, fresh: None) -> None:
    record = drawn(tiny_lcm)
    assert (record["num_inference_steps"], record["guidance_scale"]) == (4, 8.5)
    assert record["scheduler"]["_class_name"] == "LCMScheduler"
    assert [r.getMessage() for r in caplog.records] == [
        "its UNet takes guidance (LCM): drawing with 4 steps, guidance 8.5"
    ]
    caplog.clear()
    record = drawn(tiny_lcm, steps=2, guidance=3.0)
    assert (record["num_inference_steps"], record["guidance_scale"]) == (2, 3.0)
    assert not caplog.records
    record = drawn(tiny_lcm, steps=2, scheduler="euler")
    assert record["scheduler"]["_class_name"] == "EulerDiscreteScheduler"
    assert caplog.records[0].getMessage().endswith("drawing with guidance 8.5")


def test_what_the_folder_says_goes_before(tiny_lcm: Path, tmp_path: Path, fresh: None) -> None:
    folder = shutil.copytree(tiny_lcm, tmp_path / "x_lightning_8step")
    (folder / "kakusan.json").write_text(json.dumps({"num_inference_steps": 3}))
    record = drawn(folder)
    assert (record["num_inference_steps"], record["guidance_scale"]) == (3, 8.5)


def test_a_drawing_from_a_picture_has_its_own_steps(
    tiny_v1: Path, tmp_path: Path, fresh: None
) -> None:
    folder = shutil.copytree(tiny_v1, tmp_path / "model")
    (folder / "kakusan.json").write_text(json.dumps({"num_inference_steps": 2, "img2img_steps": 5}))
    assert drawn(folder)["num_inference_steps"] == 2
    begun: dict[str, Any] = {"image": Image.new("RGB", (64, 64)), "strength": 0.5}
    assert drawn(folder, **begun)["num_inference_steps"] == 5
    assert drawn(folder, **begun, steps=3)["num_inference_steps"] == 3
    other = shutil.copytree(tiny_v1, tmp_path / "other")
    (other / "kakusan.json").write_text(json.dumps({"num_inference_steps": 4}))
    assert drawn(other, **begun)["num_inference_steps"] == 4


def test_a_folder_called_lightning_keeps_its_scheduler(
    tiny_v1: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, fresh: None
) -> None:
    folder = shutil.copytree(tiny_v1, tmp_path / "my_lightning_2step")
    record = drawn(folder)
    assert (record["num_inference_steps"], record["guidance_scale"]) == (2, 0.0)
    assert record["scheduler"]["_class_name"] == "PNDMScheduler"
    assert "Lightning by its name: drawing with 2 steps, guidance 0" in caplog.text


def test_a_unet_from_elsewhere(tiny_v1: Path, tmp_path: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet")
    unet.name_or_path = "sd_lightning_2step_unet.safetensors"
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1, unet=unet)
    pipe.set_progress_bar_config(disable=True)
    (record,) = pipe("a cat", seed=1).records
    assert (record["num_inference_steps"], record["guidance_scale"]) == (2, 0.0)
    assert record["scheduler"]["_class_name"] == "EulerDiscreteScheduler"
    assert record["scheduler"]["timestep_spacing"] == "trailing"
    (explicit,) = pipe("a cat", seed=1, num_inference_steps=3, guidance_scale=2.0).records
    assert (explicit["num_inference_steps"], explicit["guidance_scale"]) == (3, 2.0)


@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_without_guidance_the_unet_is_asked_once(
    tiny_v1: Path, guidance: float, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    rows: list[int] = []
    hook = pipe.unet.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    settings: dict[str, Any] = {"seed": 1, "num_inference_steps": 2}
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    plain = pipe("a cat", guidance_scale=guidance, **settings).images[0]
    assert rows == [1, 1]
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        negative = pipe("a cat", guidance_scale=guidance, negative_prompt="red", **settings)
    hook.remove()
    assert np.array_equal(np.asarray(plain), np.asarray(negative.images[0]))
    assert [r.getMessage() for r in caplog.records] == [
        f"the negative prompt has no effect: guidance is {guidance:g}, which is off at 1 and below"
    ]


def test_a_negative_prompt_beside_embedded_guidance(
    tiny_lcm: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = kakusan.DiffusionPipeline.from_pretrained(tiny_lcm)
    pipe.set_progress_bar_config(disable=True)
    pipe("a cat", negative_prompt="red", seed=1)
    assert [r.getMessage() for r in caplog.records] == [
        "the negative prompt has no effect: this model takes guidance itself"
    ]
