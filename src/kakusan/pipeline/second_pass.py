"""Pictures drawn in two passes (AUTOMATIC1111's hires fix): two drawings, one after the other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from kakusan.errors import ArgumentError
from kakusan.inputs import Given, Inputs
from kakusan.pipeline.drawing import Begin, Clock, Drawing, Steerings
from kakusan.pipeline.enlarging import larger
from kakusan.pipeline.model import Model
from kakusan.pipeline.records import Records
from kakusan.request import MAX_STEPS, Request, SecondPass
from kakusan.sampling import Chained, Driven, Start, Step
from kakusan.steering import Prepared

# How far beyond a whole number of steps a strength goes, so that rounding cannot miss it
_HALF_A_STEP = 0.5
_TEXTS = ("prompt", "negative_prompt")


class TwoPasses(Drawing):
    """A first pass, as any drawing, whose pictures go on into a second one, larger.

    The ways of both are one way for whoever drives them, and records tell of both.

    Attributes:
        second: the drawing of the second pass.
    """

    def __init__(self, model: Model, request: Request, inputs: Inputs, batch_size: int = 1) -> None:
        super().__init__(model, request, inputs, batch_size)
        first, engine = self.request, self.engine
        assert first.second_pass is not None
        assert first.height is not None
        assert first.width is not None
        asked, steps = first.second_pass, first.num_inference_steps
        self._pass = replace(asked, steps=asked.steps or steps or len(self.scheduler.schedule))
        self._to = asked.enlargement(first.width, first.height, engine.scale_factor)
        masked = next((n for n in first.only_masks() if getattr(first, n) is not None), None)
        if masked is not None:
            raise ArgumentError(
                f"{{second_pass}} draws all of a picture again, and {{{masked}}} is for a part of "
                "it; leave one of them out"
            )
        if not asked.how.latent and not engine.vae.can_encode:
            raise ArgumentError(
                "the upscaler {0} of {second_pass} needs a vae that also encodes, and this one "
                "only decodes; take Latent",
                asked.upscaler,
            )
        self.second = _second(self, self._pass, self._to.latents, inputs)
        self.request = replace(first, second_pass=self._pass)
        self.records = Records(
            model, self.request, self.seeds, self.understood, self.altered, self._ranges()
        )
        self.told += [told for told in self.second.told if told not in self.told]
        if first.seed is None:
            why = "drawn in two passes with random numbers of the caller's"
            self.altered.update(dict.fromkeys(range(first.num_pictures), why))
        self._beyond: set[int] = set()

    @property
    def total_steps(self) -> int:
        return super().total_steps + self.second.total_steps

    def taken(self, step: Step) -> int:
        if step.pictures.start not in self._beyond:
            return super().taken(step)
        return len(self.span) + self.second.taken(step)

    def check_memory(self) -> None:
        super().check_memory()
        self.second.check_memory()

    def begins(self, steering: Steerings | None = None, *, watched: bool = True) -> Begin:
        first = super().begins(steering, watched=watched)
        second = self.second.begins(steering, watched=watched)
        common = [*self.records.common, *self.second.records.common]
        self.records.common = list(dict.fromkeys(common))

        def begin(pictures: range, steered: Sequence[Prepared]) -> Driven:
            def then(latents: Tensor) -> Driven:
                made = self._larger(latents, pictures)
                self._beyond.add(pictures.start)
                return second(pictures, [_BegunAt(made, self.second.span)])

            return Chained(first(pictures, steered), then)

        return begin

    def _larger(self, latents: Tensor, pictures: range) -> Tensor:
        seeded = self.request.seed is not None
        return larger(
            latents,
            self._pass,
            self._to,
            self.engine,
            lambda said: self.records.note(pictures, said),
            truncated=bool(self.request.truncate_pixels),
            generator=None if seeded else self.inputs.generator,
        )


class _BegunAt(Prepared):
    """Begins at these latents with noise of its own on them."""

    def __init__(self, latents: Tensor, span: range) -> None:
        self._latents, self._span = latents, span

    def start(self, pictures: range, noise: Any) -> Start:
        del pictures
        return Start(noise(), self._latents, self._span.start)


def _second(
    first: Drawing, second: SecondPass, latents: tuple[int, int], inputs: Inputs
) -> Drawing:
    """The drawing of the second pass.

    Raises:
        ArgumentError: Its steps are the last of too many.
    """
    request, given = _request(first.request, second, latents, first.engine.scale_factor), inputs
    if request.prompt != first.request.prompt:
        given = replace(given, prompt_embeds=None, pooled_prompt_embeds=None)
    if request.negative_prompt != first.request.negative_prompt:
        given = replace(given, negative_prompt_embeds=None, negative_pooled_prompt_embeds=None)
    # until the first pass has ended, in their place
    shape = (1, first.engine.unet.config.out_channels, *latents)
    begun = Given(latents=torch.zeros(shape, device="cpu"), names=(None,))
    given = replace(given, latents=None, image=begun)
    clock = Clock(second.steps or 0, first.calls)
    return Drawing(first.model, request, given, first.batch_size, clock)


def _request(first: Request, second: SecondPass, latents: tuple[int, int], factor: int) -> Request:
    """What the second pass draws, which begins at a picture."""
    steps = second.steps or 0
    ladder = second.ladder(steps)
    if ladder > MAX_STEPS:
        raise ArgumentError(
            "the strength of {second_pass} is {0}, so that its {1} steps are the last of {2}; at "
            f"most {MAX_STEPS} are taken, so take fewer steps, or a greater strength",
            second.strength,
            steps,
            ladder,
        )
    changed: dict[str, Any] = {
        "second_pass": None,
        "image": None,
        "resize_mode": None,
        "denoising_start": None,
        "height": latents[0] * factor,
        "width": latents[1] * factor,
        "num_inference_steps": ladder,
        "strength": min((steps + _HALF_A_STEP) / ladder, 1.0),
        "timesteps": None,
        "sigmas": None,
    }
    for name in _TEXTS:
        texts = getattr(second, name)
        if texts is not None:
            changed[name] = texts * len(first.prompt) if len(texts) == 1 else texts
            changed[f"{name}_2"] = None
    for name in ("scheduler", "guidance_scale"):
        if getattr(second, name) is not None:
            changed[name] = getattr(second, name)
    if second.scheduler is not None:
        changed["eta"] = None
    return replace(first, **changed)
