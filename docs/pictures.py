"""Draws the documentation's pictures with the built-in model: `python docs/pictures.py`."""

from pathlib import Path

import numpy as np
import torch

import kakusan
from kakusan import StableDiffusionPipeline
from kakusan.inspect import (
    attention_maps,
    denoising,
    experiment,
    latent_channels,
    schedules,
    walk,
)

IMAGES = Path(__file__).parent / "images"
# The README shows these with their prompts
GRID = (
    "a cat on a red background",
    "a dog on a blue background",
    "a panda on a green background",
    "a fox on a light blue background",
    "a rocket on a black background",
    "a mushroom on a purple background",
)
CAT, DOG = "a cat on a red background", "a dog on a blue background"


def inside() -> None:
    """The figures of how it works."""
    pipe = StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)
    steps = denoising(pipe, CAT, seed=7)
    steps.save(IMAGES / "steps.png")
    pixels = torch.from_numpy(np.asarray(steps.pictures[-1]) / 127.5 - 1).float()
    with torch.no_grad():
        latents = pipe.vae.encode(pixels.permute(2, 0, 1)[None])[0].mode()
    latent_channels(latents).save(IMAGES / "latents.png")
    attention_maps(pipe, "a cat to the left of a house", seed=5).save(IMAGES / "attention.png")
    schedules(pipe).save(IMAGES / "schedules.png")
    walk(pipe, CAT, DOG, seed=4).save(IMAGES / "walk.png")
    guidance, steps_taken = {"guidance": [1, 2, 4, 7.5, 15]}, {"steps": [4, 8, 25]}
    experiment(CAT, x=guidance, y=steps_taken).save(IMAGES / "knobs.png")
    names = {"scheduler": ["ddim", "dpmpp-2m", "lms", "euler-a"]}
    experiment(CAT, x={"steps": [4, 8, 15, 25]}, y=names).save(IMAGES / "schedulers.png")


if __name__ == "__main__":
    pictures = kakusan.generate(list(GRID), seed=7)
    grid = kakusan.image_grid([each.image for each in pictures], rows=1, cols=len(GRID))
    grid.save(IMAGES / "grid.png", optimize=True)
    inside()
