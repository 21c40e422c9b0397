"""The way of one picture from noise to clean latents. It asks a network, and holds none."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from kakusan.errors import NumericalError, RequestError
from kakusan.models import AdapterSet, UNetCall
from kakusan.runtime.changes import changes
from kakusan.runtime.device import queues
from kakusan.sampling.guidance import Predictor, Prompt
from kakusan.sampling.start import Start
from kakusan.sampling.state import ChainedState, TrajectoryState
from kakusan.sampling.steering import Steering
from kakusan.sampling.step import Step, View
from kakusan.schedulers import Generators, Scheduler, rewinder
from kakusan.schedulers.noise import go_to, positions


class Trajectory:
    """The state of one picture, or of the pictures that share one generator, as it is drawn.

    `ask` says what is to be known of the UNet now, and `take` goes on with the answers. Who does
    this for several at once (see `kakusan.sampling.drive`) may have their calls answered together.

    A UNet that overflows in half precision is asked again with `UNetCall.upcast`, for this picture
    and from then on. A GPU is not waited for where nobody looks at the steps: NaN is then looked
    for at the first and at the last step, and where there is some, the way begins again.

    Args:
        start: where it begins.
        scheduler: with its timesteps set; the trajectory has a run of its own on it.
        prompt: what the UNet is conditioned on, rows as `start` has.
        predictor: what the UNet is asked; see `kakusan.sampling.guidance`.
        generator: of the noise that the scheduler may add.
        eta: of schedulers that take it.
        end: the number of the step that is not taken any more; None takes all.
        steering: act one after the other.
        watched: whether the reader looks at steps before the last.
        computes_in_float32: whether the UNet does so without being asked.
        pictures: their numbers, for the steps.
        adapters: by the number of a step what the UNet is to have on; None for what it has on of
            itself.
        view: makes pictures of the steps.

    Attributes:
        step: the last one that was taken.
        overflowed: whether the UNet had to be asked in float32.
        error: why the way ended before its end.
    """

    def __init__(
        self,
        start: Start,
        scheduler: Scheduler,
        prompt: Prompt,
        predictor: Predictor,
        *,
        generator: Generators = None,
        eta: float = 0.0,
        end: int | None = None,
        steering: Sequence[Steering] = (),
        watched: bool = True,
        computes_in_float32: bool = True,
        pictures: range = range(1),
        adapters: Callable[[int], AdapterSet] | None = None,
        view: View | None = None,
    ) -> None:
        for each in steering:
            prompt, start = each.condition(prompt), each.begin(start)
        self.pictures = pictures
        self.step: Step | None = None
        self.overflowed = False
        self.error: NumericalError | None = None
        self._steering, self._view = tuple(steering), view
        self._adapters = adapters
        self._schedule = scheduler.schedule[:end]
        self._is_over = start.step >= len(self._schedule)
        first = 0 if self._is_over else start.step
        self._began = scheduler.fresh(first)
        self._first = (first, start.latents(scheduler), prompt, predictor.guidance)
        self._predictor = predictor
        self._options = step_options(scheduler, eta, generator)
        self._rewind = rewinder(generator if "generator" in self._options else None)
        # what a steering object has seen cannot be taken back
        self._waits = watched or bool(steering) or not queues(start.noise.device)
        self._precise = computes_in_float32
        self._restart()

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to ask: the last step was taken, or an error ended it."""
        return self._is_over

    @property
    def latents(self) -> Tensor:
        """Where it is now, shape (b, c, h, w)."""
        return self._latents

    def ask(self) -> list[UNetCall]:
        """What the UNet is to be asked for the next step."""
        if not _is_as_computed(self._latents, self._computed):
            self._predictor.restart()
        worn = self._worn()
        sample = self._scheduler.scale_model_input(self._latents, self._schedule[self._index])
        timestep = self._scheduler.timesteps[self._index]
        calls = self._predictor.ask(sample, timestep, self._prompt)
        if worn is not None:
            calls = [call._replace(adapters=worn) for call in calls]
        if self.overflowed:
            calls = [call._replace(upcast=True) for call in calls]
        for steering in self._steering:
            calls = [steering.ask(call) for call in calls]
        return calls

    def state(self) -> TrajectoryState | None:
        if not self._predictor.holds_nothing or self._is_over:
            return None
        noise = positions(self._options.get("generator"))
        run = self._scheduler.state()
        return TrajectoryState(self._index, self._latents, run, noise, self.overflowed)

    def resume(self, state: TrajectoryState | ChainedState) -> None:
        if not isinstance(state, TrajectoryState) or not 0 <= state.step < len(self._schedule):
            raise RequestError("the state is of another kind of way, or of one with more steps")
        if state.latents.shape != self._latents.shape:
            raise RequestError(
                f"the state has latents {tuple(state.latents.shape)}, and the way has "
                f"{tuple(self._latents.shape)}"
            )
        self._scheduler.resume(state.run)
        go_to(self._options.get("generator"), state.noise)
        self._index, self._latents = state.step, state.latents
        self._computed = (self._latents, changes(self._latents))
        if state.overflowed:
            self._precise = self.overflowed = True
        for each in self._steering:
            self._prompt = each.resume(self._index, self._prompt)

    def _worn(self) -> AdapterSet | None:
        """What the UNet has on now; what was cached of one with others on is forgotten."""
        if self._adapters is None:
            return None
        worn = self._adapters(self._index)
        if worn != self._last_worn:
            self._predictor.restart()
        self._last_worn = worn
        return worn

    @torch.no_grad()
    def take(self, predictions: list[Tensor]) -> bool:
        """Go on with the answers, in the order of the calls.

        Returns:
            Whether a step was taken, or `error` ended the way; else the same is to be asked again.
        """
        try:
            if not self._usable(predictions):
                return False
        except NumericalError as error:
            self.error, self._is_over = error, True
            return True
        self._advance(self._predictor.combine(predictions))
        return True

    def _advance(self, noise_pred: Tensor) -> None:
        scheduler, timestep = self._scheduler, self._schedule[self._index]
        denoised = scheduler.denoised(noise_pred, timestep, self._latents)
        sigma = scheduler.sigma_at(timestep)
        options: dict[str, Any] = self._options
        if scheduler.parts_guidance:
            options = {**options, "unconditional": self._predictor.unconditional}
        latents = scheduler.step(noise_pred, timestep, self._latents, **options).prev_sample
        taken = Step(
            index=self._index,
            total=len(self._schedule),
            timestep=float(timestep),
            sigma=sigma,
            latents=latents,
            denoised=denoised,
            prompt=self._prompt,
            guidance=self._predictor.guidance,
            pictures=self.pictures,
            view=self._view,
        )
        self._computed = (latents, changes(latents))
        for steering in self._steering:
            taken = steering.after(taken)
        if taken.prompt is not self._prompt or taken.guidance != self._predictor.guidance:
            self._guide(taken)
        self._latents, self._prompt, self.step = taken.latents, taken.prompt, taken
        self._index += 1
        self._is_over = taken.is_last

    def _guide(self, taken: Step) -> None:
        """Ask the next step as a steering object wants it.

        Raises:
            RequestError: Guidance without what to push away from.
        """
        if taken.guidance.on and taken.prompt.negative is None:
            raise RequestError(
                f"guidance of {taken.guidance.scale:g} needs negative embeddings too, and there "
                "are none; give the negative half first, or a guidance of at most 1"
            )
        self._predictor.guidance = taken.guidance
        self._predictor.restart()

    def _usable(self, predictions: list[Tensor]) -> bool:
        """Whether the answers so far are finite; where they are not, float32 is asked for.

        Raises:
            NumericalError: They are float32's already.
        """
        for each in predictions:
            self._finite = self._finite & torch.isfinite(each).all()
        looks = self._waits or self._index in (0, len(self._schedule) - 1)
        if not looks or bool(self._finite):
            return True
        if self._precise:
            raise NumericalError.of("UNet")
        self._precise = self.overflowed = True
        if self._waits:
            self._finite = torch.ones_like(self._finite)
        else:
            self._restart()
        return False

    def _restart(self) -> None:
        """Go back to where it began, with the same noise to come."""
        self._index, self._latents, self._prompt, self._predictor.guidance = self._first
        self._computed = (self._latents, changes(self._latents))
        self._scheduler = self._began.fresh(self._index)
        self._finite = torch.ones((), dtype=torch.bool, device=self._latents.device)
        self._predictor.restart()
        self._last_worn: AdapterSet | None = None
        self._rewind()


def _is_as_computed(latents: Tensor, computed: tuple[Tensor, int]) -> bool:
    """Whether latents are those of a step, which nobody changed since, in place neither."""
    return latents is computed[0] and changes(latents) == computed[1]


def step_options(scheduler: Scheduler, eta: float, generator: Generators) -> dict[str, Any]:
    """The keywords among `eta` and `generator` that this scheduler's step takes."""
    options = {"eta": eta, "generator": generator}
    return {name: value for name, value in options.items() if name in scheduler.step_options}
