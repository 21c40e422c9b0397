"""What steering costs on this CPU: a ControlNet's call beside the UNet's, at v1.4's size.

    python -m benchmarks.control [--repeats 5] [--size tiny] [--rows 2]

Weights are random. Calls take turns, UNet, ControlNet, UNet with residuals, so that what else the
machine does falls on all of them; ratios are of medians. The load of the machine is told beside
them: what another process takes is no number of ours. A ControlNet computes the half of a UNet that
goes down, and should cost that half: at most 0.45 of a UNet's call.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from kakusan.models import ControlNetModel, TextContext, UNet2DConditionModel, UNetConfig

MOST = 0.45
TINY: dict[str, Any] = {"block_out_channels": (64, 128, 256, 256), "cross_attention_dim": 64}


def measure(size: str, rows: int, repeats: int) -> dict[str, float]:
    """Medians in seconds, and ratios of medians."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(UNetConfig(**TINY) if size == "tiny" else UNetConfig()).eval()
    net = ControlNetModel.from_unet(unet).eval()
    side = unet.config.latent_size[0]
    sample = torch.randn(rows, 4, side, side)
    text = TextContext(torch.randn(rows, 77, unet.config.cross_attention_dim))
    pictures = torch.rand(1, 3, 8 * side, 8 * side)
    hint = net.embed(pictures)
    residuals = net.residuals(sample, 500, text, hint)
    turns: dict[str, Callable[[], object]] = {
        "unet": lambda: unet(sample, 500, text),
        "controlnet": lambda: net.residuals(sample, 500, text, hint),
        "unet with residuals": lambda: unet(sample, 500, text, residuals=residuals),
        "hint, once a picture": lambda: net.embed(pictures),
    }
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for repeat in range(repeats + 1):  # the first warms up
        for name, turn in turns.items():
            began = time.perf_counter()
            turn()
            if repeat:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(each) for name, each in seconds.items()}


def main(given: Sequence[str] | None = None) -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--size", choices=("v1.4", "tiny"), default="v1.4")
    asked = parser.parse_args(given)
    before = os.getloadavg()[0]
    with torch.no_grad():
        found = measure(asked.size, asked.rows, asked.repeats)
    print(f"load of the machine before and after: {before:.1f}, {os.getloadavg()[0]:.1f}")
    for name, median in found.items():
        print(f"{name:22} {median:8.3f} s  {median / found['unet']:.3f} of a UNet's call")
    share = found["controlnet"] / found["unet"]
    print(f"a ControlNet's call: {share:.3f}, at most {MOST}: {'yes' if share <= MOST else 'no'}")


if __name__ == "__main__":
    main()
