"""Whether the worker is seen alive: a slow call is not the end of it, a dead thread is."""

import threading
from typing import Any

import pytest

from kakusan.server.queue.job import State


def test_a_worker_is_not_late_before_it_begins_and_while_it_has_nothing_to_do(
    bench: Any, until: Any
) -> None:
    worker = bench.start(beat_s=30.0)
    until(lambda: not worker.is_late and bench.store.counts() is not None)
    assert worker.drain(30)
    assert not worker.is_late  # it was asked to end


@pytest.mark.parametrize(("load_s", "late"), [(60.0, False), (0.05, True)])
def test_loading_has_a_time_of_its_own(
    bench: Any, until: Any, monkeypatch: Any, load_s: float, late: bool
) -> None:
    from kakusan.server.worker import loading as module

    begun, go_on, load = threading.Event(), threading.Event(), module.loaded

    def slow(wanted: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return load(wanted)

    monkeypatch.setattr(module, "loaded", slow)
    job = bench.submit(num_inference_steps=1)
    worker = bench.start(beat_s=0.05, load_s=load_s)
    assert begun.wait(60)
    threading.Event().wait(0.2)
    assert worker.is_late == late
    go_on.set()
    (job,) = bench.ended(job)
    assert job.state is State.DONE


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_late(bench: Any, monkeypatch: Any, until: Any) -> None:
    from kakusan.server.worker.worker import Worker

    def dies(_: Worker) -> None:
        raise SystemExit

    monkeypatch.setattr(Worker, "_turn", dies)
    worker = bench.start()
    until(lambda: not worker.is_alive())
    assert worker.is_late
