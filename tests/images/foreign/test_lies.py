"""Metadata that lies: bounded time, bounded results, never an error of another kind."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from kakusan.errors import InputError
from kakusan.images import read_record
from kakusan.images.foreign import read_foreign
from tests.images import carried
from tests.images.foreign.test_comfyui import PLAIN
from tests.images.foreign.test_other_tools import (
    EASY,
    FOOOCUS,
    INVOKE,
    NOVEL,
    SD_METADATA,
    SWARM,
    THINGS,
)

LIES: dict[str, Any] = {
    "huge": 10**30,
    "negative": -1,
    "nan": float("nan"),
    "infinite": float("inf"),
    "words": "many",
    "digits": "9" * 5000,
    "list": [[1], {"a": 2}],
    "object": {"a": {"b": [None]}},
    "null": None,
    "true": True,
    "long": "x" * 100_000,
    "path": "../../etc/passwd\0",
    "markup": "\x1b[31m<b>&\ud83d\u202e",
}
TOOLS = {
    "parameters": FOOOCUS,
    "invokeai_metadata": INVOKE,
    "sd-metadata": SD_METADATA,
    "Comment": NOVEL,
    "prompt": PLAIN,
}
OBJECTS = {"swarm": SWARM, "things": THINGS, "easy": EASY, "fooocus": FOOOCUS}


def written(folder: Path, key: str, value: object) -> Path:
    return carried.written(folder, carried.png_of({key: json.dumps(value), "Software": "NovelAI"}))


def check(path: Path) -> None:
    told = read_foreign(path)
    if told is None:
        return
    record = told.to_record()
    assert len(json.dumps(record, allow_nan=False)) < 1_500_000 + 10 * path.stat().st_size
    says = told.settings
    for name in ("seed", "width", "height", "num_inference_steps", "clip_skip"):
        value = getattr(says, name)
        assert value is None or (type(value) is int and 0 <= value < 2**64), name
    for name in ("guidance_scale", "strength", "eta", "guidance_rescale"):
        value = getattr(says, name)
        assert value is None or -1000 <= value <= 1000, name
    assert says.scheduler is None or len(says.scheduler) < 1000
    for each in told.limits:
        assert len(each) < 1200


def variants(value: Any, lie: object) -> list[Any]:
    """The same with the lie in each place in turn."""
    if isinstance(value, dict):
        return [{**value, name: lie} for name in value] + [
            {**value, name: each} for name in value for each in variants(value[name], lie)
        ]
    if isinstance(value, list):
        return [[lie], *([each] for first in value[:1] for each in variants(first, lie))]
    return []


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_any_lie_in_any_place(lie: object, tmp_path: Path) -> None:
    for key, told in TOOLS.items():
        for each in variants(told, lie):
            check(written(tmp_path, key, each))
    for told in OBJECTS.values():
        for each in variants(told, lie):
            check(written(tmp_path, "parameters", each))


BIG = {
    "brackets": "[" * 1_000_000,
    "braces": '{"a":' * 1_000_000,
    "settings with brackets": "a\nSteps: 1, Seed: 2, x: " + "[" * 1_000_000,
    "many objects": "a\nSteps: 1, Seed: 2, " + 'x: {"a": 1}, ' * 100_000,
    "broken objects": "a\nSteps: 1, Seed: 2, " + 'xy: {"a": "\\", ' * 100_000,
    "a prompt of 8 MB": "a cat, " * 1_200_000 + "\nSteps: 1, Seed: 2, Size: 8x8",
    "many keys": "a\nSteps: 1, Seed: 2" + "".join(f", key{n}: {n}" for n in range(100_000)),
    "many tags": "<lora:a:1>" * 300_000 + "\nSteps: 1, Seed: 2, Size: 8x8",
    "many lines": "Negative prompt: x\n" * 300_000 + "Steps: 1, Seed: 2, Size: 8x8",
    "many hashes": 'a\nSteps: 1, Seed: 2, Lora hashes: "' + "a: 0123456789, " * 100_000 + '"',
    "a dream": '"a" ' + "-s 1 " * 300_000,
    "a dream of quotes": '"' + '\\"' * 1_000_000,
    "open brackets in a dream": '"' + "[" * 1_000_000 + '" -s 1 -S 1',
}


@pytest.mark.parametrize("text", BIG.values(), ids=BIG)
@pytest.mark.parametrize("key", ["parameters", "Dream", "prompt"])
def test_long_texts_take_no_long_time(text: str, key: str, tmp_path: Path) -> None:
    path = carried.written(tmp_path, carried.png_of({key: text}))
    began = time.process_time()
    check(path)
    assert time.process_time() - began < 5


def test_a_hundred_megabytes_are_one_line(tmp_path: Path) -> None:
    path = carried.written(tmp_path, carried.png_of({"parameters": "a" * 100_000_000}))
    began = time.process_time()
    assert read_record(path) is None
    assert time.process_time() - began < 5


@pytest.mark.parametrize("depth", [100, 900, 1100, 100_000])
def test_deep_objects_in_every_place(depth: int, tmp_path: Path) -> None:
    deep = '{"a":' * depth + "1" + "}" * depth
    for key, told in TOOLS.items():
        for name in list(told)[:4]:
            text = json.dumps({**told, name: "DEEP"}).replace('"DEEP"', deep)
            path = carried.written(tmp_path, carried.png_of({key: text, "Software": "NovelAI"}))
            try:
                check(path)
            except InputError as error:
                pytest.fail(str(error))
