"""How steep are the edges that the built-in model's autoencoder gives back?

    python -m benchmarks.edges [--model FOLDER] [--grid FILE.png]

At every pixel where a true scene's lightness changes by more than `EDGE` of its whole range within
a pixel (half the difference of the neighbours, across and down), the length of that change in the
reconstruction is set against its length in the original; the measure is the ratio of the means. A
blur has less than 1. The scenes are of a seed that nothing learns from.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import markdown_table
from kakusan.builtin.recipe.album import Album
from kakusan.builtin.recipe.painter import Painter
from kakusan.builtin.recipe.vae import above
from kakusan.builtin.recipe.world import CORE
from kakusan.models import AutoencoderKL
from kakusan.training.grids import to_tensor

EDGE = 0.15
SEED, SCENES = 999, 64


def slopes(pictures: Tensor) -> Tensor:
    """How lightness changes at each pixel but the outermost, (n, height - 2, width - 2).

    Args:
        pictures: shape (n, 3, height, width), in [-1, 1].
    """
    light = pictures.mean(1) / 2  # a range of 1
    across = (light[:, 1:-1, 2:] - light[:, 1:-1, :-2]) / 2
    down = (light[:, 2:, 1:-1] - light[:, :-2, 1:-1]) / 2
    return (across.square() + down.square()).sqrt()


def steepness(decoded: Tensor, original: Tensor) -> float:
    """The mean slope of decoded pictures, of that of the originals, where these have edges."""
    slope = slopes(original)
    there = slope > EDGE
    return float(slopes(decoded.clamp(-1, 1))[there].mean() / slope[there].mean())


def psnr(decoded: Tensor, original: Tensor) -> float:
    """The mean of the pictures' peak signal-to-noise ratios in dB."""
    errors = ((decoded.clamp(-1, 1) - original) / 2).square().mean((1, 2, 3))
    return float((-10 * errors.log10()).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--model", default="builtin", help="a folder of the built-in kind")
    parser.add_argument("--grid", type=Path, help="where to write originals over reconstructions")
    arguments = parser.parse_args()
    vae = AutoencoderKL.from_pretrained(arguments.model, subfolder="vae").float()
    album, painter = Album(SEED, SCENES, CORE, 128), Painter(128)
    drawn = np.stack([painter.draw(album.scene(index)) for index in range(SCENES)])
    original = to_tensor(torch.from_numpy(drawn))
    with torch.no_grad():
        decoded = vae.decode(vae.encode(original)[0].mean)[0]
    rows = [[f"{steepness(decoded, original):.2f}", f"{psnr(decoded, original):.1f} dB"]]
    print(markdown_table(["steepness of edges", "PSNR"], rows))
    if arguments.grid is not None:
        above(original, decoded, 8).save(arguments.grid)


if __name__ == "__main__":
    main()
