"""Configs that are also read by their published names, as scripts do."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar

from kakusan.checkpoints.files import JSON
from kakusan.errors import shown


class PublishedMapping(Mapping[str, JSON]):
    """A config as the mapping that its file holds; what is no field of ours is an attribute too.

    Attributes:
        fixed: published settings that have one value in every such network.
    """

    fixed: ClassVar[Mapping[str, JSON]] = {}

    @abstractmethod
    def to_published(self) -> dict[str, JSON]:
        """The published JSON."""

    def to_dict(self) -> dict[str, JSON]:
        """The published JSON, with what is the same in every such network."""
        return {**self.fixed, **self.to_published()}

    def __getitem__(self, key: str) -> JSON:
        return self.to_dict()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_dict())

    def __len__(self) -> int:
        return len(self.to_dict())

    def __getattr__(self, name: str) -> JSON:
        if not name.startswith("__") and name in (published := self.to_dict()):
            return published[name]
        raise AttributeError(f"{type(self).__name__} has no field {shown(name)}")
