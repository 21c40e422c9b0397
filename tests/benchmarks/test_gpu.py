"""The GPU's benchmark, tried out on a CPU: all but what only CUDA can do."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu import CONTENDERS, Bench, Job, jobs, main, parse_arguments
from benchmarks.gpu_contenders import Ready
from benchmarks.gpu_table import HEADER, Row, cells, table
from benchmarks.v1_4 import write_with_kakusan

TRIAL = ["--device", "cpu", "--size", "tiny", "--dtype", "float32", "--steps", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_with_kakusan(folder, "tiny")
    return folder


def test_one_command_gives_a_table_and_the_numbers(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.gpu.CHECK_STEPS", 1)
    who = ["kakusan", "kakusan, graphs", "diffusers", "kakusan, float32"]
    where = ["--folder", str(folder), "--results", str(tmp_path)]
    shape = ["--batch", "2", "--repeats", "1", "--contender", *who]
    assert main([*TRIAL, *where, *shape]) == 0
    (numbers,), (text,) = tmp_path.glob("gpu-*.json"), tmp_path.glob("gpu-*.md")
    assert text.read_text(encoding="utf-8") == capsys.readouterr().out
    rows = json.loads(numbers.read_text(encoding="utf-8"))["rows"]
    seen = {(row["job"], row["contender"]): row for row in rows}
    assert len(seen) == len(rows)
    for job in ("VAE decode", "UNet call, 4 rows", "2 pictures, 1 steps"):
        for name in ("kakusan", "diffusers"):
            assert seen[job, name]["failure"] is None
            assert len(seen[job, name]["seconds"]) == 1
            assert seen[job, name]["error"] < 1e-4
        assert "needs a CUDA device" in seen[job, "kakusan, graphs"]["failure"]
    assert seen["VAE decode", "kakusan, float32"]["error"] == 0
    assert len(rows) == 10, "float32 is compared with one picture at once only"


def bench(folder: Path, **changed: Any) -> Bench:
    arguments = vars(parse_arguments([*TRIAL, "--repeats", "2"]))
    return Bench(argparse.Namespace(**{**arguments, **changed}), folder)


def test_who_fails_is_a_row_and_the_others_go_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def bind(ready: Ready, count: int) -> Any:
        def call() -> None:
            calls.append(ready.library)
            if ready.library == "diffusers" and calls.count("diffusers") == 2:
                raise torch.OutOfMemoryError("out of memory\nand much more")

        return call, lambda: torch.ones(count, 1, 1, 1)

    def pipeline(library: str, folder: Path, dtype: torch.dtype) -> Any:
        del library, folder, dtype
        return torch.nn.Identity()

    monkeypatch.setattr("benchmarks.gpu_contenders.pipeline", pipeline)
    monkeypatch.setattr("benchmarks.gpu_contenders.has_reference", lambda: True)
    job = Job("unet", "a call", 1, 1.0, bind)
    ours, failed = bench(folder).rows(job, ["kakusan", "diffusers"])
    assert len(ours.seconds) == 2
    assert ours.failure is None
    assert failed.failure == "OutOfMemoryError: out of memory"
    assert failed.first is not None
    # a first call each, then turns whose order turns round
    assert calls == ["kakusan", "diffusers", "kakusan", "diffusers", "kakusan"]
    assert "OutOfMemoryError: out of memory" in cells(failed, None, 1.0, tiny=False)


def test_what_the_time_is_not_enough_for_says_so(folder: Path) -> None:
    late = bench(folder, minutes=0.0)
    decode = next(iter(jobs(folder, 1, [1])))
    assert [row.failure for row in late.rows(decode, ["kakusan"])] == ["no time left"]


def test_the_table_shows_the_share_of_the_peak_and_our_best() -> None:
    rows = [
        Row("call", "kakusan", 2e12, seconds=[0.2, 0.1, 0.3], first=1.0, memory=2**30, error=0.01),
        Row("call", "kakusan, graphs", 2e12, seconds=[0.1]),
        Row("call", "diffusers", 2e12, seconds=[0.4]),
        Row("call", "diffusers, compiled", 2e12, failure="not installed"),
    ]
    text = table(rows, {"bfloat16": 4e13}, "bfloat16", tiny=False)
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert lines[0] == list(HEADER)
    three = ["0.2000", "0.1000", "0.3000"]
    assert lines[2][2:] == [*three, "0.500", "10.0", "25%", "1.00", "1.0", "1.0e-02"]
    assert lines[3][2:8] == [*["0.1000"] * 3, "1.000", "20.0", "50%"]
    assert lines[4][5] == "0.250"
    assert lines[5][2] == "not installed"
    assert all(len(line) == len(HEADER) for line in lines)


def test_a_machine_without_diffusers_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.gpu_contenders.has_reference", lambda: False)
    decode = next(iter(jobs(folder, 1, [1])))
    (row,) = bench(folder).rows(decode, ["diffusers"])
    assert row.failure == "RuntimeError: not installed"


def test_quick_leaves_out_what_takes_minutes() -> None:
    quick = parse_arguments(["--quick"])
    assert (quick.batch, quick.steps, quick.repeats) == ([1], 10, 3)
    assert not any(CONTENDERS[name].how == "compile" for name in quick.contender)
    usual = parse_arguments([])
    assert (usual.batch, usual.steps, usual.device) == ([1, 8], 50, "cuda")
    assert "diffusers, compiled" in usual.contender


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    assert capsys.readouterr().err.count("\n") == 1
