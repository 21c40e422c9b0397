"""What was typed wrong is said in plain words, with the nearest right one and the right help."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kakusan.vocabulary import COMMANDS_TO_COME, command_called
from tests.cli.fakes import FakeDrawing, Run

Command = Callable[..., Run]

# What is typed after `kakusan`, what the one line begins with, and whose help it points to
WRONG = [
    (
        ["generate", "a", "cat"],
        'a prompt of several words needs quotes: kakusan generate "a cat"',
        "generate",
    ),
    (
        ["generate", "--steps", "5", "a", "cat"],
        "there is more than one PROMPT; put quotes round the whole of it",
        "generate",
    ),
    (["generate", "cat", "–steps", "5"], "–steps begins with a dash; options begin", "generate"),
    (["generate"], 'PROMPT is missing, as in kakusan generate "a red cat"', "generate"),
    (
        ["grid", "cat"],
        '--x is missing, as in kakusan grid "a red cat" --x steps=5,10,25',
        "grid",
    ),
    (["info"], "PICTURE is missing, as in kakusan info cat.png", "info"),
    (
        ["reproduce", "a.png", "b.png"],
        "too many words: kakusan reproduce PICTURE is all",
        "reproduce",
    ),
    (["train", "lora", "p"], "--output is missing, as in kakusan train lora", "train lora"),
    (["generate", "cat", "--steps", "abc"], "--steps must be a whole number, not 'abc'", None),
    (["generate", "cat", "--guidance", "x"], "--guidance must be a number, not 'x'", None),
    (["train", "lora", "p", "-o", "a", "--rank", "0"], "--rank must be at least 1, not 0", None),
    (["train", "lora", "p", "-o", "a", "--lr", "nan"], "--lr must be at least 0, not nan", None),
    (["generate", "cat", "--width"], "--width needs a value", "generate"),
    (["generate", "cat", "--fast=3"], "--fast takes no value", "generate"),
    (["generate", "cat", "--cfg", "3"], "there is no option --cfg; it is --guidance here", None),
    (["generate", "cat", "--cfg-scale=3"], "there is no option --cfg-scale; it is --guid", None),
    (["generate", "cat", "--CFG_Scale=3"], "there is no option --CFG_Scale; it is --guid", None),
    (["generate", "cat", "-cfg", "3"], "there is no option -cfg; it is --guidance here", None),
    (["generate", "cat", "-W", "64"], "there is no option -W; it is --width here", "generate"),
    (["generate", "cat", "-W64"], "there is no option -W", "generate"),
    (["generate", "cat", "-H", "64"], "there is no option -H; it is --height here", "generate"),
    (["generate", "cat", "-S", "64"], "there is no option -S; it is --seed here", "generate"),
    (["generate", "cat", "--sampler", "x"], "there is no option --sampler; it is --sche", None),
    (
        ["generate", "cat", "--negative-prompt", "x"],
        "there is no option --negative-prompt; it",
        None,
    ),
    (["generate", "cat", "--num-inference-steps", "3"], "there is no option --num-infer", None),
    (["generate", "cat", "--ckpt", "x"], "there is no option --ckpt; it is --model here", None),
    (["generate", "cat", "--out", "x"], "there is no option --out; it is --output here", None),
    (["generate", "cat", "-steps", "5"], "there is no option -steps; did you mean --steps?", None),
    (
        ["generate", "cat", "--controlnet", "x"],
        "there is no option --controlnet; it is --control here",
        "generate",
    ),
    (
        ["train", "unet", "p", "--learning-rate", "1"],
        "there is no option --learning-rate; it",
        None,
    ),
    (["grid", "cat", "--x", "seed=1", "--cfg", "3"], "there is no option --cfg; it is --g", "grid"),
    (
        ["generate", "-x cat"],
        '"-x cat" begins with a hyphen and is read as an option; put it last, after --: '
        'kakusan generate -- "-x cat"',
        "generate",
    ),
    (
        ["generate", "-cats"],
        "there is no option -cats; a prompt that begins with a hyphen comes last, after --",
        "generate",
    ),
    (
        ["generate", "--", "-x cat", "--steps", "3"],
        "what follows -- is no option; put options before it, and PROMPT alone after it",
        "generate",
    ),
    (["generate", "“a", "cat”"], "a prompt of several words needs quotes: kakusan gen", None),
    (["generate", "a cat", "a dog"], "there is more than one PROMPT; kakusan generate", "generate"),
    (
        ["generate", "--prompt", "a cat"],
        'there is no option --prompt; PROMPT stands alone: kakusan generate "a red cat"',
        "generate",
    ),
    (
        ["tokens", "-p", "a cat"],
        "there is no option -p; PROMPT stands alone: kakusan tok",
        "tokens",
    ),
    (["generate", "cat", "--size", "64x64"], "there is no option --size; it is --width and", None),
    (["serve", "--listen"], "there is no option --listen; it is --host here", "serve"),
    (["generate", "cat", "--port", "1"], "there is no option --port; kakusan serve has", None),
    (["workers"], "there is no command workers; did you mean worker?", ""),
    (["--versoin"], "there is no option --versoin; did you mean --version?", ""),
    (["-V"], "there is no option -V; it is --version here", ""),
    (["generate", "cat", "--verbose"], "there is no option --verbose (", "generate"),
    (["generate", "cat", "--batch", "4"], "there is no option --batch; it is --count here", None),
    (["reproduce", "a.png", "--steps", "4"], "there is no option --steps (", "reproduce"),
    (["batch"], "TABLE is missing, as in kakusan batch prompts.csv", "batch"),
    (
        ["generate", "--from-file", "a.txt"],
        "there is no option --from-file; kakusan batch TABLE has it",
        "generate",
    ),
    (["img2img", "a.png"], 'PROMPT is missing, as in kakusan img2img cat.png "a red c', "img2img"),
    (["i2i", "a.png", "a cat"], "there is no command i2i; it is `kakusan img2img`", ""),
    (
        ["generate", "cat", "--strength", "1"],
        "there is no option --strength; kakusan img2img PICTURE PROMPT has it",
        "generate",
    ),
    (
        ["img2img", "a.png", "a", "--denoise", "1"],
        "there is no option --denoise; it is --strength here",
        "img2img",
    ),
    (["sd-upscale", "a.png"], "there is no command sd-upscale; it is `kakusan upscale`", ""),
    (["txt2img", "a cat"], "there is no command txt2img; it is `kakusan generate`", ""),
    (["models", "remove", "x"], "there is no command remove; it is `kakusan models rm`", "models"),
    (["models", "delete", "x"], "there is no command delete; it is `kakusan models rm`", "models"),
    (["models", "download"], "there is no command download; it is `kakusan models pull`", "models"),
    (["remove", "x"], "there is no command remove; it is `kakusan models rm`", ""),
    (["ls"], "there is no command ls; it is `kakusan models list`", ""),
    (["lora"], "there is no command lora; it is `kakusan train lora`", ""),
    (["help"], "there is no command help; it is `kakusan --help`", None),
    (["genrate", "a cat"], "there is no command genrate; did you mean generate?", ""),
    (["a red cat"], "there is no command a red cat; to draw, say generate: kakusan gen", ""),
    (["--steps", "3", "generate"], "there is no option --steps before the command; the opt", ""),
]


@pytest.mark.parametrize(("words", "said", "command"), WRONG, ids=lambda value: str(value)[:40])
def test_what_is_typed_wrong(
    run: Command,
    fake: FakeDrawing,
    here: Path,
    words: list[str],
    said: str,
    command: str | None,
) -> None:
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"kakusan: {said}")
    assert len(done.err.splitlines()) == 1
    if command is not None:
        help_of = f"kakusan {command}".strip()
        assert done.err.endswith(f" (`{help_of} --help` shows how)\n")
    assert not fake.asked
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ["z" * 100_000],
        ["generate", "cat", f"--{'z' * 100_000}"],
        ["generate", "cat", f"-{'z' * 100_000}"],
        ["generate", "z" * 100_000, "z" * 100_000],
        ["generate", "cat", "--steps", "z" * 100_000],
        ["generate", "cat", "--steps", "9" * 10_000],
        ["generate", f"-{'z ' * 50_000}"],
        ["generate", "cat", "--scheduler", "z" * 100_000],
        ["generate", "cat", "--grid", "z" * 100_000],
        ["grid", "cat", "--x", "z" * 100_000],
        ["generate", "cat", "--steps\nkakusan: all is well"],
        ["generate", "cat", "--\x1b[31m"],
    ],
    ids=lambda words: " ".join(words)[:30],
)
def test_what_is_typed_is_shown_on_one_bounded_line(run: Command, words: list[str]) -> None:
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert len(done.err) < 700
    assert len(done.err.splitlines()) == 1
    assert "\x1b" not in done.err


def test_curly_quotes_are_taken_off_what_is_to_be_typed(run: Command) -> None:
    assert 'kakusan generate "a cat" (' in run("generate", "“a", "cat”").err


def test_a_flag_given_twice_is_no_error(run: Command, fake: FakeDrawing) -> None:
    assert run("generate", "cat", "-q", "--quiet", "--seed", "1").code == 0


def test_a_grid_that_is_too_large_names_what_was_typed(run: Command, fake: FakeDrawing) -> None:
    done = run("generate", "cat", "--grid", "100x100")
    assert "--grid 100x100 holds 10000 pictures; the limit is 1000" in done.err
    assert "--count" not in done.err


@pytest.mark.parametrize("name", ["Euler-A", "EULER A", "eulerancestraldiscretescheduler"])
def test_names_of_schedulers_in_any_case(run: Command, tiny_v1: Path, name: str) -> None:
    model = ["--model", str(tiny_v1), "--steps", "1", "--width", "64", "--height", "64"]
    done = run("generate", "cat", "--scheduler", name, "--seed", "1", *model, "--json")
    assert done.code == 0
    scheduler = done.json()["pictures"][0]["record"]["scheduler"]
    assert scheduler["_class_name"] == "EulerAncestralDiscreteScheduler"


def test_an_empty_prompt_is_remarked_on(run: Command, fake: FakeDrawing) -> None:
    for prompt in ("", "  "):
        done = run("generate", prompt, "--seed", "1")
        assert done.code == 0
        assert done.err == "kakusan: the prompt is empty: the model draws whatever it likes\n"


def test_the_list_of_commands_cuts_no_sentence(run: Command) -> None:
    for words in ([], ["models"], ["train"]):
        assert "..." not in run(*words, "--help").out.partition("Commands:")[2]


def test_what_is_to_come_is_not_here(run: Command) -> None:
    lines = run("--help").out.partition("Commands:")[2].splitlines()
    assert not COMMANDS_TO_COME & {line.split()[0] for line in lines if line.startswith("  ")}


def test_help_has_no_types_of_the_program(run: Command) -> None:
    for words in (("generate",), ("models", "list"), ("models", "convert"), ("train", "lora")):
        done = run(*words, "--help")
        assert (done.code, "<" in done.out) == (0, False)
        assert "Arguments:\n  " in done.out
    assert "convert" in run("models", "--help").out.splitlines()[2]
    assert not [word for word in COMMANDS_TO_COME if command_called(word)]
