"""Random numbers: the first latents, and what samplers add on the way."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.runtime.device import send
from kakusan.schedulers.source import NoiseSource, Position

LOW = 2**32 - 1  # what torch looks at of a CPU generator's seed
Generators = torch.Generator | Sequence[torch.Generator] | NoiseSource | None


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU for a seed from 0 to 2**64 - 1.

    torch looks at the lower 32 bits of a seed there. The upper ones are mixed into them, by the
    last step of MurmurHash3, so that 1 and 2**32 + 1 draw different noise; seeds below 2**32 draw
    what torch draws from them.
    """
    mixed = seed >> 32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        mixed = (mixed ^ mixed >> shift) * factor & LOW
    return torch.Generator("cpu").manual_seed((seed ^ mixed) & LOW)


def draw_noise(
    shape: Sequence[int], generator: Generators, *, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Standard normal noise of `shape` (batch, ...), drawn on the generator's device, then moved.

    Drawing there makes a seed give the same numbers whatever device computes. A list of generators
    draws one picture each, of shape (1, ...), so that a picture's noise is the same in any batch.
    Without a generator, torch's global one of `device` draws. Another tool's stream draws on the
    CPU.

    Raises:
        RequestError: The list's length is not the batch size.
    """
    if isinstance(generator, NoiseSource):
        return send(generator.normal(shape).to(dtype), device)
    if generator is None or isinstance(generator, torch.Generator):
        source = device if generator is None else generator.device
        noise = torch.randn(tuple(shape), generator=generator, dtype=dtype, device=source)
        return send(noise, device)
    check_one_each(generator, shape[0])
    one = (1, *shape[1:])
    return torch.cat([draw_noise(one, each, dtype=dtype, device=device) for each in generator])


def check_one_each(generators: Sequence[torch.Generator], pictures: int) -> None:
    """Raise `RequestError` unless there are as many generators as pictures."""
    if len(generators) != pictures:
        raise RequestError(
            f"the generator list has {len(generators)} entries but {pictures} pictures are drawn; "
            "give one generator, or one for each picture"
        )


def noise_like(like: Tensor, generator: Generators) -> Tensor:
    """`draw_noise` of the shape, the dtype and on the device of `like`.

    Raises:
        RequestError: The list's length is not the batch size.
    """
    return draw_noise(like.shape, generator, dtype=like.dtype, device=like.device)


def positions(generator: Generators) -> tuple[Position, ...]:
    """Where generators are, to be kept; torch's global one is nowhere."""
    return tuple(
        each.position() if isinstance(each, NoiseSource) else each.get_state()
        for each in _several(generator)
    )


def go_to(generator: Generators, places: Sequence[Position]) -> None:
    """Put generators where others of the same seeds were.

    Raises:
        RequestError: They are more, or fewer.
    """
    several = _several(generator)
    if len(several) != len(places):
        raise RequestError(f"{len(places)} generators were kept, and there are {len(several)}")
    for each, place in zip(several, places, strict=True):
        if isinstance(each, NoiseSource):
            each.go_to(place)
        elif isinstance(place, Tensor):
            each.set_state(place)


def _several(generator: Generators) -> list[torch.Generator | NoiseSource]:
    if isinstance(generator, torch.Generator | NoiseSource):
        return [generator]
    return list(generator or ())


def rewinder(generator: Generators) -> Callable[[], None]:
    """A function that puts generators back to where they are now; torch's global one stays."""
    generators = _several(generator)
    states = [each.get_state() for each in generators]

    def rewind() -> None:
        for each, state in zip(generators, states, strict=True):
            each.set_state(state)

    return rewind
