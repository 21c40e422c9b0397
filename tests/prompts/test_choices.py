"""Choices and wildcards: the texts that dynamicprompts 0.31 can make, decided by a seed alone."""

import json
import time
from pathlib import Path

import pytest

from kakusan.errors import RequestError
from kakusan.prompts import has_choices, left_as_text, resolve

# All that dynamicprompts' combinatorial generator gives
POSSIBLE = {
    "{ a | b }": {"a ", "b "},
    "{a}": {"a"},
    "x{a|}y": {"xay", "xy"},
    "{0.5::a|2::b}": {"a", "b"},
    "{a::b|c}": {"a::b", "c"},
    "{2$$a|b|c}": {"a,b", "a,c", "b,a", "b,c", "c,a", "c,b"},
    "{2$$ and $$a|b}": {"a and b", "b and a"},
    "{2$$|$$a|b}": {"a|b", "b|a"},
    "{1-2$$a|b}": {"a", "b", "a,b", "b,a"},
    "{2-1$$a|b}": {"a", "b", "a,b", "b,a"},
    "{-2$$a|b}": {"a", "b", "a,b", "b,a"},
    "{2-$$a|b}": {"a,b", "b,a"},
    "{3$$a|b}": {"a,b", "b,a"},
    "{0-1$$a|b}": {"", "a", "b"},
    "{0$$a|b}": {""},
    "{2$$a|}": {"a"},
    "{2$$a}": {"a"},
    "{{a|b}|c}": {"a", "b", "c"},
    "a } b | c": {"a } b | c"},
    "{\na|\nb\n}": {"a", "b\n"},
    "<lora:x:{0.5|0.7}>": {"<lora:x:0.5>", "<lora:x:0.7>"},
    "[a|b]": {"[a|b]"},
    "{}": {""},
    "__animals__": {"cat", "dog", "fox"},
    "a __*mal*__": {"a cat", "a dog", "a fox"},
    "{2$$__animals__}": {"cat,dog", "cat,fox", "dog,cat", "dog,fox", "fox,cat", "fox,dog"},
    "__sub/x__": {"one", "p r", "q r", "cat", "dog", "fox"},
    "__x__": {"one", "p r", "q r", "cat", "dog", "fox"},
    "__list__": {"p", "q"},
    "__named__ __deep/er__": {"z u", "z v"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "wildcards"
    (inside / "sub").mkdir(parents=True)
    (inside / "animals.txt").write_text("# comment\ncat\n\n dog \nfox # red\ncat\n", "utf-8")
    (inside / "sub" / "x.txt").write_text("one\n__animals__\n{p|q} r\n", "utf-8")
    (inside / "list.json").write_text('["p", "q"]', "utf-8")
    (inside / "n.json").write_text('{"named": ["z"], "deep": {"er": ["u", "v"]}}', "utf-8")
    (tmp_path / "secret.txt").write_text("secret\n", "utf-8")
    return inside


@pytest.mark.parametrize("template", POSSIBLE)
def test_every_seed_makes_a_possible_text_and_all_are_made(template: str, folder: Path) -> None:
    assert {resolve(template, seed, [folder]) for seed in range(400)} == POSSIBLE[template]


def test_the_seed_alone_decides() -> None:
    template = "{a|b|c} {2$$d|e|f} {0.1::x|y} {1-3$$k|l|m}"
    # from random.Random(str(seed)).random(), which no version of Python changes
    assert [resolve(template, seed) for seed in (42, 42)] == ["b e,d y l"] * 2
    assert len({resolve(template, seed) for seed in range(50)}) > 20


def test_weights_count() -> None:
    chosen = [resolve("{9::a|1::b|0::c}", seed) for seed in range(1000)]
    assert 850 < chosen.count("a") < 950
    assert "c" not in chosen


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("\\{a|b\\}", "{a|b}"),
        ("{a\\|b}", "a|b"),
        ("\\__animals\\__", "__animals__"),
        ("# {a|b} __nope__\nc", "# {a|b} __nope__\nc"),
        ("{a", "{a"),
        ("a}|b", "a}|b"),
        ("a $5 50% __", "a $5 50% __"),
        ("\\(a\\)", "\\(a\\)"),
        ("", ""),
        ("a {smiling!} cat", "a smiling! cat"),
        ("user@{host}", "user@host"),
        ("${name} ${x={a}}", "${name} ${x=a}"),
        ("${x=a|b} %{c$$d}", "${x=a|b} %{c$$d}"),
        ("{!a|b} {@a}", "{!a|b} {@a}"),
        ("{ !2$$a|b}", "{ !2$$a|b}"),
        ("__@animals__ __!a__", "__@animals__ __!a__"),
        ("{-1.5::a|b}", "{-1.5::a|b}"),
        ("{a|${x}", "{a|${x}"),
    ],
)
def test_what_is_no_choice_stays(text: str, meant: str, folder: Path) -> None:
    assert resolve(text, 1, [folder]) == meant


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a {b|c} __d__ {e} {~f|g} \\${h", []),
        ("${name} {!a|b} {2$$c} {@d}", ["${", "{!", "{@"]),
        ("%{a} __!b__ __@b__ __~b__", ["%{", "__!b__", "__@b__"]),
        ("${a", []),
        ("# ${a}", []),
    ],
)
def test_what_looks_like_a_choice_is_told(text: str, left: list[str]) -> None:
    assert left_as_text(text) == left
    assert not left or has_choices(text) == ("{2" in text or "__~" in text)


def test_a_single_option_needs_no_seed() -> None:
    assert resolve("a {smiling!} {} cat ${name}", None) == "a smiling!  cat ${name}"
    with pytest.raises(RequestError, match="which a picture's seed makes"):
        resolve("{a|b}", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("__animal__", "no wildcard is called 'animal' in"),
        ("__animal__", "Did you mean 'animals'"),
        ("__../secret__", "no wildcard is called '../secret'"),
        ("__*secret*__", "no wildcard is called"),
        ("__linked__", "no wildcard is called"),
    ],
)
def test_what_cannot_be_chosen_is_one_line(text: str, said: str, folder: Path) -> None:
    (folder / "linked.txt").symlink_to(folder.parent / "secret.txt")
    with pytest.raises(RequestError) as caught:
        resolve(text, 1, [folder])
    assert said in str(caught.value)


def test_wildcards_that_lead_back_end(folder: Path) -> None:
    (folder / "a.txt").write_text("__b__\n", "utf-8")
    (folder / "b.txt").write_text("x __a__\n", "utf-8")
    (folder / "c.txt").write_text("{2$$__c__}\n", "utf-8")
    for text in ("__a__", "{2$$__c__}", "__c__"):
        with pytest.raises(RequestError, match="leads back to itself"):
            resolve(text, 1, [folder])


def test_wildcards_that_grow_end(folder: Path) -> None:
    for depth in range(20):
        name = f"__d{depth + 1}__"
        (folder / f"d{depth}.txt").write_text(name * 4 + "\n", "utf-8")
    (folder / "d20.txt").write_text("x\n", "utf-8")
    with pytest.raises(RequestError, match="lead to more than 10000 others"):
        resolve("__d0__", 1, [folder])


def test_folders_and_files_that_cannot_be_read_are_one_line(folder: Path) -> None:
    with pytest.raises(RequestError, match="no folder with wildcards was named"):
        resolve("__a__", 1)
    with pytest.raises(RequestError, match="there is no folder"):
        resolve("__a__", 1, [folder / "nowhere"])
    (folder / "broken.json").write_text("[" * 100_000, "utf-8")
    with pytest.raises(RequestError, match=r"broken\.json' is no JSON"):
        resolve("__a__", 1, [folder])


def test_json_of_any_kind_is_no_trouble(folder: Path) -> None:
    odd = {"a": [1, None, "x"], "b": 5, "c": None, "": ["e"], "d": "one"}
    (folder / "odd.json").write_text(json.dumps(odd), "utf-8")
    assert resolve("__a__ __d__", 1, [folder]) == "x one"


@pytest.mark.parametrize("piece", ["{", "{a|", "}", "|", "{a|b}", "{2$$a|", "{{a|b}|", "\\", "#"])
def test_a_megabyte_is_read_in_bounded_time(piece: str) -> None:
    begun = time.process_time()
    resolve((piece * 1_000_000)[:1_000_000], 1)
    assert time.process_time() - begun < 6
