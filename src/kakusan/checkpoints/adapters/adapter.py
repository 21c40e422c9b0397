"""An adapter: changes of a model's parameters, by their names in our networks."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from kakusan.checkpoints.adapters.changes import Change


@dataclass(frozen=True, eq=False)
class Adapter:
    """What an adapter's file holds for one model.

    Attributes:
        name: as users call it: the file's stem.
        parts: "unet", "text_encoder" and "text_encoder_2" -> the parameter's name in our network,
            such as "mid_block.attentions.0.proj_in.weight" -> its change.
        path: of the file; None for tensors that were handed in.
        metadata: what the file says in words.
        unmatched: names in the file that are of no parameter of this model.
        embeddings: textual inversions that came along, by their words; their tensors by the
            names that such files have for them: `clip_l`, `clip_g`, or `*` where there is one.
    """

    name: str
    parts: Mapping[str, Mapping[str, Change]]
    path: Path | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    unmatched: tuple[str, ...] = ()
    embeddings: Mapping[str, Mapping[str, Tensor]] = field(
        default_factory=dict[str, Mapping[str, Tensor]]
    )

    @property
    def kind(self) -> str:
        """What most of its changes are: "LoRA", "LoHa", ..."""
        kinds = Counter(change.kind for part in self.parts.values() for change in part.values())
        return kinds.most_common(1)[0][0] if kinds else "LoRA"
