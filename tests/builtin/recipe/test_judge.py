"""The judge learns to see, and sees what is not where training drew it."""

from pathlib import Path

import numpy as np
import pytest

from kakusan.builtin.recipe.judge import CELLS, Judge, JudgeStage, cell_of, moved
from kakusan.builtin.recipe.marking import cases
from kakusan.builtin.recipe.painter import FONT_PATHS
from kakusan.builtin.recipe.scenes import Item, Scene
from kakusan.training.pace import StageSettings
from kakusan.training.trainer import train

needs_font = pytest.mark.skipif(
    not any(path.is_file() for path in FONT_PATHS), reason="Noto Color Emoji is not installed"
)


@needs_font
def test_the_judge_learns_and_looks(tmp_path: Path) -> None:
    settings = StageSettings(
        steps=30, batch_size=4, learning_rate=2e-3, warmup_steps=2, save_every=30, sample_every=30
    )
    stage = JudgeStage(settings)
    losses = [float(stage.loss(stage.rng(step)).detach()) for step in range(4)]
    train(stage, tmp_path)
    stage.networks.train()
    later = [float(stage.loss(stage.rng(step)).detach()) for step in range(4)]
    assert np.mean(later) < 0.8 * np.mean(losses)
    judge = Judge(tmp_path, settings)
    pictures = np.stack([stage.painter.draw(case.scene) for case in cases(3)])
    verdicts = judge.look(pictures)
    assert len(verdicts) == 3
    assert cell_of(Item(0, x=0.99, y=0.0)) == (0, 15)
    again = Judge(tmp_path, settings)  # from its checkpoint
    assert again.look(pictures) == verdicts


def test_the_judge_sees_objects_a_cell_away_from_where_they_are_drawn() -> None:
    scene = Scene((Item(0, size=0.5, x=0.25, y=0.5), Item(0, size=0.5, x=0.75, y=0.5)))
    rng = np.random.default_rng(0)
    seen = [moved(scene, rng).items for _ in range(100)]
    assert {items[0].x for items in seen} == {0.25}  # no room to either side
    assert {items[0].y * CELLS for items in seen} == {7, 8, 9}
    assert all(items[0].y == items[1].y for items in seen)
