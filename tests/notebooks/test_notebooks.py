"""The notebooks: one program in two languages, which runs and is shown with its pictures."""

import json
import re
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager

from kakusan import StableDiffusionPipeline
from notebooks.build import FOLDER, NAMES, joined, read, run, settled


def code_of(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_both_languages_run_the_same_program() -> None:
    english, japanese = (read(name) for name in NAMES)
    told = [code.replace('LANGUAGE = "ja"', 'LANGUAGE = "en"') for code in code_of(japanese)]
    assert told == code_of(english)
    assert told != code_of(japanese)
    assert len(code_of(english)) >= 40
    kinds = [[cell.cell_type for cell in each.cells] for each in (english, japanese)]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_committed_is_the_source_with_its_pictures(name: str) -> None:
    written = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    source = read(name)
    assert [cell.source for cell in written.cells] == [cell.source for cell in source.cells]
    outputs = [output for cell in written.cells for output in cell.get("outputs", [])]
    pictures = [each for each in outputs if "image/png" in each.get("data", {})]
    assert len(pictures) >= 15
    assert not [each for each in outputs if each.output_type == "error"]
    (told,) = (each.text for each in outputs if each.get("name") == "stderr")
    assert told.startswith('the built-in model has never seen "griffin", "catt" (read as "cat");')
    assert len(told.splitlines()) == 1
    assert not [each for each in outputs if "\r" in each.get("text", "")]
    assert not re.search(r"/(?:home|root|work|tmp)/", nbformat.writes(written))


@pytest.mark.parametrize("name", NAMES)
def test_contents_lead_to_headings(name: str) -> None:
    cells = [cell.source for cell in read(name).cells if cell.cell_type == "markdown"]
    headings = {
        line.lstrip("# ").replace(" ", "-")
        for cell in cells
        for line in cell.splitlines()
        if line.startswith("#")
    }
    links = re.findall(r"\]\(#([^)]+)\)", cells[0])
    assert len(links) == 6
    assert set(links) <= headings


@pytest.mark.parametrize("name", NAMES)
def test_no_link_needs_what_lies_beside_the_notebook(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert not re.findall(r"\]\((?!https?:|#)([^)]+)\)", text)
    assert f"`{next(other for other in NAMES if other != name)}.ipynb`" in text


def test_a_line_that_was_written_over_is_not_kept() -> None:
    said = ["a\r\nloading", "\rloading  1 s", "\r            \rb\r\nloading\r", "       \r"]
    pieces = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in said]
    (whole,) = joined(pieces)
    assert settled(whole.text) == "a\nb\n"


@pytest.fixture
def quick_model(tmp_path: Path) -> Path:
    """The built-in model, whose folder says that four steps are good for it."""
    folder = tmp_path / "quick"
    StableDiffusionPipeline.from_pretrained("builtin").save_pretrained(folder)
    settings = json.loads((folder / "kakusan.json").read_text(encoding="utf-8"))
    settings["num_inference_steps"] = 4
    (folder / "kakusan.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def put_in(notebook: Any, old: str, new: str) -> None:
    """Another text in the one cell that has the old one."""
    (cell,) = (cell for cell in notebook.cells if old in cell.source)
    cell.source = cell.source.replace(old, new)


def test_it_runs_from_top_to_bottom(quick_model: Path) -> None:
    """One of them, since both have the same code; `notebooks/build.py` runs both in full."""
    notebook = read(NAMES[0])
    put_in(notebook, 'MODEL = "builtin"', f"MODEL = {str(quick_model)!r}")
    put_in(notebook, 'if MODEL == "builtin" else', "or")  # the net that comes with the package
    run(notebook)
    told = "".join(
        each.get("text", "") for cell in notebook.cells for each in cell.get("outputs", [])
    )
    assert "kernels:" in told
    assert "not found" not in told
    last = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
    assert "image/png" in last.outputs[-1].data


def test_an_interrupt_leaves_the_kernel_usable() -> None:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        begun = client.execute(
            "import kakusan, torch; torch.set_num_threads(1)\n"
            "pictures = kakusan.generate('a cat', steps=1, seed=1)\nprint('begun', flush=True)\n"
            "pictures = kakusan.generate('a cat', steps=1000, seed=2)"
        )
        while (message := client.get_iopub_msg(timeout=60))["content"].get("text") != "begun\n":
            assert message["msg_type"] != "error", message["content"]
        time.sleep(1)
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=60)
        while reply["parent_header"]["msg_id"] != begun:
            reply = client.get_shell_msg(timeout=60)
        assert reply["content"]["ename"] == "GenerationInterrupted"
        for _ in range(20):  # for a moment, the kernel puts off whatever comes after an error
            told = client.execute_interactive(
                "assert len(kakusan.generate('a cat', steps=1, seed=3)) == 1", timeout=60
            )
            if told["content"]["status"] != "aborted":
                break
            time.sleep(0.2)
        assert told["content"]["status"] == "ok", told["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
