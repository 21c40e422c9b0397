"""From a picture to a picture, against the reference's pipelines: whole pictures."""

import warnings
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

import kakusan
from kakusan.errors import RequestError
from kakusan.schedulers import SCHEDULERS
from tests.oracle import tiny

SIZE = 64
PROMPTS = ["a cat on a red background", "an astronaut riding a horse, 4k"]
RNG = np.random.default_rng(5)
ARRAY = RNG.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
PICTURE = Image.fromarray(ARRAY)
OTHER = Image.fromarray(RNG.integers(0, 256, (SIZE, SIZE, 3), np.uint8))


def reference(kind: Any, folder: Path, scheduler: str | None = None, **parts: Any) -> Any:
    with tiny.quiet():
        pipe = kind.from_pretrained(folder, **parts)
        if scheduler is not None:
            pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def ours(kind: Any, folder: Path, scheduler: str | None = None) -> Any:
    pipe = kind.from_pretrained(folder)
    if scheduler is not None:
        pipe.scheduler = SCHEDULERS[scheduler].from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(pipe: Any, **call: Any) -> np.ndarray:
    with warnings.catch_warnings(), tiny.quiet():
        warnings.simplefilter("ignore")
        return np.asarray(pipe(**call, output_type="np").images) * 255


def assert_alike(found: np.ndarray, expected: np.ndarray) -> None:
    """At most a level, or 48 dB where random networks amplify rounding."""
    assert found.shape == expected.shape
    far = np.abs(found.round() - expected.round())
    noise = float(np.square(found - expected).mean())
    assert far.max() <= 1 or 10 * np.log10(255**2 / noise) >= 48, far.max()


BOTH = {
    "v1": (diffusers.StableDiffusionImg2ImgPipeline, kakusan.StableDiffusionImg2ImgPipeline),
    "v2": (diffusers.StableDiffusionImg2ImgPipeline, kakusan.StableDiffusionImg2ImgPipeline),
    "xl": (diffusers.StableDiffusionXLImg2ImgPipeline, kakusan.StableDiffusionXLImg2ImgPipeline),
    "refiner": (
        diffusers.StableDiffusionXLImg2ImgPipeline,
        kakusan.StableDiffusionXLImg2ImgPipeline,
    ),
}


@pytest.fixture(scope="module")
def pairs(
    tiny_v1: Path, tiny_v2: Path, tiny_xl: Path, tiny_refiner: Path
) -> dict[str, tuple[Any, Any]]:
    folders = {"v1": tiny_v1, "v2": tiny_v2, "xl": tiny_xl, "refiner": tiny_refiner}
    return {
        name: (reference(kinds[0], folders[name]), ours(kinds[1], folders[name]))
        for name, kinds in BOTH.items()
    }


@pytest.mark.parametrize("family", list(BOTH))
@pytest.mark.parametrize("strength", [0.01, 0.3, 0.75, 1.0])
def test_strengths(pairs: Any, family: str, strength: float) -> None:
    theirs, mine = pairs[family]
    steps = 100 if strength < 0.1 else 8
    call = {"prompt": PROMPTS[0], "image": PICTURE, "strength": strength}
    call |= {"num_inference_steps": steps}
    expected = pictures(theirs, **call, generator=generator())
    assert_alike(pictures(mine, **call, generator=generator()), expected)


CALLS: dict[str, dict[str, Any]] = {
    "two prompts": {"prompt": PROMPTS},
    "two pictures": {"prompt": PROMPTS, "image": [PICTURE, OTHER]},
    "several of each": {"num_images_per_prompt": 2},
    "two of each of two": {
        "prompt": PROMPTS,
        "num_images_per_prompt": 2,
        "image": [PICTURE, OTHER],
    },
    "no guidance": {"guidance_scale": 1.0},
    "negative": {"negative_prompt": "ugly", "guidance_scale": 3.0},
    "an odd size": {"image": Image.fromarray(ARRAY[:61, :55])},
    "two sizes": {"prompt": PROMPTS, "image": [PICTURE, Image.fromarray(ARRAY[:40, :48])]},
    "an array": {"image": ARRAY / np.float32(255)},
    "an odd array": {"image": ARRAY[:61, :55] / np.float32(255)},
    "arrays": {"prompt": PROMPTS, "image": np.stack([ARRAY, ARRAY[::-1]]) / np.float32(255)},
    "a list of arrays": {"prompt": PROMPTS, "image": [ARRAY / 255.0, ARRAY[::-1] / 255.0]},
    "a tensor": {"image": torch.from_numpy(ARRAY / np.float32(255)).permute(2, 0, 1)},
    "tensors": {
        "prompt": PROMPTS,
        "image": [torch.from_numpy(ARRAY / np.float32(255)).permute(2, 0, 1)] * 2,
    },
    "in [-1, 1]": {"image": torch.from_numpy(ARRAY / np.float32(127.5) - 1).permute(2, 0, 1)[None]},
    "latents": {"image": torch.randn(1, 4, 8, 8, generator=generator(7))},
    "timesteps": {"timesteps": [900, 700, 500, 300, 100]},
}


@pytest.mark.parametrize("family", ["v1", "xl"])
@pytest.mark.parametrize("changes", CALLS.values(), ids=CALLS)
def test_calls(pairs: Any, family: str, changes: dict[str, Any]) -> None:
    theirs, mine = pairs[family]
    call = {"prompt": PROMPTS[0], "image": PICTURE, "strength": 0.6, "num_inference_steps": 5}
    call |= changes
    if "timesteps" in changes:  # a scheduler that takes them
        theirs, mine = with_scheduler((theirs, mine), "DDPMScheduler")
    expected = pictures(theirs, **call, generator=generator())
    assert_alike(pictures(mine, **call, generator=generator()), expected)


@pytest.mark.parametrize("family", ["v1", "xl"])
@pytest.mark.parametrize("image", [PICTURE, [PICTURE, OTHER]], ids=["one", "two"])
def test_a_generator_for_each_picture(pairs: Any, family: str, image: Any) -> None:
    theirs, mine = pairs[family]
    call = {"prompt": PROMPTS, "image": image, "strength": 0.6, "num_inference_steps": 5}
    call |= {"num_images_per_prompt": 2}
    expected = pictures(theirs, **call, generator=[generator(i) for i in range(4)])
    assert_alike(pictures(mine, **call, generator=[generator(i) for i in range(4)]), expected)


THEIR_SCHEDULERS = sorted(name for name in SCHEDULERS if hasattr(diffusers, name))
# k-diffusion's step from its own kind of model, or of a package that is not installed here
WITHOUT = {"EDMEulerScheduler", "EDMDPMSolverMultistepScheduler", "DPMSolverSDEScheduler"}


def with_scheduler(pair: tuple[Any, Any], name: str) -> tuple[Any, Any]:
    config = {**tiny.SCHEDULER, "clip_sample": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = {**pair[0].components, "scheduler": getattr(diffusers, name).from_config(config)}
        found = (
            type(pair[0])(**theirs),
            type(pair[1]).from_pipe(pair[1], scheduler=SCHEDULERS[name].from_config(config)),
        )
    for each in found:
        each.set_progress_bar_config(disable=True)
    return found


@pytest.mark.parametrize("strength", [0.3, 0.75, 1.0])
@pytest.mark.parametrize("name", [each for each in THEIR_SCHEDULERS if each not in WITHOUT])
def test_every_scheduler(pairs: Any, name: str, strength: float) -> None:
    if name == "LMSDiscreteScheduler" and strength < 1:
        pytest.skip("the reference counts steps that were not taken, as test_oracle says")
    theirs, mine = with_scheduler(pairs["v1"], name)
    call = {"prompt": PROMPTS[0], "image": PICTURE, "strength": strength}
    call |= {"num_inference_steps": 8, "guidance_scale": 3.0}
    expected = pictures(theirs, **call, generator=generator())
    assert_alike(pictures(mine, **call, generator=generator()), expected)


@pytest.mark.parametrize("family", ["xl", "refiner"])
def test_a_picture_and_a_part_of_the_way(pairs: Any, family: str) -> None:
    theirs, mine = pairs[family]
    call = {"prompt": PROMPTS[0], "image": PICTURE, "num_inference_steps": 10}
    call |= {"denoising_start": 0.5, "denoising_end": 0.9}
    expected = pictures(theirs, **call, generator=generator())
    assert_alike(pictures(mine, **call, generator=generator()), expected)


@pytest.mark.parametrize("family", list(BOTH))
def test_strength_0_is_what_the_vae_gives_back(pairs: Any, family: str) -> None:
    mine = pairs[family][1]
    pixels = torch.from_numpy(ARRAY).permute(2, 0, 1)[None] / 127.5 - 1
    back = mine.decode_to_pil(mine.vae.to_latents(pixels))[0]
    output = mine(PROMPTS[0], image=PICTURE, strength=0, seed=1)
    assert np.abs(np.asarray(output.images[0]).astype(int) - np.asarray(back)).max() <= 1
    assert output.records[0]["strength"] == 0
    assert output.records[0]["seed"] == 1


def test_a_strength_that_leaves_no_step(pairs: Any) -> None:
    _, mine = with_scheduler(pairs["v1"], "DDIMScheduler")
    with pytest.raises(RequestError, match=r"strength of 0\.05 leaves no step of 10"):
        mine(PROMPTS[0], image=PICTURE, strength=0.05, num_inference_steps=10)


def test_a_picture_is_the_same_alone_and_beside_others(pairs: Any) -> None:
    mine = pairs["v1"][1]
    call = {"strength": 0.6, "num_inference_steps": 5, "output_type": "np"}
    together = mine(PROMPTS, image=[PICTURE, OTHER], seed=4, **call)
    alone = mine(PROMPTS[1], image=OTHER, seed=5, **call)
    assert np.array_equal(together.images[1], alone.images[0])
    assert together.records[1] == alone.records[0]
    assert together.records[0]["image"] != together.records[1]["image"]


def test_requests_draw_with_any_pipeline(tiny_v1: Path, tiny_xl: Path) -> None:
    """A pipeline that draws from a text alone takes requests that begin at a picture."""
    for folder, kind in (
        (tiny_v1, kakusan.StableDiffusionImg2ImgPipeline),
        (tiny_xl, kakusan.StableDiffusionXLImg2ImgPipeline),
    ):
        plain: Any = kakusan.DiffusionPipeline.from_pretrained(folder)
        begun: Any = kakusan.AutoPipelineForImage2Image.from_pipe(plain)
        assert type(begun) is kind
        assert begun.unet is plain.unet
        assert type(kakusan.AutoPipelineForText2Image.from_pipe(begun)) is type(plain)
        assert type(kakusan.AutoPipelineForImage2Image.from_pretrained(folder)) is kind
        settings = {"num_inference_steps": 4, "seed": 2, "image": PICTURE, "strength": 0.5}
        for pipe in (plain, begun):
            pipe.set_progress_bar_config(disable=True)
        (one,) = plain.pictures(PROMPTS[0], **settings)
        (two,) = begun.pictures(PROMPTS[0], **settings)
        assert one.image.tobytes() == two.image.tobytes()
        assert one.record == two.record


def test_a_text_alone_is_not_for_it(pairs: Any) -> None:
    for name in ("v1", "xl"):
        mine = pairs[name][1]
        with pytest.raises(RequestError, match="image is missing; give pictures"):
            mine(PROMPTS[0])
        with pytest.raises(RequestError, match="image is 2 pictures, and 1 are drawn"):
            mine(PROMPTS[0], image=[PICTURE, OTHER])
    plain = kakusan.StableDiffusionPipeline.from_pipe(pairs["v1"][1])
    with pytest.raises(RequestError, match=r"'image': StableDiffusionImg2ImgPipeline\.from_pipe"):
        plain(PROMPTS[0], image=PICTURE)
    with pytest.raises(RequestError, match=r"strength is how far to go back from image .* none"):
        list(plain.pictures(PROMPTS[0], strength=0.5))


def test_a_callback_sees_the_steps_that_are_taken(pairs: Any) -> None:
    theirs, mine = pairs["v1"]
    seen: dict[Any, list[tuple[int, int]]] = {theirs: [], mine: []}

    def called(pipe: Any, index: int, timestep: Any, tensors: Any) -> Any:
        seen[pipe].append((index, int(timestep)))
        return tensors

    for pipe in (theirs, mine):
        call = {"prompt": PROMPTS[0], "image": PICTURE, "strength": 0.5}
        pictures(pipe, **call, num_inference_steps=6, callback_on_step_end=called)
    assert seen[theirs] == seen[mine]
    assert mine.num_timesteps == len(seen[mine])


def test_a_request_needs_its_picture(tiny_v1: Path) -> None:
    record = kakusan.generate(
        "a cat", image=PICTURE, strength=0.5, steps=2, seed=1, model=tiny_v1, progress=False
    )[0].record
    assert record["image"]["width"] == SIZE
    call = {"trust_model": True, "progress": False}
    with pytest.raises(RequestError, match="it is not handed in; give that one as inputs"):
        kakusan.reproduce(record, **call)
    with pytest.raises(RequestError, match=r"made from \(64x64, .* not \(64x64, "):
        kakusan.reproduce(record, inputs=OTHER, **call)
    assert kakusan.reproduce(record, inputs=ARRAY, **call).record == record
