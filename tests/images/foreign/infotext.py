"""What AUTOMATIC1111's own parser reads in texts made at random; writes `infotext.json`.

    PYTHONPATH=src:. python -m tests.images.foreign.infotext FILE

FILE is `modules/infotext_utils.py` of lllyasviel/stable-diffusion-webui-forge at dfdcbab, which
carries AUTOMATIC1111 1.10's parser. Only the function's plain part runs: without styles, defaults
and anything that needs the web UI.
"""

import json
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).with_suffix(".json")
COUNT = 80
_WORDS = (
    *("a cat", "(red:1.2)", "[x|y]", "Steps: 3", "Negative prompt", "猫", "key: value", '"q"'),
    *("a, b", "\\", "<lora:x:0.5>", "{a|b}", "Size: 5"),
)
_VALUES = {
    "Sampler": ("Euler a", "DPM++ 2M Karras", "DDIM"),
    "CFG scale": ("7", "7.5"),
    "Seed": ("1", "4294967295"),
    "Size": ("512x768",),
    "Model hash": ("abcdef1234",),
    "Model": ("v1-5", "a, b", "x: y", 'q"uote'),
    "Clip skip": ("2", "1"),
    "VAE": ("a.safetensors",),
    "Variation seed": ("5",),
    "Seed resize from": ("512x640",),
    "Lora hashes": ("a: 0123456789ab, b: abcdef012345",),
    "TI hashes": ("x: 0123456789ab",),
    "Hires prompt": ("multi\nline, x", "y"),
    "ADetailer prompt": ('a "b", c\nd',),
    "Version": ("v1.10.1", "v1.5.2"),
}


def texts(quote: Callable[[str], str]) -> list[str]:
    chance = random.Random(1)

    def lines(fewest: int, most: int) -> str:
        several = range(chance.randint(fewest, most))
        return "\n".join(
            " ".join(chance.choice(_WORDS) for _ in range(chance.randint(1, 4))) for _ in several
        )

    found: list[str] = []
    for _ in range(COUNT):
        prompt, negative = lines(1, 3), lines(0, 2)
        names = chance.sample(list(_VALUES), chance.randint(2, len(_VALUES)))
        pairs = [("Steps", "20"), *((name, chance.choice(_VALUES[name])) for name in names)]
        told = ", ".join(f"{name}: {quote(value)}" for name, value in pairs)
        middle = f"\nNegative prompt: {negative}" if negative else ""
        found.append(f"{prompt}{middle}\n{told}")
    return found


def parser_of(source: str) -> dict[str, Any]:
    """The parser and `quote`, cut out of the web UI's module."""

    def between(start: str, end: str) -> str:
        return source[source.index(start) : source.index(end)]

    function = between("def parse_generation_parameters", "    # Extract styles from prompt")
    function = function.replace("shared.opts.infotext_skip_pasting", "[]")
    names: dict[str, Any] = {"re": re, "json": json}
    exec(
        between("re_param_code", "re_hypernet_hash")
        + between("def quote", "def image_from_url_text")
        + function
        + '    res["Prompt"], res["Negative prompt"] = prompt, negative_prompt\n    return res\n',
        names,
    )
    return names


if __name__ == "__main__":
    theirs = parser_of(Path(sys.argv[1]).read_text(encoding="utf-8"))
    read = [(text, theirs["parse_generation_parameters"](text)) for text in texts(theirs["quote"])]
    GOLDEN.write_text(json.dumps(read, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
