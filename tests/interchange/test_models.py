"""Which of the user's own models a picture means."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from kakusan.errors import InputError
from kakusan.interchange import Candidate, find_named, says_which

HASHES = {"a": ("0123456789" + "0" * 54, "aaaaaaaa"), "b": ("ba" * 32, "bbbbbbbb")}


@pytest.fixture
def own(tmp_path: Path) -> list[Candidate]:
    (tmp_path / "folder").mkdir()
    found = [Candidate("builtin", tmp_path / "folder"), Candidate("owner/Name", tmp_path)]
    for stem in ("a", "b", "broken"):
        path = tmp_path / f"{stem}.safetensors"
        path.write_bytes(b"")
        found.append(Candidate(str(path), path))
    return found


def hashes_of(path: Path) -> Mapping[str, str]:
    if path.stem not in HASHES:
        raise InputError("it is broken")
    whole, old = HASHES[path.stem]
    return {"sha256": whole, "hash": whole[:10], "old hash": old}


@pytest.mark.parametrize(
    ("name", "digits", "expected"),
    [
        ("a", None, "a.safetensors"),
        ("A.ckpt", None, "a.safetensors"),
        ("C:\\models\\sd\\a.safetensors", None, "a.safetensors"),
        ("a", "0123456789", "a.safetensors"),
        ("b", "0123456789", "a.safetensors"),
        (None, "BABABABABA", "b.safetensors"),
        (None, "0xbababababa", "b.safetensors"),
        (None, "bbbbbbbb", "b.safetensors"),
        ("a", "blake3:xyz", "a.safetensors"),
        ("builtin", "0123456780", "folder"),
        ("name", None, ""),
        ("owner/name", None, ""),
        ("a", "0123456780", None),
        ("a", "0123", "a.safetensors"),
        ("model", None, None),
        ("", None, None),
        ("..", None, None),
        ("/", None, None),
        (None, "0" * 100, None),
    ],
)
def test_models_are_found_by_hash_and_name(
    own: list[Candidate], name: str | None, digits: str | None, expected: str | None
) -> None:
    found = find_named(name, digits, own, hashes_of)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.model.path == own[1].path / expected
        assert found.by.startswith("its ")


def test_nothing_is_hashed_that_need_not_be(own: list[Candidate]) -> None:
    asked: list[str] = []

    def counting(path: Path) -> Mapping[str, str]:
        asked.append(path.stem)
        return hashes_of(path)

    find_named("b", "bababababa", own, counting)
    find_named("a", None, own, counting)
    assert asked == ["b"]


def test_what_it_says_is_bounded() -> None:
    assert says_which(None, None) is None
    assert says_which("x", "abcdef1234") == "the model 'x' with the hash abcdef1234"
    assert len(says_which("x" * 10_000, "y" * 10_000) or "") < 500
