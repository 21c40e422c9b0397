"""The prompts of strangers, and what of their pictures is right."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.strangers import PROMPTS, Asked, marks, prompts, table_of
from kakusan.builtin.recipe.judge import OWN, Seen, Verdict
from kakusan.builtin.recipe.world import THINGS

INDEX = {thing.name: i for i, thing in enumerate(THINGS)}


def test_there_are_two_hundred_in_two_languages_each_once() -> None:
    asked = prompts()
    assert len({each.prompt for each in asked}) == len(asked) == 200
    assert sum(each.prompt.isascii() for each in asked) == 100
    assert all(len(each.colours) == len(each.objects) for each in asked)
    assert all(each.relation is None or len(each.objects) == 2 for each in asked)
    assert all(each.count is None or len(each.objects) == 1 for each in asked)
    assert min(Counter(each.writing for each in asked).values()) >= 2


def test_the_fresh_ones_are_others() -> None:
    fresh = prompts(PROMPTS.parent / "fresh.tsv")
    assert len({each.prompt for each in fresh}) == len(fresh) == 96
    assert sum(each.prompt.isascii() for each in fresh) == 48
    assert not {each.prompt for each in fresh} & {each.prompt for each in prompts()}
    assert all(len(each.colours) == len(each.objects) for each in fresh)
    assert all(each.count is None or len(each.objects) == 1 for each in fresh)


def test_a_name_outside_of_the_world_is_told(tmp_path: Path) -> None:
    columns = ["prompt", "objects", "colours", "count", "relation", "where", "style", "writing"]
    path = tmp_path / "some.tsv"
    path.write_text("\t".join(columns) + "\na wug\twug" + "\t" * 6 + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="wug"):
        prompts(path)


def by_prompt(prompt: str) -> Asked:
    return next(each for each in prompts() if each.prompt == prompt)


def test_a_picture_is_right_if_everything_is_there_and_nothing_else() -> None:
    asked = by_prompt("a green frog sitting on a mushroom".upper())
    frog, mushroom = (
        Seen(INDEX[name], OWN, 0.5, y) for name, y in (("frog", 0.3), ("mushroom", 0.7))
    )
    assert dict(marks(asked, Verdict((frog, mushroom), 0, 0))) == {
        "objects": True,
        "colours": True,
        "relation": True,
    }
    assert not any(dict(marks(asked, Verdict((), 0, 0))).values())
    cat = Seen(INDEX["cat"], OWN, 0.1, 0.1)
    assert not dict(marks(asked, Verdict((frog, mushroom, cat), 0, 0)))["objects"]


def test_any_of_several_will_do_and_counts_are_exact() -> None:
    street = by_prompt("夜の街を走る車")
    car = Seen(INDEX["car"], 4, 0.5, 0.5)
    assert [dict(marks(street, Verdict((car,), place, 0)))["where"] for place in (1, 10, 3)] == [
        True,
        True,
        False,
    ]
    pigs = by_prompt("three little pigs")
    pig = Seen(INDEX["pig"], OWN, 0.5, 0.5)
    rights = [dict(marks(pigs, Verdict((pig,) * n, 0, 0)))["count"] for n in (2, 3, 4)]
    assert rights == [False, True, False]


def test_the_table_leaves_out_what_asks_for_nothing() -> None:
    found = [(by_prompt("pikachu"), Verdict((), 0, 0)), (by_prompt("pizza"), Verdict((), 0, 0))]
    assert "| everything | 0% | 1 |" in table_of(found)
