"""`kakusan info` of other tools' pictures: what is told, what for, and what is not understood."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kakusan.images import save_image
from tests.cli.fakes import FakeDrawing, Run
from tests.images import carried

Command = Callable[..., Run]
TEXT = (
    "a cat\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, "
    "Size: 512x768, Model hash: abcdef1234, Model: x, Denoising strength: 0.5, Wonder: 3, "
    "Version: v1.10.1"
)


@pytest.fixture
def cat(here: Path) -> Path:
    return carried.written(here, carried.png_of({"parameters": TEXT}))


def test_the_settings_in_order_and_what_they_are_good_for(run: Command, cat: Path) -> None:
    done = run("info", str(cat))
    assert (done.code, done.err) == (0, "")
    assert done.lines == [
        "tool: AUTOMATIC1111",
        "version: v1.10.1",
        "carrier: png:parameters",
        "prompt: a cat",
        "negative_prompt: blurry",
        "seed: 5",
        "width: 512",
        "height: 768",
        "num_inference_steps: 20",
        "guidance_scale: 7",
        "scheduler: Euler a",
        "sampler: Euler a",
        "strength: 0.5",
        "model: x",
        "model_hash: abcdef1234",
        "prompt_syntax: webui",
        "emphasis: Original",
        "rng: webui-gpu",
        "img2img: {}",
        "reproduce can use: prompt, seed, steps, size, guidance, sampler, model",
        "limit: it was drawn over another picture, which the file does not hold.",
        "not understood: Wonder: 3",
    ]


def test_what_is_not_told_is_said(run: Command, here: Path) -> None:
    carried.written(here, carried.png_of({"parameters": "a cat\nSteps: 20, Seed: 5"}))
    assert "is not told: size, guidance, sampler, model" in run("info", "a.png").lines


def test_as_json(run: Command, cat: Path) -> None:
    told = run("info", str(cat), "--json").json()
    assert told["tool"] == "AUTOMATIC1111"
    assert (told["prompt"], told["seed"], told["num_inference_steps"]) == ("a cat", 5, 20)
    assert told["unknown"] == {"Wonder": "3"}
    assert told["limits"] == ["it was drawn over another picture, which the file does not hold."]
    assert "kakusan" not in told


def test_several_files(run: Command, fake: FakeDrawing, cat: Path, here: Path) -> None:
    ours = save_image(fake.image(7), here / "b.png", fake.record("a dog", 7))
    done = run("info", str(cat), str(ours), "--json")
    first, second = done.json()
    assert (first["path"], first["tool"]) == (str(cat), "AUTOMATIC1111")
    assert second == {"path": str(ours), **fake.record("a dog", 7)}
    done = run("info", str(cat), "none.png", str(ours))
    assert done.code == 3
    assert done.err == "kakusan: there is no file 'none.png'\n"
    assert (done.lines[0], "prompt: a dog" in done.lines) == (f"{cat}:", True)
    done = run("info", "none.png", "gone.png", "--json")
    assert (done.code, done.out.strip()) == (2, "")


def test_the_texts_as_they_stand_there(run: Command, cat: Path, here: Path) -> None:
    done = run("info", str(cat), "--raw", "--json")
    assert done.json() == {"png:parameters": TEXT}
    assert run("info", str(cat), "--raw").lines[0] == "png:parameters: a cat"
    hidden = carried.encoded("PNG", carried.stealth(TEXT))
    path = carried.written(here, hidden)
    assert run("info", str(path), "--raw", "--json").json() == {"stealth:parameters": TEXT}
    path = carried.written(here, carried.png())
    assert "holds no text" in run("info", str(path), "--raw").err


def test_it_cannot_drive_the_terminal(run: Command, here: Path) -> None:
    text = "a\x1b]0;x\x07\nSteps: 20, Seed: 5, Evil\u202e: \x1b[2J, Size: 8x8"
    carried.written(here, carried.png_of({"parameters": text}))
    assert "\x1b" not in run("info", "a.png").out


def test_what_could_not_be_read_is_said(run: Command, here: Path) -> None:
    carried.written(here, carried.png_of({"parameters": "a" * 50_000_000}))
    done = run("info", "a.png")
    assert done.code == 2
    assert "png:parameters has 50" in done.err
    assert "too long to be read" in done.err
    assert len(done.err) < 600


@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"a":' * 1_000_000, '{"who": "knows"}'])
@pytest.mark.parametrize("key", ["parameters", "prompt", "workflow"])
def test_what_is_not_understood_is_one_line(run: Command, here: Path, text: str, key: str) -> None:
    carried.written(here, carried.png_of({key: text}))
    done = run("info", "a.png")
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith(f"; png:{key} holds no settings that are known\n")
    assert len(done.err) < 600


def test_nothing_that_a_picture_names_is_opened(
    run: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = here / "secret.safetensors"
    secret.write_text("x")
    text = TEXT.replace("Model: x", f"Model: {secret}, VAE: http://127.0.0.1:9/x")
    carried.written(here, carried.png_of({"parameters": f"<lora:{secret}:1> {text}"}))
    opened: list[str] = []
    real = Path.open

    def spy(self: Path, *given: object, **more: object) -> object:
        opened.append(str(self))
        return real(self, *given, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", spy)
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("an address was opened"))
    done = run("info", "a.png", "--json")
    assert json.loads(done.out)["model"] == str(secret)
    assert not [each for each in opened if "secret" in each]
