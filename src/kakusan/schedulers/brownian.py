"""Noise from one Brownian path over the noise levels, number for number as torchsde draws it.

Where a sampler goes from one level to another by a level between them, the noise of the two halves
and that of the whole way belong together (k-diffusion's `BrownianTreeNoiseSampler`).
"""

import math
from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from kakusan.runtime.device import send
from kakusan.schedulers.noise import Generators, check_one_each
from kakusan.schedulers.source import NoiseSource

DIGITS = 6  # to which times are rounded
POOL_SIZE = 24  # of numpy's seed sequences


class _Node(NamedTuple):
    """A piece of time, halved again and again from the whole: the tree's `key`-th at a `depth`."""

    start: float
    end: float
    key: int = 0
    depth: int = 0

    def halves(self) -> "tuple[_Node, _Node]":
        middle = round(0.5 * (self.end + self.start), DIGITS)
        key, depth = 2 * self.key, self.depth + 1
        return _Node(self.start, middle, key, depth), _Node(middle, self.end, key + 1, depth)


class _Normal(NamedTuple):
    """What a tree's random numbers are like."""

    entropy: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    source: NoiseSource | None

    def of_whole(self) -> Tensor:
        return self._draw(())

    def of_node(self, node: _Node) -> Tensor:
        return self._draw((node.key, node.depth))

    def _draw(self, place: tuple[int, ...]) -> Tensor:
        sequence = np.random.SeedSequence(self.entropy, spawn_key=place, pool_size=POOL_SIZE)
        # the first of those that the tree asks for; how many those are changes none of them
        seed = int(sequence.generate_state(1)[0])
        if self.source is not None:
            return send(self.source.anew(seed).normal(self.shape).to(self.dtype), self.device)
        generator = torch.Generator(self.device).manual_seed(seed)
        return torch.randn(self.shape, dtype=self.dtype, device=self.device, generator=generator)


class BrownianNoise(NamedTuple):
    """A Brownian path over noise levels for a run's pictures; computed anew where it is asked.

    Attributes:
        lowest, highest: noise levels between which it is defined.
        seeds: of one path for all pictures together, or a tuple of one for each picture.
        device: where it is drawn; None draws where the latents are.
        source: of whose kind the random numbers are; None has torch draw them.
    """

    lowest: float
    highest: float
    seeds: int | tuple[int, ...]
    device: torch.device | None = None
    source: NoiseSource | None = None

    @classmethod
    def of(cls, sigmas: Tensor, like: Tensor, generator: Generators, seed: int | None) -> Self:
        """The path of a run through `sigmas`.

        Args:
            like: the latents.
            generator: the seed that it was made with is the path's, on its device; one of a list
                for each picture. Without one torch's global generator draws a seed.
            seed: counts instead of the generator's.

        Raises:
            RequestError: The list's length is not the batch size.
        """
        ends = float(sigmas[sigmas > 0].min()), float(sigmas.max())
        if seed is not None:
            return cls(*ends, seed)
        if isinstance(generator, NoiseSource):
            return cls(*ends, generator.path_seed, source=generator)
        if generator is None:
            return cls(*ends, int(torch.randint(0, 2**63 - 1, [])))
        if isinstance(generator, torch.Generator):
            return cls(*ends, generator.initial_seed(), generator.device)
        check_one_each(generator, like.shape[0])
        seeds = tuple(each.initial_seed() for each in generator)
        return cls(*ends, seeds, generator[0].device)

    def between(self, sigma: Tensor, following: Tensor, like: Tensor) -> Tensor:
        """Standard normal noise for the step from `sigma` down to `following`, shaped as `like`."""
        low, high = float(following), float(sigma)
        device = self.device or like.device
        if isinstance(self.seeds, int):
            path = self._increment(self.seeds, like.shape, low, high, like.dtype, device)
        else:
            paths = [
                self._increment(seed, like.shape[1:], low, high, like.dtype, device)
                for seed in self.seeds
            ]
            path = torch.stack(paths)
        return send(-path, like.device) / (following - sigma).abs().sqrt()

    def of_step(self, sigma: Tensor, following: Tensor, like: Tensor, eta: float) -> Tensor:
        """What the reverse SDE adds on its way between two levels, with so much of its noise.

        Of deviation `following * sqrt(1 - exp(-2 * eta * h))`, h long in log sigma.
        """
        h = sigma.log() - following.log()
        deviation = following * (-(-2 * h * eta).expm1()).sqrt()
        return self.between(sigma, following, like) * deviation

    def _increment(
        self,
        seed: int,
        shape: tuple[int, ...],
        low: float,
        high: float,
        dtype: torch.dtype,
        device: torch.device,
    ) -> Tensor:
        """How far the path goes from `low` to `high`."""
        whole = _Node(round(self.lowest, DIGITS), round(self.highest, DIGITS))
        start, end = (round(min(max(each, whole.start), whole.end), DIGITS) for each in (low, high))
        normal = _Normal(seed, tuple(shape), dtype, device, self.source)
        if start >= end:
            return torch.zeros(normal.shape, dtype=dtype, device=device)
        increment = normal.of_whole() * math.sqrt(self.highest - self.lowest)
        first, *others = _pieces(whole, increment, start, end, normal)
        for each in others:
            first = first + each
        return first


def _pieces(
    node: _Node, increment: Tensor, start: float, end: float, normal: _Normal
) -> Iterator[Tensor]:
    """The increments of the largest pieces that make up the time from `start` to `end`, in order.

    The left half of a piece is a Brownian bridge's value in the middle.
    """
    if (start, end) == (node.start, node.end):
        yield increment
        return
    left, right = node.halves()
    share = 1 / (node.end - node.start)
    to_left, to_right = left.end - left.start, right.end - right.start
    deviation = math.sqrt(to_left * to_right * share)
    of_left = to_left * increment * share + deviation * normal.of_node(node)
    if start < left.end:
        yield from _pieces(left, of_left, start, min(end, left.end), normal)
    if end > right.start:
        yield from _pieces(right, increment - of_left, max(start, right.start), end, normal)
