"""`kakusan generate --like`: another picture with the settings of one that is there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kakusan.cli.picture_options import keep_each
from kakusan.images import read_picture, save_image
from kakusan.inputs import given_pictures
from kakusan.request import Request
from tests.cli.fakes import FakeDrawing, Run
from tests.cli.test_reproduce_foreign import a1111

Command = Callable[..., Run]


def asked(fake: FakeDrawing) -> Request:
    assert fake.asked is not None
    return fake.asked


@pytest.fixture
def cat(fake: FakeDrawing, here: Path) -> Path:
    record = {**fake.record("a cat", 7), "negative_prompt": "fog", "rng": "webui-nv"}
    return save_image(fake.image(7), here / "cat.png", record)


def test_all_but_the_prompt_is_taken(run: Command, cat: Path, fake: FakeDrawing) -> None:
    done = run("generate", "--like", "cat.png", "a dog")
    assert done.code == 0, done.err
    request = asked(fake)
    assert request.prompt == ("a dog",)
    assert request.negative_prompt == ("fog",)
    assert (request.seed, request.num_inference_steps, request.rng) == (7, 25, "webui-nv")
    assert (request.width, request.height, request.model) == (16, 8, "builtin")
    assert request.scheduler == {"_class_name": "PNDMScheduler"}
    assert done.err == (
        "kakusan: like 'cat.png': model builtin, its seed 7 (--seed N draws with another)\n"
    )


def test_without_a_prompt_it_is_the_pictures(run: Command, cat: Path, fake: FakeDrawing) -> None:
    assert run("generate", "--like", "cat.png", "--count", "2").code == 0
    assert asked(fake).prompt == ("a cat",)
    assert asked(fake).num_pictures == 2


def test_what_is_typed_wins(run: Command, cat: Path, fake: FakeDrawing) -> None:
    more = ("--seed", "9", "-n", "", "--steps", "3", "--scheduler", "euler", "--rng", "cpu")
    done = run("generate", "a dog", "--like", "cat.png", *more, "--width", "64")
    assert done.code == 0, done.err
    request = asked(fake)
    assert (request.seed, request.negative_prompt) == (9, ("",))
    assert (request.num_inference_steps, request.scheduler) == (3, "euler")
    assert (request.rng, request.width, request.height) == ("webui-cpu", 64, 8)
    assert "its seed" not in done.err


def test_a_budget_that_is_typed_chooses_anew(run: Command, cat: Path, fake: FakeDrawing) -> None:
    assert run("generate", "--like", "cat.png", "--fast").code == 0
    assert asked(fake).budget_is_open
    assert asked(fake).scheduler is None


def test_another_model_takes_the_sampler_by_its_name(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    config = {"_class_name": "EulerAncestralDiscreteScheduler", "sigma_schedule": "karras"}
    record = {**fake.record("a cat", 7), "scheduler": config}
    save_image(fake.image(7), here / "cat.png", record)
    assert run("generate", "--like", "cat.png", "--model", "some/model").code == 0
    assert asked(fake).scheduler == "Euler a Karras"
    assert asked(fake).model == "some/model"


def test_a_strangers_model_is_not_opened(run: Command, fake: FakeDrawing, here: Path) -> None:
    for changes in ({"model": "/etc"}, {"model": "a/b"}, {"unet": "/etc/x"}, {"vae": "a/b/c.pt"}):
        save_image(fake.image(7), here / "cat.png", {**fake.record("a cat", 7), **changes})
        done = run("generate", "--like", "cat.png", "a dog")
        assert (done.code, done.out) == (2, "")
        (line,) = done.err.splitlines()
        assert next(iter(changes.values())) in line
        assert fake.asked is None
    assert run("generate", "--like", "cat.png", "a dog", "--model", "builtin").code == 2
    assert run("generate", "--like", "cat.png", "a dog", "--model", "my/own").code == 0
    assert (asked(fake).model, asked(fake).vae) == ("my/own", None)
    assert run("generate", "--like", "cat.png", "a dog", "--vae", "mine.pt").code == 0
    assert (asked(fake).model, asked(fake).vae) == ("builtin", "mine.pt")


def test_another_tools_picture(run: Command, fake: FakeDrawing, here: Path) -> None:
    a1111(here / "cat.png", "Model: builtin, ENSD: 3, ")
    done = run("generate", "--like", "cat.png", "a dog")
    assert done.code == 0, done.err
    request = asked(fake)
    assert (request.prompt, request.seed, request.ensd) == (("a dog",), 5, 3)
    assert (request.rng, request.scheduler, request.model) == ("webui-gpu", "Euler a", "builtin")
    assert run("generate", "--like", "cat.png", "--rng", "comfy").code == 0
    assert (asked(fake).rng, asked(fake).ensd) == ("comfyui", None)
    a1111(here / "cat.png", "Model: nothing, ")
    done = run("generate", "--like", "cat.png", "a dog")
    assert (done.code, done.out) == (2, "")
    assert "the model 'nothing'" in done.err


def test_adapters_of_another_tools_picture(run: Command, fake: FakeDrawing, here: Path) -> None:
    a1111(here / "cat.png", "Model: builtin, ", tags="<lora:detail:0.8>")
    done = run("generate", "--like", "cat.png")
    assert done.code == 0, done.err
    assert "not taken from 'cat.png': the LoRA 'detail'" in done.err
    assert asked(fake).prompt == ("a red cat",)
    done = run("generate", "--like", "cat.png", "--lora-dir", ".")
    assert done.code == 0
    assert "not taken" not in done.err
    assert asked(fake).prompt == ("<lora:detail:0.8>a red cat",)


def test_a_new_prompt_is_read_as_the_pictures_was(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    record = {**fake.record("a cat", 7), "prompt_syntax": "comfy"}
    save_image(fake.image(7), here / "cat.png", record)
    done = run("generate", "--like", "cat.png", "a (blue:1.3) dog")
    assert done.code == 0
    assert asked(fake).prompt_syntax == "comfy"
    assert "is read as AUTOMATIC1111 reads it" not in done.err
    assert run("generate", "--like", "cat.png", "a dog", "--syntax", "plain").code == 0
    assert asked(fake).prompt_syntax == "plain"


def test_of_a_grid_the_first_is_meant(run: Command, fake: FakeDrawing, here: Path) -> None:
    (path,) = run("generate", "cat", "--grid", "2x2", "--seed", "3").lines
    assert run("generate", "--like", path, "a dog").code == 0
    assert (asked(fake).seed, asked(fake).num_pictures) == (3, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--like", "no.png"), "no.png"),
        (("--like",), "--like needs a value"),
        (("a cat", "--models-dir", "."), "--models-dir is where the model of a --like PICTURE"),
        ((), "PROMPT is missing"),
    ],
)
def test_bad_usage(run: Command, fake: FakeDrawing, arguments: tuple[str, ...], said: str) -> None:
    done = run("generate", *arguments)
    assert done.code == 2
    assert said in done.err
    assert fake.asked is None


def test_like_and_nothing_else_is_the_same_picture(run: Command, here: Path) -> None:
    more: tuple[Any, ...] = ("--steps", "2", "--rng", "nv", "--variation-strength", "0.25")
    assert run("generate", "a red cat", "--seed", "3", *more, "-o", "cat.png").code == 0
    assert run("generate", "--like", "cat.png", "-o", "again.png").code == 0
    one, other = (read_picture(here / name) for name in ("cat.png", "again.png"))
    assert one.tobytes() == other.tobytes()


def test_files_that_a_record_names_are_not_opened(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    more = {"embeddings": [{"token": "x", "file": "/etc/passwd"}], "loras": [{"name": "/etc/x"}]}
    save_image(fake.image(7), here / "cat.png", {**fake.record("a cat", 7), **more})
    done = run("generate", "--like", "cat.png", "a dog")
    assert done.code == 0
    assert "not taken from 'cat.png': its loras and embeddings; name them again" in done.err
    assert not any(getattr(asked(fake), name, None) for name in more)


def test_what_it_was_made_from_is_kept_or_named(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    sea = fake.image(3)
    sea.save(here / "sea.png")
    told = given_pictures("image", sea)
    assert told is not None
    (file,) = told.files()
    began = {"image": file.to_record(), "strength": 0.5}
    save_image(fake.image(7), here / "cat.png", {**fake.record("a cat", 7), **began})
    done = run("generate", "--like", "cat.png", "a dog")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].endswith(
        "is not kept beside it; give it, as in `kakusan img2img PICTURE --like cat.png`"
    )
    keep_each(told, "picture", here)
    assert run("generate", "--like", "cat.png", "a dog").code == 0
    assert fake.inputs.image.files()[0].sha256 == file.sha256
    assert run("generate", "--like", "cat.png", "a dog", "--keep-inputs").code == 0


def test_what_steered_it_is_taken_where_it_is_kept(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    told = given_pictures("image", fake.image(3))
    assert told is not None
    net = {"model": "builtin", "kind": "canny", "image": told.files()[0].to_record()}
    save_image(fake.image(7), here / "cat.png", {**fake.record("a cat", 7), "controls": [net]})
    done = run("generate", "--like", "cat.png", "a dog")
    assert "not taken from 'cat.png': what steered it (give it with --control)" in done.err
    assert asked(fake).controls is None
    keep_each(told, "picture", here)
    done = run("generate", "--like", "cat.png", "a dog")
    assert (done.code, "not taken" in done.err) == (0, False), done.err
    assert [each.kind for each in asked(fake).controls or ()] == ["canny"]
    assert len(fake.inputs.controls) == 1
