"""From calls of txt2img and img2img to settings of a request."""

from typing import Any

import pytest
from PIL import Image

from kakusan.request import Request
from kakusan.server.dialects.a1111.errors import ApiError
from kakusan.server.dialects.a1111.options import OPTIONS
from kakusan.server.dialects.a1111.scripts import asked_units, with_fields_of_scripts
from kakusan.server.dialects.a1111.settings import Drawing, Pictures, check, drawing
from kakusan.server.dialects.a1111.told import with_infotext
from kakusan.server.dialects.a1111.values import read

USUAL = {name: option.default for name, option in OPTIONS.items()}
RED = Image.new("RGB", (64, 48), "red")
WHITE = Image.new("L", (64, 48), 255)
PICTURES = ("image", "mask", "controls")


def drawn(
    sent: dict[str, Any],
    pictures: Pictures | None = None,
    chosen: dict[str, Any] | None = None,
    *,
    over: bool = False,
) -> Drawing:
    body = read(with_fields_of_scripts(with_infotext(sent).sent), is_img2img=over)
    units = asked_units(body)
    given = pictures or (Pictures(init=[RED]) if over else Pictures())
    if units and not given.units:
        given = Pictures(given.init, given.mask, [RED] * len(units))
    options = {**USUAL, **(chosen or {}), **body["override_settings"]}
    return drawing(body, given, units, options, is_img2img=over)


def settings(sent: dict[str, Any], *more: Any, **how: Any) -> dict[str, Any]:
    found = dict(drawn(sent, *more, **how).settings)
    Request.of(**{name: v for name, v in found.items() if name not in PICTURES}, seed=7) if (
        "seed" not in found
    ) else Request.of(**{name: v for name, v in found.items() if name not in PICTURES})
    return found


def test_a_plain_call() -> None:
    sent = {"prompt": "a (red:1.2) cat", "steps": 20, "width": 64, "height": 48, "seed": 5}
    assert settings(sent) == {
        "prompt": "a (red:1.2) cat",
        "negative_prompt": "",
        "num_inference_steps": 20,
        "guidance_scale": 7.0,
        "num_images_per_prompt": 1,
        "scheduler": "Euler",
        "seed": 5,
        "width": 64,
        "height": 48,
        "rng": "webui-cpu",
        "prompt_syntax": "webui",
    }


def test_random_seeds_are_left_out() -> None:
    for seed in (-1, None):
        assert "seed" not in settings({"seed": seed})


def test_batches() -> None:
    found = drawn({"batch_size": 2, "n_iter": 3})
    assert (found.settings["num_images_per_prompt"], found.batch) == (6, (2, 3))


@pytest.mark.parametrize("sent", [{"batch_size": 0}, {"n_iter": -1}])
def test_no_pictures(sent: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="must be 1 or more"):
        drawn(sent)


def test_variations() -> None:
    found = settings({"seed": 1, "subseed": 9, "subseed_strength": 0.25})
    assert (found["variation_seed"], found["variation_strength"]) == (9, 0.25)
    assert "variation_seed" not in settings({"subseed": 9, "subseed_strength": 0})
    drawn_by_chance = settings({"seed": 1, "subseed_strength": 0.5})["variation_seed"]
    assert 0 <= drawn_by_chance < 2**32


def test_seed_resize() -> None:
    sent = {"seed_resize_from_w": 320, "seed_resize_from_h": 256, "seed": 1}
    assert settings(sent)["seed_resize"] == (256, 320)
    for off in (0, -1, None):
        assert "seed_resize" not in settings(sent | {"seed_resize_from_h": off})


def test_options() -> None:
    chosen: dict[str, Any] = {
        "CLIP_stop_at_last_layers": 2,
        "eta_noise_seed_delta": 31337,
        "randn_source": "NV",
        "emphasis": "No norm",
        "pad_cond_uncond": True,
        "use_old_scheduling": True,
    }
    found = settings({"override_settings": chosen})
    assert found["clip_skip"] == 1
    assert found["ensd"] == 31337
    assert found["rng"] == "webui-nv"
    assert found["emphasis"] == "No norm"
    assert found["pad_conds"] is True
    assert found["old_timelines"] is True


def test_a_second_pass() -> None:
    sent = {
        "enable_hr": True,
        "hr_scale": 1.5,
        "hr_upscaler": "Latent (nearest-exact)",
        "hr_second_pass_steps": 5,
        "denoising_strength": 0.6,
        "hr_prompt": "larger",
        "hr_sampler_name": "Euler a",
        "scheduler": "karras",
    }
    assert settings(sent)["second_pass"] == {
        "scale": 1.5,
        "upscaler": "Latent (nearest-exact)",
        "strength": 0.6,
        "steps": 5,
        "prompt": "larger",
        "scheduler": "Euler a Karras",
    }


def test_a_second_pass_to_a_size() -> None:
    found = settings({"enable_hr": True, "hr_resize_x": 128, "hr_resize_y": 96})
    assert found["second_pass"]["width"] == 128
    assert found["second_pass"]["strength"] == 0.75
    assert "scale" not in found["second_pass"]


def test_a_second_pass_in_the_old_way() -> None:
    sent = {"enable_hr": True, "firstphase_width": 64, "firstphase_height": 48}
    found = settings(sent | {"width": 128, "height": 96, "prompt": "a"})
    assert (found["width"], found["height"]) == (64, 48)
    assert (found["second_pass"]["width"], found["second_pass"]["height"]) == (128, 96)


def test_fields_of_a_second_pass_count_for_nothing_without_it() -> None:
    sent = {"hr_scale": -3, "hr_upscaler": "4x-UltraSharp", "hr_checkpoint_name": "other"}
    assert "second_pass" not in settings(sent)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"hr_checkpoint_name": "other"}, "hr_checkpoint_name"),
        ({"firstphase_width": 64}, "belong together"),
        ({"hr_sampler_name": "xyzzy"}, "Sampler not found"),
    ],
)
def test_a_second_pass_that_is_not_there(sent: dict[str, Any], said: str) -> None:
    with pytest.raises(ApiError, match=said):
        drawn(sent | {"enable_hr": True})


@pytest.mark.parametrize("same", [None, "", "Use same checkpoint"])
def test_the_same_checkpoint(same: str | None) -> None:
    assert "second_pass" in settings({"enable_hr": True, "hr_checkpoint_name": same})


def test_a_picture_that_is_drawn_over() -> None:
    found = settings({"denoising_strength": 0.4, "resize_mode": 1, "width": 64}, over=True)
    assert found["image"] == [RED]
    assert (found["strength"], found["resize_mode"], found["width"]) == (0.4, "crop", 64)
    assert "mask" not in found


@pytest.mark.parametrize(
    ("strength", "steps", "found"),
    [(0.0, 4, 0.0), (0.1, 4, 0.25), (0.75, 1, 1.0), (0.5, 4, 0.5), (0.01, 30, 0.04)],
)
def test_a_step_is_taken_where_anything_is_to_change(
    strength: float, steps: int, found: float
) -> None:
    sent = {"denoising_strength": strength, "steps": steps}
    assert settings(sent, over=True)["strength"] == found
    assert int(steps * found) >= (strength > 0)


def test_img2img_without_a_picture() -> None:
    for sent in ({}, {"init_images": []}, {"init_images": None}):
        with pytest.raises(ApiError, match=r"^Init image not found$") as caught:
            check(read(sent, is_img2img=True), is_img2img=True)
        assert caught.value.status == 404


def test_several_pictures_are_a_batch() -> None:
    two = Pictures(init=[RED, RED])
    found = drawn({"batch_size": 4, "n_iter": 3}, two, over=True)
    assert (found.batch, found.settings["num_images_per_prompt"]) == ((2, 3), 6)
    with pytest.raises(ApiError, match="bad number of images passed: 2; expecting 1"):
        drawn({}, two, over=True)


def test_a_mask_at_the_size_that_is_drawn() -> None:
    sent = {"inpaint_full_res": False, "width": 128, "height": 96, "mask_blur": 2}
    found = settings(sent, Pictures([RED], WHITE), over=True)
    assert found["mask"].size == found["image"][0].size == (128, 96)
    assert (found["width"], found["height"]) == (128, 96)
    assert (found["outside"], found["mask_blur"], found["masked_content"]) == ("exact", 2.0, "fill")
    assert "only_masked" not in found
    assert "resize_mode" not in found


def test_a_mask_whose_part_is_drawn() -> None:
    sent = {"inpaint_full_res_padding": 8, "width": 128, "height": 96, "inpainting_fill": 1}
    found = settings(sent, Pictures([RED], WHITE.resize((32, 24))), over=True)
    assert found["mask"].size == (64, 48)
    assert found["image"] == [RED]
    assert (found["only_masked"], found["masked_content"]) == (8, "original")


def test_masks_are_read_as_there() -> None:
    black = Image.new("L", (64, 48))
    found = settings({"inpainting_mask_invert": 1}, Pictures([RED], black), over=True)
    assert found["mask"].getextrema() == (255, 255)
    clear = Image.new("RGBA", (64, 48), (255, 255, 255, 0))
    found = settings({"mask_round": False}, Pictures([RED], clear), over=True)
    assert found["mask"].getextrema() == (0, 0)
    assert found["soft_mask"] is True
    solid = Image.new("RGBA", (64, 48), (255, 255, 255, 255))
    assert settings({}, Pictures([RED], solid), over=True)["mask"].getextrema() == (255, 255)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"resize_mode": 3}, "resize_mode must be from 0 to 2"),
        ({"inpainting_fill": 4}, "inpainting_fill must be from 0 to 3"),
        ({"mask_blur_x": 2}, "must be alike"),
    ],
)
def test_masks_that_are_not_there(sent: dict[str, Any], said: str) -> None:
    with pytest.raises(ApiError, match=said):
        drawn(sent, Pictures([RED], WHITE), over=True)


def test_fields_of_masks_count_for_nothing_without_one() -> None:
    assert "mask_blur" not in settings({"mask_blur_x": 2, "inpainting_fill": 9}, over=True)


def test_adapters_can_be_left_out() -> None:
    sent = {"prompt": "a cat <lora:x:1>", "disable_extra_networks": True}
    assert "lora" not in settings(sent)["prompt"]


def test_a_call_may_be_filled_in_from_text() -> None:
    text = (
        "a dog\nNegative prompt: blurry\nSteps: 9, Sampler: DPM++ 2M, Schedule type: Karras, "
        "CFG scale: 5, Seed: 3, Size: 64x48, Clip skip: 2, RNG: NV, Denoising strength: 0.5, "
        "Hires upscale: 2, Hires upscaler: Latent"
    )
    found = settings({"infotext": text, "steps": 4, "seed": None})
    assert (found["prompt"], found["negative_prompt"], found["seed"]) == ("a dog", "blurry", 3)
    assert (found["num_inference_steps"], found["guidance_scale"]) == (4, 5.0)
    assert found["scheduler"] == "DPM++ 2M Karras"
    assert (found["clip_skip"], found["rng"]) == (1, "webui-nv")
    assert found["second_pass"] == {"scale": 2.0, "upscaler": "Latent", "strength": 0.5}


def test_values_of_the_web_uis_own_scripts() -> None:
    scripts = {
        "Sampler": {"args": [6, "DPM++ 2M", "Karras"]},
        "Seed": {"args": [11, True, 12, 0.5, 0, 0]},
        "Refiner": {"args": [False, "", 0.8]},
        "Comments": {"args": []},
    }
    found = drawn({"alwayson_scripts": scripts})
    assert found.settings["scheduler"] == "DPM++ 2M Karras"
    assert (found.settings["seed"], found.settings["variation_seed"]) == (11, 12)
    assert found.ignored == ("alwayson_scripts.Refiner", "alwayson_scripts.Comments")
    scripts["Seed"]["args"][1] = False
    assert "variation_seed" not in drawn({"alwayson_scripts": scripts}).settings


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"script_name": "X/Y/Z plot"}, "Script 'X/Y/Z plot' not found"),
        ({"alwayson_scripts": {"ADetailer": {"args": [True, {}]}}}, "ADetailer"),
        ({"alwayson_scripts": {"animatediff": {"args": [{"enable": True}]}}}, "animatediff"),
        ({"alwayson_scripts": {"x": 5}}, "must be a list"),
    ],
)
def test_scripts_that_are_not_there(sent: dict[str, Any], said: str) -> None:
    with pytest.raises(ApiError, match=said) as caught:
        drawn(sent)
    assert caught.value.status == 422


@pytest.mark.parametrize("args", [[], [False], [False, {}], [{"enable": False}], None])
def test_scripts_that_do_nothing(args: object) -> None:
    found = drawn({"script_name": "None", "alwayson_scripts": {"ADetailer": {"args": args}}})
    assert found.ignored == ("alwayson_scripts.ADetailer",)
