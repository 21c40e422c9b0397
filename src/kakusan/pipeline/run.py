"""One call of a pipeline: its request, its own scheduler, its noise, and what it notes."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from PIL.Image import Image
from torch import Tensor

from kakusan import __version__
from kakusan.errors import RequestError
from kakusan.generation import (
    Generators,
    Guidance,
    Step,
    StepChange,
    denoise,
    draw_noise,
    step_options,
)
from kakusan.request import Request
from kakusan.schedulers import Scheduler

if TYPE_CHECKING:
    from kakusan.pipeline.stable_diffusion import StableDiffusionPipeline


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a caller hands in ready-made beside the request; None where kakusan makes it.

    `prompt_embeds` and `negative_prompt_embeds` are (prompts, n, d), `latents`
    (pictures, c, h, w) and not yet multiplied by `init_noise_sigma`.
    """

    generator: Generators = None
    latents: Tensor | None = None
    prompt_embeds: Tensor | None = None
    negative_prompt_embeds: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """The pictures that go through the networks together."""

    pictures: range
    generator: Generators
    embeddings: Tensor


@dataclass
class Run:
    """Everything of one call, so that the shared pipeline keeps no state of it.

    Raises:
        RequestError: Shapes or counts of what was given do not fit the request or the model.
    """

    pipe: StableDiffusionPipeline
    request: Request
    given: Given
    batch_size: int = 1
    notes: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.request = replace(
            self.request, **self.pipe.full_size(self.request.height, self.request.width)
        )
        self.guidance = Guidance(self.request.guidance_scale, self.request.guidance_rescale)
        self.scheduler = self._planned_scheduler()
        if self.request.seed is not None and self.given.generator is not None:
            raise RequestError("seed and generator were both given; give only one of them")
        if isinstance(self.given.generator, Sequence):
            count, wanted = len(self.given.generator), self.request.num_pictures
            if count != wanted:
                raise RequestError(
                    f"the generator list has {count} entries but {wanted} pictures are drawn; "
                    "give one generator, or one for each picture"
                )
        if self.given.latents is not None:
            _check_shape("latents", self.given.latents, self._latents_shape())
        self.seeds = self._known_seeds()

    def _planned_scheduler(self) -> Scheduler[Any]:
        scheduler, request = self.pipe.scheduler.fresh(), self.request
        steps = None if request.timesteps or request.sigmas else request.num_inference_steps
        scheduler.set_timesteps(
            steps,
            device=self.pipe.device,
            timesteps=None if request.timesteps is None else list(request.timesteps),
            sigmas=None if request.sigmas is None else list(request.sigmas),
        )
        return scheduler

    def _latents_shape(self) -> tuple[int, int, int, int]:
        factor = self.pipe.vae.scale_factor
        assert self.request.height is not None
        assert self.request.width is not None
        size = (self.request.height // factor, self.request.width // factor)
        return (self.request.num_pictures, self.pipe.unet.config.in_channels, *size)

    def _known_seeds(self) -> list[int | None]:
        """The seed that draws each picture's noise again, where there is one."""
        count = self.request.num_pictures
        if self.given.latents is not None:
            return [None] * count
        if self.request.seed is not None:
            return [self.request.seed_of(index) for index in range(count)]
        generator = self.given.generator
        each = [generator] if isinstance(generator, torch.Generator) else list(generator or ())
        if len(each) != count or self.pipe.text_encoder.dtype != torch.float32:
            return [None] * count
        return [_fresh_seed(one) for one in each]

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
        request, given, encode = self.request, self.given, self.pipe.encode_texts
        text = given.prompt_embeds
        if text is None:
            text = encode([t or "" for t in request.prompt], request.clip_skip)
        parts = [text]
        if self.guidance.on:
            negative = given.negative_prompt_embeds
            if negative is None:
                # The reference does not apply clip_skip here
                negative = encode([t or "" for t in request.negative_prompt], None)
            _check_shape("negative_prompt_embeds", negative, text.shape)
            parts.insert(0, negative.to(text))
        device = self.pipe.device
        return [p.to(device).repeat_interleave(request.num_images_per_prompt, 0) for p in parts]

    def steps(self, batch: Batch) -> Generator[Step, StepChange | None, None]:
        """Denoise one batch; `send` a StepChange to act on the next step."""
        scheduler = self.scheduler.fresh()
        loop = denoise(
            self.pipe.unet,
            scheduler,
            self._noise(batch) * scheduler.init_noise_sigma,
            batch.embeddings,
            self.guidance,
            options=step_options(scheduler, self.request.eta, batch.generator),
            notes=self.notes,
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
        return self.pipe.decode_to_pil(latents, self.notes)

    def _noise(self, batch: Batch) -> Tensor:
        """(b, c, h, w) in float32: the loop is not where precision should be lost."""
        device = self.pipe.device
        given = self.given.latents
        if given is not None:
            return given[batch.pictures.start : batch.pictures.stop].to(device).float()
        seeded = self.request.seed is not None
        dtype = torch.float32 if seeded else batch.embeddings.dtype
        shape = (len(batch.pictures), *self._latents_shape()[1:])
        return draw_noise(shape, batch.generator, dtype=dtype, device=device).float()

    def record(self, index: int) -> dict[str, Any]:
        """All that makes picture `index` again, as plain JSON."""
        source = self.pipe.source
        return {
            "kakusan": __version__,
            "model": None if source is None else source.name,
            "commit": None if source is None else source.commit,
            **self.request.picture(index).to_record(),
            "seed": self.seeds[index],
            "scheduler": self.scheduler.config.to_published(),
            "dtype": str(self.pipe.unet.dtype).removeprefix("torch."),
            "device": self.pipe.device.type,
            "notes": list(self.notes),
        }


def _seeded(seed: int | None) -> torch.Generator:
    assert seed is not None
    return torch.Generator("cpu").manual_seed(seed)


def _fresh_seed(generator: torch.Generator) -> int | None:
    """The seed of a generator that nothing was drawn from yet; None otherwise."""
    if generator.device.type != "cpu":
        return None
    seed = generator.initial_seed()
    fresh = torch.Generator("cpu").manual_seed(seed).get_state()
    return seed if torch.equal(fresh, generator.get_state()) else None


def _check_shape(name: str, tensor: Tensor, expected: Sequence[int]) -> None:
    if tuple(tensor.shape) != tuple(expected):
        raise RequestError(
            f"{name} has the shape {tuple(tensor.shape)}; expected {tuple(expected)}"
        )
