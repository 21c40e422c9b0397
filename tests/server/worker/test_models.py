"""Jobs of two models: one stays while there is work for it, and another has its turn."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kakusan.pipeline.company import Company, Way
from kakusan.server.queue.job import Job, State
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.staying import Stay

SMALL: dict[str, Any] = {"width": 64, "height": 64, "num_inference_steps": 2}
MANY = 12


@pytest.fixture
def two(bench: Any, tmp_path: Path) -> Any:
    """A bench where the built-in model is there twice, under two names."""
    folder = Catalog.of().find("model", "builtin").path
    assert folder is not None
    shutil.copytree(folder, tmp_path / "models" / "other")
    bench.catalog = Catalog.of([tmp_path / "models" / "other"])
    return bench


def begun(bench: Any, until: Any, *, most_live: int = 2, **pace: Any) -> tuple[Job, Job]:
    """A job of many pictures under way, and one of another model that waits."""
    many = bench.submit("a dog", model="builtin", num_images_per_prompt=MANY, seed=7, **SMALL)
    bench.start(most_live=most_live, most_rows=2, **pace)
    until(lambda: bench.store.job(many.id).pictures)
    return many, bench.submit("a cat", model="other", **SMALL)


@pytest.mark.parametrize("most_live", [1, 2])
def test_another_model_has_its_turn_between_pictures(two: Any, until: Any, most_live: int) -> None:
    many, other = begun(two, until, most_live=most_live, stay_s=0.0)
    (other,) = two.ended(other)
    left = two.store.job(many.id)
    assert (other.state, other.pictures[0].record["model"]) == (State.DONE, "other")
    assert not left.state.is_final
    assert len(left.pictures) < MANY
    (done,) = two.ended(many)
    assert (done.state, done.attempts) == (State.DONE, 1)
    assert [each.index for each in done.pictures] == list(range(MANY))
    kinds = [each.kind for each in two.store.events(after=0, job=many.id)]
    assert kinds.count("picture") == MANY
    assert kinds.count("started") == 2
    alone = two.submit("a dog", model="builtin", seed=7 + MANY - 1, **SMALL)
    (alone,) = two.ended(alone)
    first, second = (
        np.asarray(Image.open(two.files.picture(each.pictures[-1].file))).astype(int)
        for each in (done, alone)
    )
    assert np.abs(first - second).max() <= 2


def test_a_model_stays_for_a_while(two: Any, until: Any) -> None:
    many, other = begun(two, until, stay_s=1e9)
    (done,) = two.ended(many)
    assert done.state is State.DONE
    (other,) = two.ended(other)
    assert other.state is State.DONE
    assert other.started >= done.started
    kinds = [each.kind for each in two.store.events(after=0, job=many.id)]
    assert kinds.count("started") == 1


def test_a_batch_interrupts_nothing(two: Any, until: Any) -> None:
    many = two.submit("a dog", model="builtin", num_images_per_prompt=MANY, **SMALL)
    two.start(most_live=2, most_rows=2, stay_s=0.0)
    until(lambda: two.store.job(many.id).pictures)
    batch = two.submit("a cat", model="other", priority=0, **SMALL)
    two.ended(many, batch)
    events = two.store.events(after=0)
    order = [(each.job, each.kind) for each in events if each.kind in ("started", "done")]
    assert order == [
        *((many.id, kind) for kind in ("started", "done")),
        *((batch.id, kind) for kind in ("started", "done")),
    ]


def test_a_stay_is_over_once_something_was_drawn_and_it_was_long_enough() -> None:
    stay = Stay(10.0)
    assert stay.is_over(0.0)  # there is none
    stay.begin(5.0)
    assert not stay.is_over(50.0)
    stay.use()
    assert not stay.is_over(14.0)
    assert stay.is_over(15.0)
    stay.begin(15.0)
    assert not stay.is_over(30.0)


def test_steps_are_taken_by_the_model_of_their_job(
    two: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, others = Company.round, list[Way]()

    def seen(self: Any, ways: list[Way]) -> list[Way]:
        others.extend(each for each in ways if each.drawing.engine.unet is not self._engine.unet)
        return plain(self, ways)

    monkeypatch.setattr(Company, "round", seen)
    many = two.submit("a dog", model="builtin", num_images_per_prompt=MANY, **SMALL)
    two.start(most_live=2, most_rows=8)
    until(lambda: two.store.job(many.id).pictures)
    two.ended(many, two.submit("a cat", model="other", **SMALL))
    assert not others
