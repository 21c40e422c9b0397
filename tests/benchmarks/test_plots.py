"""The plots' sums."""

import math

from benchmarks.plots import shares_of, sweep_figure


def test_shares_are_of_seen_and_held_out_together() -> None:
    found = {
        "4": {"scores": {"count": {"seen": [3, 10], "held out": [1, 10]}}},
        "8": {"scores": {"count": {"seen": [8, 8]}, "one object": {"seen": [0, 5]}}},
    }
    shares = shares_of(found)
    assert shares["count"] == [0.2, 1.0]
    assert math.isnan(shares["one object"][0])
    assert shares["one object"][1] == 0
    figure = sweep_figure({"prompts": 20, "sweep": {"steps": found, "guidance": found}})
    assert len(figure.axes) == 2
