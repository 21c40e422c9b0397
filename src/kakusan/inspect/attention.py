"""Which part of a picture attends to which word of its prompt (arXiv:2210.04885)."""

import copy
import math
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from kakusan.errors import ArgumentError, RequestError, shown
from kakusan.inspect.prompt import PromptReading, read_prompt
from kakusan.inspect.sheet import in_rows
from kakusan.inspect.shown import Shown
from kakusan.inspect.steps import counted, single
from kakusan.models import UNet2DConditionModel
from kakusan.models.layers.attention import Attention, TransformerBlock
from kakusan.pipeline import LatentDiffusionPipeline
from kakusan.sampling import Step

Heat = npt.NDArray[np.float32]
# From nothing to much, dark to bright: points of matplotlib's magma
RAMP = np.array(
    [[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]], np.float32
)
IN_A_ROW = 6


@dataclass(frozen=True)
class AttentionMaps(Shown):
    """Where a picture looked at each token of its prompt.

    `maps[layer]` has the shape (steps, tokens, height, width): the attention that a layer's
    positions pay to a token, averaged over its heads; over all tokens, those without a word
    included, it adds up to 1. `layers` names the layers.
    """

    reading: PromptReading
    image: Image.Image
    layers: tuple[str, ...]
    maps: tuple[Tensor, ...]

    def heat(self, words: str, *, layer: int | None = None, step: int | None = None) -> Heat:
        """Where words of the prompt are looked at, (height, width) of the picture, from 0 to 1.

        Args:
            words: as they stand in the prompt; upper and lower case are the same.
            layer: one of `layers`, by its number; the mean of all where not given.
            step: one of the steps, by its number; the mean of all where not given.

        Raises:
            RequestError: The words are not in the part of the prompt that was read, or there is
                no such layer or step.
        """
        tokens = self._tokens(words)
        total = len(self.maps[0])
        if layer is not None and not 0 <= layer < len(self.maps):
            raise RequestError(f"layer must be from 0 to {len(self.maps) - 1}, not {layer}")
        if step is not None and not 0 <= step < total:
            raise RequestError(f"step must be from 0 to {total - 1}, not {step}")
        chosen = self.maps if layer is None else (self.maps[layer],)
        height, width = self.image.height, self.image.width
        heat = torch.zeros(height, width)
        for each in chosen:
            steps = each if step is None else each[step : step + 1]
            small = steps[:, tokens].float().mean((0, 1))[None, None]
            heat += F.interpolate(small, (height, width), mode="bicubic", align_corners=False)[0, 0]
        heat -= heat.min()
        return (heat / heat.max().clamp(min=1e-12)).numpy()

    def _span(self, words: str) -> tuple[int, int]:
        """Where words stand in the prompt: as whole words if they do, else inside others."""
        plain = re.escape(words)
        for pattern in (rf"(?<!\w){plain}(?!\w)", plain):
            if words and (match := re.search(pattern, self.reading.prompt, re.IGNORECASE)):
                return match.span()
        return 0, 0

    def _tokens(self, words: str) -> list[int]:
        start, end = self._span(words.strip())
        used = enumerate(self.reading.used)
        found = [i for i, token in used if token.start < end and token.end > start]
        if not found:
            read = ", ".join(self.words)
            raise RequestError(f"{shown(words)} is not in what was read of the prompt: {read}")
        return found

    @property
    def words(self) -> list[str]:
        """The words of the prompt, each once; of writing without spaces, its tokens."""
        words: list[str] = []
        last = None
        for token in self.reading.used:
            joined = last is not None and token.start == last.end
            if joined and token.text.isascii() and words[-1].isalnum() and token.text.isalnum():
                words[-1] += token.text
            else:
                words.append(token.text)
            last = token
        return list(dict.fromkeys(word for word in words if any(map(str.isalnum, word))))

    def over(self, words: str, *, layer: int | None = None, step: int | None = None) -> Image.Image:
        """The picture, dark where words are not looked at and glowing where they are most."""
        heat = self.heat(words, layer=layer, step=step)[..., None]
        at = heat[..., 0] * (len(RAMP) - 1)
        low = np.minimum(at.astype(int), len(RAMP) - 2)
        colours = RAMP[low] + (at - low)[..., None] * (RAMP[low + 1] - RAMP[low])
        pixels = np.asarray(self.image, np.float32)
        mixed = pixels * (0.35 + 0.25 * heat) + colours * 0.6 * heat
        return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))

    def picture(self, columns: int = IN_A_ROW) -> Image.Image:
        """The picture, then every word's map over it, so many in a row."""
        names = ["", *self.words]
        views = [self.image, *(self.over(word) for word in names[1:])]
        return in_rows(views, names, columns, title=self.reading.prompt)

    def by_layer(self, words: str) -> Image.Image:
        """A row of the words' maps, layer by layer from the input to the output."""
        views = [self.over(words, layer=layer) for layer in range(len(self.layers))]
        return in_rows(views, self.layers, len(views), title=words)

    def by_step(self, words: str, columns: int = 8) -> Image.Image:
        """A row of the words' maps, from the first step to the last."""
        if columns < 1:
            raise RequestError(f"columns must be 1 or more, not {columns}")
        total = len(self.maps[0])
        steps = np.unique(np.linspace(0, total - 1, min(total, columns)).round().astype(int))
        views = [self.over(words, step=int(step)) for step in steps]
        return in_rows(views, [f"{step + 1}/{total}" for step in steps], columns, title=words)


def attention_maps(
    pipe: LatentDiffusionPipeline, prompt: str, *, seed: int = 0, **settings: Any
) -> AttentionMaps:
    """Draw a picture and record where it looks at each token of its prompt.

    While it works, no other thread may draw with the same pipeline: its maps would be mixed in.
    The safety checker does not look at the picture.

    Args:
        pipe: draws it, without recorded kernels; nothing of it is changed afterwards.
        settings: of the `Request` (`num_inference_steps=`, `guidance_scale=`, ...).

    Raises:
        RequestError: Anything of the arguments does not fit, or the prompt has no token.
    """
    request = single(prompt, seed, settings)
    for name in ("reuse_interval", "quality_budget"):
        if getattr(request, name) is not None:
            raise ArgumentError(
                f"{{{name}}} leaves network calls out; attention maps need them all"
            )
    reading = read_prompt(pipe.tokenizer, prompt)
    if not reading.used:
        raise RequestError("the prompt must have a word that can be looked at")
    plain = copy.copy(pipe)
    plain.accelerate(None)
    kept = {name: list[Tensor]() for name in _attentions(plain.unet)}
    last: Step | None = None
    with _recording(plain.unet, range(1, 1 + len(reading.used))) as latest:
        for step in counted(plain, plain.stream(request), "attention maps"):
            last = step
            for name, found in kept.items():
                found.append(_as_picture(latest[name], *step.latents.shape[-2:]))
    assert last is not None
    maps = tuple(torch.stack(each) for each in kept.values())
    return AttentionMaps(reading, last.decode()[0], tuple(kept), maps)


def _attentions(unet: UNet2DConditionModel) -> dict[str, Attention]:
    """The attentions to the text by short names, from the input to the output."""
    order = ("down_blocks", "mid_block", "up_blocks")
    found: list[tuple[int, str, Attention]] = []
    for name, module in unet.named_modules():
        if isinstance(module, TransformerBlock):
            part = name.split(".")[0]
            numbers = [word for word in name.split(".") if word.isdigit()]
            short = f"{part.removesuffix('_blocks').removesuffix('_block')} {'.'.join(numbers)}"
            found.append((order.index(part), short, module.attn2))
    return {short: attention for _, short, attention in sorted(found, key=lambda each: each[0])}


@contextmanager
def _recording(unet: UNet2DConditionModel, tokens: range) -> Generator[dict[str, Tensor]]:
    """Within, each attention leaves its latest map (tokens, positions) of the text's half."""
    latest: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def note(module: nn.Module, given: tuple[Any, ...]) -> None:
            assert isinstance(module, Attention)
            x, keys = given[0][-1:], given[1][-1][0][-1:]  # the text comes last
            q, k = (t.unflatten(-1, (module.num_heads, -1)) for t in (module.to_q(x), keys))
            scores = torch.einsum("bqhd,bkhd->bhqk", q.float(), k.float())
            weights = (scores / math.sqrt(q.shape[-1])).softmax(-1)
            picked = weights[0].mean(0)[:, tokens.start : tokens.stop]
            latest[name] = picked.T.half().cpu()

        return note

    unet.forget_upcast()  # a float32 copy that overflow makes is to have the hooks too
    handles = [
        attention.register_forward_pre_hook(hook(name))
        for name, attention in _attentions(unet).items()
    ]
    try:
        yield latest
    finally:
        for handle in handles:
            handle.remove()
        unet.forget_upcast()


def _as_picture(maps: Tensor, height: int, width: int) -> Tensor:
    """(tokens, positions) as (tokens, h, w), where each level halves latents, rounded up."""
    h, w = height, width
    while h * w > maps.shape[1]:
        h, w = -(-h // 2), -(-w // 2)
    return maps.unflatten(1, (h, w))
