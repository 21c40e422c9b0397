"""Pictures by strangers: `info` and `reproduce` end in one bounded line, whatever a file holds."""

import io
import json
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import PngImagePlugin

from kakusan.images import save_image
from tests.cli.fakes import FakeDrawing, Run
from tests.pipeline.test_hostile_records import MOST, VALUES

Command = Callable[..., Run]
# Of all values those that a file may hold and a command may trip over
CHOSEN = {
    name: VALUES[name]
    for name in (
        "null",
        "true",
        "negative",
        "enormous",
        "half",
        "nan",
        "lines",
        "long text",
        "list",
        "list of lists",
        "object",
        "class of lines",
        "deep list",
    )
}
GRID = {"grid": [1, 1], "pictures": [{}]}


def check(done: Run) -> None:
    assert done.code in (0, 2, 3), done.err[:1000]
    for line in done.err.splitlines():
        assert line.startswith("kakusan: ")
        assert len(line) <= MOST + 100, line[:1000]
        assert line.isprintable()
    # that pixels may differ, that the given ones are broken, and the end; of another tool's what is
    # known, by which rules it is made, and what is not made again
    assert len(done.err.splitlines()) <= 3
    if done.code == 2:
        assert done.out == ""


@pytest.mark.parametrize("value", CHOSEN.values(), ids=CHOSEN)
def test_any_value_in_any_field(run: Command, fake: FakeDrawing, here: Path, value: Any) -> None:
    record = fake.record("a cat", 7) | GRID
    for field in [*record, "notes", "commit", "variant", "safety_checker"]:
        changes = [{**record, field: value}]
        if field not in GRID:
            changes.append({**record, "pictures": [{field: value}]})
        for changed in changes:
            info = PngImagePlugin.PngInfo()
            info.add_text("kakusan", json.dumps(changed))
            fake.image(7).save(here / "cat.png", pnginfo=info)
            check(run("info", "cat.png"))
            done = run("reproduce", "cat.png", "-o", "again.png", "--overwrite", "--json", "-q")
            check(done)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_any_json_in_the_place_of_a_record(
    run: Command, fake: FakeDrawing, here: Path, value: Any
) -> None:
    for key in ("kakusan", "parameters"):
        info = PngImagePlugin.PngInfo()
        info.add_text(key, json.dumps(value))
        fake.image(7).save(here / "cat.png", pnginfo=info)
        for command in ("info", "reproduce"):
            check(run(command, "cat.png"))


def again(data: bytes, kind: bytes) -> bytes:
    """A chunk of PNG with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def mutated(whole: bytes, chance: random.Random) -> bytes:
    """Bytes changed, cut out, put in twice, or the end left off."""
    data = bytearray(whole)
    for _ in range(chance.choice([1, 1, 2, 8, 40])):
        at = chance.randrange(len(data))
        match chance.randrange(6):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                data[at] = chance.choice([0, 255, 127, 128])
            case 2:
                del data[at : at + chance.randrange(1, 40)]
            case 3:
                data[at:at] = data[at : at + chance.randrange(1, 400)]
            case 4:
                data[at : at + 4] = struct.pack(">I", chance.choice([0, 2**31, 2**32 - 1, 65535]))
            case _:
                del data[at : None if chance.random() < 0.2 else at + 1]
        if not data:
            break
    return bytes(data)


def with_checksums(data: bytes) -> bytes:
    """The same PNG with right checksums, so that readers look further than to the first wrong."""
    out, at = io.BytesIO(), 8
    out.write(data[:8])
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        out.write(again(body, kind) if len(body) == length else data[at:])
        at += 12 + length
    return out.getvalue()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_mutated_pictures(run: Command, fake: FakeDrawing, here: Path, suffix: str) -> None:
    whole = save_image(fake.image(7), here / f"cat{suffix}", fake.record("猫", 7)).read_bytes()
    chance = random.Random(suffix)
    codes: list[int] = []
    for number in range(60):
        data = mutated(whole, chance)
        if suffix == ".png" and number % 2:
            data = with_checksums(data)
        (here / f"cat{suffix}").write_bytes(data)
        for command in (("info", "--json"), ("reproduce", "--overwrite", "-o", f"again{suffix}")):
            done = run(command[0], f"cat{suffix}", *command[1:])
            check(done)
            codes.append(done.code)
    assert {0, 2} <= set(codes)
