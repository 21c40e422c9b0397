"""The package webuiapi as it is, against a server."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import webuiapi
from PIL import Image, ImageDraw

import kakusan
from kakusan.images.parameters import parse_parameters
from tests.server.dialects.a1111.serving import NET, Served

SMALL: dict[str, Any] = {"width": 64, "height": 64, "steps": 3, "seed": 7}


@pytest.fixture
def api(served: Served) -> Iterator[webuiapi.WebUIApi]:
    found = webuiapi.WebUIApi(host="127.0.0.1", port=served.port)
    yield found
    found.session.close()


def pixels(image: Image.Image) -> "np.ndarray[Any, Any]":
    return np.asarray(image.convert("RGB"))


def blob(size: tuple[int, int] = (64, 64)) -> Image.Image:
    image = Image.new("RGB", size, "skyblue")
    ImageDraw.Draw(image).ellipse((16, 16, 48, 48), fill="orange")
    return image


def test_a_picture_is_that_of_the_short_call(api: webuiapi.WebUIApi) -> None:
    found = api.txt2img(prompt="a (red:1.2) circle", negative_prompt="blue", **SMALL)
    (again,) = kakusan.generate(
        "a (red:1.2) circle",
        negative_prompt="blue",
        prompt_syntax="webui",
        scheduler="Euler a",
        guidance=7.0,
        progress=False,
        **SMALL,
    )
    np.testing.assert_array_equal(pixels(found.image), pixels(again.image))
    assert found.info["seed"] == 7
    assert found.info["all_seeds"] == [7]
    assert found.info["sampler_name"] == "Euler a"
    assert (found.info["width"], found.info["height"], found.info["steps"]) == (64, 64, 3)


def test_the_text_is_the_one_in_the_file(api: webuiapi.WebUIApi) -> None:
    found = api.txt2img(prompt="a house", sampler_name="DPM++ 2M", scheduler="karras", **SMALL)
    text = found.image.info["parameters"]
    assert found.info["infotexts"] == [text]
    told = parse_parameters(text)
    assert (told["prompt"], told["seed"], told["sampler"]) == ("a house", 7, "DPM++ 2M")
    assert told["schedule_type"] == "Karras"
    info = api.png_info(found.image)
    assert info.info == text
    assert info.parameters["Size-1"] == "64"


def test_a_batch(api: webuiapi.WebUIApi) -> None:
    found = api.txt2img(prompt="a cat", batch_size=2, n_iter=2, **SMALL)
    assert len(found.images) == 4
    assert found.info["all_seeds"] == [7, 8, 9, 10]
    alone = api.txt2img(prompt="a cat", **{**SMALL, "seed": 9})
    assert np.abs(pixels(alone.image).astype(int) - pixels(found.images[2])).max() <= 1


def test_a_random_seed_is_told(api: webuiapi.WebUIApi) -> None:
    found = api.txt2img(prompt="a cat", **{**SMALL, "seed": -1})
    assert 0 <= found.info["seed"] < 2**32


def test_a_second_pass(api: webuiapi.WebUIApi) -> None:
    found = api.txt2img(
        prompt="a cat",
        enable_hr=True,
        hr_scale=2,
        hr_upscaler=webuiapi.HiResUpscaler.Latent,
        hr_second_pass_steps=2,
        denoising_strength=0.6,
        **SMALL,
    )
    assert found.image.size == (128, 128)
    assert (found.info["width"], found.info["denoising_strength"]) == (64, 0.6)


def test_a_picture_drawn_over(api: webuiapi.WebUIApi) -> None:
    found = api.img2img(images=[blob()], prompt="a red circle", denoising_strength=0.5, **SMALL)
    (again,) = kakusan.generate(
        "a red circle",
        image=blob(),
        strength=0.5,
        resize_mode="stretch",
        prompt_syntax="webui",
        scheduler="Euler a",
        guidance=7.0,
        progress=False,
        **SMALL,
    )
    np.testing.assert_array_equal(pixels(found.image), pixels(again.image))
    assert found.parameters["init_images"] is None
    assert found.info["denoising_strength"] == 0.5


def test_nothing_of_a_picture_is_changed_at_0(api: webuiapi.WebUIApi) -> None:
    found = api.img2img(images=[blob()], prompt="a cat", denoising_strength=0.0, **SMALL)
    assert np.abs(pixels(found.image).astype(int) - pixels(blob())).mean() < 12


@pytest.mark.parametrize("whole", [True, False])
def test_a_part_drawn_over(api: webuiapi.WebUIApi, whole: bool) -> None:
    mask = Image.new("L", (64, 64))
    ImageDraw.Draw(mask).rectangle((0, 0, 31, 63), fill=255)
    found = api.img2img(
        images=[blob()],
        mask_image=mask,
        prompt="a red circle",
        inpaint_full_res=not whole,
        inpainting_fill=1,
        mask_blur=0,
        **SMALL,
    )
    new, old = pixels(found.image), pixels(blob())
    assert new.shape == old.shape
    np.testing.assert_array_equal(new[:, 40:], old[:, 40:])
    assert (new[:, :24] != old[:, :24]).any()


def test_white_is_drawn_anew_and_inverted_black(api: webuiapi.WebUIApi) -> None:
    sent: dict[str, Any] = {"images": [blob()], "mask_blur": 0, "prompt": "a cat", **SMALL}
    black = Image.new("L", (64, 64))
    kept = api.img2img(mask_image=black, inpaint_full_res=False, **sent)
    np.testing.assert_array_equal(pixels(kept.image), pixels(blob()))
    drawn = api.img2img(mask_image=black, inpaint_full_res=False, inpainting_mask_invert=1, **sent)
    assert (pixels(drawn.image) != pixels(blob())).any()


def test_variations_and_sizes_of_seeds(api: webuiapi.WebUIApi) -> None:
    plain = api.txt2img(prompt="a cat", **SMALL)
    varied = api.txt2img(prompt="a cat", subseed=3, subseed_strength=0.5, **SMALL)
    assert (varied.info["subseed"], varied.info["subseed_strength"]) == (3, 0.5)
    assert (pixels(plain.image) != pixels(varied.image)).any()
    resized = api.txt2img(prompt="a cat", seed_resize_from_w=48, seed_resize_from_h=48, **SMALL)
    assert resized.info["seed_resize_from_w"] == 48


def test_lists(api: webuiapi.WebUIApi) -> None:
    assert "builtin" in [each["model_name"] for each in api.get_sd_models()]
    assert any(title.startswith("builtin") for title in api.util_get_model_names())
    assert {"Euler", "Euler a", "DPM++ 2M", "DDIM"} <= {*api.util_get_sampler_names()}
    assert {"automatic", "karras"} <= {*api.util_get_scheduler_names()}
    assert [each["name"] for each in api.get_upscalers()] == ["None", "Lanczos", "Nearest"]
    assert len(api.get_latent_upscale_modes()) == 6
    assert api.get_scripts() == {"txt2img": [], "img2img": []}
    assert api.get_embeddings()["skipped"] == {}
    for empty in (
        api.get_hypernetworks,
        api.get_face_restorers,
        api.get_realesrgan_models,
        api.get_prompt_styles,
    ):
        assert empty() == []
    assert isinstance(api.get_loras(), list)
    assert isinstance(api.get_sd_vae(), list)
    assert api.refresh_checkpoints() is None
    memory = api.get_memory()
    assert memory["ram"]["total"] > memory["ram"]["used"] > 0
    assert "none" in api.controlnet_module_list()
    assert isinstance(api.controlnet_model_list(), list)
    assert api.controlnet_version() >= 2


def test_options_there_and_back(api: webuiapi.WebUIApi) -> None:
    before = api.get_options()
    assert api.set_options(before) is None
    assert api.get_options() == before
    api.set_options({"CLIP_stop_at_last_layers": 2})
    assert api.txt2img(prompt="a cat", **SMALL).info["clip_skip"] == 2
    api.set_options({"CLIP_stop_at_last_layers": 1})
    api.util_set_model("builtin")
    assert api.util_get_current_model().startswith("builtin")


def test_ready(api: webuiapi.WebUIApi) -> None:
    api.util_wait_for_ready(check_interval=0.1)
    assert api.get_progress()["progress"] == 0


def test_larger_pictures(api: webuiapi.WebUIApi) -> None:
    found = api.extra_single_image(
        blob(), upscaler_1=webuiapi.Upscaler.Lanczos, upscaling_resize=1.5
    )
    assert found.image.size == (96, 96)
    several = api.extra_batch_images([blob(), blob()], upscaler_1="Nearest")
    assert [each.size for each in several.images] == [(128, 128)] * 2


def test_edges(api: webuiapi.WebUIApi) -> None:
    found = api.controlnet_detect([blob()], module="canny", threshold_a=100, threshold_b=200)
    assert found.image.size == (64, 64)
    assert pixels(found.image).max() == 255


def test_from_asyncio(api: webuiapi.WebUIApi) -> None:
    pytest.importorskip("aiohttp")  # which webuiapi imports, and does not require

    async def drawn() -> Any:
        return await api.txt2img(prompt="a cat", use_async=True, **SMALL)

    assert asyncio.run(drawn()).image.size == (64, 64)


def test_an_unknown_sampler_raises(api: webuiapi.WebUIApi) -> None:
    with pytest.raises(RuntimeError, match="Sampler not found"):
        api.txt2img(prompt="a cat", sampler_name="Euler b", **SMALL)


@pytest.mark.parametrize("stop", ["interrupt", "skip"])
def test_an_interrupted_call_gives_what_there_is(api: webuiapi.WebUIApi, stop: str) -> None:
    found: list[Any] = []
    long: dict[str, Any] = {**SMALL, "steps": 900, "width": 256, "height": 256}
    thread = threading.Thread(target=lambda: found.append(api.txt2img(prompt="a cat", **long)))
    thread.start()
    wait_until(lambda: api.get_progress()["state"]["sampling_step"] > 0)
    told = api.get_progress()
    assert 0 < told["progress"] < 1
    assert told["state"]["job_count"] == 1
    getattr(api, stop)()
    thread.join(60)
    assert found
    assert found[0].image.size == (256, 256)
    wait_until(lambda: api.get_progress()["state"]["job_count"] == 0)


def wait_until(met: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_network_that_steers(api: webuiapi.WebUIApi, served: Served) -> None:
    name = next(each for each in api.controlnet_model_list() if each.startswith(NET))
    unit = webuiapi.ControlNetUnit(
        image=blob(), module="canny", model=name, weight=0.8, threshold_a=100, threshold_b=200
    )
    scripts: dict[str, Any] = {}  # webuiapi writes into its own default
    plain = api.txt2img(prompt="a red circle", alwayson_scripts=scripts, **SMALL)
    found = api.txt2img(
        prompt="a red circle", controlnet_units=[unit], alwayson_scripts=scripts, **SMALL
    )
    (again,) = kakusan.generate(
        "a red circle",
        controls=[
            {
                "image": blob(),
                "model": served.data / NET,
                "kind": "canny",
                "scale": 0.8,
                "resize_mode": "fill",
            }
        ],
        prompt_syntax="webui",
        scheduler="Euler a",
        guidance=7.0,
        progress=False,
        **SMALL,
    )
    np.testing.assert_array_equal(pixels(found.image), pixels(again.image))
    assert (pixels(found.image) != pixels(plain.image)).any()
    assert "ControlNet 0" in found.info["infotexts"][0]
    assert found.parameters["kakusan_ignored"] == ["ControlNet unit 0: processor_res"]
