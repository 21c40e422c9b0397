"""Names of the VAE's tensors: `decoder.up.3.block.0` and `decoder.up_blocks.0.resnets.0`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from kakusan.checkpoints.names.pieces import Pieces

ROOTS = frozenset({"encoder", "decoder", "quant_conv", "post_quant_conv"})
_GLOBAL = Pieces(
    {
        **{
            f"{half}.{name}": f"{half}.{name}"
            for half in ("encoder", "decoder")
            for name in ("conv_in", "conv_out")
        },
        **{f"{half}.norm_out": f"{half}.conv_norm_out" for half in ("encoder", "decoder")},
        "quant_conv": "quant_conv",
        "post_quant_conv": "post_quant_conv",
    }
)
_RESNET = Pieces(
    {
        "norm1": "norm1",
        "conv1": "conv1",
        "norm2": "norm2",
        "conv2": "conv2",
        "nin_shortcut": "conv_shortcut",
    }
)
ATTENTION = Pieces(
    {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
)
# The attention of the first published folders
OLD_ATTENTION = Pieces(
    {
        "group_norm": "group_norm",
        "query": "to_q",
        "key": "to_k",
        "value": "to_v",
        "proj_attn": "to_out.0",
    }
)
_LEVEL = re.compile(r"(encoder|decoder)\.(down|up)\.(\d{1,3})\.block\.(\d{1,3})\.(.+)")
_CHANGE = re.compile(r"(encoder|decoder)\.(down|up)\.(\d{1,3})\.(down|up)sample\.conv\.(.+)")
_MIDDLE = re.compile(r"(encoder|decoder)\.mid\.(block|attn)_([12])\.(.+)")
_NEW_LEVEL = re.compile(r"(encoder|decoder)\.(down|up)_blocks\.(\d{1,3})\.resnets\.(\d{1,3})\.(.+)")
_NEW_CHANGE = re.compile(
    r"(encoder|decoder)\.(down|up)_blocks\.(\d{1,3})\.(down|up)samplers\.0\.conv\.(.+)"
)
_NEW_MIDDLE = re.compile(r"(encoder|decoder)\.mid_block\.(resnets|attentions)\.([01])\.(.+)")


@dataclass(frozen=True)
class VAENames:
    """The two forms of the names in one VAE.

    Attributes:
        levels: the original names count the decoder's from the finest, the published ones from
            the coarsest.
    """

    levels: int

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """Of a VAE in either form."""
        pattern = re.compile(r"(?:encoder\.down|decoder\.up)(?:_blocks)?\.(\d{1,3})\.")
        found = [int(match[1]) for name in names if (match := pattern.match(name))]
        return cls(max(found, default=0) + 1)

    def to_diffusers(self, name: str) -> str | None:
        """The published name of an original one; None where it has none."""
        if (found := _GLOBAL.there(name)) is not None:
            return found
        if match := _LEVEL.fullmatch(name):
            half, side, level, block, rest = match.groups()
            inner = _RESNET.there(rest)
            where = f"{half}.{side}_blocks.{self._turned(side, level)}"
            return None if inner is None else f"{where}.resnets.{block}.{inner}"
        if match := _CHANGE.fullmatch(name):
            half, side, level, kind, rest = match.groups()
            return f"{half}.{side}_blocks.{self._turned(side, level)}.{kind}samplers.0.conv.{rest}"
        if match := _MIDDLE.fullmatch(name):
            half, kind, number, rest = match.groups()
            if kind == "attn":
                inner = _attention(rest) if number == "1" else None
                return inner and f"{half}.mid_block.attentions.0.{inner}"
            inner = _RESNET.there(rest)
            return inner and f"{half}.mid_block.resnets.{int(number) - 1}.{inner}"
        return None

    def to_ldm(self, name: str) -> str | None:
        """The original name of a published one; None where it has none."""
        if (found := _GLOBAL.back(name)) is not None:
            return found
        if match := _NEW_LEVEL.fullmatch(name):
            half, side, level, block, rest = match.groups()
            inner = _RESNET.back(rest)
            return inner and f"{half}.{side}.{self._turned(side, level)}.block.{block}.{inner}"
        if match := _NEW_CHANGE.fullmatch(name):
            half, side, level, kind, rest = match.groups()
            return f"{half}.{side}.{self._turned(side, level)}.{kind}sample.conv.{rest}"
        if match := _NEW_MIDDLE.fullmatch(name):
            half, kind, number, rest = match.groups()
            if kind == "attentions":
                inner = ATTENTION.back(rest) if number == "0" else None
                return inner and f"{half}.mid.attn_1.{inner}"
            inner = _RESNET.back(rest)
            return inner and f"{half}.mid.block_{int(number) + 1}.{inner}"
        return None

    def _turned(self, side: str, level: str) -> int:
        return int(level) if side == "down" else self.levels - 1 - int(level)


def _attention(rest: str) -> str | None:
    """The published name of what an attention has; converters left some under a folder's name."""
    found = ATTENTION.there(rest) or OLD_ATTENTION.there(rest)
    return found or (None if ATTENTION.back(rest) is None else rest)


def today(name: str) -> str:
    """A published name as today's folders have it: the attention was called otherwise once."""
    head, mark, rest = name.partition(".mid_block.attentions.0.")
    renamed = OLD_ATTENTION.there(rest) if mark else None
    return name if renamed is None else f"{head}{mark}{renamed}"
