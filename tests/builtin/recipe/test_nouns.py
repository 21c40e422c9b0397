"""Articles and plurals of all names."""

import pytest

from kakusan.builtin.recipe.nouns import article, plural
from kakusan.builtin.recipe.world import PLURALS, THINGS


@pytest.mark.parametrize(
    ("name", "several"),
    [
        ("cat", "cats"),
        ("box", "boxes"),
        ("octopus", "octopuses"),
        ("monkey", "monkeys"),
        ("mouse", "mice"),
        ("slice of pizza", "slices of pizza"),
        ("loaf of bread", "loaves of bread"),
        ("werewolf", "werewolves"),
        ("old woman", "old women"),
        ("policeman", "policemen"),
        ("maple leaf", "maple leaves"),
        ("tropical fish", "tropical fish"),
        ("aircraft", "aircraft"),
        ("sunglasses", "sunglasses"),
        ("ballerina", "ballerinas"),
    ],
)
def test_plurals(name: str, several: str) -> None:
    assert plural(name) == several


def test_articles() -> None:
    words = ["cat", "orange", "octopus", "unicorn", "umbrella", "UFO", "8-bit"]
    assert [article(word) for word in words] == ["a", "an", "an", "a", "an", "a", "an"]


def test_what_ends_as_plurals_do_is_one_or_several() -> None:
    names = {name for thing in THINGS for name in thing.english}
    ends = {n for n in names if n.endswith("s") and not n.endswith(("us", "ss"))}
    singular = {"Father Christmas", "bunch of grapes", "bunch of flowers", "table tennis"}
    assert ends - PLURALS == singular | {"rhinoceros"}
