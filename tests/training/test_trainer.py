"""The training loop's own arithmetic; whole runs are those of the recipe's tests."""

import pytest

from kakusan.training.trainer import StageSettings, learning_rate


def test_the_learning_rate_warms_up_and_falls() -> None:
    plan = StageSettings(steps=100, batch_size=1, learning_rate=1.0, warmup_steps=10)
    rates = [learning_rate(plan, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0.01 <= rates[-1] < 0.02
