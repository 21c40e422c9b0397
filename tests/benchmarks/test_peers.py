"""The rules of the comparison: who takes part, in which groups, with what surroundings."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.contenders import Contender, best_dtype, contenders, surroundings
from benchmarks.measure import relative_error
from benchmarks.peers import add_errors, groups, parse_arguments
from benchmarks.turns import Run
from benchmarks.v1_4 import write_checkpoint
from benchmarks.worker import prepared_part, prepared_picture


def run(name: str, dtype: str = "float32") -> Run:
    return Run(
        Contender(name=name, library="diffusers", dtype=dtype),
        start=lambda: pytest.fail("never started"),
    )


@pytest.mark.parametrize("best", ["float32", "bfloat16"])
def test_kakusan_comes_first_and_the_float32_reference_second(best: str) -> None:
    field = contenders(best)
    assert len({each.name for each in field}) == len(field)
    assert (field[0].library, field[0].dtype) == ("kakusan", best)
    assert field[1] == Contender(name="diffusers float32", library="diffusers", dtype="float32")
    for each in field:  # its error is judged by the plain reference's in the same precision
        assert f"diffusers {each.dtype}" in {other.name for other in field}


def test_masked_instructions_mask_the_fast_precision_too(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = {"avx2", "avx512_bf16", "amx_bf16"}
    monkeypatch.setattr("benchmarks.contenders.processor_flags", lambda: flags)
    assert [best_dtype(isa) for isa in (None, "avx512_bf16", "avx512", "avx2")] == [
        "bfloat16",
        "bfloat16",
        "float32",
        "float32",
    ]


def test_everyone_is_told_of_masked_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "KAKUSAN_NATIVE"):
        monkeypatch.delenv(name, raising=False)
    told = surroundings(None, "avx512")
    assert told["ONEDNN_MAX_CPU_ISA"] == "AVX512_CORE"
    assert told["ATEN_CPU_CAPABILITY"] == told["KAKUSAN_NATIVE"] == "avx512"
    assert "ONEDNN_MAX_CPU_ISA" not in surroundings(None, None)


def test_only_tuned_contenders_get_the_allocator() -> None:
    plain, tuned = (set(surroundings(each, None)) for each in (contenders("float32")[1:3]))
    assert len((tuned - plain) & {"LD_PRELOAD", "GLIBC_TUNABLES"}) == 1


@pytest.mark.parametrize("gigabytes", [1, 18, 30, 1000])
def test_groups_hold_everyone_once_beside_kakusan(gigabytes: int) -> None:
    runs = [run(str(i), "bfloat16" if i % 2 else "float32") for i in range(6)]
    found = list(groups(runs, "unet", gigabytes * 1e9))
    assert all(group[0] is runs[0] and len(group) > 1 for group in found)
    assert [each for group in found for each in group[1:]] == runs[1:]
    assert len(found) == {1: 5, 18: 5, 30: 2, 1000: 1}[gigabytes]


def test_errors_are_distances_from_the_second_row(tmp_path: Path) -> None:
    outputs = [torch.tensor([3.0, 4.5]), torch.tensor([3.0, 4.0])]
    files = [tmp_path / f"{i}.pt" for i in range(3)]
    for output, file in zip(outputs, files, strict=False):
        torch.save(output, file)
    rows: list[dict[str, Any]] = [{}, {"dtype": "float32"}, {}]
    add_errors(rows, files)
    assert [row["error"] for row in rows] == [pytest.approx(0.1), 0.0, None]
    rows[1]["dtype"] = "bfloat16"  # no reference
    add_errors(rows, files)
    assert [row["error"] for row in rows] == [None, None, None]


def test_the_command_line_has_no_less_than_five_calls_of_its_own() -> None:
    arguments = parse_arguments(["--memory", "4"])
    assert (arguments.repeats, arguments.pictures, arguments.steps) == (5, 5, 50)
    assert arguments.memory == 4e9


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny")
    write_checkpoint(path, "tiny")
    return path


@pytest.mark.parametrize("part", ["unet", "decode"])
def test_contenders_compute_the_same_on_the_same_inputs(part: str, folder: Path) -> None:
    ours, reference = contenders("float32")[:2]
    tuned = contenders("float32")[2]
    assert tuned.channels_last
    expected = prepared_part(reference, part, folder)()
    for contender in (ours, tuned):
        assert relative_error(prepared_part(contender, part, folder)(), expected) < 1e-5


def test_pictures_are_those_of_the_reference(folder: Path) -> None:
    ours, reference = (prepared_picture(each, folder, 2)() for each in contenders("float32")[:2])
    assert ours.shape == (1, 128, 128, 3)
    assert relative_error(ours, reference) < 1e-4
