"""What is asked for, checked once, before any work. Imports no torch, so a bad request is quick."""

import itertools
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self, SupportsIndex

from kakusan.errors import RequestError, check_no_unknown

SIZE_STEP = 8
MAX_SIZE = 4096
MAX_STEPS = 1000
MAX_PICTURES = 1000
MAX_GUIDANCE = 1000.0
MAX_SIGMA = 1e6  # and timestep
MAX_PSNR = 100.0
MAX_REUSE = 100
SEEDS = 2**64


@dataclass(frozen=True, kw_only=True)
class Request:
    """Everything that decides what is drawn, but for the model and the scheduler.

    `prompt` and `negative_prompt` hold one entry a prompt; an entry is None where the text was
    given as embeddings. A `height` or `width` of None is the model's own. Picture i (counted
    over all prompts and their repeats) is drawn from the seed `seed + i`; a `seed` of None means
    that the noise came from elsewhere. `quality_budget` is the least likeness to the exact picture,
    as a PSNR in dB, that a faster run may have (see `kakusan.quality`); None is exact. Of all calls
    of the UNet, every `reuse_interval`-th is made in full; None leaves it to the budget.

    Raises:
        RequestError: Any field is out of its range or contradicts another.
    """

    prompt: tuple[str | None, ...]
    negative_prompt: tuple[str | None, ...] = ("",)
    height: int | None = None
    width: int | None = None
    num_inference_steps: int = 50
    timesteps: tuple[int, ...] | None = None
    sigmas: tuple[float, ...] | None = None
    guidance_scale: float = 7.5
    guidance_rescale: float = 0.0
    num_images_per_prompt: int = 1
    eta: float = 0.0
    seed: int | None = None
    clip_skip: int | None = None
    quality_budget: float | None = None
    reuse_interval: int | None = None

    def __post_init__(self) -> None:
        self._set(prompt=_texts("prompt", self.prompt))
        self._set(negative_prompt=self._negatives())
        for name in ("height", "width"):
            self._set(**{name: _size(name, getattr(self, name))})
        self._set(**self._schedule())
        self._set(
            guidance_scale=_number("guidance_scale", self.guidance_scale, 0.0, MAX_GUIDANCE),
            guidance_rescale=_number("guidance_rescale", self.guidance_rescale, 0.0, 1.0),
            eta=_number("eta", self.eta, 0.0, 1.0),
            num_images_per_prompt=_integer(
                "num_images_per_prompt", self.num_images_per_prompt, 1, MAX_PICTURES
            ),
        )
        if self.seed is not None:
            self._set(seed=_integer("seed", self.seed, 0, SEEDS - 1))
        if self.clip_skip is not None:
            self._set(clip_skip=_integer("clip_skip", self.clip_skip, 0, 64))
        if self.quality_budget is not None:
            self._set(quality_budget=_number("quality_budget", self.quality_budget, 0.0, MAX_PSNR))
        if self.reuse_interval is not None:
            self._set(reuse_interval=_integer("reuse_interval", self.reuse_interval, 1, MAX_REUSE))
        if self.num_pictures > MAX_PICTURES:
            raise RequestError(
                f"{self.num_pictures} pictures at once are too many; the limit is {MAX_PICTURES}"
            )

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _negatives(self) -> tuple[str | None, ...]:
        texts = _texts("negative_prompt", self.negative_prompt)
        if len(texts) == 1:
            return texts * len(self.prompt)
        if len(texts) != len(self.prompt):
            raise RequestError(
                f"negative_prompt has {len(texts)} texts but prompt has {len(self.prompt)}; "
                "give one for all prompts, or as many as prompts"
            )
        return texts

    def _schedule(self) -> dict[str, Any]:
        if self.timesteps is not None and self.sigmas is not None:
            raise RequestError("timesteps and sigmas were both given; give only one of them")
        timesteps = _numbers("timesteps", self.timesteps, whole=True)
        sigmas = _numbers("sigmas", self.sigmas, whole=False)
        steps = self.num_inference_steps
        if timesteps is not None:
            steps = len(timesteps)
        if sigmas is not None:  # the last one is where the last step ends
            steps = len(sigmas) - 1
        return {
            "timesteps": timesteps,
            "sigmas": sigmas,
            "num_inference_steps": _integer("num_inference_steps", steps, 1, MAX_STEPS),
        }

    @property
    def num_pictures(self) -> int:
        return len(self.prompt) * self.num_images_per_prompt

    def seed_of(self, index: int) -> int | None:
        """The seed of picture `index`; seeds wrap around at 2**64."""
        return None if self.seed is None else (self.seed + index) % SEEDS

    def picture(self, index: int) -> Self:
        """The request that draws picture `index` alone."""
        prompt = index // self.num_images_per_prompt
        return replace(
            self,
            prompt=(self.prompt[prompt],),
            negative_prompt=(self.negative_prompt[prompt],),
            num_images_per_prompt=1,
            seed=self.seed_of(index),
        )

    def to_record(self) -> dict[str, Any]:
        """A plain mapping of a request for one picture, as stored beside it."""
        record = {field.name: getattr(self, field.name) for field in fields(self)}
        record["prompt"], record["negative_prompt"] = self.prompt[0], self.negative_prompt[0]
        del record["num_images_per_prompt"]
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read back what `to_record` gave; keys of a record that are not a request's are left.

        Raises:
            RequestError: A value is out of its range.
        """
        names = {field.name for field in fields(cls)} & set(record)
        values = {name: record[name] for name in names}
        values["prompt"] = (record.get("prompt"),)
        values["negative_prompt"] = (record.get("negative_prompt", ""),)
        return cls(**values)

    @classmethod
    def of(cls, prompt: str | Sequence[str | None], **arguments: Any) -> Self:
        """A request from what users pass: lists for tuples, None for a default.

        Raises:
            UnknownArgumentError: There is no argument of such a name.
            RequestError: A value is out of its range.
        """
        check_no_unknown("a request", set(arguments) - _NAMES, _NAMES)
        given = {name: value for name, value in arguments.items() if value is not None}
        return cls(prompt=_texts("prompt", prompt), **given)


_NAMES = {field.name for field in fields(Request)}


def _texts(name: str, value: object) -> tuple[str | None, ...]:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or not all(t is None or isinstance(t, str) for t in texts):
        raise RequestError(f"{name} must be a text or a list of texts, not {_shown(value)}")
    if not texts:
        raise RequestError(f"{name} is an empty list; give at least one text")
    return tuple(texts)


def _integer(name: str, value: object, minimum: int, maximum: int) -> int:
    range_text = f"{name} must be a whole number from {minimum} to {maximum}"
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise RequestError(f"{range_text}, not {_shown(value)}")
    number = operator.index(value)
    if not minimum <= number <= maximum:
        raise RequestError(f"{range_text}, not {_shown(number)}")
    return number


def _number(name: str, value: object, minimum: float, maximum: float) -> float:
    try:
        number = math.nan if isinstance(value, str | bool) else float(value)  # pyright: ignore
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isfinite(number) and minimum <= number <= maximum:
        return number
    raise RequestError(
        f"{name} must be a finite number from {minimum:g} to {maximum:g}, not {_shown(value)}"
    )


def _size(name: str, value: object) -> int | None:
    if value is None:
        return None
    size = _integer(name, value, SIZE_STEP, MAX_SIZE)
    if size % SIZE_STEP:
        below, above = size - size % SIZE_STEP, size - size % SIZE_STEP + SIZE_STEP
        raise RequestError(
            f"{name} must be a multiple of {SIZE_STEP}, not {size}; the nearest are "
            f"{below} and {min(above, MAX_SIZE)}"
        )
    return size


def _numbers(name: str, value: object, *, whole: bool) -> tuple[Any, ...] | None:
    if value is None:
        return None
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise RequestError(f"{name} must be a list of numbers, not {_shown(value)}")
    numbers = [_number(f"each of {name}", item, 0.0, MAX_SIGMA) for item in value]  # pyright: ignore
    if not numbers or any(a <= b for a, b in itertools.pairwise(numbers)):
        raise RequestError(f"{name} must be a list of decreasing numbers, not {_shown(value)}")
    if whole and any(number != int(number) for number in numbers):
        raise RequestError(f"{name} must be whole numbers, not {_shown(value)}")
    return tuple(int(number) for number in numbers) if whole else tuple(numbers)


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
