"""Which adapters a network has on, and how strongly: plain values that can be compared."""

from typing import NamedTuple

from kakusan.checkpoints.adapters.adapter import Adapter


class Worn(NamedTuple):
    """One adapter, as one network has it on.

    Attributes:
        adapter: equal to itself alone.
        part: which of its parts is this network's.
        strength: what its changes are multiplied by.
        blocks: beginnings of layers' names, such as "down_blocks.1.", and the strength of those
            layers in its place; the first that fits counts.
    """

    adapter: Adapter
    part: str
    strength: float = 1.0
    blocks: tuple[tuple[str, float], ...] = ()

    def strength_of(self, name: str) -> float:
        """Of one parameter's change."""
        found = (strength for start, strength in self.blocks if name.startswith(start))
        return next(found, self.strength)

    def scaled(self, by: float) -> "Worn":
        """The same with every strength multiplied."""
        blocks = tuple((start, strength * by) for start, strength in self.blocks)
        return self._replace(strength=self.strength * by, blocks=blocks)

    @property
    def does_nothing(self) -> bool:
        """Whether every strength is 0, or there is nothing for this network."""
        strengths = (self.strength, *(strength for _, strength in self.blocks))
        return not any(strengths) or not self.adapter.parts.get(self.part)


# In the order in which they are put on; none is the network as it is
AdapterSet = tuple[Worn, ...]


def acting(worn: AdapterSet) -> AdapterSet:
    """Without those that do nothing."""
    return tuple(each for each in worn if not each.does_nothing)
