"""Draws the documentation's pictures with the built-in model: `python docs/pictures.py`.

Each is drawn twice, the second time as NAME-phone.png: narrow, so that the site can show it on a
phone without making its words too small to read.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

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
from kakusan.inspect.sheet import in_rows, sheet

IMAGES = Path(__file__).parent / "images"
SIDE = 192  # pixels; the model draws 128
GRID = (
    "a blue cat, meadow",
    "an astronaut riding a horse",
    "three red apples",
    "雪だるま、部屋",
    "a penguin on a car, city",
    "a frog, green background",
    "赤い傘、砂浜",
    "a huge sunflower, meadow",
    "夜空の月",
    "two balloons in the sky",
    "a rocket in space",
    "森の宇宙飛行士",
)
CAT, DOG = "a cat on a red background", "a dog on a blue background"


def save(name: str, wide: Image.Image, narrow: Image.Image) -> None:
    """Write a figure for wide pages, and for phones."""
    wide.save(IMAGES / f"{name}.png", optimize=True)
    narrow.save(IMAGES / f"{name}-phone.png", optimize=True)


def inside() -> None:
    """The figures of how it works."""
    pipe = StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)
    steps = denoising(pipe, CAT, seed=7)
    save("steps", steps.picture(), steps.picture(3))
    pixels = torch.from_numpy(np.asarray(steps.pictures[-1]) / 127.5 - 1).float()
    with torch.no_grad():
        latents = pipe.vae.encode(pixels.permute(2, 0, 1)[None])[0].mode()
    channels = latent_channels(latents)
    save("latents", channels.picture(), channels.picture(4))
    maps = attention_maps(pipe, "a cat to the left of a house", seed=5)
    save("attention", maps.picture(), maps.picture(3))
    noise = schedules(pipe)
    save("schedules", noise.picture(), noise.picture(1))
    way = walk(pipe, CAT, DOG, seed=4)
    save("walk", way.picture(), way.picture(3))
    guidance, taken = {"guidance": [1, 2, 4, 7.5, 15]}, {"steps": [4, 8, 25]}
    save(
        "knobs",
        experiment(CAT, x=guidance, y=taken).picture(),
        experiment(CAT, x={"steps": [4, 25]}, y=guidance).picture(),
    )
    names = {"scheduler": ["ddim", "dpmpp-2m", "lms", "euler-a"]}
    save(
        "schedulers",
        experiment(CAT, x={"steps": [4, 8, 15, 25]}, y=names).picture(),
        experiment(CAT, x={"steps": [4, 25]}, y=names).picture(),
    )


def grid() -> None:
    """What the README opens with."""
    pictures = kakusan.generate(list(GRID), seed=7)
    images = [each.image.resize((SIDE, SIDE), Image.Resampling.LANCZOS) for each in pictures]
    save("grid", in_rows(images, GRID, 6, title=""), in_rows(images, GRID, 2, title=""))


def prompts() -> None:
    """What weights, schedules and AND do: each row one prompt, with one number that grows."""
    rows = {
        "a (red:W) cat": ("0.5", "0.8", "1.1", "1.4", "1.7"),
        "[a cat:a dog:W], red background": ("0.7", "0.85", "0.9", "0.95", "1.0"),
        "a cat AND a house :W": ("0.2", "0.4", "0.6", "0.8", "1.2"),
    }
    names = [f"{prompt}, W = {values[0]} to {values[-1]}" for prompt, values in rows.items()]
    pictures = [
        [drawn_as_the_web_ui(prompt.replace("W", value)) for value in values]
        for prompt, values in rows.items()
    ]
    wide = sheet(pictures, rows=names, columns=("",) * 5)
    narrow = sheet([each[::2] for each in pictures], rows=names, columns=("",) * 3)
    save("prompts", wide, narrow)


def drawn_as_the_web_ui(prompt: str) -> Image.Image:
    (picture,) = kakusan.generate(prompt, seed=7, prompt_syntax="webui", progress=False)
    return picture.image


if __name__ == "__main__":
    grid()
    prompts()
    inside()
