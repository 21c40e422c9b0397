"""Every field that AUTOMATIC1111's API has: known, read as there, used or named or refused."""

from typing import Any

import pytest

from kakusan.server.dialects.a1111.errors import ApiError
from kakusan.server.dialects.a1111.fields import FIELDS, Use
from kakusan.server.dialects.a1111.values import read

# Of the processing classes' arguments, versions 1.4 to 1.10, and of Forge's
TXT2IMG = (
    *("prompt", "negative_prompt", "styles", "seed", "subseed"),
    *(
        "subseed_strength",
        "seed_resize_from_h",
        "seed_resize_from_w",
        "sampler_name",
        "sampler_index",
    ),
    *("scheduler", "batch_size", "n_iter", "steps", "cfg_scale"),
    *("width", "height", "restore_faces", "tiling", "eta"),
    *("s_min_uncond", "s_churn", "s_tmin", "s_tmax", "s_noise"),
    *("denoising_strength", "enable_hr", "hr_scale", "hr_upscaler", "hr_second_pass_steps"),
    *("hr_resize_x", "hr_resize_y", "hr_checkpoint_name", "hr_sampler_name", "hr_scheduler"),
    *(
        "hr_prompt",
        "hr_negative_prompt",
        "firstphase_width",
        "firstphase_height",
        "distilled_cfg_scale",
    ),
    *(
        "hr_cfg",
        "hr_distilled_cfg",
        "hr_additional_modules",
        "refiner_checkpoint",
        "refiner_switch_at",
    ),
    *(
        "override_settings",
        "override_settings_restore_afterwards",
        "do_not_save_samples",
        "do_not_save_grid",
        "save_images",
    ),
    *("send_images", "script_name", "script_args", "alwayson_scripts", "force_task_id"),
    *("infotext", "disable_extra_networks", "comments", "firstpass_image"),
)
IMG2IMG = (
    *("init_images", "resize_mode", "mask", "mask_blur", "mask_blur_x"),
    *(
        "mask_blur_y",
        "mask_round",
        "inpainting_fill",
        "inpaint_full_res",
        "inpaint_full_res_padding",
    ),
    *(
        "inpainting_mask_invert",
        "initial_noise_multiplier",
        "image_cfg_scale",
        "latent_mask",
        "include_init_images",
    ),
)


def test_every_field_is_classified() -> None:
    assert {*TXT2IMG, *IMG2IMG} == {*FIELDS}


def test_what_is_refused_says_why() -> None:
    for field in FIELDS.values():
        assert bool(field.why) == (field.use is Use.NEUTRAL)


@pytest.mark.parametrize("name", FIELDS)
def test_null_is_absent(name: str) -> None:
    body = read({name: None}, is_img2img=True)
    assert body[name] == FIELDS[name].default
    assert not body.ignored
    assert not body.given


def test_usual_values_are_the_tools() -> None:
    body = read({}, is_img2img=False)
    usual = {"steps": 50, "cfg_scale": 7.0, "seed": -1, "batch_size": 1, "sampler_index": "Euler"}
    assert {name: body[name] for name in usual} == usual
    assert body["width"] is None


@pytest.mark.parametrize(
    ("name", "sent", "value"),
    [
        ("steps", "20", 20),
        ("steps", 20.0, 20),
        ("steps", 20.9, 20),
        ("steps", True, 1),
        ("cfg_scale", "7.5", 7.5),
        ("cfg_scale", 7, 7.0),
        ("prompt", 5, "5"),
        ("enable_hr", "true", True),
        ("enable_hr", "off", False),
        ("enable_hr", 1, True),
        ("send_images", 0, False),
    ],
)
def test_types_are_read_as_there(name: str, sent: object, value: object) -> None:
    assert read({name: sent}, is_img2img=False)[name] == value


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("steps", "many"),
        ("steps", [20]),
        ("steps", {}),
        ("steps", float("inf")),
        ("steps", "9" * 200),
        ("cfg_scale", "nan"),
        ("cfg_scale", float("nan")),
        ("prompt", ["a cat"]),
        ("prompt", True),
        ("enable_hr", "perhaps"),
        ("enable_hr", 2),
        ("styles", "one"),
        ("override_settings", []),
        ("alwayson_scripts", "x"),
    ],
)
def test_other_types_are_refused(name: str, sent: object) -> None:
    with pytest.raises(ApiError, match=f"^{name} must be ") as caught:
        read({name: sent}, is_img2img=False)
    assert caught.value.status == 422
    assert {*caught.value.body()} == {"error", "detail", "body", "errors"}


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("restore_faces", True),
        ("tiling", True),
        ("s_churn", 0.5),
        ("s_noise", 1.1),
        ("s_min_uncond", 0.1),
        ("refiner_checkpoint", "refiner.safetensors"),
        ("firstpass_image", "AAAA"),
        ("initial_noise_multiplier", 1.1),
        ("latent_mask", "AAAA"),
    ],
)
def test_what_would_change_the_picture_is_refused(name: str, sent: object) -> None:
    with pytest.raises(ApiError, match=f"^{name} may be null") as caught:
        read({name: sent}, is_img2img=True)
    assert caught.value.status == 422


NEUTRAL: list[dict[str, Any]] = [
    {"restore_faces": False, "tiling": False},
    {"s_churn": 0, "s_tmin": 0, "s_tmax": 0, "s_noise": 1},
    {"s_noise": 0, "s_min_uncond": 0},
    {"refiner_checkpoint": "", "refiner_switch_at": 0.8},
    {"refiner_checkpoint": "None"},
    {"initial_noise_multiplier": 1, "image_cfg_scale": 1.5},
    {"hr_cfg": 1.0, "distilled_cfg_scale": 3.5},
    {"save_images": True, "do_not_save_grid": True, "styles": []},
]


@pytest.mark.parametrize("sent", NEUTRAL)
def test_neutral_values_are_taken(sent: dict[str, Any]) -> None:
    assert not read(sent, is_img2img=True).ignored


def test_what_counts_for_nothing_is_named() -> None:
    sent = {"url": "http://x", "clip_skip": 2, "comments": {"x": 1}, "init_images": ["AAAA"]}
    body = read(sent, is_img2img=False)
    assert body.ignored == ("url", "clip_skip", "comments", "init_images")


def test_few_of_many_unknown_fields_are_named() -> None:
    assert len(read({f"x{i}": i for i in range(1000)}, is_img2img=False).ignored) <= 50
