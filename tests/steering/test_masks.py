"""Masks by AUTOMATIC1111's rules: what stays, what is drawn, how large, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import kakusan
from kakusan.errors import InputError, RequestError
from kakusan.images import to_pil
from kakusan.inputs import Inputs, given_pictures
from kakusan.steering.canvas import Canvas

RNG = np.random.default_rng(3)
ARRAY = RNG.integers(0, 256, (64, 80, 3), np.uint8)
PICTURE = Image.fromarray(ARRAY)
BOX = "box:20,16,32,24"


@pytest.fixture(scope="module")
def draws(tiny_v1: Path) -> Any:
    def draw(**changes: Any) -> Any:
        given = {"prompt": "a cat", "image": PICTURE, "mask": BOX, "seed": 3, "steps": 4}
        call = {**given, "model": str(tiny_v1), "progress": False, "device": "cpu", **changes}
        return kakusan.generate(**call)[0]

    return draw


def far(picture: Any, array: np.ndarray = ARRAY) -> np.ndarray:
    """Where a picture is another."""
    found = np.asarray(picture.image)
    assert found.shape == array.shape
    return (found != array).any(-1)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"strength": 1.0},
        {"masked_content": "fill"},
        {"masked_content": "noise"},
        {"masked_content": "nothing"},
        {"only_masked": 4},
        {"soft_mask": True},
        {"width": 64, "height": 48},
    ],
    ids=str,
)
def test_outside_pixels_stay_to_the_bit(draws: Any, how: dict[str, Any]) -> None:
    changed = far(draws(**how))
    assert changed[18:38, 22:50].mean() > 0.9
    changed[16 - 10 : 40 + 10, 20 - 10 : 52 + 10] = False
    assert not changed.any()


def test_an_empty_mask_gives_the_picture(draws: Any, caplog: pytest.LogCaptureFixture) -> None:
    picture = draws(mask=Image.new("L", (80, 64)))
    assert not far(picture).any()
    assert "the mask is all black: nothing of the picture is drawn anew" in caplog.text
    assert not far(draws(mask=np.zeros((64, 80)), only_masked=8)).any()


def test_a_full_mask_draws_all_of_it(draws: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert far(draws(mask=np.ones((64, 80)))).mean() > 0.95
    assert "the mask is all white: all of the picture is drawn anew" in caplog.text


def test_pictures_of_any_size_keep_it(draws: Any) -> None:
    array = ARRAY[:61, :77]
    changed = far(draws(image=Image.fromarray(array)), array)
    assert changed[18:38, 22:50].any()
    assert not changed[:6].any()
    assert not changed[50:].any()


def test_all_of_it_as_the_vae_shows_it(draws: Any) -> None:
    picture = draws(outside="decoded")
    assert far(picture).mean() > 0.95
    assert picture.record["outside"] == "decoded"


def test_sides_are_added(draws: Any) -> None:
    picture = draws(mask=None, outpaint={"left": 24, "up": 8, "feather": 6})
    found = np.asarray(picture.image)
    assert found.shape == (72, 104, 3)
    assert np.array_equal(found[8 + 6 :, 24 + 6 :], ARRAY[6:, 6:])
    assert picture.record["outpaint"] == {"left": 24, "up": 8, "feather": 6}
    for side in ("left", "right", "up", "down"):
        other = draws(mask=None, outpaint={side: 16})
        assert other.image.size == ((96, 64) if side in ("left", "right") else (80, 80))
        assert other.record["outpaint"] == {side: 16, "feather": 8}
    both = np.asarray(draws(outpaint={"right": 8}).image)  # with a mask too
    assert both.shape == (64, 88, 3)
    assert (both[:, :80] != ARRAY)[20:36, 24:48].any()


def test_a_record_makes_it_again(draws: Any, tmp_path: Path) -> None:
    mask = Image.fromarray((RNG.random((64, 80)) > 0.5).astype(np.uint8) * 255)
    shape = draws(only_masked=8)
    file = draws(mask=mask, mask_blur=2, masked_content="fill")
    for picture, inputs in ((shape, [PICTURE]), (file, [mask, PICTURE])):
        again = kakusan.reproduce(picture.record, inputs=inputs, trust_model=True, progress=False)
        assert np.array_equal(np.asarray(again.image), np.asarray(picture.image))
        assert again.record == picture.record
    with pytest.raises(RequestError, match="made with the mask"):
        kakusan.reproduce(file.record, inputs=PICTURE, trust_model=True, progress=False)
    path = file.save(tmp_path / "a.png")
    like = draws(prompt=None, like=path, mask=mask, seed=None)
    assert np.array_equal(np.asarray(like.image), np.asarray(file.image))


def test_pictures_of_several_masks(draws: Any, tiny_v1: Path) -> None:
    masks = [np.eye(64, 80), np.ones((64, 80))]
    call = {"model": str(tiny_v1), "progress": False, "seed": 3, "steps": 4, "device": "cpu"}
    two = kakusan.generate("a cat", image=PICTURE, mask=masks, count=2, **call)
    assert two[0].record["mask"] != two[1].record["mask"]
    alone = draws(mask=masks[1], seed=4)
    assert np.array_equal(np.asarray(alone.image), np.asarray(two[1].image))


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "another size": ({"mask": np.ones((60, 80))}, r"mask has 80x60 pixels, and image 80x64"),
    "no picture": ({"image": None}, r"there is none"),
    "a shape beyond": ({"mask": "box:90,0,5,5"}, r"covers nothing of a picture of 80x64"),
    "a content": ({"masked_content": "x"}, r"masked_content must be one of original, fill"),
    "a blur of no mask": ({"mask": None, "mask_blur": 3}, r"mask_blur says how a mask is used"),
    "no file": ({"mask": "nowhere.png"}, r"there is no file 'nowhere.png'"),
    "resizing": ({"resize_mode": "crop"}, r"resize_mode is for pictures that are drawn at anoth"),
    "three masks": ({"mask": [np.ones((64, 80))] * 3}, r"mask is 3 masks, and 1 are drawn"),
    "no step": ({"strength": 0.01, "scheduler": "ddim"}, r"leaves no step"),
    "too large": ({"mask": None, "outpaint": {"up": 16_000}}, r"outpaint makes the picture"),
    "fast": ({"quality_budget": 30.0}, r"quality_budget"),
}


@pytest.mark.parametrize(("changes", "said"), BAD.values(), ids=BAD)
def test_what_is_refused(draws: Any, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        draws(**changes)
    assert "\n" not in str(caught.value)


def test_a_request_needs_its_mask(tiny_v1: Path, draws: Any) -> None:
    pipe = kakusan.AutoPipelineForText2Image.from_pretrained(tiny_v1)
    record = draws().record
    request = kakusan.Request.from_record({**record, "model": None, "dtype": None})
    inputs = Inputs(image=given_pictures("image", PICTURE))
    with pytest.raises(RequestError, match="the request needs the mask 'box:20"):
        pipe.prepared(request, inputs)


@pytest.mark.parametrize("output_type", ["pil", "np", "pt"])
def test_pipelines_paste_back_too(tiny_v1: Path, output_type: str) -> None:
    pipe = kakusan.StableDiffusionInpaintPipeline.from_pretrained(tiny_v1)
    mask = np.zeros((64, 80), np.float32)
    mask[16:40, 20:52] = 1
    call = {"image": PICTURE, "mask_image": mask, "num_inference_steps": 2, "seed": 1}
    found = pipe("a cat", **call, outside="exact", output_type=output_type).images[0]
    if output_type == "pt":
        found = found.permute(1, 2, 0).numpy()
    levels = np.asarray(found) if output_type == "pil" else np.rint(found * 255)
    assert np.array_equal(levels[mask == 0], ARRAY[mask == 0])
    assert (levels[mask == 1] != ARRAY[mask == 1]).any(-1).mean() > 0.9


def test_a_pasted_half_is_exact() -> None:
    every = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert("RGB")
    canvas = Canvas(every, np.zeros((16, 16), np.float32), (0, 0, 16, 16))
    share = np.zeros((16, 16), np.float32)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        for truncated in (False, True):
            pixels = torch.zeros(1, 3, 16, 16, dtype=dtype)
            found = canvas.pasted(pixels, share, truncated=truncated)
            image = to_pil(found, truncated=truncated)[0]
            assert np.array_equal(np.asarray(image), np.asarray(every))
