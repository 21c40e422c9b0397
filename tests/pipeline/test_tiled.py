"""A picture made larger in tiles: as its tiles, drawn one by one, put together."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kakusan
from kakusan import StableDiffusionPipeline
from kakusan.errors import CheckpointError, RequestError
from kakusan.images.tiles import Tiles
from kakusan.pipeline import draw_together
from kakusan.request import Request, Upscale

PICTURE = Image.fromarray(np.random.default_rng(7).integers(0, 256, (50, 70, 3), np.uint8))
LARGE = PICTURE.resize((140, 100), Image.Resampling.LANCZOS)


@pytest.fixture(scope="module")
def pipe(tiny_v1: Path) -> StableDiffusionPipeline:
    found = StableDiffusionPipeline.from_pretrained(tiny_v1)
    found.set_progress_bar_config(disable=True)
    return found


def asked(**settings: Any) -> Request:
    settings = {"num_inference_steps": 4, "seed": 3, "strength": 0.5, "upscale": 2} | settings
    return Request.of("a cat", **settings)


def test_it_is_its_tiles_put_together(pipe: Any) -> None:
    (found,) = pipe.pictures(asked(upscale={"scale": 2, "overlap": 16}), image=PICTURE)
    tiles = Tiles.of(140, 100, (64, 64), 16)
    assert (tiles.columns, tiles.rows) == ((0, 38, 76), (0, 36))
    drawn: list[Image.Image] = []
    for number, tile in enumerate(tiles.cut(LARGE)):
        request = asked(upscale=None, seed=3 + number)  # SD upscale counts seeds so
        drawn += [each.image for each in pipe.pictures(request, image=tile)]
    assert found.image.size == (140, 100)
    assert np.array_equal(np.asarray(found.image), np.asarray(tiles.joined(drawn)))


def test_the_record_makes_it_again(pipe: Any) -> None:
    (found,) = pipe.pictures(asked(), image=PICTURE)
    record = found.record
    assert record["upscale"] == {"scale": 2.0, "overlap": 8}
    assert (record["width"], record["height"], record["seed"]) == (64, 64, 3)
    assert (record["image"]["width"], record["image"]["height"]) == (70, 50)
    assert record["strength"] == 0.5
    again = kakusan.reproduce(record, inputs=PICTURE, trust_model=True, progress=False)
    assert np.array_equal(np.asarray(again.image), np.asarray(found.image))
    assert again.record == record
    with pytest.raises(RequestError, match="needs"):
        list(pipe.pictures(Request.from_record(record), image=LARGE))


def test_a_model_says_how_much_of_it_to_draw_anew(tiny_v1: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_v1, folder)
    for told, strength in (({}, 0.3), ({"upscale_strength": 0.1}, 0.1)):
        (folder / "kakusan.json").write_text(json.dumps(told))
        pipe = StableDiffusionPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        request = asked(strength=None, num_inference_steps=10)
        (found,) = pipe.pictures(request, image=PICTURE)
        assert found.record["strength"] == strength
        (other,) = pipe.pictures(asked(strength=strength, num_inference_steps=10), image=PICTURE)
        assert np.array_equal(np.asarray(found.image), np.asarray(other.image))
    (folder / "kakusan.json").write_text('{"upscale_strength": 1.5}')
    with pytest.raises(CheckpointError, match="upscale_strength"):
        StableDiffusionPipeline.from_pretrained(folder)


def test_hardly_changed_it_is_the_larger_picture_but_for_the_vae(pipe: Any) -> None:
    (found,) = pipe.pictures(asked(strength=0.0, upscale=1.0), image=LARGE.crop((0, 0, 64, 64)))
    pixels = pipe.image_processor.preprocess(LARGE.crop((0, 0, 64, 64)))
    back = pipe.decode_to_pil(pipe.vae.to_latents(pixels))[0]
    assert np.abs(np.asarray(found.image, int) - np.asarray(back, int)).max() <= 1


def test_a_batch_and_others_beside_it(pipe: Any) -> None:
    (alone,) = pipe.pictures(asked(), image=PICTURE)
    (together,) = pipe.pictures(asked(), image=PICTURE, batch_size=4)
    far = np.abs(np.asarray(alone.image, int) - np.asarray(together.image, int))
    assert far.max() <= 1
    with pytest.raises(RequestError, match="there is none; give one"):
        list(draw_together(pipe, [asked()]))


def test_progress_tells_of_tiles(pipe: Any) -> None:
    told: list[str] = []
    drawing = pipe.prepared(*_prepared())
    list(pipe.drawn(drawing, tell=lambda _, words: told.append(words)))
    assert told[0].startswith("tile 1 of 6, ")
    assert told[-1].startswith("tile 6 of 6, decoding")


def _prepared() -> Any:
    from kakusan.inputs import Inputs, given_pictures

    return asked(), Inputs(image=given_pictures("image", PICTURE))


def test_a_generator_draws_all_tiles_at_once(pipe: Any) -> None:
    import torch

    request = asked(seed=None)
    (found,) = pipe.pictures(request, image=PICTURE, generator=torch.Generator().manual_seed(1))
    assert found.record["seed"] is None
    assert found.image.size == (140, 100)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"upscale": 0}, "1 or more, not 0"),
        ({"upscale": float("nan")}, "finite number"),
        ({"upscale": 17}, "from 0 to 16"),
        ({"upscale": "2x"}, "mapping such as"),
        ({"upscale": {"scale": 2, "tile": 3}}, "an upscale has no argument 'tile'"),
        ({"upscale": {"overlap": 64}}, "take less than a tile"),
        ({"upscale": {"overlap": 63}, "width": 64}, "at most 1000 are drawn"),
        ({"num_images_per_prompt": 2}, "makes one picture of one, not 2"),
        ({"second_pass": 2}, "second_pass is for a whole one"),
        ({"resize_mode": "fill"}, "resize_mode is for a whole one"),
        ({"seed_resize": (64, 64)}, "seed_resize is for a whole one"),
        ({"strength": 0.01, "scheduler": "ddim"}, "leaves no step"),
    ],
)
def test_bad_input_is_one_line(pipe: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError) as caught:
        pipe.pictures(asked(**settings), image=PICTURE)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_records_and_sizes() -> None:
    assert "upscale" not in Request(prompt=("a",)).to_record()
    request = asked(upscale={"scale": 1.5, "overlap": 8})
    assert Request.from_record(request.to_record()) == request
    assert Upscale(scale=1.5).size(101, 33) == (151, 49)
    with pytest.raises(RequestError, match="16384 are made along a side"):
        Upscale(scale=16).size(2000, 10)
