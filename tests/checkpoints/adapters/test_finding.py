"""Names of adapters and the files that they mean."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kakusan.checkpoints.adapters.finding import find_adapters, nearest_adapters

FILES = (
    "cat.safetensors",
    "dog.v1.5.safetensors",
    "styles/Ink.safetensors",
    "styles/old.pt",
    "styles/deep/cat.safetensors",
    "notes.txt",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    metadata = {"ss_output_name": "my-watercolour"}
    save_file({"x": torch.ones(1)}, tmp_path / "styles" / "wc2.safetensors", metadata=metadata)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cat", "cat.safetensors"),
        ("CAT", "cat.safetensors"),
        ("cat.safetensors", "cat.safetensors"),
        ("cat(0123456789ab)", "cat.safetensors"),
        ("dog.v1.5", "dog.v1.5.safetensors"),
        ("Ink", "styles/Ink.safetensors"),
        ("ink", "styles/Ink.safetensors"),
        ("styles/Ink", "styles/Ink.safetensors"),
        ("styles\\Ink.safetensors", "styles/Ink.safetensors"),
        ("deep/cat", None),
        ("styles/deep/cat", "styles/deep/cat.safetensors"),
        ("old", "styles/old.pt"),
        ("my-watercolour", "styles/wc2.safetensors"),
        ("My-Watercolour", "styles/wc2.safetensors"),
        ("notes", None),
        ("../cat", None),
        ("", None),
        ("dog", None),
    ],
)
def test_names(folder: Path, name: str, file: str | None) -> None:
    found = find_adapters([name], [folder])
    assert found[:1] == ([] if file is None else [folder / file])


def test_the_first_folder_counts(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "styles" / "deep"
    assert find_adapters(["cat"], [other, folder])[0] == other / "cat.safetensors"


def test_all_that_are_called_so_are_found_once(folder: Path) -> None:
    both = [folder / "cat.safetensors", folder / "styles" / "deep" / "cat.safetensors"]
    assert find_adapters(["absent", "cat", "CAT"], [folder]) == both


def test_no_name_is_no_file_without_a_name_of_its_own(folder: Path) -> None:
    save_file({"x": torch.ones(1)}, folder / "plain.safetensors")
    assert find_adapters(["", " "], [folder]) == []


def test_the_nearest_are_named(folder: Path) -> None:
    assert nearest_adapters("catt", [folder]).startswith(" Did you mean 'cat'")
    assert len(nearest_adapters("y" * 1_000_000, [folder])) < 1000
    assert nearest_adapters("cat", [folder / "absent"]) == nearest_adapters("cat", []) == ""


def test_of_files_side_by_side_the_one_without_a_pickle_counts(tmp_path: Path) -> None:
    for suffix in (".bin", ".pt", ".safetensors"):
        (tmp_path / f"kohya{suffix}").touch()
    assert find_adapters(["kohya"], [tmp_path])[0] == tmp_path / "kohya.safetensors"
    assert find_adapters(["kohya.pt"], [tmp_path]) == [tmp_path / "kohya.pt"]
