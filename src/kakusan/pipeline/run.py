"""One call of a pipeline: its request, its own scheduler, its noise, and what it notes."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from PIL.Image import Image
from torch import Tensor

from kakusan import __version__
from kakusan.errors import RequestError
from kakusan.generation import Step, StepChange, Widening, denoise, step_options
from kakusan.pipeline.budget import planned
from kakusan.pipeline.given import Given, check_shape
from kakusan.predictions import Guidance
from kakusan.request import Request
from kakusan.runtime.device import send
from kakusan.runtime.precision import compute_dtype
from kakusan.schedulers import Generators, draw_noise

if TYPE_CHECKING:
    from kakusan.pipeline.stable_diffusion import StableDiffusionPipeline


@dataclass(frozen=True)
class Batch:
    """The pictures that go through the networks together."""

    pictures: range
    generator: Generators
    embeddings: Tensor


@dataclass
class Run:
    """Everything of one call, so that the shared pipeline keeps no state of it.

    Attributes:
        steps_named: Whether the user chose them, so that no quality budget changes them.
        widening: What had to be computed in float32.
        changed: The pictures that a callback changed; their records cannot make them again.

    Raises:
        RequestError: Shapes or counts of what was given do not fit the request or the model.
    """

    pipe: StableDiffusionPipeline
    request: Request
    given: Given
    batch_size: int = 1
    steps_named: bool = True
    widening: Widening = field(default_factory=Widening)
    changed: set[int] = field(default_factory=set[int])

    def __post_init__(self) -> None:
        request = self.request
        request = replace(request, **self.pipe.full_size(request.height, request.width))
        self.guidance = Guidance(request.guidance_scale, request.guidance_rescale)
        named = self.steps_named or not self.pipe.has_own_scheduler
        self.request, self.scheduler = planned(
            request, self.pipe.scheduler, named=named, device=self.pipe.device
        )
        self.given.check_against(
            self.request, self._latents_shape(), self.pipe.unet.config.cross_attention_dim
        )
        self.seeds = self._known_seeds()

    def _latents_shape(self) -> tuple[int, int, int, int]:
        factor, request = self.pipe.vae.scale_factor, self.request
        assert request.height is not None
        assert request.width is not None
        size = (request.height // factor, request.width // factor)
        return (request.num_pictures, self.pipe.unet.config.in_channels, *size)

    def _known_seeds(self) -> list[int | None]:
        """The seed that draws each picture's noise again, where there is one."""
        count = self.request.num_pictures
        if self.given.latents is None and self.request.seed is not None:
            return [self.request.seed_of(index) for index in range(count)]
        # a generator draws in the embeddings' dtype, a seed always in float32
        embedded = compute_dtype(self.pipe.text_encoder.kept_dtype, self.pipe.device)
        same = self.given.latents is None and embedded == torch.float32
        seeds = self.given.known_seed() if same else []
        return seeds if len(seeds) == count else [None] * count

    @property
    def total_steps(self) -> int:
        """Calls of the scheduler's step over all batches."""
        return len(self.scheduler.timesteps) * len(self._ranges())

    def _ranges(self) -> list[range]:
        # Alone, a seeded picture does not depend on its neighbours to the last bit. Without a
        # seed the reference's order of drawing counts, and all pictures go together.
        count = self.request.num_pictures
        size = count if self.request.seed is None else self.batch_size
        return [range(i, min(i + size, count)) for i in range(0, count, size)]

    def batches(self) -> Iterator[Batch]:
        """The pictures in groups, each with its embeddings and its source of noise."""
        embeddings = self._embeddings()  # [(pictures, n, d)], unconditional first
        for pictures in self._ranges():
            rows = [part[pictures.start : pictures.stop] for part in embeddings]
            generator = self.given.generator
            if self.request.seed is not None:
                generator = [_seeded(self.request.seed_of(index)) for index in pictures]
            yield Batch(pictures, generator, torch.cat(rows))

    def _embeddings(self) -> list[Tensor]:
        request, given = self.request, self.given
        text, negative = given.prompt_embeds, given.negative_prompt_embeds
        if self.guidance.on and text is None and negative is None and request.clip_skip is None:
            # In one go: a text that stands on both sides is encoded once
            both = self._encoded((*request.negative_prompt, *request.prompt), None)
            negative, text = both.chunk(2)
        if text is None:
            text = self._encoded(request.prompt, request.clip_skip)
        parts = [text]
        if self.guidance.on:
            if negative is None:
                # The reference does not apply clip_skip here
                negative = self._encoded(request.negative_prompt, None)
            check_shape("the negative prompt's embeddings", negative, text.shape)
            parts.insert(0, negative.to(text))
        device = self.pipe.device
        return [p.to(device).repeat_interleave(request.num_images_per_prompt, 0) for p in parts]

    def _encoded(self, texts: tuple[str | None, ...], clip_skip: int | None) -> Tensor:
        return self.pipe.encode_texts([text or "" for text in texts], clip_skip, self.widening)

    def steps(
        self, batch: Batch, *, watched: bool = True
    ) -> Generator[Step, StepChange | None, None]:
        """Denoise one batch; `send` a StepChange to act on the next step; see `denoise`."""
        scheduler = self.scheduler.fresh()
        loop = denoise(
            self.pipe.loop_unet,  # pyright: ignore[reportArgumentType]  stands in for it
            scheduler,
            self._noise(batch) * scheduler.init_noise_sigma,
            batch.embeddings,
            self.guidance,
            options=step_options(scheduler, self.request.eta, batch.generator),
            widening=self.widening,
            watched=watched,
            reuse_interval=self.request.reuse_interval or 1,
        )
        change = None
        while True:
            try:
                with torch.no_grad():
                    step = loop.send(change)
            except StopIteration:
                return
            change = yield replace(
                step,
                pictures=batch.pictures,
                _preview=self.pipe.preview,
                _decode=self._decoded,
            )

    def _decoded(self, latents: Tensor) -> list[Image]:
        return self.pipe.decode_to_pil(latents, self.widening)

    def _noise(self, batch: Batch) -> Tensor:
        """(b, c, h, w) in float32: the loop is not where precision should be lost."""
        device = self.pipe.device
        given = self.given.latents
        if given is not None:
            return send(given[batch.pictures.start : batch.pictures.stop], device).float()
        seeded = self.request.seed is not None
        dtype = torch.float32 if seeded else batch.embeddings.dtype
        shape = (len(batch.pictures), *self._latents_shape()[1:])
        return draw_noise(shape, batch.generator, dtype=dtype, device=device).float()

    def record(self, index: int) -> dict[str, Any]:
        """All that makes picture `index` again, as plain JSON."""
        source = self.pipe.own_source
        return {
            "kakusan": __version__,
            "model": None if source is None else source.name,
            "commit": None if source is None else source.commit,
            "variant": self.pipe.variant,
            **self.request.picture(index).to_record(),
            "seed": None if index in self.changed else self.seeds[index],
            "scheduler": self.scheduler.config.to_published(),
            "safety_checker": self.pipe.safety_checker is not None,
            "dtype": str(self.pipe.unet.kept_dtype).removeprefix("torch."),
            "device": self.pipe.device.type,
            "notes": self._notes(index),
        }

    def _notes(self, index: int) -> list[str]:
        together = next(len(pictures) for pictures in self._ranges() if index in pictures)
        notes = list(self.widening.notes)
        if index in self.changed:
            notes.append("callback_on_step_end changed or stopped it: no seed makes it again")
        if together > 1:
            notes.append(f"computed in a batch of {together}: alone it may differ by a rounding")
        if self.pipe.source is not None and self.pipe.own_source is None:
            notes.append(f"parts of {self.pipe.source.name} were exchanged")
        return notes


def _seeded(seed: int | None) -> torch.Generator:
    if seed is None:
        raise RequestError("a picture without a seed has no generator of its own")
    return torch.Generator("cpu").manual_seed(seed)
