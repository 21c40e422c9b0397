"""Progress bars: a notebook's own where ipywidgets is there, else text, and never a warning."""

import importlib.util
import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tqdm import tqdm

import kakusan
from kakusan.pipeline.bars import in_notebook, progress_bar


def pretend_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


def test_outside_of_notebooks_a_bar_is_text_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert not in_notebook()
    with progress_bar(total=2, desc="walk") as bar:
        bar.update(2)
    told = capsys.readouterr()
    assert told.out == ""
    assert "walk" in told.err
    assert "2/2" in told.err


def test_a_notebook_without_widgets_gets_text_that_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_notebook(monkeypatch)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with progress_bar(total=2) as bar:
        bar.update(2)
    told = capsys.readouterr()
    assert told.err == ""
    assert "2/2" in told.out
    with progress_bar(total=2, file=io.StringIO()) as bar:
        assert isinstance(bar, tqdm)


def test_a_notebook_with_widgets_gets_its_own_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_notebook(monkeypatch)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    made: list[dict[str, object]] = []
    widget = SimpleNamespace(tqdm=lambda **options: made.append(options))
    monkeypatch.setitem(sys.modules, "tqdm.notebook", widget)
    progress_bar(total=3)
    assert made == [{"total": 3}]


def test_a_notebook_without_widgets_is_told_nothing_at_import() -> None:
    program = """
import sys, types
shell = types.SimpleNamespace(kernel=object())
sys.modules["ipykernel.zmqshell"] = types.ModuleType("zmqshell")
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: shell)
for name in ("IPython.html", "IPython.html.widgets", "ipywidgets"):
    sys.modules[name] = None
import kakusan.pipeline
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_module_takes_a_bar_that_warns() -> None:
    """`tqdm.auto` warns in a notebook without ipywidgets; `progress_bar` is there instead."""
    root = Path(kakusan.__file__).parent
    files = [path for path in root.rglob("*.py") if path != root / "checkpoints" / "__init__.py"]
    assert not [path for path in files if "tqdm.auto" in path.read_text(encoding="utf-8")]
