"""Tokens in chunks, by worked examples of AUTOMATIC1111's comma rule."""

import pytest

from kakusan.errors import RequestError
from kakusan.prompts import Piece, chunks_of

COMMA = 7


def lengths(count: int, *commas: int, backtrack: int = 20) -> list[int]:
    pieces = [Piece((COMMA if index in commas else 1,)) for index in range(count)]
    return [len(chunk.ids) for chunk in chunks_of(pieces, COMMA, backtrack=backtrack)]


@pytest.mark.parametrize(
    ("count", "commas", "expected"),
    [
        (0, (), [0]),
        (75, (), [75]),
        (76, (), [75, 1]),
        (80, (60,), [61, 19]),
        (80, (55,), [56, 24]),
        (80, (54,), [75, 5]),
        (80, (74,), [75, 5]),
        (80, (60, 70), [71, 9]),
        (80, (75,), [75, 5]),  # the comma is the 76th: it begins the next, and is not remembered
        (151, (75, 80), [75, 75, 1]),
        (160, (60, 130), [61, 70, 29]),
        (75, (60,), [75]),
    ],
)
def test_a_full_chunk_ends_at_a_near_comma(
    count: int, commas: tuple[int, ...], expected: list[int]
) -> None:
    assert lengths(count, *commas) == expected


def test_without_backtracking_commas_are_words() -> None:
    assert lengths(80, 60, backtrack=0) == [75, 5]


def test_break_closes_a_chunk_even_if_it_is_empty() -> None:
    stop, word = Piece(()), Piece((1,), 1.3)
    assert [c.ids for c in chunks_of([word, stop, word], COMMA)] == [(1,), (1,)]
    assert [c.ids for c in chunks_of([stop, stop, word], COMMA)] == [(), (), (1,)]
    assert [c.ids for c in chunks_of([word, stop], COMMA)] == [(1,)]
    assert [c.weights for c in chunks_of([word], COMMA)] == [(1.3,)]


def test_an_embedding_is_never_parted() -> None:
    words = [Piece((1,))] * 70
    assert [len(c.ids) for c in chunks_of([*words, Piece((5,) * 6, 0.5)], COMMA)] == [70, 6]
    assert [len(c.ids) for c in chunks_of([*words, Piece((5,) * 5)], COMMA)] == [75]
    moved = [*[Piece((1,))] * 60, Piece((COMMA,)), Piece((5, 6), 0.5), *[Piece((1,))] * 13]
    assert [len(c.ids) for c in chunks_of(moved, COMMA)] == [61, 15]
    assert chunks_of(moved, COMMA)[1].weights[:3] == (0.5, 0.5, 1.0)
    with pytest.raises(RequestError, match="76 vectors; a prompt has room for 75"):
        chunks_of([Piece((5,) * 76)], COMMA)
