"""AUTOMATIC1111's settings."""

from typing import Any

import pytest

from kakusan.server.dialects.a1111.errors import ApiError
from kakusan.server.dialects.a1111.options import OPTIONS, changed, served, settings_of

USUAL = {name: option.default for name, option in OPTIONS.items()}


def test_all_that_is_served_may_come_back() -> None:
    before = served({}, title="builtin [0123456789]", digest="0123456789")
    assert changed(before, before).values == {}


def test_one_changed_key_of_all() -> None:
    before = served({}, title="builtin", digest="")
    sent = {**before, "sd_model_checkpoint": "other", "of_a_stranger": [1], "sd_vae": None}
    found = changed(sent, before)
    assert found.values == {"sd_model_checkpoint": "other"}
    assert found.unknown == ("of_a_stranger",)


def test_what_is_set_is_served() -> None:
    found = served({"CLIP_stop_at_last_layers": 2}, title="m", digest="")
    assert found["CLIP_stop_at_last_layers"] == 2


@pytest.mark.parametrize(
    "sent",
    [
        {"CLIP_stop_at_last_layers": "two"},
        {"CLIP_stop_at_last_layers": 1000},
        {"randn_source": "TPU"},
        {"img2img_color_correction": True},
        {"samples_format": "gif"},
        {"jpeg_quality": 0},
        {"sd_hypernetwork": "old"},
        {"return_grid": True},
        {"enable_pnginfo": False},
        {"forge_additional_modules": ["x"]},
        {"inpainting_mask_weight": 0.5},
    ],
)
def test_values_that_are_not_there(sent: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        changed(sent, USUAL)
    assert caught.value.status == 422
    assert next(iter(sent)) in caught.value.detail


def test_usual_settings_of_a_request() -> None:
    assert settings_of(USUAL) == {"rng": "webui-cpu", "prompt_syntax": "webui"}


def test_padding_in_the_old_way_counts_first() -> None:
    both = {**USUAL, "pad_cond_uncond": True, "pad_cond_uncond_v0": True}
    assert settings_of(both)["pad_conds"] == "v0"
