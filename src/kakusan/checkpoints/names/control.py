"""Names of the tensors of ControlNets and T2I-Adapters: the original ones and the published."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from kakusan.checkpoints.names.pieces import Pieces
from kakusan.checkpoints.names.unet import UNetNames

_HINT = "controlnet_cond_embedding"
OWN = Pieces(
    {
        "input_hint_block.0": f"{_HINT}.conv_in",
        **{f"input_hint_block.{2 * n + 2}": f"{_HINT}.blocks.{n}" for n in range(6)},
        "input_hint_block.14": f"{_HINT}.conv_out",
        "middle_block_out.0": "controlnet_mid_block",
    }
)
# What a union of ControlNets adds is called the same everywhere
OF_A_UNION = ("control_add_embedding.", "spatial_ch_projs.", "task_embedding", "transformer_layes.")
_ZERO = re.compile(r"zero_convs\.(\d{1,4})\.0\.(weight|bias)")
_DOWN = re.compile(r"controlnet_down_blocks\.(\d{1,4})\.(weight|bias)")
_FULL = re.compile(r"body\.(\d{1,4})\.(in_conv|block1|block2)\.(weight|bias)")
_LIGHT = re.compile(r"body\.(\d{1,4})\.body\.(\d{1,4})\.(block1|block2)\.(weight|bias)")
_LIGHT_ENDS = re.compile(r"body\.\d{1,4}\.(?:in|out)_conv\.(?:weight|bias)")


@dataclass(frozen=True)
class ControlNames:
    """The two forms of the names in one ControlNet."""

    half: UNetNames

    @classmethod
    def of_ldm(cls, names: Iterable[str]) -> Self:
        """Of a net in the original names."""
        return cls(UNetNames.of_ldm(names))

    @classmethod
    def of_diffusers(cls, names: Iterable[str]) -> Self:
        """Of a net in the published names."""
        return cls(UNetNames.of_diffusers(names))

    def to_diffusers(self, name: str) -> str | None:
        """The published name of an original one; None where it has none."""
        if match := _ZERO.fullmatch(name):
            return f"controlnet_down_blocks.{match[1]}.{match[2]}"
        if name.startswith(OF_A_UNION):
            return name
        return OWN.there(name) or self.half.to_diffusers(name)

    def to_ldm(self, name: str) -> str | None:
        """The original name of a published one; None where it has none."""
        if match := _DOWN.fullmatch(name):
            return f"zero_convs.{match[1]}.0.{match[2]}"
        if name.startswith(OF_A_UNION):
            return name
        return OWN.back(name) or self.half.to_ldm(name)


def adapter_to_diffusers(name: str, blocks: int) -> str | None:
    """The published name of a T2I-Adapter's original one; None where it has none.

    Args:
        blocks: residual blocks of each level; a full adapter's are numbered through.
    """
    if name.startswith("conv_in."):
        return f"adapter.{name}"
    if match := _LIGHT.fullmatch(name):
        return f"adapter.body.{match[1]}.resnets.{match[2]}.{match[3]}.{match[4]}"
    return f"adapter.{name}" if _LIGHT_ENDS.fullmatch(name) and not blocks else _full(name, blocks)


def _full(name: str, blocks: int) -> str | None:
    match = _FULL.fullmatch(name)
    if match is None or not blocks:
        return None
    level, place = divmod(int(match[1]), blocks)
    if match[2] == "in_conv":
        return f"adapter.body.{level}.in_conv.{match[3]}" if place == 0 else None
    return f"adapter.body.{level}.resnets.{place}.{match[2]}.{match[3]}"
