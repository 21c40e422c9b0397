"""Pickles that are cut short, that hold an embedding, or that are not torch's."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from kakusan import StableDiffusionPipeline
from kakusan.errors import CheckpointError

TENSORS = {"a.weight": torch.ones(300, 300), "b": torch.ones(4)}


class Code:
    """What runs where a pickle is trusted."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("ran",)


def said(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:  # a warning would be an error here
        StableDiffusionPipeline.from_single_file(path)
    assert path.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize("share", [0.0001, 0.001, 0.3, 0.9, 0.9999])
def test_one_that_is_cut_short_is_to_be_fetched_again(
    tmp_path: Path, as_zip: bool, share: float
) -> None:
    path = tmp_path / "cut.ckpt"
    torch.save({"state_dict": TENSORS}, path, _use_new_zipfile_serialization=as_zip)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    text = said(path)
    assert "is not whole" in text
    assert "fetch it again" in text
    assert "miniz" not in text


@pytest.mark.parametrize(
    ("held", "as_zip"), [("dict", True), ("dict", False), ("ParameterDict", True)]
)
def test_an_old_embedding_is_called_one(tmp_path: Path, as_zip: bool, held: str) -> None:
    path = tmp_path / "word.pt"
    vectors: Any = {"*": torch.zeros(2, 768)}
    if held == "ParameterDict":  # as the program that learnt the first of them wrote it
        vectors = nn.ParameterDict({"*": nn.Parameter(torch.zeros(2, 768))})
    learnt = {"string_to_param": vectors, "string_to_token": {"*": 265}}
    torch.save(learnt | {"name": "word", "step": 7}, path, _use_new_zipfile_serialization=as_zip)
    assert "is an embedding (textual inversion)" in said(path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_another_program_s_pickle_is_refused_without_a_warning(
    tmp_path: Path, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "code.ckpt"
    path.write_bytes(pickle.dumps({"state_dict": {"x": Code()}}, protocol=protocol))
    assert "is not a file of weights alone" in said(path)
    assert not Path("ran").exists()
