"""What goes wrong with one job, or is too much at once, leaves the others as they are."""

from typing import Any

import pytest
import torch

from kakusan.engine import Engine
from kakusan.server.queue.job import State
from kakusan.server.queue.store import Store

Calls = Any


def marked(call: Any) -> bool:
    """Whether a question is of the job with the larger picture."""
    return call.sample.shape[-1] == 24


def test_nan_in_one_lane_fails_that_job_alone(bench: Any, monkeypatch: Any) -> None:
    plain = Engine.predict

    def broken(self: Engine, calls: Calls) -> Any:
        found = plain(self, calls)
        pairs = zip(calls, found, strict=True)
        return [torch.full_like(x, torch.nan) if marked(call) else x for call, x in pairs]

    monkeypatch.setattr(Engine, "predict", broken)
    bad, good = bench.submit("a dog", width=192), bench.submit("a cat")
    bench.start()
    bad, good = bench.ended(bad, good)
    assert bad.state is State.FAILED
    assert "NaN" in (bad.error or "")
    assert good.state is State.DONE


@pytest.mark.parametrize("always", [False, True])
def test_out_of_memory_means_less_at_a_time(bench: Any, monkeypatch: Any, always: bool) -> None:
    plain = Engine.predict

    def full(self: Engine, calls: Calls) -> Any:
        if len(calls) > 2 or (always and any(map(marked, calls))):
            raise torch.OutOfMemoryError("not enough")
        return plain(self, calls)

    monkeypatch.setattr(Engine, "predict", full)
    jobs = [bench.submit("a dog", width=192), bench.submit("a cat"), bench.submit("a cat", seed=2)]
    bench.start()
    large, *others = bench.ended(*jobs)
    assert [job.state for job in others] == [State.DONE, State.DONE]
    assert large.state is (State.FAILED if always else State.DONE)
    assert not always or "not enough memory" in (large.error or "")


def test_a_job_that_is_deleted_is_dropped_in_silence(bench: Any, until: Any) -> None:
    gone = bench.submit("a dog", num_inference_steps=400)
    bench.start()
    until(lambda: bench.board.progress(gone.id) and bench.board.progress(gone.id).step >= 1)
    store: Store = bench.store
    assert store.delete(gone.id)
    until(lambda: bench.board.progress(gone.id) is None)
    (other,) = bench.ended(bench.submit("a cat"))
    assert other.state is State.DONE
