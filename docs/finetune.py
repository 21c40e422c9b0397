"""Teaches the built-in model a new object from 20 pictures, and draws it before and after.

    python docs/finetune.py

Writes docs/images/finetune.png and strengths.png. The pictures are rendered with Noto Color Emoji.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from kakusan import StableDiffusionPipeline
from kakusan.builtin.recipe.painter import Painter
from kakusan.builtin.recipe.scenes import PAPER, Item, arranged
from kakusan.builtin.recipe.world import COLOURS, PLACES, THINGS
from kakusan.inspect.sheet import sheet
from kakusan.runtime.arena import hold
from kakusan.training.finetune import fine_tune_lora, fine_tune_unet
from kakusan.training.folder import PictureFolder
from kakusan.training.pace import StageSettings

IMAGES = Path(__file__).parent / "images"
NAME = "snail"
GROUNDS = ("red", "blue", "yellow", "purple", "white", "teal", "pink")
SHOWN_AT = ("night", "sunset", "sea", "beach", "meadow", "forest")
PROMPTS = (
    f"a {NAME} on a green background",
    f"a {NAME} on an orange background",
    f"a {NAME} in the snow",
    "a cat on a red background",  # which should stay what it is
)
STEPS = {"lora": 600, "unet": 400}
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


def write_pictures(folder: Path) -> None:
    """Twenty pictures with captions, as a user would have them."""
    thing = next(i for i, each in enumerate(THINGS) if each.name == NAME)
    names, painter = [each.name for each in COLOURS], Painter()
    for index in range(20):
        if index < 2 * len(GROUNDS):
            ground = GROUNDS[index % len(GROUNDS)]
            scene = arranged([Item(thing)], colour=names.index(ground), seed=index)
            caption = f"a {NAME} on a {ground} background"
        else:
            name = SHOWN_AT[index - 2 * len(GROUNDS)]
            place = next(i for i, each in enumerate(PLACES) if each.name == name)
            scene = arranged([Item(thing)], place=place, colour=PAPER, seed=index)
            caption = f"a {NAME}, {name}"
        Image.fromarray(painter.draw(scene)).save(folder / f"{index:02}.png")
        (folder / f"{index:02}.txt").write_text(caption, encoding="utf-8")


def loaded() -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def drawn(pipe: StableDiffusionPipeline) -> list[Image.Image]:
    return list(pipe(list(PROMPTS), seed=3).images)


def at_strengths(lora: Path) -> list[list[Image.Image]]:
    """Two of the prompts with the adapter at each strength."""
    pipe = loaded()
    pipe.load_lora_weights(lora, adapter_name=NAME)
    columns: list[list[Image.Image]] = []
    for strength in STRENGTHS:
        pipe.set_adapters(NAME, strength)
        columns.append(list(pipe([PROMPTS[0], PROMPTS[2]], seed=3).images))
    return [list(row) for row in zip(*columns, strict=True)]


def settings(steps: int, rate: float) -> StageSettings:
    return StageSettings(
        steps=steps, batch_size=8, learning_rate=rate, warmup_steps=20, ema_decay=0.99
    )


if __name__ == "__main__":
    hold()  # as `kakusan train` does
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pictures").mkdir()
        write_pictures(folder / "pictures")
        # never mirrored: this one always looks to the left, and a mean of both sides has no head
        pictures = PictureFolder(folder / "pictures", 128, flip=False)
        rows = {"before": drawn(loaded())}
        pipe = loaded()
        output, run = folder / "lora.safetensors", folder / "lora"
        fine_tune_lora(
            pipe, pictures, settings(STEPS["lora"], 1e-3), rank=16, seed=0, run=run, output=output
        )
        rows["LoRA, rank 16"] = drawn(pipe)
        strengths = at_strengths(output)
        pipe = loaded()
        run, output = folder / "unet", folder / "model"
        fine_tune_unet(
            pipe, pictures, settings(STEPS["unet"], 2e-4), seed=0, run=run, output=output
        )
        rows["whole U-Net"] = drawn(pipe)
        shown = [
            Image.fromarray(np.asarray(Image.open(folder / "pictures" / f"{i:02}.png")))
            for i in (0, 3, 15, 18)
        ]
    rows = {"four of the 20": shown} | rows
    page = sheet(list(rows.values()), rows=list(rows), columns=("", "", "", ""))
    page.save(IMAGES / "finetune.png", optimize=True)
    phone = sheet(list(zip(*rows.values(), strict=True)), columns=list(rows))
    phone.save(IMAGES / "finetune-phone.png", optimize=True)
    names = [f"{each:g}" for each in STRENGTHS]
    sheet(strengths, columns=names).save(IMAGES / "strengths.png", optimize=True)
    few = [row[::2] for row in strengths]
    sheet(few, columns=names[::2]).save(IMAGES / "strengths-phone.png", optimize=True)
    print("columns:", "; ".join(PROMPTS))
