"""Draws the documentation's pictures with the built-in model: `python docs/pictures.py`.

Each is drawn twice, the second time as NAME-phone.png: narrow, so that the site can show it on a
phone without making its words too small to read.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps

import kakusan
from kakusan import StableDiffusionPipeline
from kakusan.images.edges import canny
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
OUTSIDE = ("a tree to the left of a house, meadow", "sky, meadow")
FOLLOWED = {"lemons": "three lemons, meadow", "balloons": "three balloons in the sky"}
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


def steering() -> None:
    """The figures of the guide to steering."""
    over_a_picture()
    parts_of_a_picture()
    followed()
    two_passes()
    in_tiles()
    free_u()


def over_a_picture() -> None:
    """How far back towards noise a picture goes before another prompt takes over."""
    cat = drawn(CAT)
    strengths = (0.1, 0.2, 0.3, 0.4, 0.6)
    row = [drawn("a fox, meadow", image=cat, strength=each) for each in strengths]
    names = ("the picture", *map(str, strengths))
    wide = sheet([[cat, *row]], columns=names)
    save("img2img", wide, in_rows([cat, *row], names, 3, title=""))


def parts_of_a_picture() -> None:
    """Half a picture with another object in it, and a picture with more of it."""
    scene, half = drawn("a cat to the left of a house", seed=5), (64, 0, 64, 128)
    mask = Image.new("L", scene.size)
    mask.paste(255, (half[0], half[1], half[0] + half[2], half[1] + half[3]))
    ImageDraw.Draw(mask).rectangle((0, 0, mask.width - 1, mask.height - 1), outline=128)
    row = [scene, mask.convert("RGB")]
    for name in ("tree", "robot", "snowman"):
        box = f"box:{','.join(map(str, half))}"
        prompt = f"a cat to the left of a {name}"
        row.append(drawn(prompt, seed=5, image=scene, mask=box, strength=1.0))
    names = ("the picture", "the mask", "a tree", "a robot", "a snowman")
    save("inpainting", sheet([row], columns=names), in_rows(row, names, 3, title=""))
    house = drawn("a house, meadow")
    row = [house, *(drawn(each, image=house, outpaint={"left": 64}) for each in OUTSIDE)]
    names = ("the picture", "a tree to its left", "sky, meadow")
    save("outpainting", sheet([row], columns=names), in_rows(row, names, 1, title=""))


def followed() -> None:
    """What the built-in model's ControlNet makes of edges, and what is drawn without it."""
    source = ImageOps.flip(drawn("three red apples", seed=2))
    steer = {"kind": "canny", "image": source, "model": "builtin"}
    steered = [drawn(prompt, controls=steer) for prompt in FOLLOWED.values()]
    free = [drawn(prompt) for prompt in FOLLOWED.values()]
    edges = Image.fromarray(canny(np.asarray(source))).convert("RGB")
    columns = ("a picture, its edges", *FOLLOWED)
    figure = sheet([[source, *steered], [edges, *free]], columns=columns)
    save("controlnet", figure, in_rows([source, edges, *steered], ["", "", *FOLLOWED], 2, title=""))


def two_passes() -> None:
    """What is twice as large as the model knows, at once and in two passes."""
    fox = "a fox on a blue background"
    row = [drawn(fox, width=256, height=256)]
    passes = (("Latent", 0.03), ("Lanczos", 0.03), ("Lanczos", 0.1))
    for upscaler, strength in passes:
        second = {"scale": 2, "upscaler": upscaler, "strength": strength}
        row.append(drawn(fox, second_pass=second))
    row = [each.resize((SIDE, SIDE), Image.Resampling.LANCZOS) for each in row]
    names = ("one pass", *(f"{upscaler}, {strength}" for upscaler, strength in passes))
    save("hires", sheet([row], columns=names), in_rows(row, names, 2, title=""))


def in_tiles() -> None:
    """A picture of twice the size, resized and drawn over."""
    cat, strengths = drawn(CAT), (0.05, 0.1, 0.3)
    row = [cat.resize((256, 256), Image.Resampling.LANCZOS)]
    row += [drawn("", image=cat, upscale=2, strength=each) for each in strengths]
    row = [each.resize((SIDE, SIDE), Image.Resampling.LANCZOS) for each in row]
    names = ("Lanczos alone", *map(str, strengths))
    save("upscaling", sheet([row], columns=names), in_rows(row, names, 2, title=""))


def free_u() -> None:
    """The same picture with more of what the UNet's depth says."""
    pipe = StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)
    weights = {"off": (), "1.2, 1.2, 0.9, 0.5": (1.2, 1.2, 0.9, 0.5)}
    weights["1.5, 1.6, 0.9, 0.2"] = (1.5, 1.6, 0.9, 0.2)
    rows: list[list[Image.Image]] = [[], []]
    for values in weights.values():
        if values:
            pipe.enable_freeu(**dict(zip(("b1", "b2", "s1", "s2"), values, strict=True)))
        for row, prompt in zip(rows, ("a whale, sea", "a yellow bus"), strict=True):
            row += pipe(prompt, seed=7).images
    figure = sheet(rows, columns=tuple(weights))
    save("freeu", figure, figure)


def drawn(prompt: str, **settings: Any) -> Image.Image:
    """A picture of the built-in model, of seed 7 unless it is said otherwise."""
    (picture,) = kakusan.generate(prompt, **{"seed": 7, "progress": False, **settings})
    return picture.image


def drawn_as_the_web_ui(prompt: str) -> Image.Image:
    return drawn(prompt, prompt_syntax="webui")


if __name__ == "__main__":
    grid()
    prompts()
    steering()
    inside()
