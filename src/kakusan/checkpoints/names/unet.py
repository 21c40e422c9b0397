"""Names of the UNet's tensors: `input_blocks.4.1` and `down_blocks.1.attentions.0`, both ways."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from kakusan.checkpoints.names.pieces import Pieces, numbers

GLOBAL = Pieces(
    {
        "time_embed.0": "time_embedding.linear_1",
        "time_embed.2": "time_embedding.linear_2",
        "time_embed.cond_proj": "time_embedding.cond_proj",
        "label_emb.0.0": "add_embedding.linear_1",
        "label_emb.0.2": "add_embedding.linear_2",
        "input_blocks.0.0": "conv_in",
        "out.0": "conv_norm_out",
        "out.2": "conv_out",
    }
)
RESNET = Pieces(
    {
        "in_layers.0": "norm1",
        "in_layers.2": "conv1",
        "emb_layers.1": "time_emb_proj",
        "out_layers.0": "norm2",
        "out_layers.3": "conv2",
        "skip_connection": "conv_shortcut",
    }
)
ROOTS = frozenset({"input_blocks", "middle_block", "output_blocks", "time_embed", "out"})
DIFFUSERS_ROOTS = frozenset(
    {
        *("conv_in", "time_embedding", "add_embedding", "class_embedding", "down_blocks"),
        *("mid_block", "up_blocks", "conv_norm_out", "conv_out"),
    }
)
_LDM = re.compile(r"(input_blocks|middle_block|output_blocks)\.(\d{1,4})\.(.+)")
_SIDE = re.compile(r"(down|up)_blocks\.(\d{1,4})\.(resnets|attentions)\.(\d{1,4})\.(.+)")
_CHANGE = re.compile(r"(down|up)_blocks\.(\d{1,4})\.(down|up)samplers\.0\.conv\.(.+)")
_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d{1,4})\.(.+)")


@dataclass(frozen=True)
class UNetNames:
    """The two forms of the names in one UNet.

    Attributes:
        layers: residual blocks of a level on the way down; on the way up one more.
        attending: the blocks of the way up whose upsampler comes after attention.
        levels: how many there are.
    """

    layers: int
    levels: int
    attending: frozenset[int]

    @classmethod
    def of_ldm(cls, names: Iterable[str]) -> Self:
        """Of a UNet in the original names."""
        there = set(names)
        changes = sorted(numbers(there, r"input_blocks\.(\d{1,4})\.0\.op\.weight"))
        blocks = numbers(there, r"input_blocks\.(\d{1,4})\.0\.\w+\.")
        layers = (changes[0] if changes else max(blocks, default=1) + 1) - 1
        ups = numbers(there, r"output_blocks\.(\d{1,4})\.2\.conv\.weight")
        levels = len(changes) + 1
        return cls(max(layers, 1), levels, frozenset(up // (max(layers, 1) + 1) for up in ups))

    @classmethod
    def of_diffusers(cls, names: Iterable[str]) -> Self:
        """Of a UNet in the published names."""
        there = set(names)
        resnets = numbers(there, r"down_blocks\.0\.resnets\.(\d{1,4})\.")
        layers = max(resnets, default=0) + 1
        last = rf"up_blocks\.(\d{{1,4}})\.attentions\.{layers}\."
        levels = max(numbers(there, r"down_blocks\.(\d{1,4})\."), default=0) + 1
        return cls(layers, levels, frozenset(numbers(there, last) - {levels - 1}))

    def to_diffusers(self, name: str) -> str | None:
        """The published name of an original one; None where it has none."""
        if (found := GLOBAL.there(name)) is not None:
            return found
        match = _LDM.fullmatch(name)
        if match is None:
            return None
        side, index, rest = match[1], int(match[2]), match[3]
        if side == "middle_block":
            return self._middle(index, rest)
        return self._down(index, rest) if side == "input_blocks" else self._up(index, rest)

    def to_ldm(self, name: str) -> str | None:
        """The original name of a published one; None where it has none."""
        if (found := GLOBAL.back(name)) is not None:
            return found
        if match := _SIDE.fullmatch(name):
            return self._layer_to_ldm(match[1], int(match[2]), match[3], int(match[4]), match[5])
        if match := _CHANGE.fullmatch(name):
            return self._change_to_ldm(match[1], match[3], int(match[2]), match[4])
        if match := _MIDDLE.fullmatch(name):
            is_resnet, index = match[1] == "resnets", int(match[2])
            block = 2 * index if is_resnet else 2 * index + 1
            rest = RESNET.back(match[3]) if is_resnet else match[3]
            return None if rest is None or block > 2 else f"middle_block.{block}.{rest}"
        return None

    def _down(self, index: int, rest: str) -> str | None:
        if not 1 <= index < self.levels * (self.layers + 1):
            return None
        block, place = divmod(index - 1, self.layers + 1)
        part, _, inner = rest.partition(".")
        if place == self.layers:
            last = inner.removeprefix("op.")
            is_change = part == "0" and last != inner
            return f"down_blocks.{block}.downsamplers.0.conv.{last}" if is_change else None
        return _layer(f"down_blocks.{block}", place, part, inner)

    def _up(self, index: int, rest: str) -> str | None:
        block, place = divmod(index, self.layers + 1)
        if block >= self.levels:
            return None
        part, _, inner = rest.partition(".")
        if inner.startswith("conv."):
            is_here = place == self.layers and part == ("2" if block in self.attending else "1")
            return f"up_blocks.{block}.upsamplers.0.{inner}" if is_here else None
        return _layer(f"up_blocks.{block}", place, part, inner)

    def _middle(self, index: int, rest: str) -> str | None:
        if index == 1:
            return f"mid_block.attentions.0.{rest}"
        resnet = RESNET.there(rest)
        return f"mid_block.resnets.{index // 2}.{resnet}" if resnet and index in (0, 2) else None

    def _layer_to_ldm(self, side: str, block: int, kind: str, place: int, rest: str) -> str | None:
        most = self.layers if side == "down" else self.layers + 1
        part = 0 if kind == "resnets" else 1
        inner = RESNET.back(rest) if part == 0 else rest
        if inner is None or place >= most or block >= self.levels:
            return None
        index = block * (self.layers + 1) + place
        blocks, index = ("input", index + 1) if side == "down" else ("output", index)
        return f"{blocks}_blocks.{index}.{part}.{inner}"

    def _change_to_ldm(self, side: str, kind: str, block: int, rest: str) -> str | None:
        if side != kind or block >= self.levels - 1:
            return None
        if side == "down":
            return f"input_blocks.{(block + 1) * (self.layers + 1)}.0.op.{rest}"
        part = 2 if block in self.attending else 1
        return f"output_blocks.{block * (self.layers + 1) + self.layers}.{part}.conv.{rest}"


def _layer(block: str, place: int, part: str, inner: str) -> str | None:
    if part == "1":
        return f"{block}.attentions.{place}.{inner}"
    resnet = RESNET.there(inner) if part == "0" else None
    return None if resnet is None else f"{block}.resnets.{place}.{resnet}"
