"""The command line in-process, in an empty folder."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kakusan.pipeline
from kakusan.cli import main
from kakusan.pipeline import Picture
from tests.cli.fakes import FakeDrawing, Run


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeDrawing:
    drawing = FakeDrawing()

    def again(record: dict[str, Any], *, on_picture: Any, **_more: Any) -> Picture:
        picture = Picture(drawing.image(record["seed"]), dict(record), False)
        on_picture(picture)
        return picture

    monkeypatch.setattr(kakusan.pipeline, "draw", drawing)
    monkeypatch.setattr(kakusan.pipeline, "reproduce", again)
    return drawing


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder, with an empty Hub cache and no network."""
    folder = tmp_path / "here"
    folder.mkdir()
    with contextlib.chdir(folder):
        for module in ("constants", "utils._cache_manager"):
            name = f"huggingface_hub.{module}.HF_HUB_CACHE"
            monkeypatch.setattr(name, str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        yield folder


@pytest.fixture
def run(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    del here

    def run(*arguments: str) -> Run:
        code = main(arguments)
        said = capsys.readouterr()
        return Run(code, said.out, said.err)

    return run
