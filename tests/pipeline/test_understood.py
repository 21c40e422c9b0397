"""A call says what its model does not understand, before it draws, and the record keeps it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kakusan
from kakusan import Request, StableDiffusionPipeline
from kakusan.errors import RequestError
from kakusan.images.parameters import parameters_text
from kakusan.inspect import experiment, read_prompt, walk
from kakusan.pipeline import draw_together
from kakusan.text import KnownWords

SETTINGS: dict[str, Any] = {"seed": 1, "num_inference_steps": 1}
BUILTIN = "the built-in model has never seen "
REST = "; it draws what it knows (its card: kakusan models show builtin)"


@pytest.fixture(scope="module")
def pipe() -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Any:
    def said() -> list[str]:
        lines = [record.getMessage() for record in caplog.records if record.name == "kakusan"]
        caplog.clear()
        return lines

    return said


def test_one_call_says_one_line(pipe: StableDiffusionPipeline, said: Any) -> None:
    output = pipe(
        ["a red griffin", "a griffin and a catt"],
        negative_prompt="smeared",
        num_images_per_prompt=2,
        **SETTINGS,
    )
    assert said() == [f'{BUILTIN}"griffin", "smeared", "catt" (read as "cat"){REST}']
    words = [record["unknown_words"] for record in output.records]
    assert words[0] == words[1] == {"griffin": None, "smeared": None}
    assert words[2] == words[3] == {"griffin": None, "catt": "cat", "smeared": None}
    assert output.records[0]["notes"] == [
        'words that the model has never seen: "griffin", "smeared"'
    ]


def test_a_negative_prompt_that_is_not_read_is_not_told(
    pipe: StableDiffusionPipeline, said: Any
) -> None:
    output = pipe("a cat", negative_prompt="blurry", guidance_scale=1.0, **SETTINGS)
    assert said() == []
    assert "unknown_words" not in output.records[0]


def test_it_is_said_before_anything_is_drawn(pipe: StableDiffusionPipeline, said: Any) -> None:
    steps = pipe.stream("a zork", **SETTINGS)
    assert said() == [f'{BUILTIN}"zork"{REST}']
    next(steps)
    pipe.encode_texts(["a zork", "a blib"])
    assert said() == [f'{BUILTIN}"zork", "blib"{REST}']
    with pytest.raises(RequestError):
        pipe("a zork", height=63)
    assert said() == []


def test_a_slip_is_drawn_as_what_was_meant(pipe: StableDiffusionPipeline) -> None:
    meant, slip = (
        pipe(text, output_type="np", **SETTINGS)
        for text in ("a Cat and a helicopter", "a Catt and a helicoptor")
    )
    assert (meant.images == slip.images).all()
    assert slip.records[0]["read_as"] == {"catt": "cat", "helicoptor": "helicopter"}
    assert slip.records[0]["prompt"] == "a Catt and a helicoptor"


def test_a_slip_is_put_right_in_every_grammar(pipe: StableDiffusionPipeline) -> None:
    for syntax in ("webui", "comfy", "compel"):
        meant, slip = (
            pipe(text, prompt_syntax=syntax, output_type="np", **SETTINGS).images
            for text in ("a cat and a (helicopter)", "a catt and a (helicoptor)")
        )
        assert (meant == slip).all(), syntax


def test_embeddings_say_nothing(pipe: StableDiffusionPipeline, said: Any) -> None:
    embeds = pipe.encode_texts(["a cat"])
    pipe(prompt_embeds=embeds, negative_prompt_embeds=embeds, **SETTINGS)
    assert said() == []


def test_many_drawings_of_one_call_say_each_word_once(
    pipe: StableDiffusionPipeline, said: Any
) -> None:
    experiment("a zork", x={"steps": [1, 2]}, y={"negative_prompt": ["", "blib"]})
    assert said() == [f'{BUILTIN}"zork", "blib"{REST}']
    walk(pipe, "a zork", "a blib", pictures=3, num_inference_steps=1)
    assert said() == [f'{BUILTIN}"zork", "blib"{REST}']
    list(draw_together(pipe, [Request.of(text, **SETTINGS) for text in ("zork", "zork", "a cat")]))
    assert said() == [f'{BUILTIN}"zork"{REST}']


def test_a_picture_made_again_has_the_same_record() -> None:
    (picture,) = kakusan.generate("a (catt:1.3)", steps=1, seed=5, progress=False)
    assert picture.unknown_words == {"catt": "cat"}
    assert picture.record["unread_grammar"] == ["(catt:1.3)"]
    assert kakusan.reproduce(picture.record, progress=False).record == picture.record
    without = {
        k: v for k, v in picture.record.items() if k not in ("unknown_words", "read_as", "notes")
    }
    assert parameters_text(picture.record) == parameters_text(without)


def test_a_published_model_tells_of_grammar_only(tiny_v1: Path, said: Any) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    record = pipe("a zork, griffin", **SETTINGS).records[0]
    assert said() == []
    assert record["notes"] == []
    assert not {"unknown_words", "unread_grammar"} & record.keys()
    record = pipe(["a (zork:1.3)", "a dog"], **SETTINGS).records[0]
    (line,) = said()
    assert line.startswith('"(zork:1.3)": read as plain words; ')
    assert record["notes"] == ['read as plain words: "(zork:1.3)"']


def test_a_notebook_shows_it(pipe: StableDiffusionPipeline) -> None:
    output = pipe(["a zork <lora:a&b:1>", "a cat"], **SETTINGS)
    shown = output._repr_html_() or ""
    assert shown.count("<small") == 2
    assert "never seen: &quot;zork&quot;</small>" in shown
    assert "&lt;lora:a&amp;b:1&gt;&quot;</small>" in shown
    (plain,) = kakusan.generate("a cat", steps=1, seed=1, progress=False)
    assert "<small" not in plain._repr_html_()


def test_a_saved_folder_keeps_the_words_and_one_without_them_says_nothing(
    pipe: StableDiffusionPipeline, tmp_path: Path, said: Any
) -> None:
    pipe.save_pretrained(tmp_path)
    again = StableDiffusionPipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    again("a zork", **SETTINGS)
    assert said() == ['this model has never seen "zork"; it draws what it knows']
    again.tokenizer.words = None
    again("a zork", **SETTINGS)
    again.tokenizer.words = KnownWords(frozenset({"a", "zork"}))
    again("a zork", **SETTINGS)
    assert said() == []


def test_a_reading_of_a_prompt_tells_it(pipe: StableDiffusionPipeline) -> None:
    told = str(read_prompt(pipe.tokenizer, "a zork (cat:1.3)")).splitlines()
    assert told[2:] == [
        'words that the model has never seen: "zork"',
        'read as plain words: "(cat:1.3)"',
    ]
    assert len(str(read_prompt(pipe.tokenizer, "a cat")).splitlines()) == 2


def test_python_shows_it_on_stderr_in_one_line_even_where_warnings_are_errors() -> None:
    program = (
        "import kakusan\n"
        "kakusan.generate('a zork', steps=1, seed=1, progress=False)\n"
        "kakusan.generate('a zork', steps=1, seed=1, progress=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert done.stderr.splitlines() == [f'{BUILTIN}"zork"{REST}'] * 2
