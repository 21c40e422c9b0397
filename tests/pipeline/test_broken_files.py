"""Whatever becomes of a checkpoint's files: it loads, or is refused in one short line, soon."""

import json
import os
import random
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kakusan import StableDiffusionPipeline
from kakusan.errors import KakusanError

LONGEST = 400
SLOWEST = 10.0  # seconds, on a busy machine
DEEP = "[" * 20_000 + "]" * 20_000
VALUES: list[Any] = [
    *(None, True, -1, 0, 3, 2**70, 10**4200, 1e308, 0.5, float("nan"), float("inf")),
    *("", "x" * 5000, "\n" * 700, "\ud800", "../" * 2000 + "etc/passwd", "\0", "拡散"),
    *([], {}, [[]], [1] * 1000, {"a" * 5000: "b" * 5000}, [{"content": 1}]),
    *(["diffusers", "x" * 5000], ["os", "system"], {"__class__": "os"}),
]
Change = Callable[[Path, random.Random], None]


def cut(path: Path, dice: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: dice.randrange(len(data))])


def flip(path: Path, dice: random.Random) -> None:
    """Change some bytes, most of them near the ends, where formats keep what they are."""
    data = bytearray(path.read_bytes())
    for _ in range(dice.randrange(1, 8)):
        near = min(len(data), dice.choice([64, 1024, len(data)]))
        where = dice.randrange(near)
        data[where if dice.random() < 0.5 else -1 - where] = dice.randrange(256)
    path.write_bytes(data)


def insert(path: Path, dice: random.Random) -> None:
    data = path.read_bytes()
    where = dice.randrange(min(len(data), dice.choice([64, len(data)])))
    path.write_bytes(data[:where] + dice.randbytes(dice.randrange(1, 99)) + data[where:])


def empty(path: Path, dice: random.Random) -> None:
    path.write_bytes(b"")


def as_folder(path: Path, dice: random.Random) -> None:
    path.unlink()
    path.mkdir()


def as_link_to_itself(path: Path, dice: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def as_link_to_nothing(path: Path, dice: random.Random) -> None:
    path.unlink()
    path.symlink_to("x" * 200)


def as_pipe(path: Path, dice: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def gone(path: Path, dice: random.Random) -> None:
    path.unlink()


def other_encoding(path: Path, dice: random.Random) -> None:
    text = path.read_bytes().decode("latin-1")
    path.write_bytes(text.encode(dice.choice(["utf-16", "utf-32", "utf-8-sig", "utf-7"])))


def other_value(path: Path, dice: random.Random) -> None:
    """Replace a value, at any depth, or add one."""
    content = json.loads(path.read_bytes())
    place: Any = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = dice.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and dice.random() < 0.7:
            place = place[key]
            continue
        break
    if isinstance(place, dict) and dice.random() < 0.2:
        key = dice.choice(["x" * 5000, "\n", "_private", "num_train_timesteps", "layers"])
    place[key] = dice.choice(VALUES)
    path.write_text(json.dumps(content))


def nested(path: Path, dice: random.Random) -> None:
    """Nested as deep as makes a recursive reader fail, or only its writer."""
    depth = dice.choice([300, 900, 20_000])
    content = json.loads(path.read_bytes())
    key = dice.choice([*content, "new"])
    content[key] = "DEEP"
    path.write_text(json.dumps(content).replace('"DEEP"', "[" * depth + "]" * depth))


def header(path: Path, dice: random.Random) -> None:
    """Change what a safetensors file says of its tensors."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    content = json.loads(data[8 : 8 + length])
    name = dice.choice([each for each in content if each != "__metadata__"])
    entry = content[name]
    match dice.randrange(6):
        case 0:
            entry["dtype"] = dice.choice(["F64", "I8", "BOOL", "F8_E4M3", "F8_E8M0", "C64", "F4"])
        case 1:
            entry["shape"] = dice.choice(
                [[], [2**63, 2], [0], [-1], [1] * 70, entry["shape"][::-1]]
            )
        case 2:
            entry["data_offsets"] = dice.choice([[0, 0], [2**63, 2**64 - 1], [5, 1], [0, 4]])
        case 3:
            content["y" * 5000] = content.pop(name)
        case 4:
            content["__metadata__"] = {"a": DEEP}
        case _:
            content[name] = json.loads("[" * 200 + "]" * 200)
    text = json.dumps(content).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


ANY: list[Change] = [cut, flip, flip, flip, insert, empty, gone, other_encoding]
ANY += [as_folder, as_link_to_itself, as_link_to_nothing, as_pipe]


def changes_of(path: Path) -> list[Change]:
    """Of a file of its kind: every way once, the telling ones again."""
    own: dict[str, list[Change]] = {
        ".json": [other_value, nested] * 12,
        ".safetensors": [header] * 12,
        ".bin": [flip, cut] * 20,
    }
    return ANY + own.get(path.suffix, [])


@pytest.fixture(scope="module")
def whole(tiny_v1_published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with a `.bin`, with shards, and with a file of defaults."""
    folder = tmp_path_factory.mktemp("whole") / "model"
    shutil.copytree(tiny_v1_published, folder)
    pipe = StableDiffusionPipeline.from_pretrained(folder)
    shutil.rmtree(folder / "unet")
    pipe.unet.save_pretrained(folder / "unet", max_shard_size="1500KB")
    (folder / "kakusan.json").write_text('{"num_inference_steps": 5, "guidance_scale": 3.0}')
    pipe.tokenizer.save_pretrained(folder / "tokenizer")
    return folder


def files_of(folder: Path) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(found)


PARTS = ["", "feature_extractor", "safety_checker", "scheduler", "text_encoder", "tokenizer"]


@pytest.mark.parametrize("part", [*PARTS, "unet", "vae"])
def test_a_broken_file_is_refused_in_one_line(whole: Path, tmp_path: Path, part: str) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(whole)
    others = {name: value for name, value in pipe.components.items() if name != part}
    if not part:  # of the index only the small parts are loaded
        del others["scheduler"]
    names = [name for name in files_of(whole) if name.rpartition("/")[0] == part]
    assert names
    loaded = 0
    for name in names:
        for number, change in enumerate(changes_of(whole / name)):
            dice = random.Random(f"{name} {number}")
            folder = tmp_path / f"{number}"
            _copy(whole, folder, name, part)
            change(folder / name, dice)
            started = time.perf_counter()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    StableDiffusionPipeline.from_pretrained(folder, **others)
                loaded += 1
            except KakusanError as error:
                _check_line(str(error), f"{change.__name__} {number} of {name}")
            except BaseException as error:
                raise AssertionError(f"{change.__name__} {number} of {name}") from error
            assert time.perf_counter() - started < SLOWEST, f"{change.__name__} {number} of {name}"
            shutil.rmtree(folder)
    assert loaded < len(names) * len(changes_of(whole / names[0]))


def _copy(whole: Path, folder: Path, name: str, part: str) -> None:
    """A copy of one file; the others are links, but for those of other parts with weights."""
    large = {"unet", "vae", "safety_checker", "text_encoder"} - {part}
    for other in files_of(whole):
        path = folder / other
        path.parent.mkdir(parents=True, exist_ok=True)
        if other == name:
            shutil.copy(whole / other, path)
        elif path.parent.name not in large:
            path.symlink_to(whole / other)


def _check_line(line: str, what: str) -> None:
    assert "\n" not in line, what
    assert len(line) < LONGEST, f"{what}: {len(line)} characters: {line[:600]}"
    line.encode()
