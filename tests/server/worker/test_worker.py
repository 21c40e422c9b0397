"""Jobs that share steps: each picture is as it would be alone, whatever happens to the others."""

import io
import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kakusan
from kakusan.images import read_record
from kakusan.inputs import given_masks, given_pictures
from kakusan.pipeline.company import JOINED
from kakusan.request.masks import with_usual_mask
from kakusan.server.queue.job import Job, State, Stop
from kakusan.server.worker.widths import Widths

ROUNDING = 2  # levels of 255 that a sum in another order may change


def solo(**settings: Any) -> np.ndarray:
    found = kakusan.generate(progress=False, **settings)
    return np.asarray(found[0].image).astype(int)


def pixels(bench: Any, job: Job, index: int = 0) -> np.ndarray:
    picture = next(each for each in job.pictures if each.index == index)
    return np.asarray(Image.open(bench.files.picture(picture.file))).astype(int)


JOBS: list[dict[str, Any]] = [
    {"prompt": "a red circle", "seed": 1, "scheduler": "euler-a", "num_inference_steps": 4},
    {"prompt": "a dog", "seed": 2, "guidance_scale": 1.0, "num_inference_steps": 2},
    {"prompt": "a cat and " * 8, "seed": 3, "scheduler": "dpmpp-2m-sde"},
    {"prompt": "a tree", "seed": 4, "width": 96, "height": 128, "negative_prompt": "red"},
    {"prompt": "a sea", "seed": 5, "scheduler": "pndm", "guidance_scale": 7.0},
]


def short(settings: dict[str, Any]) -> dict[str, Any]:
    names = {"num_inference_steps": "steps", "guidance_scale": "guidance"}
    told = {"num_inference_steps": 3, **settings}
    return {names.get(name, name): value for name, value in told.items()}


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures share calls, whatever that costs on this machine."""
    monkeypatch.setattr(Widths, "together", lambda _self, _pixels: True)


@pytest.mark.usefixtures("together")
def test_pictures_of_shared_steps_are_those_of_solo_runs(bench: Any) -> None:
    jobs = [bench.submit(**settings) for settings in JOBS]
    worker = bench.start()
    for settings, job in zip(JOBS, bench.ended(*jobs), strict=True):
        assert (job.state, job.error) == (State.DONE, None)
        assert np.abs(pixels(bench, job) - solo(**short(settings))).max() <= ROUNDING
        record = job.pictures[0].record
        assert (JOINED in record["notes"]) == ("width" not in settings)
        assert record["model"] == "builtin"
        assert read_record(bench.files.picture(job.pictures[0].file)) == record
        assert job.step == job.steps or job.steps == 0
    assert worker.rounds.rows > worker.rounds.taken


def test_one_alone_is_its_solo_run_to_the_bit(bench: Any) -> None:
    job = bench.submit("a dog", seed=7, num_images_per_prompt=2)
    bench.start(most_live=1)
    (job,) = bench.ended(job)
    assert np.array_equal(pixels(bench, job), solo(prompt="a dog", seed=7, steps=3))
    assert np.array_equal(pixels(bench, job, 1), solo(prompt="a dog", seed=8, steps=3))


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_every_order_of_three_gives_the_same(bench: Any, order: Any, until: Any) -> None:
    bench.start()
    jobs = dict[int, Job]()
    for index in order:
        jobs[index] = bench.submit(**JOBS[index])
        until(lambda job=jobs[index]: bench.store.job(job.id).state is not State.QUEUED)
    for index, job in zip(order, bench.ended(*[jobs[i] for i in order]), strict=True):
        expected = EXPECTED.setdefault(index, solo(**short(JOBS[index])))
        assert np.abs(pixels(bench, job) - expected).max() <= ROUNDING


EXPECTED: dict[int, np.ndarray] = {}


def test_pictures_to_begin_at_and_masks_are_told_by_their_hashes(bench: Any) -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 255, (128, 128, 3), np.uint8))
    mask = Image.new("L", (128, 128))
    mask.paste(255, (32, 32, 96, 96))
    ids = []
    for each in (image, mask.convert("RGB")):
        buffer = io.BytesIO()
        each.save(buffer, "PNG")
        ids.append(bench.files.put_input(buffer.getvalue()))
    given = given_pictures("image", image)
    assert given is not None
    masks = given_masks("mask", mask, picture=given)
    assert masks is not None
    begun = {"image": given.files(), "strength": 0.7}
    jobs = [
        bench.submit("a cat", **begun, inputs=(ids[0],)),
        bench.submit(
            "a dog",
            **with_usual_mask({**begun, "mask": masks.files()}, masks.names),
            inputs=tuple(ids),
        ),
    ]
    bench.start()
    first, second = bench.ended(*jobs)
    assert (first.error, second.error) == (None, None)
    alike = {"steps": 3, "seed": 1, "image": image, "strength": 0.7}
    assert np.abs(pixels(bench, first) - solo(prompt="a cat", **alike)).max() <= ROUNDING
    expected = solo(prompt="a dog", mask=mask, **alike)
    assert np.abs(pixels(bench, second) - expected).max() <= ROUNDING


def test_a_bad_job_fails_with_its_line_and_the_others_are_drawn(bench: Any) -> None:
    jobs = [
        bench.submit("a cat", clip_skip=30),
        bench.submit("a cat", model="elsewhere"),
        bench.submit("a cat", seed=1),
    ]
    bench.start()
    bad, unknown, good = bench.ended(*jobs)
    assert (bad.state, unknown.state, good.state) == (State.FAILED, State.FAILED, State.DONE)
    assert "clip_skip leaves out 30 layers" in (bad.error or "")
    assert "there is no model 'elsewhere'" in (unknown.error or "")
    assert np.abs(pixels(bench, good) - solo(prompt="a cat", seed=1, steps=3)).max() <= ROUNDING


def test_a_cancelled_job_leaves_the_others_as_they_are(bench: Any, until: Any) -> None:
    long = bench.submit("a dog", num_inference_steps=400)
    other = bench.submit("a cat", seed=3, num_inference_steps=6)
    bench.start()
    until(lambda: bench.board.progress(long.id) and bench.board.progress(long.id).step >= 2)
    bench.store.stop(long.id, Stop.CANCEL)
    cancelled, drawn = bench.ended(long, other)
    assert (cancelled.state, cancelled.pictures) == (State.CANCELLED, ())
    assert drawn.state is State.DONE
    assert np.abs(pixels(bench, drawn) - solo(prompt="a cat", seed=3, steps=6)).max() <= ROUNDING


def test_an_interrupted_job_gives_what_there_is(bench: Any, until: Any) -> None:
    job = bench.submit("a dog", num_inference_steps=400, num_images_per_prompt=2)
    bench.start()
    until(lambda: bench.board.progress(job.id) and bench.board.progress(job.id).step >= 4)
    bench.store.stop(job.id, Stop.INTERRUPT)
    (job,) = bench.ended(job)
    assert job.state is State.DONE
    assert job.pictures
    record = job.pictures[0].record
    assert record["seed"] is None
    assert "stopped before its last step: no seed makes it again" in record["notes"]


def test_a_short_job_behind_long_ones_is_soon_finished(bench: Any, until: Any) -> None:
    long = [bench.submit("a dog", num_inference_steps=300, seed=i) for i in range(3)]
    worker = bench.start(most_rows=4)
    until(lambda: worker.rounds.taken > 2)
    before = worker.rounds.taken
    quick = bench.submit("a cat", num_inference_steps=3)
    bench.ended(quick)
    assert worker.rounds.taken - before <= 3 * 2 + 4
    for job in long:
        bench.store.stop(job.id, Stop.CANCEL)
    bench.ended(*long)


@pytest.mark.parametrize("most_live", [1, 4])
def test_a_job_of_many_pictures_leaves_room_for_others(
    bench: Any, until: Any, most_live: int
) -> None:
    many = bench.submit("a dog", seed=7, num_images_per_prompt=40)
    bench.start(most_live=most_live, most_rows=2)
    until(lambda: bench.store.job(many.id).state is State.RUNNING)
    (quick,) = bench.ended(bench.submit("a cat", seed=1, num_inference_steps=2))
    left = bench.store.job(many.id)
    assert (quick.state, left.state) == (State.DONE, State.RUNNING)
    assert len(left.pictures) < 30
    (left,) = bench.ended(many)
    assert (left.state, len(left.pictures)) == (State.DONE, 40)


def test_previews_are_made_for_who_watches_and_change_nothing(bench: Any, until: Any) -> None:
    watched = bench.submit("a dog", seed=2, num_inference_steps=30)
    seen = list[bytes]()
    with bench.board.watch(watched.id):
        bench.start()
        until(lambda: seen.append(bench.board.preview(watched.id)) or seen[-1])
    (watched,) = bench.ended(watched)
    assert Image.open(io.BytesIO(seen[-1])).size == (128, 128)
    assert np.array_equal(pixels(bench, watched), solo(prompt="a dog", seed=2, steps=30))


def test_drained_jobs_go_on_where_they_were(bench: Any, until: Any) -> None:
    job = bench.submit("a dog", seed=4, num_inference_steps=120, scheduler="dpmpp-2m-sde")
    worker = bench.start()
    until(lambda: bench.board.progress(job.id) and bench.board.progress(job.id).step >= 5)
    assert worker.drain(2.5)
    waiting = bench.store.job(job.id)
    assert waiting.state is State.QUEUED
    assert bench.files.latents(job.id) is not None
    again = bench.start()
    (job,) = bench.ended(job)
    assert again.in_hand.resumed == 1
    expected = solo(prompt="a dog", seed=4, steps=120, scheduler="dpmpp-2m-sde")
    assert np.array_equal(pixels(bench, job), expected)
    assert bench.files.latents(job.id) is None
