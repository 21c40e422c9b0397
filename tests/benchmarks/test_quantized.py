"""`benchmarks.quantized` tried out: files written, drawn from, called, and told of in a table."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import quantized, turns
from benchmarks.quantized import FILES, Row, command_of, measure, parse_arguments, psnr, report


@pytest.mark.slow
def test_a_trial_measures_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PAUSE", 0)
    words = ["--size", "tiny", "--steps", "1", "--pictures", "1", "--repeats", "2"]
    results, rows = measure(parse_arguments(words), tmp_path)
    assert [row.name for row in rows] == list(FILES)
    assert not any(row.failure for row in rows)
    assert [(len(r.seconds), len(r.peak), len(r.calls)) for r in rows] == [(1, 1, 2)] * 3
    plain, eight, four = rows
    assert plain.file > eight.file > four.file
    assert plain.error is None
    assert eight.error is not None
    assert four.error is not None
    assert 0 < eight.error < four.error < 1
    assert eight.psnr is not None
    assert eight.psnr > 20
    text = report(results, rows)
    assert "| q4_0 |" in text
    assert "the goal is at least 0.9" in text
    assert json.loads(json.dumps(results))["rows"][1]["calls"] == eight.calls


def test_goals_are_of_q8_0_beside_float16() -> None:
    rows = [
        Row("float16", 2 * 10**9, [9.0], [3 * 10**9], [2.0, 2.2, 2.1]),
        Row("q8_0", 10**9, [9.5], [2 * 10**9], [2.2, 2.0, 2.1], psnr=41.0, error=0.012),
        Row("q4_0", 10**9, [9.5], [10**9], [3.0, 3.0, 3.0], psnr=30.0, error=0.2),
    ]
    told = {"machine": "m", "side": 512, "steps": 4, "pictures": 1, "repeats": 3}
    text = report(told | {"load_before": 0.0, "load_after": 0.0}, rows)
    assert "| q4_0 | 1.00 | 1.00 | 9.5 | 3.000 | 0.700 | 30.0 | 0.2 |" in text
    assert "- memory: 2.00 GB with q8_0; the goal is at most 2.1\n" in text
    assert "- speed: 1.000 of float16's with q8_0; the goal is at least 0.9\n" in text


def test_each_file_is_drawn_by_the_command_line(tmp_path: Path) -> None:
    command = command_of("q8_0", tmp_path, 4, tmp_path / "x.png")
    assert command[1:4] == ["-m", "kakusan", "generate"]
    assert str(tmp_path / "q8_0.gguf") in command


def test_what_failed_is_told_in_its_row() -> None:
    rows = [Row("float16", 9, failure="was killed"), Row("q8_0", 5, [1.0], [7], [2.0], 30.0, 0.1)]
    told = {"machine": "m", "side": 8, "steps": 1, "pictures": 1, "repeats": 1}
    text = report(told | {"load_before": 0.0, "load_after": 0.0}, rows)
    assert "was killed" in text
    assert "goal" not in text


def test_psnr_is_of_the_levels(tmp_path: Path) -> None:
    for name, level in (("a", 10), ("b", 15)):
        Image.fromarray(np.full((4, 4, 3), level, np.uint8)).save(tmp_path / f"{name}.png")
    assert psnr(tmp_path / "b.png", tmp_path / "a.png") == pytest.approx(34.15, abs=0.01)
    assert psnr(tmp_path / "a.png", tmp_path / "a.png") == float("inf")


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model_index.json").write_text("{}")
    with pytest.raises(quantized.PeerError, match=r"^ended with \d: "):
        quantized.write_models(tmp_path, "tiny")
