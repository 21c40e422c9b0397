"""The scores' prompts and rules, and that the judge learns to see."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.judge import CELLS, OWN, Judge, JudgeStage, Seen, Verdict, cell_of, moved
from benchmarks.scores import GOALS, Case, cases, draw, marks, score, stands, table_of
from kakusan.builtin.recipe.painter import FONT_PATHS
from kakusan.builtin.recipe.scenes import Item, Scene, combinations, held_out, location
from kakusan.builtin.recipe.world import NORMAL, RELATIONS
from kakusan.pipeline import StableDiffusionPipeline
from kakusan.training.trainer import StageSettings, train

needs_font = pytest.mark.skipif(
    not any(path.is_file() for path in FONT_PATHS), reason="Noto Color Emoji is not installed"
)


def true_verdict(scene: Scene) -> Verdict:
    """What a perfect judge says of a scene."""
    seen = tuple(
        Seen(item.thing, OWN if item.colour is None else item.colour, item.x, item.y)
        for item in scene.items
    )
    return Verdict(seen, location(scene), scene.style)


def test_half_of_the_prompts_are_held_out_and_languages_share_their_scenes() -> None:
    both = [list(cases(120, language)) for language in ("english", "japanese")]
    for one, other in zip(*both, strict=True):
        assert one.scene == other.scene
        assert one.prompt != other.prompt
        kept = any(held_out(*each) for each in combinations(one.scene))
        assert kept == one.held_out
        assert one.scene.style == NORMAL
    assert sum(case.held_out for case in both[0]) == 60


def test_a_perfect_picture_has_all_marks_and_every_question_is_asked() -> None:
    found = [(case, true_verdict(case.scene)) for case in cases(240)]
    scores = score(found)
    assert scores.keys() == GOALS.keys()
    for splits in scores.values():
        assert all(right == of > 5 for right, of in splits.values())
    assert table_of(scores).count("100.0%") == 2 * len(GOALS)


def test_wrong_pictures_lose_marks() -> None:
    cat = Scene((Item(0, colour=4),), None, 0)
    case = Case("a blue cat", cat, False)
    right = true_verdict(cat)
    assert dict(marks(case, right)) == {
        "background or setting": True,
        "one object": True,
        "colour of the object": True,
    }
    assert not dict(marks(case, replace(right, location=3)))["background or setting"]
    other = replace(right, objects=(Seen(1, 4, 0.5, 0.5),))
    assert not any(list(dict(marks(case, other)).values())[1:])
    both = replace(right, objects=(*right.objects, *other.objects))
    assert not dict(marks(case, both))["one object"]
    three = Case("three cats", Scene((Item(0),) * 3, None, 0), False)
    assert dict(marks(three, right))["count"] is False


def test_relations_need_their_order() -> None:
    a, b = Seen(0, 0, 0.25, 0.5), Seen(1, 0, 0.75, 0.5)
    high, low = Seen(0, 0, 0.5, 0.2), Seen(1, 0, 0.5, 0.7)
    assert stands("left of", [a, b])
    assert not stands("left of", [b, a])
    assert stands("right of", [b, a])
    assert stands("beside", [b, a])
    assert stands("riding", [high, low])
    assert not stands("riding", [low, high])
    assert stands("below", [low, high])
    assert stands("inside", [Seen(0, 0, 0.5, 0.6), low])
    assert stands("between", [low, a, b])
    assert not stands("between", [a, low, b])
    assert len(RELATIONS) == 10


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


def test_pictures_are_drawn_with_the_settings_that_are_scored() -> None:
    pipe = StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)
    todo = list(cases(3))
    drawn = draw(pipe, todo, steps=1)
    assert drawn.shape[::3] == (3, 3)
    assert not np.array_equal(drawn, draw(pipe, todo, steps=1, guidance=9.0))
    assert not np.array_equal(drawn, draw(pipe, todo, steps=1, scheduler="euler-a"))


def test_the_judge_sees_objects_a_cell_away_from_where_they_are_drawn() -> None:
    scene = Scene((Item(0, size=0.5, x=0.25, y=0.5), Item(0, size=0.5, x=0.75, y=0.5)))
    rng = np.random.default_rng(0)
    seen = [moved(scene, rng).items for _ in range(100)]
    assert {items[0].x for items in seen} == {0.25}  # no room to either side
    assert {items[0].y * CELLS for items in seen} == {7, 8, 9}
    assert all(items[0].y == items[1].y for items in seen)
