"""Adapters of other tools' pictures: found by hash before name, and put on."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file

from kakusan.checkpoints.facts import hashes_of
from kakusan.request.loras import Lora
from tests.cli.fakes import FakeDrawing, Run

Command = Callable[..., Run]
OUT = ("-o", "again.png", "--overwrite")
SETTINGS = "Steps: 4, Sampler: Euler a, Seed: 5, Size: 64x64, Model: builtin"


@pytest.fixture
def loras(here: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """The hashes of two adapters."""
    monkeypatch.delenv("KAKUSAN_LORA_DIR", raising=False)
    monkeypatch.setenv("KAKUSAN_CACHE", str(here / "kept"))
    (here / "loras").mkdir()
    found: dict[str, dict[str, str]] = {}
    for number, name in enumerate(("foo", "bar")):
        file = here / "loras" / f"{name}.safetensors"
        weight = torch.full((4, 8), float(number))
        save_file(
            {"lora_unet_a.lora_down.weight": weight, "lora_unet_a.alpha": torch.ones(())}, file
        )
        found[name] = hashes_of(file)
    return found


def webui(here: Path, name: str, digits: str | None) -> None:
    info = PngImagePlugin.PngInfo()
    listed = "" if digits is None else f', Lora hashes: "{name}: {digits}"'
    info.add_text("parameters", f"a cat <lora:{name}:0.8>\n{SETTINGS}{listed}, Version: v1.10.1")
    Image.new("RGB", (64, 64)).save(here / "cat.png", pnginfo=info)


def invokeai(here: Path, name: str, digits: str | None = None) -> None:
    model = {"name": "builtin", "hash": None}
    lora = {"model": {"name": name, "hash": digits and f"sha256:{digits}"}, "weight": 0.5}
    told = {
        "app_version": "5.4.0",
        "positive_prompt": "a cat",
        "seed": 5,
        "steps": 4,
        "width": 64,
        "height": 64,
        "scheduler": "euler",
        "model": model,
        "loras": [lora],
    }
    info = PngImagePlugin.PngInfo()
    info.add_text("invokeai_metadata", json.dumps(told))
    Image.new("RGB", (64, 64)).save(here / "cat.png", pnginfo=info)


def reproduced(run: Command, fake: FakeDrawing) -> tuple[str, str, str | None]:
    """What was said, the stem of the file that is asked for, and its SHA-256."""
    done = run("reproduce", "cat.png", "--lora-dir", "loras", *OUT)
    assert done.code == 0, done.err
    assert fake.asked is not None
    assert not fake.trusted
    ((path, sha256),) = (fake.asked.lora_files or {}).values()
    return done.err, Path(path).stem, sha256


@pytest.mark.parametrize("kind", ["lora hash", "sha256", "hash"])
def test_the_hash_counts_before_the_name(
    run: Command, fake: FakeDrawing, here: Path, loras: dict[str, dict[str, str]], kind: str
) -> None:
    digest = loras["bar"]["sha256"]
    webui(here, "foo", loras["bar"][kind])
    said, stem, sha256 = reproduced(run, fake)
    assert (stem, sha256) == ("bar", digest)
    assert "the LoRA 'foo' is 'loras/bar.safetensors' by its hash" in said
    webui(here, "bar", loras["bar"]["lora hash"])
    said, stem, sha256 = reproduced(run, fake)
    assert (stem, sha256) == ("bar", digest)
    assert "LoRA" not in said


def test_another_hash_is_told(
    run: Command, fake: FakeDrawing, here: Path, loras: dict[str, dict[str, str]]
) -> None:
    webui(here, "foo", "0123456789ab")
    said, stem, sha256 = reproduced(run, fake)
    assert (stem, sha256) == ("foo", None)
    assert "'loras/foo.safetensors' has another hash than 0123456789ab" in said
    webui(here, "foo", None)
    said, stem, _ = reproduced(run, fake)
    assert stem == "foo"
    assert "LoRA" not in said


def test_what_is_listed_beside_the_prompt_is_put_on(
    run: Command, fake: FakeDrawing, here: Path, loras: dict[str, dict[str, str]]
) -> None:
    for name, digits in (("styles\\Foo.safetensors", None), ("x", loras["foo"]["sha256"])):
        invokeai(here, name, digits)
        said, stem, _ = reproduced(run, fake)
        assert stem == "foo"
        assert fake.asked is not None
        assert fake.asked.loras == (Lora(name, 0.5, 0.5),)
        assert "not made again: the LoRA" not in said
    invokeai(here, "absent")
    done = run("reproduce", "cat.png", "--lora-dir", "loras", *OUT)
    assert "not made again: the LoRA 'absent'" in done.err
    assert fake.asked is not None
    assert fake.asked.loras is None
    done = run("reproduce", "cat.png", "--lora-dir", "nowhere", *OUT)
    assert done.code == 2
    assert "--lora-dir: there is no folder 'nowhere'" in done.err


def test_a_picture_opens_no_file_of_its_own_choice(
    run: Command, here: Path, loras: dict[str, dict[str, str]]
) -> None:
    outside = (here / "loras" / "foo.safetensors").rename(here / "outside.safetensors")
    webui(here, str(outside), None)
    done = run("reproduce", "cat.png", "--lora-dir", "loras")
    assert done.code == 2
    assert "there is no adapter" in done.err
