"""Runs the notebooks from top to bottom and writes them with their pictures.

    python notebooks/build.py [NAME ...] [--check]

The sources are `stable_diffusion_en.py` and `stable_diffusion_ja.py` (jupytext, percent format);
what is written beside them are the `.ipynb` files that readers open. `--check` runs them and writes
nothing. Needs the extra `dev`.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

import kakusan

FOLDER = Path(__file__).parent
NAMES = ("stable_diffusion_en", "stable_diffusion_ja")
LIMIT = 900  # seconds for one cell
WIDGET = "application/vnd.jupyter.widget-view+json"


def read(name: str) -> nbformat.NotebookNode:
    """A source as a notebook."""
    notebook = jupytext.read(FOLDER / f"{name}.py")
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{index:02}"  # the same in every build
    return notebook


def run(notebook: nbformat.NotebookNode) -> None:
    """Run all cells in an empty folder; an error in one ends it.

    Raises:
        CellExecutionError: with the cell and its error.
    """
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=LIMIT, resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            kept = [output for output in cell.outputs if _stays(output)]
            cell.outputs = [_quiet(output) for output in joined(kept)]
    notebook.metadata.pop("widgets", None)


def _stays(output: Any) -> bool:
    """Progress bars are for whoever waits; what is said of a prompt stays."""
    if output.get("name") == "stderr":
        output.text = "".join(
            f"{line}\n" for line in output.text.splitlines() if "never seen" in line
        )
        return bool(output.text)
    return WIDGET not in output.get("data", {})


def joined(outputs: Sequence[Any]) -> list[Any]:
    """With what a stream said in pieces, one after the other, in one."""
    together: list[Any] = []
    for output in outputs:
        before = together[-1] if together else {}
        if output.get("name") and output.get("name") == before.get("name"):
            before.text += output.text
        else:
            together.append(output)
    return together


def _quiet(output: Any) -> Any:
    """Without what differs from run to run and place to place though it shows the same."""
    output.get("metadata", {}).clear()
    output.pop("transient", None)
    if "text" in output:
        text = output.text.replace(str(Path(kakusan.__file__).parent), "(...)/kakusan")
        output.text = settled(text)
    return output


def settled(text: str) -> str:
    """What a terminal shows in the end, where a carriage return goes back to the line's start."""
    lines: list[str] = []
    for row in text.replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in row.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return "\n".join(lines)


def main() -> None:
    """Run the notebooks that were named, or both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--check", action="store_true", help="run, and write nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there is {' and '.join(NAMES)}")
    for name in arguments.names:
        began, notebook = time.monotonic(), read(name)
        run(notebook)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
        if not arguments.check:
            nbformat.write(notebook, FOLDER / f"{name}.ipynb")


if __name__ == "__main__":
    main()
