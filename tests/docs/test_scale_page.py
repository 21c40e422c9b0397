"""The page of large tables: its tables are what its commands print, and its programs run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.batch.making import go, written
from tests.programs import ROOT, code_blocks

pytest.importorskip("fastapi")
pytest.importorskip("simpy")

from benchmarks import scale
from benchmarks.scale_paces import measured
from benchmarks.scale_tables import check_table, compared, report
from kakusan.batch.on_queue.engine import _AT_ONCE, _TAKEN

PAGE = ROOT / "docs" / "scale.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMAND = "python -m benchmarks.scale "
COMMANDS = [
    line.removeprefix(COMMAND)
    for line in "\n".join(code_blocks(TEXT, "bash")).splitlines()
    if line.startswith(COMMAND)
]


@pytest.mark.parametrize("line", [each for each in COMMANDS if each != "check"])
def test_the_page_has_what_the_command_prints(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scale.main(shlex.split(line)) == 0
    printed = capsys.readouterr().out.rstrip("\n")
    behind = TEXT.partition(f"{COMMAND}{line}\n```\n\n")[2]
    assert behind.startswith(f"{printed}\n"), f"python -m benchmarks.scale {line} prints\n{printed}"


def test_the_page_says_how_far_the_simulation_was_off() -> None:
    assert "check" in COMMANDS
    assert check_table(measured()) in TEXT
    (kept,) = re.findall(r"\.\./(benchmarks/results/scale-[\w-]+\.md)", TEXT)
    assert (ROOT / kept).read_text(encoding="utf-8") == report(measured())
    for name, _, real, simulated in compared(measured()):
        assert 0.85 <= simulated / real <= 1.15, name


def test_every_command_of_the_benchmark_is_on_the_page_or_draws_its_figure() -> None:
    assert {line.split()[0] for line in COMMANDS} | {"figure"} == {
        *scale.scale_tables.TABLES,
        "check",
        "figure",
    }
    assert "(images/scale.png)" in TEXT


def test_the_numbers_of_the_simulation_are_those_on_the_page() -> None:
    assert f"{_AT_ONCE} in a transaction" in TEXT
    assert f"take results {_TAKEN} at a time" in TEXT


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A table that was cut into parts as on the page, and drawn."""
    lines = [{"prompt": f"a cat {n}"} for n in range(25)] + [{"prompt": "bad", "seed": 1}]
    table = written(tmp_path / "prompts.jsonl", lines)
    (split,) = [
        line for line in "\n".join(code_blocks(TEXT, "bash")).splitlines() if "split" in line
    ]
    if shutil.which("split") is None:
        pytest.skip("there is no split")
    subprocess.run(shlex.split(split.replace("100000", "10")), cwd=tmp_path, check=True)
    found = sorted(tmp_path.glob("part-*.jsonl"))
    assert [each.name for each in found] == [f"part-000{n}.jsonl" for n in range(3)]
    assert b"".join(each.read_bytes() for each in found) == table.read_bytes()
    for each in found:
        go(each, tmp_path / "out" / each.stem, layout="webdataset", size=4)
    return tmp_path


def test_programs_read_all_parts(parts: Path) -> None:
    pytest.importorskip("datasets")
    pytest.importorskip("webdataset")
    checked, *loaded = code_blocks(TEXT, "python")
    assert len(loaded) == 2
    environment = {**os.environ, "HF_HOME": str(parts / "cache")}

    def run(program: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program]
        return subprocess.run(command, cwd=parts, env=environment, capture_output=True, text=True)

    for program in loaded:
        done = run(program)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("(16, 8)") == 25
    done = run(checked)
    assert done.returncode == 0, done.stderr
    manifest = parts / "out" / "part-0001" / "manifest.jsonl"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(re.sub(r'"sha256": "\w', '"sha256": "_', text), encoding="utf-8")
    assert "AssertionError" in run(checked).stderr


def test_the_figure_can_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import scale_figure

    monkeypatch.setattr(scale_figure, "WORKERS", (1, 4))
    assert scale.main(["figure", "--out", str(tmp_path)]) == 0
    assert {each.name for each in tmp_path.iterdir()} == {"scale.png", "scale-phone.png"}
