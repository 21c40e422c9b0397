"""One call of a pipeline: what its request comes to, and its pictures' ways."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from kakusan.engine import Engine, overflow_note
from kakusan.errors import ArgumentError, GenerationInterrupted, Undecoded, decode_error
from kakusan.images import to_pil
from kakusan.inputs import Inputs
from kakusan.models import AdapterSet, within
from kakusan.pipeline.budget import nothing_saved, within_budget
from kakusan.pipeline.dressed_prompts import dressed_prompts
from kakusan.pipeline.finishing import Finished, finish
from kakusan.pipeline.model import Model
from kakusan.pipeline.outfits import Outfits
from kakusan.pipeline.output import Picture
from kakusan.pipeline.parsed_prompts import Grammar, ParsedPrompts
from kakusan.pipeline.prompts import ReadsPrompts
from kakusan.pipeline.records import Records
from kakusan.pipeline.scheduling import requested_scheduler, span_of
from kakusan.pipeline.seeding import check_noise_is_drawn, generator_of, given_how, known_seeds
from kakusan.pipeline.understood import understood
from kakusan.prompts import Network
from kakusan.request import Request
from kakusan.runtime.device import send
from kakusan.sampling import (
    Composed,
    Driven,
    Guidance,
    Guided,
    Reused,
    Scheduled,
    Start,
    Steering,
    Step,
    Timeline,
    Trajectory,
    drive,
)
from kakusan.schedulers import Generators, draw_noise
from kakusan.steering import WAYS, Call, Prepared

# Makes the steering of the pictures with these numbers
Steerings = Callable[[range], Sequence[Steering]]
# Makes the way of the pictures with these numbers; what is given steers it before all else
Begin = Callable[[range, Sequence[Prepared]], Driven]


class Clock(NamedTuple):
    """What changes of prompts are counted in, in a second pass.

    Attributes:
        steps: that are taken of it.
        before: calls of the denoiser in the first one.
    """

    steps: int
    before: int


@dataclass
class Batch:
    """Pictures whose calls of the networks are made together.

    Under a seed each picture is a trajectory of its own. Without one the reference's order of
    drawing noise counts, and all pictures are one trajectory.
    """

    trajectories: Sequence[Driven]

    @property
    def pictures(self) -> range:
        """Their numbers among all that were asked for."""
        return range(self.trajectories[0].pictures.start, self.trajectories[-1].pictures.stop)


class Drawing:
    """Everything of one call, so that the shared pipeline keeps no state of it.

    Args:
        clock: of a second pass; of the first, its steps tell.

    Attributes:
        request: with the model's own values in place of what was left open.
        scheduler: with its timesteps set.
        usual: says what was taken as models of this kind are drawn, where something was.
        told: lines on what was decided of the pictures that were handed in, and of a budget.
        span: which of them are gone through.
        calls: of the denoiser, that changes of prompts are counted in.
        grammar: what the prompts say when their grammar is read; None where they are plain.
        merged: the sets of adapters that it has in the UNet's weights, and not beside them.
        understood: what of each prompt is not understood.
        altered: the pictures that something beside the request has changed, and what it was;
            their records cannot make them again.
        records: of the pictures.
        parts: what one of the pictures that it draws is called.

    Raises:
        RequestError: The request, shapes or counts of what was given do not fit the model.
    """

    parts: ClassVar[str] = "picture"

    def __init__(
        self,
        model: Model,
        request: Request,
        inputs: Inputs,
        batch_size: int = 1,
        clock: Clock | None = None,
    ) -> None:
        if type(batch_size) is not int or batch_size < 1:
            raise ArgumentError(
                "{batch_size} must be a whole number above 0, not {0!r}", batch_size
            )
        self.model, self.inputs, self.batch_size = model, inputs, batch_size
        self.engine = model.engine
        model.family.check(request, inputs)
        model.check_is_asked(request)
        self.told = list[str]()
        for way in WAYS:
            request, told = way.complete(request, inputs, self.engine)
            self.told += told
        asked = model.scheduler_of(request)
        xl = model.engine.unet.config.added_time_dim > 0
        scheduler = requested_scheduler(asked, model.scheduler, xl=xl)
        own = model.scheduler_is_own and asked is None
        steps = model.steps(begun=inputs.image is not None)
        chosen, scheduler = within_budget(request, scheduler, own=own, steps=steps)
        self.told += nothing_saved(request, chosen, steps)
        self.scheduler = scheduler.fresh()
        self.request = model.completed(request, chosen, scheduler, steps=steps)
        self.usual = None if model.usual is None else model.usual.taken(request, self.request)
        self._set_timesteps()
        self.guidance = Guidance(
            (self.request.guidance_scale or 0.0) * scheduler.guidance_share,
            self.request.guidance_rescale,
            embedded=model.engine.embeds_guidance,
            both=scheduler.parts_guidance,
        )
        self.calls = self._calls_of(None if clock is None else clock.steps)
        before = None if clock is None else clock.before
        self.grammar = Grammar.of(self.request, inputs, self.calls, before)
        guided = self.guidance.on or (self.grammar is not None and self.grammar.composes)
        self.outfits = self._dressed()
        self.merged: list[AdapterSet] = []
        if self.outfits is not None:
            self.merged = self.outfits.merged(
                len(self.scheduler.schedule),
                within(self.engine.unet),
                self.engine.device,
                together=batch_size > 1,
            )
            self.engine = self.engine.wearing({}, self.merged)
        self._prompts = dressed_prompts(
            model.engine, lambda engine: self._reads(engine, guided), self.outfits, self.calls
        )
        self._prompts.check()
        inputs.check_against(self.request, self._latents_shape())
        check_noise_is_drawn(self.request, inputs)
        self.span = span_of(self.request, self.scheduler)
        self.understood = understood(self._prompts)
        self.seeds = known_seeds(self.request, inputs, self._embedded)
        self.altered = dict[int, str]()
        for why in (given_how(self.request, inputs), model.adapters.unrecorded):
            if why is not None:
                self.altered.update(dict.fromkeys(range(self.request.num_pictures), why))
        self.records = Records(
            model, self.request, self.seeds, self.understood, self.altered, self._ranges()
        )
        self._ways: list[Prepared] = []

    @property
    def total_steps(self) -> int:
        """Of all trajectories."""
        count = 1 if self.request.seed is None else self.request.num_pictures
        return len(self.span) * count

    def taken(self, step: Step) -> int:
        """How many steps of its way have been taken with this one."""
        return step.index + 1 - self.span.start

    def check_memory(self) -> None:
        """Raise RequestError where its pictures do not fit into the memory that is free."""
        assert self.request.height is not None
        assert self.request.width is not None
        together = max(len(pictures) for pictures in self._ranges())
        calls = 2 if self.guidance.on else 1
        if self.grammar is not None:
            calls += self.grammar.most_parts - 1
        self.engine.check_memory(self.request.height, self.request.width, together, calls)

    def batches(
        self, steering: Steerings | None = None, *, watched: bool = True
    ) -> Iterator[Batch]:
        """The pictures in groups, of which no step has been taken.

        Args:
            steering: what acts on the pictures beside the request.
            watched: whether steps before the last are looked at.
        """
        begin = self.begins(steering, watched=watched)
        for pictures in self._ranges():
            seeded = self.request.seed is not None
            parts = [range(i, i + 1) for i in pictures] if seeded else [pictures]
            yield Batch([begin(each, ()) for each in parts])

    def begins(self, steering: Steerings | None = None, *, watched: bool = True) -> Begin:
        """What begins the ways of pictures, once prompts are encoded and ways to steer prepared."""
        timelines, notes = self._prompts.encoded()
        prepared = self._prepared()
        self.records.common = [*notes, *(note for each in prepared for note in each.notes)]

        def begin(pictures: range, first: Sequence[Prepared]) -> Driven:
            acting = steering(pictures) if steering else ()
            every = [*first, *prepared]
            return self._trajectory(pictures, timelines(pictures), every, acting, watched)

        return begin

    def _prepared(self) -> list[Prepared]:
        """What the ways to steer have ready, of those that this call asks for."""
        total, shape = len(self.scheduler.schedule), self._latents_shape()
        call = Call(self.engine, self.request, self.inputs, self.span, total, shape, self.scheduler)
        self._ways = [each for way in WAYS if (each := way.prepare(call)) is not None]
        return self._ways

    def steps(self, batch: Batch) -> Iterator[Step]:
        """Take the pictures of a batch to their ends; each step of each trajectory.

        Raises:
            NumericalError: The UNet gives NaN or infinity in float32 too.
        """
        for trajectory in drive(list(batch.trajectories), self.engine.predict):
            if trajectory.error is not None:
                raise trajectory.error
            if trajectory.step is not None:
                yield trajectory.step

    def latents(self, batch: Batch) -> Tensor:
        """Of all pictures of a batch, at the last steps that they took, (b, c, h, w)."""
        found: list[Tensor] = []
        for trajectory in batch.trajectories:
            found.append(trajectory.latents)
            if trajectory.overflowed:
                note = overflow_note("UNet", self.engine.compute_dtype(self.engine.unet))
                self.records.note(trajectory.pictures, note)
        return torch.cat(found)

    def finish(self, batch: Batch) -> Finished:
        """The pixels of a batch, of as many pictures as can be decoded."""
        latents = self.latents(batch)
        done = finish(self.engine, latents, self.model.feature_extractor, self.model.checker)
        for row, notes in zip(done.rows, done.notes, strict=True):
            self.records.of_decode[batch.pictures.start + row] = notes
        if done.changed:
            self.altered.update(dict.fromkeys(batch.pictures, "changed by a function"))
        pixels, pictures = done.pixels, [batch.pictures.start + row for row in done.rows]
        for way in self._ways:
            pixels = None if pixels is None else way.finished(pictures, pixels)
        return done._replace(pixels=pixels)

    def pictures(self, batch: Batch) -> Iterator[Picture]:
        """The finished pictures of a batch, with their records.

        Raises:
            DecodeError: Not all could be decoded; it comes last, and carries the others.
            GenerationInterrupted: Ctrl-C; it carries them too.
        """
        done = self.finish(batch)
        truncated = bool(self.request.truncate_pixels)
        images = [] if done.pixels is None else to_pil(done.pixels, truncated=truncated)
        for place, (row, image) in enumerate(zip(done.rows, images, strict=True)):
            record = self.records.of(batch.pictures.start + row)
            yield Picture(image, record, bool(done.flags and done.flags[place]))
        if done.error is not None:
            raise self.failure(batch, done) from done.error

    def failure(self, batch: Batch, done: Finished, finished: Sequence[Any] = ()) -> BaseException:
        """The error for a batch that could not be decoded, which carries what is left of it.

        Args:
            finished: pictures that were complete before.
        """
        left = [row for row in range(len(batch.pictures)) if row not in done.rows]
        records = [self.records.of(batch.pictures.start + row) for row in left]
        undecoded = Undecoded(self.latents(batch)[left].detach().cpu(), records)
        if isinstance(done.error, Exception):
            return decode_error(done.error, undecoded, finished)
        return GenerationInterrupted(finished, undecoded)

    def _trajectory(
        self,
        pictures: range,
        timeline: Timeline,
        prepared: Sequence[Prepared],
        others: Sequence[Steering],
        watched: bool,
    ) -> Trajectory:
        request, generator = self.request, self.inputs.generator
        if request.seed is not None:
            generator = generator_of(request, pictures.start, self.engine.scale_factor)
        interval = request.reuse_interval or 1
        # in a part of the way, the part before it has had its turns
        first = self.span.start if request.denoising_start is None else 0
        prompt = timeline.at(self.span.start - first)
        start = self._start(prepared, pictures, generator, prompt.text.tokens.dtype)
        own = [each for some in prepared for each in some.steering(pictures, generator)]
        for each in others:
            each.beside(own)
        steering = [*own, *others]  # who looks at steps sees them as they are kept
        for each in steering:
            if not each.marks_pictures:
                self.altered.update(dict.fromkeys(pictures, f"steered by {type(each).__name__}"))
        scheduled = [Scheduled(timeline, first, steering)] if timeline.changes else []
        predictor = Guided(self.guidance) if interval == 1 else Reused(self.guidance, interval)
        outfit = None if self.outfits is None else self.outfits.of_picture(pictures.start)
        return Trajectory(
            start,
            self.scheduler,
            prompt,
            Composed(predictor) if prompt.is_composed else predictor,
            generator=generator,
            eta=request.eta or 0.0,
            end=self.span.stop,
            steering=[*scheduled, *steering],
            watched=watched,
            computes_in_float32=self.engine.compute_dtype(self.engine.unet).itemsize >= 4,
            pictures=pictures,
            adapters=None if outfit is None else outfit.from_step(first),
            view=self.model.view,
        )

    def _dressed(self) -> Outfits | None:
        """The adapters of each prompt; None where there are none at all.

        Raises:
            RequestError: Prompts that are drawn at once want different ones.
        """
        asked, request = self.model.adapters, self.request
        if asked.are_none:
            return None
        tags: list[tuple[Network, ...]] = []
        if self.grammar is not None:
            second = request.prompt_2 or (None,) * len(request.prompt)
            pairs = zip(request.prompt, second, strict=True)
            tags = [self.grammar.loras(*texts) for texts in pairs]
        outfits = asked.outfits(request, tags)
        outfits.check_rows(request)
        return outfits

    def _reads(self, engine: Engine, guided: bool) -> ReadsPrompts:
        texts = self.model.prompts(engine, self.request, self.inputs, guided)
        return texts if self.grammar is None else ParsedPrompts(self.grammar, texts)

    def _start(
        self,
        prepared: Sequence[Prepared],
        pictures: range,
        generator: Generators,
        embedded: torch.dtype,
    ) -> Start:
        def noise() -> Tensor:
            return self._noise(pictures, generator, embedded)

        starts = (each.start(pictures, noise) for each in prepared)
        return next((start for start in starts if start is not None), None) or Start(noise())

    def _noise(self, pictures: range, generator: Generators, embedded: torch.dtype) -> Tensor:
        device, given = self.engine.device, self.inputs.latents
        if given is not None:
            return send(given[pictures.start : pictures.stop], device)
        dtype = torch.float32 if self.request.seed is not None else embedded
        shape = (len(pictures), *self._latents_shape()[1:])
        return draw_noise(shape, generator, dtype=dtype, device=device)

    def _calls_of(self, steps: int | None) -> int:
        """Of the denoiser in all steps, as tools count them that read schedules in prompts.

        Args:
            steps: that are taken of a second pass.
        """
        if steps is not None:
            return self.scheduler.order * steps
        steps = self.request.num_inference_steps or len(self.scheduler.schedule)
        return max(self.scheduler.order * steps, len(self.scheduler.schedule) - 1)

    def _set_timesteps(self) -> None:
        request = self.request
        given = request.timesteps is not None or request.sigmas is not None
        self.scheduler.set_timesteps(
            None if given else request.num_inference_steps,
            device=self.engine.device,
            timesteps=None if request.timesteps is None else list(request.timesteps),
            sigmas=None if request.sigmas is None else list(request.sigmas),
        )

    def _latents_shape(self) -> tuple[int, int, int, int]:
        factor, request = self.engine.scale_factor, self.request
        assert request.height is not None
        assert request.width is not None
        size = (request.height // factor, request.width // factor)
        return (request.num_pictures, self.engine.unet.config.out_channels, *size)

    @property
    def _embedded(self) -> torch.dtype:
        """What text embeddings are in, which a generator draws noise in; a seed never does."""
        if self.inputs.prompt_embeds is not None:
            return self.inputs.prompt_embeds.dtype
        return self.engine.compute_dtype(self.engine.encoders[-1])

    def _ranges(self) -> list[range]:
        # Alone, a seeded picture does not depend on its neighbours to the last bit
        count = self.request.num_pictures
        size = count if self.request.seed is None else self.batch_size
        return [range(i, min(i + size, count)) for i in range(0, count, size)]
