"""Draws the README's picture with the built-in model: `python docs/pictures.py`."""

from pathlib import Path

import kakusan

ENLARGED = (192, 192)  # the model draws 64 x 64
PROMPTS = [
    "a cat on a red background",
    "a dog on a blue background",
    "a panda on a green background",
    "a fox on a light blue background",
    "a rocket on a black background",
    "a mushroom on a purple background",
    "a house on a yellow background",
    "an astronaut on a teal background",
    "a strawberry on a white background",
    "a snowman on a brown background",
    "a key on a pink background",
    "a star on an orange background",
]

if __name__ == "__main__":
    pictures = kakusan.generate(PROMPTS, seed=7)
    grid = kakusan.image_grid([p.image.resize(ENLARGED) for p in pictures], rows=2, cols=6)
    grid.save(Path(__file__).parent / "images" / "grid.png", optimize=True)
