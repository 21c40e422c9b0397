"""CUDA graphs: the kernels of a function are recorded once, and replayed as one.

A fast GPU can compute faster than Python launches kernels one by one. A recording launches all of
them at once. It works on fixed memory, so inputs are copied in and the result out.
"""

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

Function = Callable[..., Tensor]
# Each holds the memory of all intermediate results
MOST_RECORDINGS = 4
# The first calls choose algorithms and take memory, which a recording may not
CALLS_BEFORE_RECORDING = 3


class Recording(NamedTuple):
    """What replays a function, and the memory that it reads from and writes to."""

    replay: Callable[[], Any]
    inputs: tuple[Tensor, ...]
    output: Tensor


def record(function: Function, inputs: Sequence[Tensor]) -> Recording:
    """Record what `function(*inputs)` does on a CUDA device; waits for the device."""
    fixed = tuple(each.clone() for each in inputs)
    with torch.cuda.device(fixed[0].device):
        current, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            for _ in range(CALLS_BEFORE_RECORDING):
                function(*fixed)
        current.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # so that other threads may go on taking memory meanwhile
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            output = function(*fixed)
    return Recording(graph.replay, fixed, output)


def stream(device: torch.device) -> Hashable:
    """What tells the current queue of work on `device` from another."""
    return torch.cuda.current_stream(device).cuda_stream


class GraphedCalls:
    """A function of tensors, recorded for each shape, dtype and layout of them, then replayed.

    It is recorded anew where weights have moved, and for each stream, as only the work of one
    stream is in order. Threads take turns: they share the memory of the recordings. The oldest
    recording is given up where there are more than `MOST_RECORDINGS`.

    Args:
        function: of tensors on one device; its result is one tensor. It may not read a value.
        weights: the tensors that it uses besides its arguments.
        recorder: makes a recording; see `record`.
        queue: see `stream`.
    """

    def __init__(
        self,
        function: Function,
        weights: Sequence[Tensor],
        recorder: Callable[[Function, Sequence[Tensor]], Recording] = record,
        queue: Callable[[torch.device], Hashable] = stream,
    ) -> None:
        self._function, self._weights = function, weights
        self._recorder, self._queue = recorder, queue
        self._recordings: dict[Hashable, Recording] = {}
        self._places: tuple[int, ...] = ()
        self._turn = threading.Lock()

    def __call__(self, *inputs: Tensor) -> Tensor:
        with self._turn:
            recording = self._recording(inputs)
            for fixed, given in zip(recording.inputs, inputs, strict=True):
                fixed.copy_(given)
            recording.replay()
            return recording.output.clone()

    def _recording(self, inputs: Sequence[Tensor]) -> Recording:
        places = tuple(weight.data_ptr() for weight in self._weights)
        if places != self._places:
            self._recordings.clear()
            self._places = places
        described = tuple((x.shape, x.stride(), x.dtype, x.device) for x in inputs)
        key = (self._queue(inputs[0].device), described)
        if key not in self._recordings:
            if len(self._recordings) == MOST_RECORDINGS:
                del self._recordings[next(iter(self._recordings))]
            self._recordings[key] = self._recorder(self._function, inputs)
        return self._recordings[key]
