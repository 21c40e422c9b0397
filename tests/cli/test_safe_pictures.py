"""A stranger's picture makes kakusan open no file and no address that the user did not name."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file

import kakusan.pipeline
from kakusan.pipeline.adapter_search import located
from kakusan.pipeline.reading import check_embeddings
from kakusan.pipeline.short import reproduce
from tests.cli.fakes import FakeDrawing, Run
from tests.images.foreign.test_lies import OBJECTS, TOOLS

Command = Callable[..., Run]
OUTSIDE = "outside"
FOLDERS = ("--models-dir", "models", "--lora-dir", "loras", "--embeddings-dir", "words")
WEBUI = (
    "a cat {0} <lora:{1}:1> <lyco:{2}:1> embedding:{3}\nNegative prompt: {4}\nSteps: 1, Sampler: "
    'Euler, Seed: 5, Size: 64x64, Model: {5}, Model hash: {6}, VAE: {7}, Lora hashes: "{8}: {9}", '
    'TI hashes: "{10}: {11}", Refiner: {12}, Version: v1.10.1'
)
USUAL = (
    *("word", "good", "good", "good", "word", "builtin", "0123456789", "good.pt", "good"),
    *("0123456789", "good", "0123456789", "other"),
)
_SEEN: list[str] = []
_WATCHED: list[Path] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _WATCHED:
        return
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        _SEEN.append(f"{event} {arguments[1:]}")
    elif event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str | bytes):
        path = Path(arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0])
        if OUTSIDE in path.parts or path.resolve().is_relative_to(_WATCHED[0]):
            _SEEN.append(str(path))


sys.addaudithook(_hook)  # cannot be taken away again, but sees nothing where nothing is watched


@pytest.fixture
def trap(
    here: Path, fake: FakeDrawing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder that is not the user's, with a file of every kind."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAKUSAN_CACHE", str(here / "kept"))
    monkeypatch.delenv("KAKUSAN_LORA_DIR", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    outside = tmp_path / OUTSIDE
    for folder in (outside, *(here / name for name in ("models", "loras", "words"))):
        folder.mkdir()
        for suffix in (".safetensors", ".pt", ".ckpt"):
            save_file({"emb_params": torch.ones(1, 64)}, folder / f"good{suffix}")

    def draw(request: Any, _inputs: object = None, **options: Any) -> Any:
        found = located(request, options["lora_dirs"], trusted=options.get("trusted", True))
        check_embeddings(found)
        options.pop("local_files_only", None)
        return fake(request, **options)

    for module in (kakusan.pipeline, kakusan.pipeline.short):
        monkeypatch.setattr(module, "draw", draw)
    monkeypatch.setattr(kakusan.pipeline, "reproduce", reproduce)
    _SEEN.clear()
    _WATCHED.append(outside.resolve())
    yield outside
    _WATCHED.clear()


def named(trap: Path) -> list[str]:
    file = trap / "good.safetensors"
    return [
        *(str(file), str(trap), f"../{OUTSIDE}/good", f"..\\{OUTSIDE}\\good.safetensors"),
        *(f"~/{OUTSIDE}/good.pt", f"file://{file}", "http://127.0.0.1:9/good.safetensors"),
        *("//127.0.0.1/share/good.safetensors", "stranger/model"),
    ]


def check(run: Command, trap: Path, picture: str) -> None:
    commands = (
        ("reproduce", picture, *FOLDERS, "-o", "again.png"),
        ("reproduce", picture, "--model", "builtin", *FOLDERS, "-o", "again.png"),
        ("generate", "--like", picture, "--models-dir", "models", "--lora-dir", "loras"),
        ("info", picture),
    )
    for command in commands:
        done = run(*command, *(() if command[0] == "info" else ("--overwrite", "-q")))
        assert done.code in (0, 2, 3), done.err[-1000:]
        assert _SEEN == [], (command, done.err[-1000:])
    assert trap.is_dir()


def write(here: Path, **texts: object) -> None:
    info = PngImagePlugin.PngInfo()
    for key, value in {**texts, "Software": "NovelAI"}.items():
        info.add_text(key.replace("_", "-") if key == "sd_metadata" else key, str(value))
    Image.new("RGB", (64, 64)).save(here / "cat.png", pnginfo=info)


def test_the_watch_sees(trap: Path) -> None:
    (trap / "good.pt").read_bytes()
    assert len(_SEEN) == 1


@pytest.mark.parametrize("place", range(len(USUAL)))
def test_automatic1111s_text(run: Command, here: Path, trap: Path, place: int) -> None:
    for value in named(trap)[place % 3 :: 3]:
        said = (*USUAL[:place], value, *USUAL[place + 1 :])
        write(here, parameters=WEBUI.format(*said))
        check(run, trap, "cat.png")


def with_each_text(value: Any) -> Iterator[Any]:
    """The same with a mark in the place of each text in turn."""
    if isinstance(value, str):
        yield "@"
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from ({**value, name: changed} for changed in with_each_text(each))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from ([*value[:place], new, *value[place + 1 :]] for new in with_each_text(each))


SAMPLES = {
    **{f"{key} {kind}": (key, told) for kind, (key, told) in enumerate(TOOLS.items())},
    **{name: ("parameters", told) for name, told in OBJECTS.items()},
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_field_of_every_tool(run: Command, here: Path, trap: Path, sample: str) -> None:
    key, told = SAMPLES[sample]
    values = named(trap)
    for number, changed in enumerate(with_each_text(told)):
        value = values[number % len(values)]
        write(
            here, **{key.replace("-", "_"): json.dumps(changed).replace('"@"', json.dumps(value))}
        )
        check(run, trap, "cat.png")


def test_kakusans_own_record(run: Command, here: Path, trap: Path, fake: FakeDrawing) -> None:
    record = fake.record("a cat <lora:good:1>", 7) | {"prompt_syntax": "webui"}
    fields = {
        "model": "@",
        "unet": "@",
        "vae": "@",
        "safety_checker": "@",
        "embeddings": [{"file": "@", "token": "word"}],
        "loras": [["@", 1.0, 1.0]],
        "lora_files": {"good": {"path": "@"}},
        "prompt": "a <lora:@:1> __@__ embedding:@",
        "scheduler": "@",
    }
    for name, told in fields.items():
        for value in named(trap)[len(name) % 2 :: 2]:
            changed = {**record, name: told}
            text = json.dumps(changed).replace("@", json.dumps(value)[1:-1])
            write(here, kakusan=text)
            check(run, trap, "cat.png")
