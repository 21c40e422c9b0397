"""What graphs choose of: models, adapters, samplers, pictures that were sent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kakusan.samplers import ELSEWHERE, SAMPLERS
from kakusan.server.dialects.comfyui import nodes

# ComfyUI's, in its order
SCHEDULER_NAMES = (
    *("normal", "karras", "exponential", "sgm_uniform", "simple", "ddim_uniform", "beta"),
    *("linear_quadratic", "kl_optimal"),
)
_FIRST = ("euler", "euler_ancestral")  # which clients take where nobody chose
_OTHERS = ("uni_pc_bh2",)


def sampler_names() -> list[str]:
    """ComfyUI's names of the samplers that there are."""
    found = list(_FIRST)
    for each in SAMPLERS:
        found += [] if each.comfyui is None else [each.comfyui]
        found += [name for name in each.others if name.endswith("_gpu")]
    return list(dict.fromkeys([*found, *(name for name in _OTHERS if name in ELSEWHERE)]))


@dataclass(frozen=True)
class Choices:
    """Lists by the names in `nodes.LISTS`, and what is known beyond them.

    Attributes:
        knows: whether a list has something under another name, such as a hash.
    """

    lists: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    knows: Callable[[str, str], bool] = lambda kind, name: False  # noqa: ARG005

    def of(self, asked: nodes.Input) -> Sequence[str]:
        """What an input chooses of."""
        if asked.words:
            return asked.words
        if asked.kind == nodes.SAMPLERS:
            return sampler_names()
        if asked.kind == nodes.SCHEDULERS:
            return SCHEDULER_NAMES
        return self.lists.get(asked.kind, ())

    def has(self, asked: nodes.Input, name: object) -> bool:
        """Whether a value is one of an input's."""
        if not isinstance(name, str):
            return False
        return name in self.of(asked) or (not asked.words and self.knows(asked.kind, name))
