"""Which part of a picture attends to which word of its prompt (arXiv:2210.04885)."""

import math
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

from kakusan.errors import RequestError
from kakusan.generation import Step
from kakusan.inspect.prompt import PromptReading, read_prompt
from kakusan.inspect.sheet import SMALLEST, enlarged, sheet
from kakusan.inspect.shown import Shown
from kakusan.models import UNet2DConditionModel
from kakusan.models.layers.attention import Attention, TransformerBlock
from kakusan.pipeline import StableDiffusionPipeline

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

    def _tokens(self, words: str) -> list[int]:
        start = self.reading.prompt.casefold().find(words.casefold())
        end = start + len(words)
        used = enumerate(self.reading.used)
        found = [i for i, token in used if token.start < end and token.end > start]
        if not words.strip() or start < 0 or not found:
            read = ", ".join(self.words)
            raise RequestError(f"{words!r} is not in what was read of the prompt: {read}")
        return found

    @property
    def words(self) -> list[str]:
        """The words of the prompt; of writing without spaces, its tokens."""
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

    def picture(self) -> Image.Image:
        """The picture, then every word's map over it."""
        names = ["", *self.words]
        views = [self.image, *(self.over(word) for word in names[1:])]
        rows = [slice(i, i + IN_A_ROW) for i in range(0, len(views), IN_A_ROW)]
        views = [enlarged(view, SMALLEST) for view in views]
        return sheet(
            [views[row] for row in rows],
            captions=[names[row] for row in rows],
            title=self.reading.prompt,
        )

    def by_layer(self, words: str) -> Image.Image:
        """A row of the words' maps, layer by layer from the input to the output."""
        views = [self.over(words, layer=layer) for layer in range(len(self.layers))]
        return sheet([views], captions=[list(self.layers)], title=words)

    def by_step(self, words: str, columns: int = 8) -> Image.Image:
        """A row of the words' maps, from the first step to the last."""
        total = len(self.maps[0])
        steps = np.unique(np.linspace(0, total - 1, min(total, columns)).round().astype(int))
        views = [self.over(words, step=int(step)) for step in steps]
        return sheet([views], captions=[[f"{step + 1}/{total}" for step in steps]], title=words)


def attention_maps(
    pipe: StableDiffusionPipeline, prompt: str, *, seed: int = 0, **arguments: Any
) -> AttentionMaps:
    """Draw a picture and record where it looks at each token of its prompt.

    While it works, no other thread may draw with the same pipeline: its maps would be mixed in.

    Args:
        pipe: draws it; nothing of it is changed afterwards.
        arguments: of the pipeline's call (`num_inference_steps=`, `guidance_scale=`, ...).

    Raises:
        RequestError: Anything of the arguments does not fit, or the prompt has no token.
    """
    reading = read_prompt(pipe.tokenizer, prompt)
    if not reading.used:
        raise RequestError("the prompt must have a word that can be looked at")
    recorded = {name: list[Tensor]() for name in _attentions(pipe.unet)}
    last: Step | None = None
    with _recording(pipe.unet, recorded, range(1, 1 + len(reading.used))):
        for step in pipe.stream(prompt, seed=seed, **arguments):
            last = step
    assert last is not None
    height, width = last.latents.shape[-2:]
    maps = [_per_step(each, last.total, height / width) for each in recorded.values()]
    return AttentionMaps(reading, last.decode()[0], tuple(recorded), tuple(maps))


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
def _recording(
    unet: UNet2DConditionModel, recorded: dict[str, list[Tensor]], tokens: range
) -> Generator[None]:
    """Within, each attention leaves its maps (tokens, positions) of the text's half."""

    def hook(kept: list[Tensor]) -> Any:
        def note(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            assert isinstance(module, Attention)
            x, keys = given[0][-1:], given[1][-1:]  # the conditional half comes last
            q, k = (t.unflatten(-1, (module.num_heads, -1)) for t in (module.to_q(x), keys))
            scores = torch.einsum("bqhd,bkhd->bhqk", q.float(), k.float())
            weights = (scores / math.sqrt(q.shape[-1])).softmax(-1)
            picked = weights[0].mean(0)[:, tokens.start : tokens.stop]
            kept.append(picked.T.half().cpu())

        return note

    handles = [
        attention.register_forward_pre_hook(hook(recorded[name]))
        for name, attention in _attentions(unet).items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _per_step(calls: list[Tensor], steps: int, aspect: float) -> Tensor:
    """(steps, tokens, height, width) of what was recorded in each call of the network.

    A solver may call it more than once a step: those are averaged.
    """
    stacked = torch.stack(calls).float()
    height = round(math.sqrt(stacked.shape[-1] * aspect))
    maps = stacked.unflatten(-1, (height, -1))
    groups = np.array_split(np.arange(len(maps)), steps)
    return torch.stack([maps[group].mean(0) for group in groups]).half()
