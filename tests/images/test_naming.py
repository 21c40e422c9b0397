"""Names for new pictures."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kakusan.errors import OutputError
from kakusan.images import free_path, slug


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A cat, on a red background!", "a-cat-on-a-red-background"),
        ("赤い背景の猫", "赤い背景の猫"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\0b\nc\ud800d", "a-b-c-d"),
        ("🐱", ""),
        ("", ""),
        ("CON", "con"),
        ("x" * 500, "x" * 40),
        ("word " * 20, "word-word-word-word-word-word-word-word"),
    ],
)
def test_slugs_are_safe_in_file_names(text: str, expected: str) -> None:
    assert slug(text) == expected


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    names = [free_path(tmp_path, "cat", ".png").name for _ in range(3)]
    assert names == ["cat.png", "cat-2.png", "cat-3.png"]


def test_threads_never_share_a_name(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: free_path(tmp_path, "cat", ".png"), range(64)))
    assert len(set(paths)) == 64


def test_the_folder_is_made(tmp_path: Path) -> None:
    assert free_path(tmp_path / "a" / "b", "cat", ".png").is_file()


def test_a_file_in_the_way_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="cannot write"):
            free_path(folder, "cat", ".png")
