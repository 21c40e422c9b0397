"""sd-webui-controlnet's units."""

from typing import Any

import pytest

from kakusan.errors import InputError
from kakusan.request.controls import ControlAsked
from kakusan.server.dialects.a1111.controls import module_list, module_named, units
from kakusan.server.dialects.a1111.errors import ApiError


def test_a_unit() -> None:
    sent = {
        "enabled": True,
        "module": "canny",
        "model": "control_v11p_sd15_canny [d14c016b]",
        "weight": 0.8,
        "image": "AAAA",
        "threshold_a": 64,
        "threshold_b": 128,
        "guidance_start": 0.1,
        "guidance_end": 0.9,
        "control_mode": "My prompt is more important",
        "resize_mode": "Resize and Fill",
        "pixel_perfect": True,
        "processor_res": 512,
        "lowvram": True,
    }
    (unit,) = units([sent])
    assert unit.image == "AAAA"
    assert unit.asked == {
        "model": "control_v11p_sd15_canny",
        "kind": "canny=64,128",
        "scale": 0.8,
        "start": 0.1,
        "end": 0.9,
        "mode": "prompt",
        "resize_mode": "fill",
    }
    assert unit.ignored == ()
    ControlAsked(**unit.asked)


def test_what_is_usual() -> None:
    (unit,) = units([{"model": "m", "input_image": "AAAA"}])
    assert unit.image == "AAAA"
    assert unit.asked["kind"] == "none"
    assert (unit.asked["mode"], unit.asked["resize_mode"]) == ("balanced", "crop")


def test_a_picture_with_its_mask_in_one() -> None:
    (unit,) = units([{"model": "m", "image": {"image": "AAAA", "mask": None}}])
    assert unit.image == "AAAA"


def test_units_that_are_off() -> None:
    assert units([{"enabled": False, "model": "m"}, None, {}]) == []


def test_numbers_name_modes_too() -> None:
    (unit,) = units([{"model": "m", "control_mode": 2, "resize_mode": 0}])
    assert (unit.asked["mode"], unit.asked["resize_mode"]) == ("control", "stretch")


def test_thresholds_out_of_range_are_the_usual_ones() -> None:
    sent = {"model": "m", "module": "recolor_luminance", "threshold_a": 64.0, "threshold_b": 64.0}
    (unit,) = units([sent])
    assert unit.asked["kind"] == "recolor"
    assert unit.ignored == ("ControlNet unit 0: threshold_a",)


def test_what_counts_for_nothing_is_named() -> None:
    (unit,) = units([{"model": "m", "module": "canny", "processor_res": 512, "zoom": 1}])
    assert unit.ignored == ("ControlNet unit 0: processor_res", "ControlNet unit 0: zoom")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"model": "None"}, "names no model"),
        ({}, "names no model"),
        ({"model": "m", "mask": "AAAA"}, "has a mask"),
        ({"model": "m", "control_mode": "Sometimes"}, "control_mode must be one of"),
        ({"model": "m", "resize_mode": 7}, "resize_mode must be one of"),
        ({"model": "m", "weight": "strong"}, "weight cannot be 'strong'"),
        ({"model": "m", "hr_option": "Low res only"}, "hr_option"),
    ],
)
def test_units_that_cannot_be(sent: dict[str, Any], said: str) -> None:
    with pytest.raises(ApiError, match=said) as caught:
        units([{"enabled": True, **sent}])
    assert caught.value.status == 422


def test_a_preprocessor_that_needs_a_network() -> None:
    with pytest.raises(InputError, match="needs a network"):
        units([{"model": "m", "module": "depth_midas"}])


def test_no_units() -> None:
    with pytest.raises(ApiError, match="must be a list"):
        units({"enabled": True})
    with pytest.raises(ApiError, match="must be an object"):
        units([True])


def test_listed_modules_are_known() -> None:
    listed = module_list()
    assert {*listed["module_list"]} == {*listed["module_detail"]}
    for name in listed["module_list"]:
        module_named(name)
