"""The presets: what they were measured to cost, and which one a budget chooses."""

import json
from pathlib import Path

import pytest

from kakusan.quality import FAST, PRESETS, Preset, preset_within

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "quality.json"
STEPS = 25


def cost(preset: Preset | None) -> float:
    """Calls in full, of those that are not."""
    if preset is None:
        return 1.0
    return preset.num_inference_steps / preset.reuse_interval / STEPS


def test_a_smaller_budget_never_takes_more_time() -> None:
    costs = [cost(preset_within(budget, steps=STEPS)) for budget in range(101)]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1] == 1.0


def test_no_choice_falls_below_the_budget() -> None:
    for budget in range(101):
        preset = preset_within(budget, steps=STEPS)
        assert preset is None or preset.psnr >= budget


def test_no_preset_takes_more_steps_than_the_exact_run() -> None:
    for steps in range(1, 60):
        preset = preset_within(0.0, steps=steps)
        assert preset is None or preset.num_inference_steps <= steps
    assert preset_within(0.0, steps=4) is None


def test_fast_saves_two_thirds() -> None:
    assert cost(preset_within(FAST, steps=STEPS)) < 0.4


@pytest.mark.parametrize("preset", PRESETS, ids=str)
def test_what_is_claimed_was_measured(preset: Preset) -> None:
    tables = json.loads(RESULTS.read_text(encoding="utf-8"))
    # measured when "dpmpp-2m" meant the class on the levels of the model's config
    called = {"ddim": "the model's DDIM", "DPMSolverMultistepScheduler": "dpmpp-2m"}
    solver = called[preset.scheduler]
    name = f"{solver}, {preset.num_inference_steps} steps, every {preset.reuse_interval} in full"
    rows = [row for row in tables["Beside the built-in model's exact run"] if row["name"] == name]
    assert rows
    assert preset.psnr <= rows[0]["least"] < preset.psnr + 2
