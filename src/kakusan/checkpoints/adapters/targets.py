"""The layers of a model by every name that files of adapters have for them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kakusan.checkpoints.adapters.names import TEXT, TEXT_2, UNET, Place, flat
from kakusan.checkpoints.names import text
from kakusan.checkpoints.names.unet import UNetNames

Shapes = Mapping[str, Mapping[str, tuple[int, ...]]]
_WEIGHT, _BIAS = ".weight", ".bias"
# What the reference's attention of old called the projections of a text encoder
_OLD_TEXT = {
    "self_attn.q_proj": "self_attn.to_q",
    "self_attn.k_proj": "self_attn.to_k",
    "self_attn.v_proj": "self_attn.to_v",
    "self_attn.out_proj": "self_attn.to_out",
}


class Target(NamedTuple):
    """A layer of our network.

    Attributes:
        part: "unet", "text_encoder" or "text_encoder_2".
        layer: its path, as in `shapes` but for the last piece.
        third: which third of the rows that the file changes, where it has three layers as one.
    """

    part: str
    layer: str
    third: int | None = None


class Targets:
    """The layers of a model.

    Args:
        shapes: of its parameters, by part.
    """

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self._found: dict[tuple[str, str], list[Target]] = {}
        self._theirs: set[tuple[str, str]] = set()
        for part, parameters in shapes.items():
            layers = dict.fromkeys(_layer(name) for name in parameters)
            if part == UNET:
                self._add_unet(layers)
            else:
                self._add_text(part, layers)

    def find(self, place: Place) -> list[Target]:
        """The layers at a place; none where this model has none."""
        for part in self._parts(place.part):
            if found := self._found.get((part, place.flat)):
                return found
        return []

    def has_part(self, place: Place) -> bool:
        """Whether the part that a name says is among the model's."""
        return any(part in self.shapes for part in self._parts(place.part))

    def is_second_form(self, target: Target, place: Place) -> bool:
        """Whether a place is under the original releases' name for a layer, not the published."""
        return (target.part, place.flat) in self._theirs

    def _parts(self, part: str | None) -> tuple[str, ...]:
        if part is None:
            return UNET, TEXT, TEXT_2
        if part == TEXT and TEXT not in self.shapes:
            return (TEXT_2,)  # the refiner's only one
        return (part,)

    def _add(self, part: str, name: str, *targets: Target) -> None:
        self._found.setdefault((part, flat(name)), []).extend(targets)

    def _add_unet(self, layers: Iterable[str]) -> None:
        ours = list(layers)
        names = UNetNames.of_diffusers(f"{layer}{_WEIGHT}" for layer in ours)
        for layer in ours:
            target = Target(UNET, layer)
            self._add(UNET, layer, target)
            if layer.endswith(".to_out.0"):
                self._add(UNET, layer.removesuffix(".0"), target)
            original = names.to_ldm(f"{layer}{_WEIGHT}")
            if original is not None and (theirs := _layer(original)) != layer:
                self._theirs.add((UNET, flat(theirs)))
                self._add(UNET, theirs, target)

    def _add_text(self, part: str, layers: Iterable[str]) -> None:
        for layer in layers:
            target = Target(part, layer)
            self._add(part, layer, target)
            self._add(part, f"{text.PREFIX}{layer}", target)
            for new, old in _OLD_TEXT.items():
                if layer.endswith(new):
                    self._add(part, f"{text.PREFIX}{layer.removesuffix(new)}{old}", target)
            self._add_openclip(part, layer)

    def _add_openclip(self, part: str, layer: str) -> None:
        original = text.to_openclip(f"{layer}{_WEIGHT}")
        if original is None or original == text.PROJECTION:  # called so in both
            return
        third = next((n for n, name in enumerate(text.FUSED) if layer.endswith(f".{name}")), None)
        theirs = original.removesuffix("_weight") if third is not None else _layer(original)
        self._theirs.add((part, flat(theirs)))
        self._add(part, theirs, Target(part, layer, third))


def _layer(parameter: str) -> str:
    return parameter.removesuffix(_WEIGHT).removesuffix(_BIAS)
