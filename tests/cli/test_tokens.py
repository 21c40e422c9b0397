"""`kakusan tokens`: how a prompt is read."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kakusan.prompts import SYNTAXES
from tests.cli.fakes import Run

Command = Callable[..., Run]


def test_tokens_are_told(run: Command) -> None:
    done = run("tokens", "a blue cat")
    assert (done.code, done.err) == (0, "")
    assert "blue" in done.lines[0]
    assert "3 tokens, room for 38" in done.lines[1]


def test_a_long_prompt_is_several_chunks(run: Command) -> None:
    done = run("tokens", "a blue cat " * 20)
    assert done.lines[1] == "38 tokens, room for 38 (chunk 1 of 2)"
    assert done.lines[3] == "22 tokens, room for 38 (chunk 2 of 2)"


def test_what_is_cut_off_of_a_plain_prompt_is_told(run: Command) -> None:
    told = run("tokens", "a blue cat " * 60, "--syntax", "plain", "--json").json()
    assert len(told["used"]) == told["room"]
    assert len(told["used"]) + len(told["cut"]) == 180
    assert {"id", "text"} == set(told["cut"][0])
    out = run("tokens", "a blue cat " * 60, "--syntax", "plain").out
    assert "... and 118 more" in out
    assert "cut off (142): " in out


def test_steps_are_counted_from_one(run: Command) -> None:
    out = run("tokens", "[a:b:0.5] [c|d] <lora:x:1>[<lora:y:1>:2]", "--steps", "4").lines
    when = [line for line in out if line.startswith(("steps", "step ", "after"))]
    assert when == [
        "steps 1 to 2 of 4",
        "step 3 of 4",
        "step 4 of 4",
        "after step 4, the last: never",
    ]
    assert "<lora:y> 1, step 4 of 4" in out


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_too_long_to_be_drawn_is_refused(run: Command, syntax: str, here: Path) -> None:
    done = run("tokens", "(" * 1_000_000, "--syntax", syntax)
    assert (done.code, done.out) == (2, "")
    assert done.err == "kakusan: PROMPT has 1000000 characters; at most 100000 are taken\n"


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    "piece", ["a quick dog, ", "(", "((a)", "[a|b]", ",", "美しい富士山の風景、"]
)
def test_a_long_prompt_is_read_in_bounded_time(run: Command, syntax: str, piece: str) -> None:
    before = time.process_time()
    done = run("tokens", (piece * 100_000)[:100_000], "--syntax", syntax)
    assert (done.code, done.err) == (0, "")
    assert len(done.out) < 100_000
    assert time.process_time() - before < 10


def test_tokens_tell_what_is_not_understood(run: Command) -> None:
    done = run("tokens", "a griffin and a (catt:1.3)", "--syntax", "plain")
    assert (done.code, done.err) == (0, "")
    assert done.lines[2:] == [
        'words that the model has never seen: "griffin", "catt" (read as "cat")',
        'read as plain words: "(catt:1.3)"',
    ]
    told = run("tokens", "a griffin and a (catt:1.3)", "--json").json()
    assert told["unknown_words"] == {"griffin": None, "catt": "cat"}
    assert "unread_grammar" not in told


def test_json_has_the_schedule_as_it_is_read(run: Command) -> None:
    told = run("tokens", "(a:1.2) [b:c:2] <lora:x:0.5>", "--json", "--steps", "4").json()
    assert told["schedule"] == [
        {"until": 2, "parts": [{"weight": 1.0, "segments": [["a", 1.2], [" b", 1.0]]}]},
        {"until": 4, "parts": [{"weight": 1.0, "segments": [["a", 1.2], [" c", 1.0]]}]},
    ]
    assert [(each["part"], each["until"]) for each in told["chunks"]] == [(0, 2), (0, 4)]
    (chunk,) = told["chunks"][0]["chunks"]
    assert [(token["text"], token["weight"]) for token in chunk] == [("a", 1.2), ("b", 1.0)]
    assert [(each["name"], each["unet_weight"]) for each in told["networks"]] == [("x", 0.5)]


def test_people_are_shown_what_changes_and_weighs(run: Command) -> None:
    prompt = "a (red:1.3) [cat:dog:0.5] <lora:x:0.5:0.7> BREAK b AND [c]:0.5"
    out = run("tokens", prompt, "--steps", "10").out
    for said in (
        "steps 1 to 6 of 10",
        "steps 7 to 10 of 10",
        "part 2, weight 0.5",
        "   1.3 █████████████        red",
        " 0.909 █████████            c",
        "BREAK",
        "(chunk 2 of 2)",
        "<lora:x> text encoder 0.5, UNet 0.7",
    ):
        assert said in out


def test_choices_are_made_for_a_seed(run: Command, here: Path) -> None:
    (here / "words").mkdir()
    (here / "words" / "animals.txt").write_text("cat\n", encoding="utf-8")
    done = run("tokens", "{a|a} __animals__", "--wildcards", "words")
    assert done.lines[0] == "chosen: a cat"
    told = run("tokens", "{red|red} cat", "--seed", "3", "--json").json()
    assert (told["prompt"], told["template"]) == ("red cat", "{red|red} cat")
    told = run("tokens", "{a|b}", "--json").json()
    assert (told["prompt"], told["open_choices"]) == ("{a|b}", True)


def test_choices_that_are_not_made_are_no_plain_words(run: Command, here: Path) -> None:
    (here / "words").mkdir()
    for prompt in ("a {red|blue} cat", "a __color__ cat"):
        done = run("tokens", prompt)
        assert "read as plain words" not in done.out
        assert done.lines[-1].startswith("its choices are left open: --seed N")
    for prompt in (r"a \{red|blue\} cat", "a {red cat", r"a \__color\__ cat"):
        assert "choices" not in run("tokens", prompt).out
    plain = run("tokens", "a {red|blue} cat", "--seed", "1", "--syntax", "plain")
    assert 'read as plain words: "{red|blue}"' in plain.out
    refused = run("tokens", "a", "--wildcards", "words", "--syntax", "plain")
    assert (refused.code, "--syntax is plain" in refused.err) == (2, True)


@pytest.mark.parametrize("syntax", ["comfy", "compel"])
def test_other_syntaxes_have_their_own_weights(run: Command, syntax: str) -> None:
    prompt = "(a cat)1.3" if syntax == "compel" else "(a cat:1.3)"
    told = run("tokens", prompt, "--syntax", syntax, "--json").json()
    assert told["schedule"][0]["parts"][0]["segments"] == [["a cat", 1.3]]
    assert [token["weight"] for token in told["chunks"][0]["chunks"][0]] == [1.3, 1.3]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["(a:1.2.3)"], "'1.2.3', which is no number"),
        (["a", "--syntax", "other"], "--syntax must be one of plain, webui, compel, comfy"),
        (["a", "--steps", "0"], "at least 1"),
        (["__a__", "--seed", "1"], "no folder with wildcards was named"),
    ],
)
def test_what_cannot_be_read_is_one_line(run: Command, words: list[str], said: str) -> None:
    done = run("tokens", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_torch_is_not_loaded() -> None:
    code = (
        "import atexit, runpy, sys; atexit.register(lambda: print('torch' in sys.modules));"
        "runpy.run_module('kakusan', run_name='__main__')"
    )
    words = ["tokens", "a (cat:1.2)", "--json", "--steps", "5"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, check=True, text=True
    )
    *told, loaded = done.stdout.splitlines()
    assert loaded == "False"
    assert json.loads("\n".join(told))["schedule"][0]["until"] == 5


def test_a_learnt_word_has_a_place_for_each_vector(run: Command, here: Path) -> None:
    (here / "words").mkdir()
    save_file({"emb_params": torch.zeros(3, 8)}, here / "words" / "zorg.safetensors")
    for options in (("--embedding", "words/zorg.safetensors"), ("--embeddings-dir", "words")):
        done = run("tokens", "a (zorg:1.2) cat", *options)
        assert (done.code, done.err) == (0, "")
        assert done.out.count("zorg ") >= 3
        assert "5 tokens" in done.out
    # a training script's name for its file does not hide what is beside it
    save_file({"<toy>": torch.zeros(8)}, here / "words" / "learned_embeds.safetensors")
    done = run("tokens", "a (zorg:1.2) <toy> cat", "--embeddings-dir", "words")
    assert "6 tokens" in done.out
    told = run("tokens", "a embedding:nothing", "--syntax", "comfy", "--embeddings-dir", "words")
    assert told.code == 2
    assert "no embedding 'nothing'" in told.err


def test_a_tag_that_is_written_wrongly_is_told(run: Command) -> None:
    done = run("tokens", "a cat <lora:a<b:c>")
    assert done.code == 0, done.err
    assert "not taken, and refused by `kakusan generate`: <lora:a<b:c> has the weight 'c'" in (
        done.out
    )
    told = json.loads(run("tokens", "--json", "a cat <lora:foo:abc>").out)
    assert told["schedule"][0]["parts"][0]["segments"] == [["a cat", 1.0]]
    assert "must be a number" in told["networks"][0]["fault"]
    assert "fault" not in json.loads(run("tokens", "--json", "<lora:foo:1>").out)["networks"][0]
    done = run("generate", "a cat <lora:foo:abc>", "-o", "x.png")
    assert (done.code, done.out) == (2, "")
    assert "<lora:foo:abc> has the weight 'abc'" in done.err
