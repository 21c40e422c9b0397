"""Names for new pictures."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from kakusan.errors import OutputError
from kakusan.images import read_picture, save_image, slug


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


def picture(shade: int = 0) -> Image.Image:
    return Image.new("RGB", (8, 8), (shade, 0, 0))


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    paths = [save_image(picture(i), tmp_path / "cat.png", replace=False) for i in range(3)]
    assert [path.name for path in paths] == ["cat.png", "cat-2.png", "cat-3.png"]
    assert [read_picture(path).getpixel((0, 0)) for path in paths] == [(i, 0, 0) for i in range(3)]


def test_a_folder_or_a_dead_link_takes_a_name_too(tmp_path: Path) -> None:
    (tmp_path / "cat.png").mkdir()
    (tmp_path / "cat-2.png").symlink_to(tmp_path / "nowhere")
    assert save_image(picture(), tmp_path / "cat.png", replace=False).name == "cat-3.png"
    assert not (tmp_path / "nowhere").exists()


def unlinked(*_paths: object) -> None:
    raise OSError(1, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False])
def test_threads_never_share_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", unlinked)
    with ThreadPoolExecutor(8) as pool:
        path = tmp_path / "cat.png"
        paths = list(pool.map(lambda _: save_image(picture(), path, replace=False), range(64)))
    assert len(set(paths)) == 64
    assert set(tmp_path.iterdir()) == set(paths)


def test_the_folder_is_made(tmp_path: Path) -> None:
    assert save_image(picture(), tmp_path / "a" / "b" / "cat.png", replace=False).is_file()


def test_a_file_in_the_way_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="cannot write"):
            save_image(picture(), folder / "cat.png", replace=False)
