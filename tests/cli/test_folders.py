"""Folders that options name."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kakusan.cli.folders import read_folders
from kakusan.errors import RequestError
from tests.cli.fakes import Run


def test_what_is_typed_is_a_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "my words 猫").mkdir()
    assert read_folders("--x", None) == []
    assert read_folders("--x", ["my words 猫"]) == ["my words 猫"]
    monkeypatch.setenv("HOME", str(here))
    assert read_folders("--x", ["~/my words 猫"]) == [str(here / "my words 猫")]


@pytest.mark.parametrize("typed", ["", "nowhere", "a\0b", "x" * 5000, "~nobody-of-this-name/x"])
def test_what_is_none_is_one_line(here: Path, typed: str) -> None:
    with pytest.raises(RequestError, match=r"^--x: there is no folder '") as caught:
        read_folders("--x", [typed])
    assert len(str(caught.value)) < 200


def test_a_file_is_no_folder(here: Path) -> None:
    (here / "a.safetensors").touch()
    with pytest.raises(RequestError, match="is a file; give the folder it is in"):
        read_folders("--x", ["a.safetensors"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read it")
def test_a_closed_folder_cannot_be_read(here: Path) -> None:
    (here / "closed").mkdir(mode=0)
    with pytest.raises(RequestError, match="permission denied"):
        read_folders("--x", ["closed"])


def test_reproduce_takes_folders_that_are_there(run: Callable[..., Run]) -> None:
    done = run("reproduce", "nothing.png", "--lora-dir", "nowhere")
    assert (done.code, "--lora-dir: there is no folder 'nowhere'" in done.err) == (2, True)


def test_an_embedding_without_a_name_is_one_plain_line(run: Callable[..., Run]) -> None:
    done = run("generate", "a cat", "--embedding", "")
    assert done.code == 2
    assert done.err == "kakusan: --embedding has ''; each must be a file, a folder, or a Hub id\n"


@pytest.mark.parametrize("option", ["--embeddings-dir", "--lora-dir", "--wildcards"])
def test_options_say_which_they_are(run: Callable[..., Run], option: str) -> None:
    done = run("generate", "a cat", option, "nowhere")
    assert (done.code, done.err) == (2, f"kakusan: {option}: there is no folder 'nowhere'\n")
