"""Rows drawn with the built-in model: pixels that follow from the row alone."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import kakusan
from kakusan.batch.asked import asked_of
from kakusan.batch.local import LocalEngine
from kakusan.batch.row import Row
from kakusan.batch.shard import Shard
from kakusan.errors import InputError
from kakusan.images import read_record
from tests.batch.making import everything, go, named, records, written

SMALL = {"steps": 2, "width": 64, "height": 64}
ROWS = [
    {"prompt": "a cat", **SMALL},
    {"prompt": "a dog", **SMALL, "steps": 3},
    {"prompt": "a fox, meadow", **SMALL, "width": 128, "guidance_scale": 1.0},
    {"prompt": "a cat", **SMALL},
    {"prompt": "an owl", **SMALL, "sampler": "euler-a", "n": 2},
    {"prompt": "a cat", **SMALL, "width": 63},
]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def pictures(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in everything(folder).items() if name.endswith(".png")}


def test_pixels_do_not_depend_on_order_shard_or_window(tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", ROWS)
    go(table, tmp_path / "whole", LocalEngine(), window=100)
    whole = pictures(tmp_path / "whole")
    assert len(whole) == 6
    other = written(tmp_path / "back.jsonl", ROWS[::-1])
    go(other, tmp_path / "back", LocalEngine(), window=2)
    assert pictures(tmp_path / "back") == whole
    for index in range(2):
        go(table, tmp_path / f"{index}", LocalEngine(), shard=Shard(index, 2), window=1)
    parts = [pictures(tmp_path / f"{index}") for index in range(2)]
    assert parts[0] | parts[1] == whole
    assert not parts[0].keys() & parts[1].keys()


def test_pixels_of_several_at_a_time_do_not_depend_on_each_other(tmp_path: Path) -> None:
    """Nor do the bytes: a row that cannot be drawn, and the last ones, leave others alone."""
    table, engine = written(tmp_path / "t.jsonl", ROWS), LocalEngine(together=3)
    go(table, tmp_path / "whole", engine, window=100)
    whole = pictures(tmp_path / "whole")
    assert len(whole) == 6
    other = written(tmp_path / "back.jsonl", ROWS[::-1])
    go(other, tmp_path / "back", engine, window=4)
    assert pictures(tmp_path / "back") == whole
    for index in range(2):
        go(table, tmp_path / f"{index}", engine, shard=Shard(index, 2), window=2)
    assert pictures(tmp_path / "0") | pictures(tmp_path / "1") == whole


def test_a_row_is_what_a_call_draws(tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", ROWS[1:2])
    (told,) = go(table, tmp_path / "out", LocalEngine())
    (alone,) = kakusan.generate(
        "a dog", seed=told["seed"], steps=3, width=64, height=64, progress=False
    )
    path = tmp_path / "out" / told["file"]
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture), np.asarray(alone.image))
    assert read_record(path) == alone.record
    assert (told["width"], told["height"]) == (64, 64)


def test_several_at_a_time_differ_by_a_rounding_at_most(tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", ROWS)
    go(table, tmp_path / "alone", LocalEngine())
    go(table, tmp_path / "together", LocalEngine(together=3))
    alone, together = records(tmp_path / "alone"), records(tmp_path / "together")
    apart = ("sha256",)
    for each, other in zip(alone, together, strict=True):
        assert {n: v for n, v in each.items() if n not in apart} == {
            n: v for n, v in other.items() if n not in apart
        }
        if each["file"] is not None:
            pair = [
                np.asarray(Image.open(io.BytesIO((tmp_path / at / each["file"]).read_bytes())), int)
                for at in ("alone", "together")
            ]
            assert np.abs(pair[0] - pair[1]).max() <= 2


def test_what_cannot_be_drawn_says_why_in_the_columns_words(tmp_path: Path) -> None:
    table = written(tmp_path / "t.jsonl", [{"prompt": "a", "cfg_scale": -1}, ROWS[5]])
    engine = LocalEngine(words={"guidance_scale": "cfg_scale"})
    first, second = list(engine.draw(named(table), lambda number: None))
    assert (first.status, second.status) == ("failed_row", "failed_row")
    assert first.error == "cfg_scale must be a finite number from 0 to 1000, not -1.0"
    assert "width must be a multiple of 8, not 63" in (second.error or "")


def test_what_all_rows_need_is_looked_for_first(tmp_path: Path) -> None:
    engine = LocalEngine(words={"loras": "--lora", "device": "--device"})
    engine.prepare({"model": "builtin", "num_images_per_prompt": 2}, load=True)
    (tmp_path / "model_index.json").write_text("{}", encoding="utf-8")
    for settings, words in (
        ({"loras": [["none", 1.0, 1.0]]}, "there is no adapter 'none'"),
        ({"device": "cuda:99"}, "--device"),
        ({"model": str(tmp_path)}, "model_index.json"),
    ):
        with pytest.raises(InputError, match=words):
            engine.prepare(settings, load=True)


def test_an_error_of_one_row_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(request: kakusan.Request, *_args: object, **_more: object) -> list[object]:
        if request.seed == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        raise kakusan.errors.NumericalError.of("UNet")

    monkeypatch.setattr("kakusan.batch.local.draw", failing)
    rows = [Row(n, str(n), str(n), {"prompt": "a", "seed": n}, {}) for n in range(2)]
    zero, one = LocalEngine().draw(rows, lambda number: None)
    assert (zero.status, one.status) == ("failed_draw", "failed_draw")
    assert "NaN or infinity" in (zero.error or "")
    assert one.error == "OutOfMemoryError: CUDA out of memory"


def test_rows_of_one_model_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kakusan.batch.local.draw", lambda *_args, **_more: [])
    begun: list[int] = []
    rows = [
        Row(n, str(n), str(n), {"prompt": "a", "seed": n, "model": f"none/{n % 2}"}, {})
        for n in range(4)
    ]
    assert len(list(LocalEngine().draw(rows, begun.append))) == 4
    assert begun == [0, 2, 1, 3]


def test_pictures_and_adapters_are_named_by_their_files(tmp_path: Path) -> None:
    path = tmp_path / "begun.png"
    Image.new("RGB", (64, 64), (200, 0, 0)).save(path)
    asked = asked_of({"prompt": "a", "seed": 1, "image": str(path), "mask": "box:0,0,32,32"})
    assert asked.request.image is not None
    assert asked.request.image[0].name == "begun.png"
    assert asked.request.mask_blur == 4.0
    assert asked.inputs.image is not None
    assert asked.inputs.mask is not None
    control = f"canny:{path}@FOLDER:0.5"
    steered = asked_of({"prompt": "a", "seed": 1, "controls": [control]})
    assert steered.request.controls is not None
    assert steered.request.controls[0].scale == 0.5
    adapted = asked_of({"prompt": "a", "seed": 1, "loras": "style:0.8", "freeu": "1.5,1.6,0.9,0.2"})
    assert adapted.request.loras == (("style", 0.8, 0.8),)
    assert adapted.request.freeu is not None
    shown = asked_of({"prompt": "a", "seed": 1, "image_prompts": f"{path}@adapter.bin:0.6"})
    assert shown.request.image_prompts is not None
    assert shown.request.image_prompts[0].scale == 0.6
    assert len(shown.inputs.seen) == 1
    with pytest.raises(InputError):
        asked_of({"prompt": "a", "seed": 1, "image": str(tmp_path / "none.png")})


def test_choices_are_made_by_the_seed_where_prompts_have_a_grammar() -> None:
    settings = {"prompt": "a {cat|dog}", "seed": 3}
    assert asked_of(settings).request.prompt == ("a {cat|dog}",)
    chosen = asked_of({**settings, "prompt_syntax": "webui", "num_images_per_prompt": 8}).request
    assert len(chosen.prompt) == 8
    assert set(chosen.prompt) == {"a cat", "a dog"}
    assert chosen.template == "a {cat|dog}"


def test_the_manifest_has_the_prompt_that_was_drawn(tmp_path: Path) -> None:
    row = {"prompt": "a {cat|dog}", "prompt_syntax": "webui", **SMALL, "steps": 1, "n": 3}
    table = written(tmp_path / "t.jsonl", [row])
    told = go(table, tmp_path / "out", LocalEngine())
    drawn = [read_record(tmp_path / "out" / each["file"]) for each in told]
    assert [each["prompt"] for each in told] == [each["prompt"] for each in drawn if each]
    assert {each["prompt"] for each in told} <= {"a cat", "a dog"}
    before = everything(tmp_path / "out")
    (tmp_path / "out" / "manifest.jsonl").unlink()
    go(table, tmp_path / "out", LocalEngine())  # of the pictures that are there
    assert everything(tmp_path / "out") == before
