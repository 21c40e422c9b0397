"""The pictures that are scored, and the tables of the scores."""

import numpy as np

from benchmarks.scores import draw, table_of
from kakusan.builtin.recipe.marking import GOALS, cases
from kakusan.pipeline import StableDiffusionPipeline


def test_pictures_are_drawn_with_the_settings_that_are_scored() -> None:
    pipe = StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)
    todo = list(cases(3))
    drawn = draw(pipe, todo, steps=1)
    assert drawn.shape[::3] == (3, 3)
    assert not np.array_equal(drawn, draw(pipe, todo, steps=1, guidance=9.0))
    assert not np.array_equal(drawn, draw(pipe, todo, steps=1, scheduler="euler-a"))


def test_a_table_has_every_goal_and_says_of_how_many() -> None:
    table = table_of({question: {"seen": (3, 3), "held out": (1, 2)} for question in GOALS})
    assert table.count("100.0% (3/3)") == table.count("50.0% (1/2)") == len(GOALS)
    assert "–" in table_of({})
