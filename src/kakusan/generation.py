"""The denoising loop: from noise latents to clean ones, one Step at a time.

The loop is a generator. Who reads it may stop at any step, look at any step, and `send` a
`StepChange` back. It knows networks and schedulers only by what it calls on them.
"""

import functools
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from PIL.Image import Image
from torch import Tensor

from kakusan.errors import NumericalError
from kakusan.models import Model, UNet2DConditionModel
from kakusan.predictions import Guidance, Predictions
from kakusan.runtime.device import queues
from kakusan.schedulers import Generators, Scheduler, rewinder


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the denoising loop, after it was taken.

    `latents` (b, c, h, w) go on into the next step; `denoised`, of the same shape, is the
    network's present guess of where they will end. `pictures` numbers the pictures of this batch
    among all that were asked for. `timestep` and `sigma` are the noise level the step began at.
    """

    index: int
    total: int
    timestep: float
    sigma: float
    latents: Tensor
    denoised: Tensor
    pictures: range = range(1)
    _preview: Callable[[Tensor], list[Image]] | None = field(default=None, repr=False)
    _decode: Callable[[Tensor], list[Image]] | None = field(default=None, repr=False)

    @property
    def is_last(self) -> bool:
        return self.index == self.total - 1

    def preview(self) -> list[Image]:
        """Small pictures of the present guess, at the latents' size, for next to no time."""
        assert self._preview is not None, "this step does not come from a pipeline"
        return self._preview(self.denoised)

    def decode(self) -> list[Image]:
        """Full pictures of the present guess (of the result, at the last step), by the VAE."""
        assert self._decode is not None, "this step does not come from a pipeline"
        return self._decode(self.latents if self.is_last else self.denoised)


@dataclass(frozen=True)
class StepChange:
    """What a reader of the loop may send back into it; None leaves a value as it is."""

    latents: Tensor | None = None
    embeddings: Tensor | None = None
    stop: bool = False

    @property
    def alters(self) -> bool:
        """Whether the run goes on in another way than it would have."""
        return self.stop or self.latents is not None or self.embeddings is not None


@dataclass
class Widening:
    """Which parts of one run had to be computed in float32, and the notes that say so.

    Half precision overflows in some published networks (the VAE of several, the UNet of v2.1).
    From then on, and for this run, the part's float32 twin computes in its place.
    """

    notes: list[str] = field(default_factory=list[str])
    twins: dict[str, Model[Any]] = field(default_factory=dict[str, Model[Any]])
    _finite: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def compute(self, name: str, part: Model[Any], run: Callable[[Any], Tensor]) -> Tensor:
        """What `run(part)` gives, or its twin if that holds NaN or infinity.

        Raises:
            NumericalError: The result is not finite in float32 either.
        """
        part = self.twins.get(name, part)
        result = run(part)
        if not torch.isfinite(result).all():
            result = run(self._widened(name, part))
            if not torch.isfinite(result).all():
                raise _not_finite(name)
        return result

    def compute_unseen(self, name: str, part: Model[Any], run: Callable[[Any], Tensor]) -> Tensor:
        """What `run(part)` gives; `settled` tells later whether it and those before are finite."""
        result = run(self.twins.get(name, part))
        finite = torch.isfinite(result).all()
        self._finite[name] = self._finite[name] & finite if name in self._finite else finite
        return result

    def settled(self, name: str, part: Model[Any]) -> bool:
        """Whether all that `compute_unseen` gave since this was last asked is finite; waits for it.

        If not, the twin computes from now on, and what was computed is to be done again.

        Raises:
            NumericalError: It was computed in float32 already.
        """
        finite = bool(self._finite.pop(name))
        if not finite:
            self._widened(name, self.twins.get(name, part))
        return finite

    def _widened(self, name: str, part: Model[Any]) -> Model[Any]:
        if part.compute_dtype == torch.float32:
            raise _not_finite(name)
        kept = str(part.compute_dtype).removeprefix("torch.")
        self.notes.append(f"{name} computed in float32: {kept} overflowed")
        self.twins[name] = part.widened()
        return self.twins[name]


def _not_finite(name: str) -> NumericalError:
    return NumericalError(
        f"the {name} gave NaN or infinity, in float32 too; the weights or the given "
        "latents or embeddings are at fault"
    )


def step_options(scheduler: Scheduler[Any], eta: float, generator: Generators) -> dict[str, Any]:
    """The keywords among `eta` and `generator` that this scheduler's step takes."""
    options = {"eta": eta, "generator": generator}
    return {name: value for name, value in options.items() if name in scheduler.step_options}


def denoise(
    unet: UNet2DConditionModel,
    scheduler: Scheduler[Any],
    latents: Tensor,
    embeddings: Tensor,
    guidance: Guidance,
    *,
    options: dict[str, Any],
    widening: Widening,
    watched: bool = True,
    reuse_interval: int = 1,
) -> Generator[Step, StepChange | None, None]:
    """Take every step of `scheduler`, whose timesteps are set and which no one else runs.

    Args:
        latents: (b, c, h, w) noise, already multiplied by `init_noise_sigma`.
        embeddings: (b, n, d), or (2b, n, d) with the unconditional half first under guidance.
        options: Keywords of the scheduler's step, from `step_options`.
        widening: Takes note of a UNet that had to be widened.
        watched: Whether the reader looks at steps before the last, or changes any. A GPU is not
            waited for where it does not: NaN is then looked for at the first and at the last
            step, and where there is some, the loop begins again with the UNet's float32 twin.
        reuse_interval: See `Predictions`; 1 is exact.

    Yields:
        Each Step after it was taken. A `StepChange` sent back acts on the next one.

    Raises:
        NumericalError: The UNet gives NaN or infinity in float32 too.
    """
    timesteps, predictions = scheduler.timesteps, Predictions(guidance, embeddings, reuse_interval)
    schedule = cast("list[float]", timesteps.tolist())  # the one reading: no step is queued yet
    waits = watched or not queues(latents.device)
    compute = widening.compute if waits else widening.compute_unseen
    began, first_latents = scheduler.fresh(), latents
    rewind = rewinder(options.get("generator"))
    index = 0
    while index < len(schedule):
        timestep = schedule[index]
        model_input = scheduler.scale_model_input(latents, timestep)
        predict = functools.partial(predictions.run, x=model_input, timestep=timesteps[index])
        noise_pred = predictions.guided(compute("UNet", unet, predict))
        looked_at = index in (0, len(schedule) - 1)
        if not waits and looked_at and not widening.settled("UNet", unet):
            scheduler, latents, index = began.fresh(), first_latents, 0
            predictions.begin()
            rewind()
            continue
        denoised = scheduler.denoised(noise_pred, timestep, latents)
        sigma = scheduler.sigma_at(timestep)
        latents = scheduler.step(noise_pred, timestep, latents, **options).prev_sample
        change = yield Step(
            index=index,
            total=len(schedule),
            timestep=float(timestep),
            sigma=sigma,
            latents=latents,
            denoised=denoised,
        )
        index += 1
        if change is not None:
            if change.stop:
                return
            if change.latents is not None:
                latents = change.latents
                predictions.begin()
            if change.embeddings is not None:
                predictions.show(change.embeddings)
