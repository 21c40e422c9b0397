"""Names of adapters and the files that they mean."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kakusan.checkpoints.adapters.finding import find_adapter
from kakusan.errors import ModelNotFoundError

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
    if file is not None:
        assert find_adapter(name, [folder]) == folder / file
        return
    with pytest.raises(ModelNotFoundError, match="there is no adapter"):
        find_adapter(name, [folder])


def test_the_first_folder_counts(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "styles" / "deep"
    assert find_adapter("cat", [other, folder]) == other / "cat.safetensors"


def test_a_missing_one_names_the_folders_and_the_nearest(folder: Path) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        find_adapter("catt", [folder])
    assert str(caught.value).startswith(f"there is no adapter 'catt' in '{folder}'. Did you mean")
    assert "'cat'" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelNotFoundError, match=r"'x': name the folder that it is in\."):
        find_adapter("x", [])
    with pytest.raises(ModelNotFoundError, match="there is no folder"):
        find_adapter("x", [folder / "absent"])
    with pytest.raises(ModelNotFoundError) as caught:
        find_adapter("y" * 1_000_000, [folder])
    assert len(str(caught.value)) < 1000
