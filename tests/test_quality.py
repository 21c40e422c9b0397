"""The savings: what they were measured to cost, and which one a budget chooses."""

import json
from pathlib import Path

import pytest

from kakusan.quality import FAST, SAVINGS, Saving, saving_within

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "quality.json"
STEPS = 25


def cost(saving: Saving | None) -> float:
    """Calls in full, of those that are not."""
    return 1.0 if saving is None else saving.calls / saving.reuse_interval / STEPS


@pytest.mark.parametrize("steps", [None, STEPS, 50])
def test_a_smaller_budget_never_takes_more_time(steps: int | None) -> None:
    costs = [cost(saving_within(budget, steps=steps)) for budget in range(101)]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1] == 1.0


@pytest.mark.parametrize("steps", [None, STEPS])
def test_no_choice_falls_below_the_budget(steps: int | None) -> None:
    for budget in range(101):
        saving = saving_within(budget, steps=steps)
        assert saving is None or saving.psnr >= budget


def test_another_solver_is_taken_only_for_fewer_steps() -> None:
    (least,) = {each.calls for each in SAVINGS[:1]}
    assert SAVINGS[0].solver
    for steps in range(1, 60):
        saving = saving_within(0.0, steps=steps)
        assert saving is not None
        assert saving.solver == (steps > least)
        assert not saving.solver or saving.calls < steps


def test_fewer_calls_than_were_measured_shorten_the_interval() -> None:
    saving = Saving(psnr=0.0, calls=25, reuse_interval=4)
    assert [saving.interval_for(calls) for calls in (1, 6, 12, 13, 24, 25, 99)] == [
        *(1, 1, 1, 2, 3, 4, 4)
    ]


def test_fast_saves_with_either_solver() -> None:
    assert cost(saving_within(FAST, steps=None)) <= 0.52
    assert cost(saving_within(FAST, steps=STEPS)) < 0.4


@pytest.mark.parametrize("saving", SAVINGS, ids=str)
def test_what_is_claimed_was_measured(saving: Saving) -> None:
    tables = json.loads(RESULTS.read_text(encoding="utf-8"))
    solver = "dpmpp-2m" if saving.solver else "the model's DDIM"
    name = f"{solver}, {saving.calls} steps, every {saving.reuse_interval} in full"
    rows = [row for row in tables["Beside the built-in model's exact run"] if row["name"] == name]
    assert rows
    assert saving.psnr <= rows[0]["least"] < saving.psnr + 2
