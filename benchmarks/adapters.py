"""Adapters on a UNet of v1.4's size: how long they take to put on, and what a call takes then.

    python -m benchmarks.adapters MODEL [--rank 32] [--rounds 5]

MODEL is a folder of version 1 in float16, with random weights or not. Calls of the plain network,
with a LoRA beside its weights, and with one in them take turns; each round gives ratios.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.measure import environment, markdown_table
from kakusan.checkpoints.adapters.adapter import Adapter
from kakusan.checkpoints.adapters.changes import Product
from kakusan.models import CLIPTextModel, TextContext, UNet2DConditionModel, Worn

WORDS = ("attn", "ff", "fc", "proj")
HEADER = ("rank", "put on, s", "merged, s", "plain call, s", "beside / plain", "merged / plain")


def lora(network: nn.Module, part: str, rank: int, seed: int) -> Adapter:
    """A LoRA on attentions and pointwise networks, in float16 as kohya's scripts write it."""
    generator = torch.Generator().manual_seed(seed)
    changes = {
        f"{name}.weight": Product(
            (torch.randn(rank, module.in_features, generator=generator) / 64).half(),
            (torch.randn(module.out_features, rank, generator=generator) / 64).half(),
            1.0,
        )
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and any(word in name for word in WORDS)
    }
    return Adapter(f"{part}-{seed}", {part: changes})


def seconds(function: Callable[[], Any]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    options: dict[str, Any] = {"torch_dtype": torch.float16, "local_files_only": True}
    unet = UNet2DConditionModel.from_pretrained(asked.model, subfolder="unet", **options)
    text = CLIPTextModel.from_pretrained(asked.model, subfolder="text_encoder", **options)
    sample = torch.randn(2, unet.config.in_channels, *unet.config.latent_size)
    context = torch.randn(2, 77, unet.config.cross_attention_dim)
    guidance = torch.zeros(2, unet.config.guidance_dim) if unet.config.guidance_dim else None

    @torch.no_grad()
    def call(network: UNet2DConditionModel) -> None:
        network(sample, 5, TextContext(context), timestep_cond=guidance)

    call(unet)
    text.prepare()
    sets = [
        ((Worn(lora(unet, "unet", asked.rank, seed), "unet", 0.8),), lora(text, "text", 8, seed))
        for seed in range(asked.rounds)
    ]
    rows: list[tuple[float, ...]] = []
    for worn, words in sets:

        def switch(worn: Any = worn, words: Adapter = words) -> None:
            unet.wearing(worn)
            text.wearing((Worn(words, "text", 0.8),))

        put_on = seconds(switch)
        merging = seconds(lambda worn=worn: unet.wearing(worn, merge=True))
        beside, within = unet.wearing(worn), unet.wearing(worn, merge=True)
        call(beside)
        call(within)
        plain, with_it, merged = (seconds(lambda n=n: call(n)) for n in (unet, beside, within))
        rows.append((put_on, merging, plain, with_it / plain, merged / plain))
    medians = [statistics.median(column) for column in zip(*rows, strict=True)]
    print(f"{environment()}\n")
    print(markdown_table(HEADER, [[asked.rank, *(f"{each:.3f}" for each in medians)]]))


if __name__ == "__main__":
    main()
