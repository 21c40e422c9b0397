"""Edges are those that OpenCV finds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from kakusan.images.edges import canny

# What cv2.Canny of OpenCV 5.0.0 found of `picture(case)`, as bits
FOUND: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "edges.json").read_text(encoding="utf-8")
)


def picture(case: dict[str, Any]) -> npt.NDArray[np.uint8]:
    """Noise that neighbours share, more of it the smoother, in as many colours."""
    rng = np.random.default_rng(case["seed"])
    shape = (case["height"], case["width"], *case["colours"])
    x = rng.integers(0, 256, shape).astype(np.int64)
    for _ in range(case["smooth"]):
        for axis in (0, 1):
            x = (x + np.roll(x, 1, axis)) // 2
    if case["smooth"]:
        x = (x - x.min()) * 255 // max(1, x.max() - x.min())
    return x.astype(np.uint8)


@pytest.mark.parametrize("case", FOUND, ids=lambda case: str(case["seed"]))
def test_edges_are_opencvs(case: dict[str, Any]) -> None:
    edges = canny(picture(case), case["low"], case["high"])
    assert edges.shape == (case["height"], case["width"])
    assert set(np.unique(edges)) <= {0, 255}
    assert np.packbits(edges > 0).tobytes().hex() == case["edges"]


def test_the_cases_have_edges_and_more() -> None:
    shares = [(canny(picture(case), case["low"], case["high"]) > 0).mean() for case in FOUND]
    assert sum(0.05 < share < 0.5 for share in shares) > len(shares) / 2


def test_an_even_picture_has_none() -> None:
    assert not canny(np.full((9, 7, 3), 77, np.uint8)).any()


def test_a_square_has_its_outline() -> None:
    square = np.zeros((40, 40, 3), np.uint8)
    square[10:30, 10:30] = (255, 0, 0)
    edges = canny(square) > 0
    assert 60 <= edges.sum() <= 90
    assert not edges[14:26, 14:26].any()
    assert not edges[:8].any()
