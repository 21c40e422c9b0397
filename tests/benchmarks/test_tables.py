"""What the tables, checks and plots say about given numbers."""

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.patches import Rectangle

from benchmarks import growth
from benchmarks.growth import Point, draw_here, memory_checks, plan_checks, points, throughput_check
from benchmarks.plots import draw, growth_figure, peers_figure, ratios
from benchmarks.report import report, verdicts
from benchmarks.results import keep
from benchmarks.v1_4 import write_with_kakusan


def row(name: str, seconds: float, beside: float, **more: Any) -> dict[str, Any]:
    library, _, dtype = name.partition(" ")
    return {
        "name": name,
        "library": library,
        "dtype": dtype.partition(",")[0],
        "note": "",
        "load": 1.0,
        "first": 2 * seconds,
        "seconds": [seconds] * 5 if seconds else [],
        "beside": [beside] * 5 if beside else [],
        "waiting": 0.0,
        "failure": "",
        "error": 0.0,
    } | more


def results() -> dict[str, Any]:
    rows = [
        row("kakusan bfloat16", 1.0, 0, error=2e-3),
        row("diffusers float32", 4.0, 1.0),
        row("kakusan float32", 3.0, 1.0, error=2e-5),
        row("diffusers bfloat16", 2.0, 0.5, error=1.8e-3),
        row("OpenVINO bfloat16", 0, 0, failure="ended with 1: no room", error=None),
    ]
    return {
        "machine": "A processor, 2 cores",
        "isa": None,
        "size": "v1.4",
        "steps": 7,
        "load_before": 0.1,
        "load_after": 0.2,
        "peaks": {"float32": 1e12, "bfloat16": 3.212e12},
        "parts": {"unet": rows, "picture": rows},
        "first": [
            {"name": "kakusan bfloat16", "seconds": [2.0], "peak": [3e9], "failure": ""},
            {"name": "diffusers bfloat16", "seconds": [8.0], "peak": [4e9], "failure": ""},
        ],
    }


def lines(text: str, name: str) -> list[list[str]]:
    """The cells of the lines that begin with a name."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return [line for line in cells if line and line[0] == name]


def test_shares_are_of_the_same_rounds_and_failures_are_lines() -> None:
    text = report(results())
    overview, unet, picture, first = lines(text, "diffusers bfloat16")
    assert overview == ["diffusers bfloat16", "2.000 (0.250)", "2.000 (0.250)"]
    assert unet[1:9] == ["2.000", "2.000", "2.000", "5", "0.250", "0.803", "25%", "1.0"]
    assert picture[6:8] == ["–", "–"]
    assert first == ["diffusers bfloat16", "8.00", "8.00", "8.00", "0.250", "4.00"]
    assert lines(text, "OpenVINO bfloat16")[1][1] == "ended with 1: no room"
    fastest = "the fastest peer is diffusers bfloat16; kakusan takes 0.250 of its time"
    assert f"- picture, 7 steps: {fastest}" in text.splitlines()


def test_verdicts_hold_each_precision_to_its_own_limit() -> None:
    assert list(verdicts(results()["parts"]["unet"])) == [
        "error of kakusan bfloat16: 2.00e-03, within 2.16e-03",
        "error of kakusan float32: 2.00e-05, ABOVE 1.00e-05",
    ]


def test_results_are_kept_by_the_processors_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.results.processor", lambda: "Maker(R) Model 7")
    monkeypatch.setattr("benchmarks.results.RESULTS", tmp_path / "own")
    keep("cpu", {"isa": "avx2"}, "text\n", None, trial=True)
    assert not (tmp_path / "own").exists()
    keep("cpu", {"isa": "avx2"}, "text\n", None, trial=False)
    assert (tmp_path / "own" / "cpu-maker-r-model-7-avx2.md").read_text() == "text\n"
    stored = (tmp_path / "own" / "cpu-maker-r-model-7-avx2.json").read_text()
    assert json.loads(stored) == {"isa": "avx2"}
    assert capsys.readouterr().out == "text\n" * 2


def amount(size: int, gigabytes: float, **more: Any) -> dict[str, Any]:
    found = {"size": size, "batch": 1, "steps": 4, "prompts": 1, "pictures": 1}
    return found | {"seconds": [1.0], "floor": 1e9, "peak": (1 + gigabytes) * 1e9} | more


def test_memory_may_grow_with_the_pixels_and_no_faster() -> None:
    said = list(memory_checks([amount(256, 0.5), amount(512, 2.0), amount(1024, 9.0)]))
    assert [line.partition(": ")[2] for line in said] == [
        "memory grows 4.00, pixels 4.00: not faster than the pixels",
        "memory grows 4.50, pixels 4.00: FASTER than the pixels",
    ]


def test_a_picture_must_not_take_more_than_was_planned() -> None:
    rows = [amount(256, gigabytes, planned=1e9, tiled=False) for gigabytes in (0.9, 1.1)]
    said = list(plan_checks([*rows, amount(512, 9, planned=1e9, tiled=True)]))
    assert [line.partition(": ")[2] for line in said] == [
        "0.90 of what the plan takes for the VAE: within the plan",
        "1.10 of what the plan takes for the VAE: BEYOND the plan",
    ]


@pytest.mark.parametrize(("seconds", "word"), [(4.0, "at least"), (4.2, "BELOW")])
def test_four_at_once_must_be_as_fast_as_one_by_one(seconds: float, word: str) -> None:
    rows = [amount(512, 1), amount(512, 2, batch=4, pictures=4, seconds=[seconds])]
    (line,) = throughput_check(rows)
    assert word in line


@pytest.mark.parametrize("axis", growth.AXES)
def test_an_axis_changes_one_amount(axis: str) -> None:
    base = Point(size=512, steps=4)
    for quick in (False, True):
        for point in points(axis, base, quick=quick):
            changed = {name for name, value in vars(point).items() if value != vars(base)[name]}
            assert changed <= {axis}


def test_a_point_is_drawn_and_its_memory_measured(tmp_path: Path) -> None:
    write_with_kakusan(tmp_path, "tiny")
    found = draw_here(Point(size=64, batch=2, steps=1, prompts=2), tmp_path, "float32", 2)
    assert len(found["seconds"]) == 2
    assert found["peak"] >= found["floor"] > 0
    assert not found["tiled"]


def test_every_share_is_drawn() -> None:
    assert ratios(results()) == {
        "diffusers float32": {"unet": 0.25, "picture": 0.25},
        "diffusers bfloat16": {"unet": 0.25, "picture": 0.25},
    }
    (axes,) = peers_figure(results()).axes
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert sorted(bar.get_width() for bar in bars) == [0, 0, 0.25, 0.25, 0.25, 0.25]


def test_growth_is_drawn_without_points_that_failed(tmp_path: Path) -> None:
    failed = {"size": 1024, "pictures": 1, "failure": "was killed"}
    data = {"machine": "A processor", "dtype": "float32", "repeats": 1}
    data |= {"axes": {"size": [amount(256, 1), amount(512, 2), failed]}}
    (line, *_) = growth_figure(data).axes[1].lines
    assert list(line.get_xdata()) == [256, 512]
    file = tmp_path / "growth-a-processor.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    assert draw(file, tmp_path).stat().st_size > 10_000
