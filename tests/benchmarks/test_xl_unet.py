"""`benchmarks.xl_unet`: the call that is timed, with both libraries, and who takes part."""

from pathlib import Path

import pytest

from benchmarks import xl_unet
from benchmarks.contenders import contenders
from benchmarks.measure import relative_error
from benchmarks.worker import prepared_part
from benchmarks.xl_unet import PART, measure, parse_arguments, write_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("xl")
    write_model(path, "tiny")
    return path


def test_both_libraries_make_the_same_call(folder: Path) -> None:
    ours, theirs = contenders("float32")[:2]
    expected = prepared_part(theirs, PART, folder)()
    assert expected.shape == (2, 4, 16, 16)
    assert relative_error(prepared_part(ours, PART, folder)(), expected) < 1e-5


def test_diffusers_takes_part_as_it_is_best(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    field: list[str] = []

    def measured(_: str, those: list[object], *__: object) -> list[object]:
        field.extend(getattr(each, "name", "") for each in those)
        return []

    monkeypatch.setattr(xl_unet, "measure_part", measured)
    monkeypatch.setattr(xl_unet, "matrix_peak_of", lambda *_: 1e12)
    monkeypatch.setattr(xl_unet, "best_dtype", lambda _: "bfloat16")
    results = measure(parse_arguments(["--size", "tiny"]), folder)
    assert field[:2] == ["kakusan bfloat16", "diffusers float32"]
    assert "diffusers bfloat16" in field
    assert not any("OpenVINO" in name or "compile" in name for name in field)
    assert set(results["parts"]) == {PART}
    field.clear()
    measure(parse_arguments(["--size", "tiny", "--quick"]), folder)
    assert field[:2] == ["kakusan bfloat16", "diffusers bfloat16"]
    assert not any("float32" in name for name in field)


def test_weights_that_are_there_are_kept(folder: Path) -> None:
    before = (folder / "unet" / "config.json").stat().st_mtime_ns
    write_model(folder, "tiny")
    assert (folder / "unet" / "config.json").stat().st_mtime_ns == before
