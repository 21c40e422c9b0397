"""Single files of CLIP's picture encoders."""

import math
from collections.abc import Mapping

from kakusan.checkpoints.files import JSON
from kakusan.checkpoints.single_file.checkpoint import Checkpoint
from kakusan.checkpoints.single_file.entries import Entry
from kakusan.checkpoints.single_file.others import other_kind
from kakusan.checkpoints.single_file.published import Held, Part
from kakusan.checkpoints.single_file.quantised import is_scale
from kakusan.checkpoints.single_file.recognition import Recognised
from kakusan.checkpoints.single_file.shapes import Shapes, axis, count
from kakusan.checkpoints.single_file.split import Group, Split
from kakusan.errors import CheckpointError, listed

ENCODER = "image_encoder"
_CLASS = "vision_model.embeddings.class_embedding"
_PREFIXES = ("image_encoder.", "clip_vision.", "model.", "")
_OWN = ("vision_model.", "visual_projection.")
# Width -> heads, where they are not of 64 channels: ViT-H/14 and ViT-bigG/14
_HEADS = {1280: 16, 1664: 16}
_HEAD = 64
# (width, projection) of OpenAI's own, which approximate GELU: ViT-L/14, and ViT-B
_OPENAI = ((1024, 768), (768, 512))


class VisionCheckpoint(Checkpoint):
    """A single file with a picture encoder, in the published names; a text encoder may be beside.

    Raises:
        CheckpointError: It is something else.
    """

    def _recognised(self) -> Recognised:
        group = _group(self.file.entries)
        if group is None:
            other = other_kind(self.file.entries)
            said = f", {other}" if other else f" ({listed(self.file.entries)})"
            raise CheckpointError(f"{self} is not a CLIP picture encoder{said}.")
        entries = self.file.entries
        held = {each: Held(name, entries[name].shape) for each, name in group.names.items()}
        part = Part(group, held, frozenset())
        return Recognised(None, "", {ENCODER: part}, Split((group,)))

    def _told(self, name: str, part: Part) -> dict[str, JSON]:
        del name
        return vision_config(part.shapes)


def _group(entries: Mapping[str, Entry]) -> Group | None:
    for prefix in _PREFIXES:
        if prefix + _CLASS in entries:
            names = {n.removeprefix(prefix): n for n in entries if n.startswith(prefix)}
            own = {n: at for n, at in names.items() if n.startswith(_OWN) and not is_scale(at)}
            return Group(ENCODER, prefix, "hf", own)
    return None


def vision_config(shapes: Shapes) -> dict[str, JSON]:
    """The published config of a picture encoder.

    Raises:
        CheckpointError: A tensor that tells is missing.
    """
    patches = "vision_model.embeddings.patch_embedding.weight"
    width, patch = axis(shapes, _CLASS, 0), axis(shapes, patches, 2)
    tokens = axis(shapes, "vision_model.embeddings.position_embedding.weight", 0)
    projection = axis(shapes, "visual_projection.weight", 0)
    layers = "vision_model.encoder.layers"
    return {
        "hidden_act": "quick_gelu" if (width, projection) in _OPENAI else "gelu",
        "hidden_size": width,
        "image_size": math.isqrt(max(tokens - 1, 0)) * patch,
        "intermediate_size": axis(shapes, f"{layers}.0.mlp.fc1.weight", 0),
        "num_attention_heads": _HEADS.get(width, max(width // _HEAD, 1)),
        "num_hidden_layers": count(shapes, rf"{layers.replace('.', '[.]')}\.(\d+)\."),
        "patch_size": patch,
        "projection_dim": projection,
    }
