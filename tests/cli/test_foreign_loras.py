"""Adapters of other tools' pictures: found by hash before name, and put on."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file

from kakusan.checkpoints.facts import hashes_of
from kakusan.images import save_image
from kakusan.pipeline.short import short_request
from kakusan.request import Request
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


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("<hypernet:anime:0.6>", "the hypernetwork 'anime'"),
        ("<lora:foo:abc>", "the LoRA 'foo', whose tag is written wrongly"),
        ("<lora:foo:1:1:8>", "the LoRA 'foo', which was cut to rank 8"),
        ("<lora:foo:1e9>", "the LoRA 'foo', whose weight is above 1000"),
    ],
)
@pytest.mark.parametrize("folders", [(), ("--lora-dir", "loras")])
def test_tags_that_cannot_be_made_are_dropped_and_said(
    run: Command,
    fake: FakeDrawing,
    here: Path,
    loras: dict[str, dict[str, str]],
    tag: str,
    said: str,
    folders: tuple[str, ...],
) -> None:
    info = PngImagePlugin.PngInfo()
    listed = f'Lora hashes: "foo: {loras["foo"]["lora hash"]}"'
    info.add_text("parameters", f"a cat {tag}\n{SETTINGS}, {listed}, Version: v1.10.1")
    Image.new("RGB", (64, 64)).save(here / "cat.png", pnginfo=info)
    for words in (("reproduce", "cat.png"), ("generate", "--like", "cat.png")):
        done = run(*words, *folders, *OUT)
        assert done.code == 0, done.err
        assert fake.asked is not None
        assert (fake.asked.prompt, fake.asked.loras) == (("a cat ",), None)
        assert said in done.err
        assert done.err.count("foo'") == ("foo" in tag)


LIKE = ("generate", "--like", "cat.png", "--lora-dir", "loras", "-o", "dog.png", "--overwrite")


def liked(run: Command, fake: FakeDrawing, *words: str) -> tuple[str, Request]:
    done = run(*LIKE, *words)
    assert done.code == 0, done.err
    assert fake.asked is not None
    return done.err, fake.asked


def hashes_in(request: Request) -> dict[str, tuple[str, str | None]]:
    files = request.lora_files or {}
    return {name: (Path(each.path).stem, each.sha256) for name, each in files.items()}


def test_like_takes_adapters_of_other_tools(
    run: Command, fake: FakeDrawing, here: Path, loras: dict[str, dict[str, str]]
) -> None:
    webui(here, "old", loras["foo"]["lora hash"])
    worn = {"old": ("foo", loras["foo"]["sha256"])}
    said, request = liked(run, fake)
    assert "not taken" not in said
    assert (request.prompt, request.loras) == (("a cat <lora:old:0.8>",), None)
    assert hashes_in(request) == worn
    said, request = liked(run, fake, "a dog")
    assert "not taken" not in said
    assert (request.prompt, request.loras) == (("a dog",), (Lora("old", 0.8, 0.8),))
    assert hashes_in(request) == worn
    said, request = liked(run, fake, "a dog <lora:old:0.5>")
    assert (request.loras, hashes_in(request)) == (None, worn)
    said, request = liked(run, fake, "a dog", "--lora", "bar")
    assert (request.loras, hashes_in(request)) == ((Lora("bar"),), {})
    invokeai(here, "Foo")
    said, request = liked(run, fake, "a dog")
    assert request.loras == (Lora("Foo", 0.5, 0.5),)
    assert hashes_in(request) == {"Foo": ("foo", None)}
    invokeai(here, "absent")
    said, request = liked(run, fake, "a dog")
    assert "not taken from 'cat.png': the LoRA 'absent'" in said
    assert request.loras is None


def test_like_takes_adapters_of_our_own_pictures(
    run: Command, fake: FakeDrawing, here: Path, loras: dict[str, dict[str, str]]
) -> None:
    digest = loras["foo"]["sha256"]
    record = {
        **fake.record("a cat <lora:tag:0.5>", 7),
        "prompt_syntax": "webui",
        "loras": [{"name": "/etc/x.safetensors", "text_weight": 0.5, "unet_weight": 0.25}],
        "lora_files": {
            "/etc/x.safetensors": {"path": "/etc/x.safetensors", "sha256": digest},
            "tag": {"path": "/etc/tag.pt", "sha256": loras["bar"]["sha256"]},
        },
    }
    save_image(fake.image(7), here / "cat.png", record)
    worn = {
        "/etc/x.safetensors": ("foo", digest),
        "tag": ("bar", loras["bar"]["sha256"]),
    }
    said, request = liked(run, fake)
    assert "not taken" not in said
    assert request.loras == (Lora("/etc/x.safetensors", 0.5, 0.25),)
    assert hashes_in(request) == worn
    said, request = liked(run, fake, "a dog")
    assert request.loras == (Lora("/etc/x.safetensors", 0.5, 0.25), Lora("tag", 0.5, 0.5))
    (here / "loras" / "foo.safetensors").unlink()
    said, request = liked(run, fake, "a dog")
    assert "not taken from 'cat.png': the LoRA '/etc/x.safetensors'" in said
    assert hashes_in(request) == {"tag": worn["tag"]}


def test_the_short_call_takes_adapters_too(
    fake: FakeDrawing,
    here: Path,
    loras: dict[str, dict[str, str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    webui(here, "old", loras["foo"]["lora hash"])
    request = short_request(like="cat.png", prompt="a dog", lora_dirs=["loras"])
    assert request.loras == (Lora("old", 0.8, 0.8),)
    assert hashes_in(request) == {"old": ("foo", loras["foo"]["sha256"])}
    assert not caplog.messages
    request = short_request(like="cat.png")
    assert (request.prompt, request.loras) == (("a cat ",), None)
    assert caplog.messages == ["not taken from 'cat.png': the LoRA 'old'"]


def test_like_takes_embeddings(run: Command, fake: FakeDrawing, here: Path) -> None:
    (here / "words").mkdir()
    save_file({"emb_params": torch.ones(1, 8)}, here / "words" / "new.safetensors")
    digest = hashes_of(here / "words" / "new.safetensors")["sha256"]
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", f'bad, gone\n{SETTINGS}, TI hashes: "bad: {digest[:12]}, gone: 1"')
    Image.new("RGB", (64, 64)).save(here / "cat.png", pnginfo=info)
    words = ("generate", "--like", "cat.png", "-o", "dog.png", "--overwrite")
    done = run(*words)
    assert "not taken from 'cat.png': the embedding 'bad'; the embedding 'gone'" in done.err
    done = run(*words, "--embeddings-dir", "words")
    assert done.code == 0, done.err
    assert "not taken from 'cat.png': the embedding 'gone'" in done.err
    assert fake.asked is not None
    (folder, entry) = fake.asked.embeddings or ()
    assert folder["file"] == "words"
    assert (Path(entry["file"]).stem, entry["name"]) == ("new", "bad")
    done = run("reproduce", "cat.png", "--embeddings-dir", "words", *OUT)
    assert done.code == 0, done.err
    assert "not made again: the embedding 'gone'" in done.err
    assert (fake.asked.embeddings or ())[1] == entry
    mine = [{"token": "bad", "file": "/etc/bad.pt", "hash": digest}]
    save_image(fake.image(7), here / "cat.png", {**fake.record("bad", 7), "embeddings": mine})
    done = run(*words, "--embeddings-dir", "words")
    assert done.code == 0, done.err
    assert "not taken" not in done.err
    (folder, entry) = fake.asked.embeddings or ()
    assert (Path(entry["file"]).stem, entry["name"]) == ("new", "bad.pt")
