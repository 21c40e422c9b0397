"""A picture's noise by the rules of the tool that it was first made with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers.noise import seeded
from kakusan.schedulers.source import NoiseSource, PhiloxNoise, Position, TorchNoise

Kind = Callable[[int], NoiseSource]
ALIKE = 0.9995  # of two noises whose mean cosine is above, AUTOMATIC1111 takes a plain mean


class Rule(NamedTuple):
    """How a tool draws.

    Attributes:
        first: the stream of the first latents.
        further: that of what samplers add, where the first one does not go on.
        seed_of_further: from the picture's seed.
        path_seed: of a Brownian path; None is the picture's seed.
    """

    first: Kind
    further: Kind | None = None
    seed_of_further: Callable[[int], int] = int
    path_seed: int | None = None


def _own(seed: int) -> NoiseSource:
    return TorchNoise.going_on(seeded(seed % 2**64))


def _next(seed: int) -> int:
    """ComfyUI's on a CPU, so as not to repeat the first latents."""
    return seed + 1


def _inverted(seed: int) -> int:
    """InvokeAI's."""
    return seed ^ 0xFFFFFFFF


# Under the names of `kakusan.request.randomness`, None for kakusan's own
RULES: dict[str | None, Rule] = {
    None: Rule(_own),
    "webui-cpu": Rule(TorchNoise),
    "webui-gpu": Rule(PhiloxNoise),
    "webui-nv": Rule(PhiloxNoise),
    "comfyui": Rule(TorchNoise, TorchNoise, _next),
    "comfyui-gpu": Rule(TorchNoise, PhiloxNoise),
    "fooocus": Rule(TorchNoise, TorchNoise, _next),
    "invokeai": Rule(TorchNoise, TorchNoise, _inverted, path_seed=0),
    "invokeai-gpu": Rule(TorchNoise.in_half, PhiloxNoise, _inverted, path_seed=0),
    "sdcpp-cuda": Rule(PhiloxNoise),
    "sdcpp-cpu": Rule(TorchNoise),
    "diffusers": Rule(TorchNoise),
}


@dataclass(frozen=True, kw_only=True)
class Seeding:
    """What decides a picture's noise.

    Attributes:
        rng: one of `RULES`.
        ensd: the streams of further noise begin anew, at the seed and this ("eta noise seed delta",
            AUTOMATIC1111).
        variation: another seed, and how much of its noise is mixed in, from 0 to 1.
        resized_from: height and width of the latents that the seed was found with: their noise lies
            in the middle.
    """

    rng: str | None
    seed: int
    ensd: int = 0
    variation: tuple[int, float] | None = None
    resized_from: tuple[int, int] | None = None


class PictureNoise(NoiseSource):
    """One picture's noise: the first latents' (1, c, h, w), then what samplers add."""

    def __init__(self, seeding: Seeding) -> None:
        self._seeding, self._is_first = seeding, True
        self._rule = rule = RULES[seeding.rng]
        self._stream = rule.first(seeding.seed)
        own = self._stream.path_seed
        self.path_seed = own if rule.path_seed is None else rule.path_seed

    def normal(self, shape: Sequence[int]) -> Tensor:
        if not self._is_first:
            return self._stream.normal(shape)
        self._is_first = False
        first = self._first(tuple(shape))
        self._go_on()
        return first.float()

    def anew(self, seed: int) -> NoiseSource:
        kind = self._rule.further or self._rule.first
        return TorchNoise(seed) if self._seeding.rng is None else kind(seed)

    def get_state(self) -> Any:
        return self._is_first, self._stream, self._stream.get_state()

    def set_state(self, state: Any) -> None:
        self._is_first, self._stream, inner = state
        self._stream.set_state(inner)

    def position(self) -> Position:
        return self._stream.position()

    def go_to(self, position: Position) -> None:
        self._stream.go_to(position)

    def _go_on(self) -> None:
        """From the first latents to further noise."""
        rule, seeding = self._rule, self._seeding
        if seeding.ensd:
            self._stream = rule.first(seeding.seed + seeding.ensd)
        elif rule.further is not None:
            self._stream = rule.further(rule.seed_of_further(seeding.seed))

    def _first(self, shape: tuple[int, ...]) -> Tensor:
        """AUTOMATIC1111's order: mixed at the old size, then laid into the new one."""
        old = self._seeding.resized_from
        if old is None or old == shape[-2:]:
            return self._mixed(self._stream, shape)
        small = (*shape[:-2], *old)
        noise = self._mixed(self._rule.first(self._seeding.seed), small)
        return _laid_into(self._stream.normal(shape), noise)

    def _mixed(self, stream: NoiseSource, shape: tuple[int, ...]) -> Tensor:
        noise = stream.normal(shape)
        if self._seeding.variation is None:
            return noise
        seed, strength = self._seeding.variation
        mixed = _slerp(strength, noise.float(), self._rule.first(seed).normal(shape).float())
        if not bool(mixed.isfinite().all()):
            raise RequestError(
                f"noise of {shape[-2]} rows is too low to be mixed with a variation's; take a "
                "higher picture, or none"
            )
        return mixed


def _laid_into(whole: Tensor, part: Tensor) -> Tensor:
    """`part` in the middle of `whole`, what stands out of it cut off; both (..., h, w)."""
    rows, columns = (
        _overlap(whole.shape[axis], part.shape[axis]) for axis in (whole.ndim - 2, whole.ndim - 1)
    )
    whole = whole.clone()
    whole[..., rows[0], columns[0]] = part[..., rows[1], columns[1]]
    return whole


def _overlap(whole: int, part: int) -> tuple[slice, slice]:
    """Where in the whole, and what of the part, along one axis."""
    offset = (whole - part) // 2
    # of a part that stands out, as much is left as AUTOMATIC1111 leaves
    count = part if offset >= 0 else part + 2 * offset
    start, first = max(offset, 0), max(-offset, 0)
    return slice(start, start + count), slice(first, first + count)


def _slerp(strength: float, low: Tensor, high: Tensor) -> Tensor:
    """Spherical interpolation as AUTOMATIC1111 does it on (c, h, w): an angle for each column.

    Where both are nearly one, it is a mean whose weights are swapped, there as here.
    """
    one, other = (each / each.norm(dim=-2, keepdim=True) for each in (low, high))
    cosine = (one * other).sum(-2, keepdim=True)
    if float(cosine.mean()) > ALIKE:
        return low * strength + high * (1 - strength)
    angle = cosine.acos()
    whole = angle.sin()
    return ((1.0 - strength) * angle).sin() / whole * low + (strength * angle).sin() / whole * high
