"""Ways to steer, each a few lines that the plain run knows nothing of."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import kakusan
from kakusan.errors import RequestError
from kakusan.models import Conditioning, Residuals, UNetCall
from kakusan.sampling import Prompt, Start, Steering, Step
from tests.oracle.tiny import quiet


@pytest.fixture(scope="module")
def pipe(tiny_v1: Path) -> kakusan.StableDiffusionPipeline:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe: Any, *steering: Steering, **settings: Any) -> np.ndarray:
    given = {"seed": 3, "num_inference_steps": 5, **settings}
    (picture,) = pipe.pictures("a cat", steering=lambda _: steering, **given)
    return np.asarray(picture.image).astype(int)


class Recording(Steering):
    """Notes where it is asked."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def condition(self, prompt: Prompt) -> Prompt:
        self.seen.append("condition")
        return prompt

    def begin(self, start: Start) -> Start:
        self.seen.append("begin")
        return start

    def ask(self, call: UNetCall) -> UNetCall:
        self.seen.append("ask")
        return call

    def after(self, step: Step) -> Step:
        self.seen.append("after")
        return step


def test_the_identity_changes_nothing(pipe: Any) -> None:
    noting = Recording()
    assert (draw(pipe) == draw(pipe, Steering(), noting)).all()
    rounds = ["ask", "ask", "after"] * 6  # PNDM makes one call more than steps
    assert noting.seen == ["condition", "begin", *rounds]


def test_the_record_of_a_steered_picture_claims_no_seed(pipe: Any) -> None:
    given = {"seed": 3, "num_inference_steps": 2}
    (picture,) = pipe.pictures("a cat", steering=lambda _: [Recording()], **given)
    assert picture.record["seed"] is None
    assert picture.record["notes"] == ["steered by Recording: no seed makes it again"]


def test_noise_alone_begins_at_the_top() -> None:
    with pytest.raises(RequestError, match="give a picture too"):
        Start(torch.zeros(1, 4, 8, 8), step=1)


class FromPicture(Steering):
    """Image-to-image: begins at a picture with noise on it (arXiv:2108.01073)."""

    def __init__(self, latents: Tensor, step: int) -> None:
        self.latents, self.step = latents, step

    def begin(self, start: Start) -> Start:
        return replace(start, picture=self.latents, step=self.step)


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "EulerDiscreteScheduler"])
def test_image_to_image_is_one_hook(tiny_v1: Path, scheduler: str) -> None:
    """As the reference's pipeline for it: strength 0.6 of 10 steps begins at the fifth."""
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.scheduler = getattr(kakusan, scheduler).from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    with quiet():
        theirs = diffusers.StableDiffusionImg2ImgPipeline.from_pretrained(tiny_v1)
        theirs.scheduler = getattr(diffusers, scheduler).from_config(theirs.scheduler.config)
        theirs.set_progress_bar_config(disable=True)
    array = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    pixels = torch.from_numpy(array).float().permute(2, 0, 1)[None] / 127.5 - 1
    latents = pipe.engine.encode_picture(pixels).result
    # the reference draws the latents' sample first, then the noise
    monkey = diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img
    kept, monkey.retrieve_latents = monkey.retrieve_latents, lambda e, **_: e.latent_dist.mode()
    try:
        with quiet():
            expected = theirs(
                "a cat", image=Image.fromarray(array), strength=0.6, num_inference_steps=10,
                generator=torch.Generator().manual_seed(3), output_type="np",
            ).images[0]  # fmt: skip
    finally:
        monkey.retrieve_latents = kept
    found = draw(pipe, FromPicture(latents, 4), num_inference_steps=10)
    assert np.abs(found - np.round(expected * 255)).max() <= 1


class Mixed(Steering):
    """Adds a share of another text's embeddings, as an IP-Adapter adds a picture's."""

    def __init__(self, tokens: Tensor, share: float) -> None:
        self.tokens, self.share = tokens, share

    def condition(self, prompt: Prompt) -> Prompt:
        mixed = torch.lerp(prompt.text.tokens, self.tokens, self.share)
        return prompt._replace(text=Conditioning(mixed))


def test_a_text_may_be_mixed_into_another(pipe: Any) -> None:
    dog = pipe.encode_texts(["a dog"])
    assert (draw(pipe, Mixed(dog, 0.0)) == draw(pipe)).all()
    (other,) = pipe.pictures("a dog", seed=3, num_inference_steps=5)
    assert (draw(pipe, Mixed(dog, 1.0)) == np.asarray(other.image)).all()


class Noting(Steering):
    """Marks every prompt by its first value, and notes what each question is asked with."""

    def __init__(self) -> None:
        self.conditioned, self.asked = 0, list[tuple[int, float]]()

    def condition(self, prompt: Prompt) -> Prompt:
        self.conditioned += 1
        text = prompt.text.map(torch.clone)
        text.tokens[0, 0, 0] = 7.0
        return prompt._replace(text=text)

    def ask(self, call: UNetCall) -> UNetCall:
        self.asked.append((id(call.conditioning), float(call.conditioning.tokens[0, 0, 0])))
        return call


def test_prompts_that_take_turns_are_conditioned_too(pipe: Any) -> None:
    noting = Noting()
    settings = {"seed": 3, "num_inference_steps": 6, "guidance_scale": 1.0}
    (_,) = pipe.pictures(
        "[cat|dog]", steering=lambda _: [noting], prompt_syntax="webui", **settings
    )
    assert {mark for _, mark in noting.asked} == {7.0}
    assert len({which for which, _ in noting.asked[-4:]}) == 2, "one object for each prompt"
    assert noting.conditioned == 3


class Controlled(Steering):
    """Adds residuals to every question, as a ControlNet does."""

    def __init__(self, residuals: Residuals) -> None:
        self.residuals = residuals

    def ask(self, call: UNetCall) -> UNetCall:
        return call._replace(residuals=self.residuals)


def shapes(unet: Any) -> list[tuple[int, ...]]:
    """Of what a ControlNet adds to the tiny UNet at 8 by 8 latents."""
    levels = zip(unet.config.block_out_channels, (8, 4, 2), strict=True)
    found = [(1, 16, 8, 8)]
    for index, (width, side) in enumerate(levels):
        found += [(1, width, side, side)] * 2
        found += [(1, width, side // 2, side // 2)] if index < 2 else []
    return [*found, (1, 32, 2, 2)]


@pytest.mark.parametrize("interval", [1, 2])
def test_residuals_reach_every_call(pipe: Any, interval: int) -> None:
    some = [torch.randn(shape) for shape in shapes(pipe.unet)]
    some = Residuals(tuple(some[:-1]), some[-1])
    zeros = some.map(torch.zeros_like)
    settings = {"width": 64, "height": 64, "reuse_interval": interval}
    plain = draw(pipe, **settings)
    assert (draw(pipe, Controlled(zeros), **settings) == plain).all()
    assert (draw(pipe, Controlled(some), **settings) != plain).any()
    given: list[int] = []

    def note(_: Any, _inputs: Any, options: dict[str, Any]) -> None:
        given.append(len(options["residuals"].tensors))

    hook = pipe.unet.register_forward_pre_hook(note, with_kwargs=True)
    draw(pipe, Controlled(zeros), **settings)
    hook.remove()
    assert given == [len(zeros.tensors)] * 6


class Repainted(Steering):
    """Inpainting: after each step, what is to stay is that of another picture."""

    def __init__(self, mask: Tensor, clean: Tensor) -> None:
        self.mask, self.clean = mask, clean

    def after(self, step: Step) -> Step:
        if not step.is_last:
            return step
        return replace(step, latents=torch.where(self.mask, step.latents, self.clean))


def test_what_is_to_stay_stays(pipe: Any) -> None:
    clean, mask = torch.zeros(1, 4, 8, 8), torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    found = draw(pipe, Repainted(mask, clean), width=64, height=64)
    assert (found == np.asarray(pipe.decode_to_pil(clean)[0])).all()
