"""What IP-Adapters make tokens of a picture with, out of what CLIP's picture encoder sees in it.

arXiv:2308.06721. They are small, run once for a call, and compute in the dtype of what they are
given, float32 as a rule; the files' weights stay as they are.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from kakusan.errors import CheckpointError, listed

Tensors = Mapping[str, Tensor]
PLAIN_TOKENS = 4
HEAD = 64  # channels of an attention head of the resampler
_NORM_EPS = 1e-5


class ImageProjection(ABC):
    """From a picture's features to its tokens.

    Args:
        weights: of the file, without its prefix.

    Attributes:
        kind: for people.
        pooled: whether it takes one vector for a whole picture, the encoder's `image_embeds`; else
            it takes all of `hidden_states[-2]`.
        names: of the weights that it has, of which each number stands for all.
        features: how wide what it takes is.
        width: of the tokens.

    Raises:
        CheckpointError: A weight is missing, or has another shape than the others tell.
    """

    kind: ClassVar[str]
    pooled: ClassVar[bool] = False
    features: int
    width: int

    def __init__(self, weights: Tensors) -> None:
        self._weights = weights
        self.features, self.width = self._sides()
        for name, shape in self.shapes().items():
            found = weights.get(name)
            if found is None:
                raise CheckpointError(f"image_proj lacks {name}")
            if tuple(found.shape) != shape:
                raise CheckpointError(
                    f"image_proj.{name} has the shape {tuple(found.shape)}; it must be {shape}"
                )

    @abstractmethod
    def _sides(self) -> tuple[int, int]:
        """The widths of features and tokens, as the weights tell them."""

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of all its weights."""

    @abstractmethod
    def __call__(self, features: Tensor) -> Tensor:
        """Tokens (pictures, tokens, width) of features (pictures, features) or, where not pooled,
        (pictures, n, features).
        """

    def unused(self) -> list[str]:
        """The names of tensors that it has no use for."""
        return [name for name in self._weights if name not in self.shapes()]

    def _side(self, name: str, axis: int) -> int:
        found = self._weights.get(name)
        if found is None or found.ndim <= axis:
            raise CheckpointError(f"image_proj lacks {name}")
        return found.shape[axis]

    def _linear(self, x: Tensor, name: str) -> Tensor:
        bias = self._weights.get(f"{name}.bias")
        weight = self._weights[f"{name}.weight"].to(x)
        return F.linear(x, weight, None if bias is None else bias.to(x))

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = (self._weights[f"{name}.{each}"].to(x) for each in ("weight", "bias"))
        return F.layer_norm(x, weight.shape, weight, bias, _NORM_EPS)


class PlainProjection(ImageProjection):
    """A linear layer from the whole picture to four tokens."""

    kind = "a plain IP-Adapter"
    pooled = True

    def _sides(self) -> tuple[int, int]:
        return self._side("proj.weight", 1), self._side("norm.weight", 0)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        out = self._side("proj.weight", 0)
        if out != PLAIN_TOKENS * self.width:
            raise CheckpointError(
                f"image_proj.proj gives {out} numbers; {PLAIN_TOKENS} tokens of the width "
                f"{self.width} are {PLAIN_TOKENS * self.width}"
            )
        linear = {"proj.weight": (out, self.features), "proj.bias": (out,)}
        return {**linear, **_norm_shapes("norm", self.width)}

    def __call__(self, features: Tensor) -> Tensor:
        tokens = self._linear(features, "proj").unflatten(1, (PLAIN_TOKENS, self.width))
        return self._norm(tokens, "norm")


class FullProjection(ImageProjection):
    """Two linear layers, for each of the encoder's 257 tokens."""

    kind = "a full-face IP-Adapter"

    def _sides(self) -> tuple[int, int]:
        return self._side("proj.0.weight", 1), self._side("proj.3.weight", 0)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        inner = self._side("proj.0.weight", 0)
        return {
            "proj.0.weight": (inner, self.features),
            "proj.0.bias": (inner,),
            "proj.2.weight": (self.width, inner),
            "proj.2.bias": (self.width,),
            **_norm_shapes("proj.3", self.width),
        }

    def __call__(self, features: Tensor) -> Tensor:
        inner = F.gelu(self._linear(features, "proj.0"))
        return self._norm(self._linear(inner, "proj.2"), "proj.3")


class Resampler(ImageProjection):
    """Sixteen learnt queries that look at all of the picture, in several rounds (a perceiver)."""

    kind = "an IP-Adapter plus"

    def _sides(self) -> tuple[int, int]:
        return self._side("proj_in.weight", 1), self._side("proj_out.weight", 0)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        queries, inner = self._side("latents", 1), self._side("latents", 2)
        attended = self._side("layers.0.0.to_q.weight", 0)
        wider = self._side("layers.0.1.1.weight", 0)
        found: dict[str, tuple[int, ...]] = {
            "latents": (1, queries, inner),
            "proj_in.weight": (inner, self.features),
            "proj_in.bias": (inner,),
            "proj_out.weight": (self.width, inner),
            "proj_out.bias": (self.width,),
            **_norm_shapes("norm_out", self.width),
        }
        for round in range(self._rounds):
            attention, pointwise = f"layers.{round}.0", f"layers.{round}.1"
            found |= _norm_shapes(f"{attention}.norm1", inner)
            found |= _norm_shapes(f"{attention}.norm2", inner)
            found[f"{attention}.to_q.weight"] = (attended, inner)
            found[f"{attention}.to_kv.weight"] = (2 * attended, inner)
            found[f"{attention}.to_out.weight"] = (inner, attended)
            found |= _norm_shapes(f"{pointwise}.0", inner)
            found[f"{pointwise}.1.weight"] = (wider, inner)
            found[f"{pointwise}.3.weight"] = (inner, wider)
        return found

    @property
    def _rounds(self) -> int:
        """Of attention and pointwise networks."""
        numbers = [name.split(".")[1] for name in self._weights if name.startswith("layers.")]
        return len({number for number in numbers if number.isdecimal()})

    def __call__(self, features: Tensor) -> Tensor:
        x = self._linear(features, "proj_in")
        latents = self._weights["latents"].to(x).expand(len(x), -1, -1)
        for round in range(self._rounds):
            latents = latents + self._attended(x, latents, f"layers.{round}.0")
            normed = self._norm(latents, f"layers.{round}.1.0")
            inner = F.gelu(self._linear(normed, f"layers.{round}.1.1"))
            latents = latents + self._linear(inner, f"layers.{round}.1.3")
        return self._norm(self._linear(latents, "proj_out"), "norm_out")

    def _attended(self, x: Tensor, latents: Tensor, name: str) -> Tensor:
        """What the queries see of the picture and of themselves."""
        latents = self._norm(latents, f"{name}.norm2")
        context = torch.cat([self._norm(x, f"{name}.norm1"), latents], dim=1)
        q = self._linear(latents, f"{name}.to_q")
        k, v = self._linear(context, f"{name}.to_kv").chunk(2, dim=-1)
        q, k, v = (each.unflatten(2, (-1, HEAD)).transpose(1, 2) for each in (q, k, v))
        seen = F.scaled_dot_product_attention(q, k, v, scale=1 / math.sqrt(HEAD))
        return self._linear(seen.transpose(1, 2).flatten(2), f"{name}.to_out")


def _norm_shapes(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def projection_of(weights: Tensors) -> ImageProjection:
    """The kind that a file's `image_proj` tensors tell.

    Raises:
        CheckpointError: It is a FaceID's, of no known kind, or not whole.
    """
    if any(name.startswith("perceiver_resampler.") for name in weights) or (
        "proj.2.weight" in weights and "norm.weight" in weights
    ):
        raise CheckpointError(
            "it is an IP-Adapter FaceID, which sees faces through a network of InsightFace; take "
            "a plain one, plus (also for faces) or full-face"
        )
    for sign, kind in (
        ("proj.weight", PlainProjection),
        ("proj.3.weight", FullProjection),
        ("latents", Resampler),
    ):
        if sign in weights:
            return kind(weights)
    raise CheckpointError(f"its image_proj is of no kind that kakusan has ({listed(weights)})")
