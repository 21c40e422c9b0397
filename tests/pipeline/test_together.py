"""Requests that are drawn at once give the pictures that each gives alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kakusan
from kakusan.errors import NumericalError, RequestError
from kakusan.pipeline import draw_together
from kakusan.pipeline.prompts import Prompts
from kakusan.pipeline.together import JOINED

SETTINGS: list[dict[str, Any]] = [
    {"prompt": "a cat", "seed": 1, "scheduler": "euler-a", "num_inference_steps": 5},
    {"prompt": "a dog", "seed": 2, "guidance_scale": 1.0, "num_inference_steps": 3},
    {"prompt": ["a tree", "a sea"], "seed": 3, "num_inference_steps": 4, "negative_prompt": "red"},
    {"prompt": "a cat", "seed": 4, "scheduler": "dpmpp-2m-sde", "width": 80},
    {"prompt": "a cat", "seed": 5, "reuse_interval": 2, "num_inference_steps": 6},
]
REQUESTS = [
    kakusan.Request.of(**{"num_inference_steps": 4, "num_images_per_prompt": 2, **settings})
    for settings in SETTINGS
]


@pytest.fixture(scope="module")
def pipe(tiny_v1: Path) -> kakusan.StableDiffusionPipeline:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def pixels(picture: Any) -> np.ndarray:
    return np.asarray(picture.image).astype(int)


@pytest.mark.parametrize("most", [1, 3, 8])
def test_each_picture_is_as_it_is_alone(pipe: Any, most: int) -> None:
    found: dict[int, list[Any]] = {}
    for number, picture in draw_together(pipe, REQUESTS, most=most):
        found.setdefault(number, []).append(picture)
    for number, request in enumerate(REQUESTS):
        alone = list(pipe.pictures(request))
        assert len(found[number]) == len(alone)
        seeds = {picture.record["seed"]: picture for picture in found[number]}
        for expected in alone:
            picture = seeds[expected.record["seed"]]
            notes = [JOINED] if most > 1 else []
            assert picture.record == expected.record | {"notes": notes}
            assert np.abs(pixels(picture) - pixels(expected)).max() <= 1  # of rounding


def test_calls_are_shared(pipe: Any) -> None:
    rows: list[int] = []
    hook = pipe.unet.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    requests = [
        kakusan.Request.of("a cat", seed=1, num_inference_steps=3, scheduler="ddim"),
        kakusan.Request.of("a dog", seed=2, num_inference_steps=2, scheduler="euler"),
        kakusan.Request.of("a sea", seed=3, num_inference_steps=3, guidance_scale=1.0),
    ]
    done = [number for number, _ in draw_together(pipe, requests)]
    hook.remove()
    assert done == [1, 0, 2]
    assert rows == [5, 5, 3, 1]  # the third is PNDM's, whose steps are one call more


def test_a_bad_request_is_said_at_once(pipe: Any) -> None:
    with pytest.raises(RequestError, match="multiple of 8"):
        draw_together(pipe, [REQUESTS[0], kakusan.Request.of("a", height=64, width=12)])
    with pytest.raises(RequestError, match="clip_skip leaves out 30 layers"):
        draw_together(pipe, [REQUESTS[0], kakusan.Request.of("a", clip_skip=30)])
    with pytest.raises(RequestError, match="each must be a Request, not 'a cat'"):
        draw_together(pipe, ["a cat"])  # pyright: ignore
    for most in (0, -1, True, "x"):
        with pytest.raises(RequestError, match="most must be a whole number above 0"):
            draw_together(pipe, REQUESTS, most=most)  # pyright: ignore
    assert not list(draw_together(pipe, []))


def test_one_that_fails_does_not_stop_the_others(
    pipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = pipe.encode_texts(["a dog"])[0]
    plain = type(pipe.unet).forward

    def failing(self: Any, sample: Any, timestep: Any, encoder_hidden_states: Any) -> Any:
        output = plain(self, sample, timestep, encoder_hidden_states)
        (rows,) = encoder_hidden_states.embeddings
        for row, tokens in enumerate(rows):
            if np.allclose(tokens, text):
                output[0][row] = np.nan
        return output

    requests = [kakusan.Request.of(p, seed=1, num_inference_steps=2) for p in ("a cat", "a dog")]
    (expected,) = pipe.pictures(requests[0])
    monkeypatch.setattr(type(pipe.unet), "forward", failing)
    drawn = draw_together(pipe, requests)
    number, picture = next(drawn)
    assert number == 0
    assert np.abs(pixels(picture) - pixels(expected)).max() <= 1
    with pytest.raises(NumericalError, match="UNet"):
        next(drawn)


def test_a_text_that_cannot_be_encoded_ends_its_own_request_alone(
    pipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Prompts.encoded

    def failing(self: Prompts) -> Any:
        if self.request.prompt == ("a dog",):
            raise NumericalError.of("text encoder")
        return plain(self)

    monkeypatch.setattr(Prompts, "encoded", failing)
    found: list[int] = []
    drawn = draw_together(pipe, REQUESTS[:3])
    for _ in range(6):
        found.append(next(drawn)[0])
    with pytest.raises(NumericalError, match="text encoder"):
        next(drawn)
    assert sorted(found) == [0, 0, 2, 2, 2, 2]
