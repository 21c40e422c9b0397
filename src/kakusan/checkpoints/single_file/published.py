"""The tensors of a part under their published names, wherever in a file they are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kakusan.checkpoints.names import text
from kakusan.checkpoints.names.unet import UNetNames
from kakusan.checkpoints.names.vae import VAENames, today
from kakusan.checkpoints.single_file.entries import Entry
from kakusan.checkpoints.single_file.split import Group


class Held(NamedTuple):
    """Where in a file a published tensor is.

    Attributes:
        name: of the file's tensor.
        shape: of the published one.
        third: which third of the rows it is, where three are fused; None for all.
        transposed: whether the file has it the other way round.
    """

    name: str
    shape: tuple[int, ...]
    third: int | None = None
    transposed: bool = False


@dataclass(frozen=True)
class Part:
    """A part of a model as a file has it.

    Attributes:
        tensors: by their published names, those of texts without `text_model.`.
        left: names in the file that have no published one.
    """

    group: Group
    tensors: Mapping[str, Held]
    left: frozenset[str]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the published tensors."""
        return {name: held.shape for name, held in self.tensors.items()}


def published(group: Group, entries: Mapping[str, Entry]) -> Part:
    """A group of tensors under their published names."""
    rename = _renaming(group)
    tensors: dict[str, Held] = {}
    left: set[str] = set()
    for inner, name in group.names.items():
        shape = entries[name].shape
        found = rename(inner)
        if not found:
            left.add(name)
        elif len(found) == 3:
            for third, new in enumerate(found):
                tensors[new] = Held(name, (shape[0] // 3, *shape[1:]) if shape else (), third)
        else:
            projection = text.bare(inner) == text.PROJECTION
            turned = projection and group.slot.startswith("text")
            tensors[found[0]] = Held(name, shape[::-1] if turned else shape, None, turned)
    return Part(group, tensors, frozenset(left))


def _renaming(group: Group) -> Callable[[str], tuple[str, ...]]:
    match group.slot, group.form:
        case "unet", "ldm":
            return _one(UNetNames.of_ldm(group.names).to_diffusers)
        case "vae", "ldm":
            return _one(VAENames.of(group.names).to_diffusers)
        case "vae", _:
            return _one(today)
        case _, "openclip":
            return text.to_published
        case "unet", _:
            return _one(str)
        case _:
            return text.half_published


def _one(rename: Callable[[str], str | None]) -> Callable[[str], tuple[str, ...]]:
    def renamed(name: str) -> tuple[str, ...]:
        found = rename(name)
        return () if found is None else (found,)

    return renamed
