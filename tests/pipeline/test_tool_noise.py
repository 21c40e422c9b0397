"""Requests that say by whose rules noise is drawn: drawn, recorded, and drawn again."""

from typing import Any

import pytest
import torch
from torch import Tensor

import kakusan
from kakusan.errors import ArgumentError
from kakusan.inputs import Inputs
from kakusan.pipeline.seeding import generator_of
from kakusan.request import Request
from kakusan.schedulers import draw_noise
from kakusan.schedulers.tool_noise import PictureNoise, Seeding

SHAPE = (1, 4, 8, 8)
WAYS: dict[str, dict[str, Any]] = {
    "nv": {"rng": "nv"},
    "variation": {"rng": "gpu", "variation_seed": 3, "variation_strength": 0.4},
    "of its own": {"variation_seed": 3, "variation_strength": 0.4, "ensd": 1},
    "resized": {"rng": "cpu", "seed_resize": (64, 96)},
    "ensd": {"rng": "cpu", "ensd": 31337},
    "comfy": {"rng": "comfy"},
    "invoke": {"rng": "invoke-gpu"},
    "fooocus": {"rng": "fooocus"},
}


def first_noise(request: Request, index: int) -> Tensor:
    device = torch.device("cpu")
    return draw_noise(SHAPE, generator_of(request, index, 8), dtype=torch.float32, device=device)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_record_draws_the_same_alone(way: dict[str, Any]) -> None:
    drawn = kakusan.generate(
        "a red cat", seed=7, steps=2, count=2, scheduler="Euler a", progress=False, **way
    )
    plain = kakusan.generate("a red cat", seed=7, steps=2, scheduler="Euler a", progress=False)
    assert drawn[0].image.tobytes() != plain[0].image.tobytes()
    for picture in drawn:
        again = kakusan.reproduce(picture.record, progress=False)
        assert again.image.tobytes() == picture.image.tobytes()
        assert again.record == picture.record


def test_a_plain_record_says_nothing_of_it() -> None:
    request = Request.of("a cat", seed=1, variation_strength=0.0, variation_seed=4, ensd=0)
    assert request.draws_own_noise
    assert not set(request.only_noise()) & request.to_record().keys()
    assert not isinstance(generator_of(request, 0, 8), PictureNoise)


def test_with_a_variation_the_seed_stays() -> None:
    request = Request.of(
        "a cat", seed=7, num_images_per_prompt=3, variation_seed=3, variation_strength=0.5, rng="nv"
    )
    assert [request.seed_of(i) for i in range(3)] == [7, 7, 7]
    assert [request.picture(i).variation_seed for i in range(3)] == [3, 4, 5]
    for index in range(3):
        own = PictureNoise(Seeding(rng="webui-nv", seed=7, variation=(3 + index, 0.5)))
        assert torch.equal(first_noise(request, index), own.normal(SHAPE))


def test_seeds_go_on_as_the_tool_counts_them() -> None:
    for rng, most in (("fooocus", 2**63), ("nv", 2**64), (None, 2**64)):
        request = Request.of("a cat", seed=most - 1, num_images_per_prompt=2, rng=rng)
        assert [request.seed_of(i) for i in range(2)] == [most - 1, 0]


def test_sizes_are_counted_in_latents() -> None:
    request = Request.of("a cat", seed=7, rng="cpu", seed_resize=(32, 127))
    own = PictureNoise(Seeding(rng="webui-cpu", seed=7, resized_from=(4, 15)))
    assert torch.equal(first_noise(request, 0), own.normal(SHAPE))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rng": "nvidea"}, "no rng is called 'nvidea'. Did you mean"),
        ({"rng": 5}, "rng must be a text, not 5"),
        ({"rng": "nv", "seed": None}, "rng says how noise comes from a seed"),
        ({"rng": "comfy", "ensd": 3}, "ensd belongs to AUTOMATIC1111's rules"),
        ({"ensd": 2**64}, "ensd must be a whole number"),
        ({"variation_seed": 3}, "does nothing without variation_strength"),
        ({"variation_strength": 0.3}, "needs a variation_seed"),
        ({"variation_strength": 1.3, "variation_seed": 3}, "from 0 to 1"),
        ({"variation_strength": 0.3, "variation_seed": -3}, "variation_seed must be a whole"),
        ({"seed_resize": (4, 64)}, "at least 8x8 pixels, not '?64x4"),
        ({"seed_resize": "64x64"}, "seed_resize must be two whole numbers"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        Request.of("a cat", **{"seed": 1, **settings})


def test_noise_that_nobody_draws_has_no_rules() -> None:
    pipe = kakusan.AutoPipelineForText2Image.from_pretrained("builtin")
    request = Request.of("a cat", seed=1, num_inference_steps=1, rng="nv")
    latents = torch.zeros(pipe.prepared(request, Inputs())._latents_shape())
    with pytest.raises(ArgumentError, match="rng says how the first noise is drawn"):
        pipe.prepared(request, Inputs(latents=latents))
