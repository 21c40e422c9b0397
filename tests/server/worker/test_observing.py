"""What the worker tells of its work, and what Prometheus reads of it."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("fastapi")

from kakusan.server.api.working import Working
from kakusan.server.metrics import Metrics
from kakusan.server.queue.job import State


def reader(metrics: Metrics) -> Callable[..., float | None]:
    return lambda name, **labels: metrics.registry.get_sample_value(f"kakusan_{name}", labels)


def test_work_is_counted(bench: Any) -> None:
    metrics = Metrics()
    read = reader(metrics)
    jobs = [bench.submit(), bench.submit("a dog", num_inference_steps=2, num_images_per_prompt=2)]
    worker = bench.start(observer=Working(metrics))
    assert {job.state for job in bench.ended(*jobs)} == {State.DONE}
    assert read("batch_rows_count") == worker.rounds.taken
    assert read("batch_rows_sum") == worker.rounds.rows
    assert read("text_seconds_count") == 2
    assert read("decode_seconds_count") == 3
    assert read("decode_seconds_sum") > 0
    assert read("model_loaded", model="builtin") == 1
    steps = [
        sample
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "kakusan_step_seconds_count"
    ]
    assert sum(sample.value for sample in steps) == worker.rounds.taken
    assert {sample.labels["model"] for sample in steps} == {"builtin"}
    assert {sample.labels["size"] for sample in steps} == {"256"}
    assert read("nan_redo_total") == read("jobs_resumed_total") == read("lease_lost_total") == 0


def test_sizes_and_rows_have_few_values() -> None:
    metrics = Metrics()
    working = Working(metrics)
    for pixels, rows in ((512 * 512, 3), (513 * 512, 4), (9000 * 9000, 100)):
        working.stepped("m", pixels, rows, 0.5)
    read = reader(metrics)
    for size, rows in (("512", "4"), ("768", "4"), ("larger", "larger")):
        assert read("step_seconds_count", model="m", size=size, rows=rows) == 1


def test_only_the_model_that_is_loaded_is_one() -> None:
    metrics = Metrics()
    working, read = Working(metrics), reader(metrics)
    for model in ("one", None, None, "two"):
        working.loaded(model)
    assert read("model_loaded", model="one") is None
    assert read("model_loaded", model="two") == 1


def test_what_is_resumed_or_lost_is_counted(bench: Any, until: Any) -> None:
    metrics = Metrics()
    read = reader(metrics)
    job = bench.submit(num_inference_steps=1000)
    first = bench.start(observer=Working(metrics))
    until(lambda: first.rounds.taken > 1)
    first.drain(0.1)
    first.join(60)
    second = bench.start(observer=Working(metrics))
    until(lambda: second.rounds.taken > 2)
    assert read("jobs_resumed_total") == second.in_hand.resumed == 1
    assert bench.store.delete(job.id)
    until(lambda: read("lease_lost_total") == 1)
