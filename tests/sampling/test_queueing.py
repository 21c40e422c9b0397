"""The loop on a device that only queues work, told on the CPU by tensors that note being read."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from kakusan.errors import NumericalError
from kakusan.models import Model, TextContext, UNet2DConditionModel
from kakusan.sampling import Guidance, Steering, Step, Trajectory
from kakusan.sampling import trajectory as module
from kakusan.schedulers import SCHEDULERS
from tests.oracle.tiny import ONE_LEVEL_UNET
from tests.sampling.ways import engine, noise, steps, trajectory

READS = {
    *("__bool__", "__contains__", "__float__", "__index__", "__int__", "allclose", "cpu", "equal"),
    *("is_nonzero", "item", "masked_select", "nonzero", "numpy", "tolist", "unique"),
}


class Queued(Tensor):
    """Stands for a tensor of a GPU, as does all that is computed from it: reading it waits."""

    reads: ClassVar[list[str]] = []

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func.__name__ in READS:
            cls.reads.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs or {})


class Network(Model[Any]):
    """Sees an eighth of what it is shown as noise, and notes whether timesteps are on the device.

    In less than float32 the calls numbered in `overflows` give NaN.
    """

    from_published_tensors = to_published_tensors = None  # pyright: ignore

    def __init__(self, overflows: Sequence[int] = ()) -> None:
        super().__init__(None)
        self.weight = nn.Parameter(torch.full((), 0.125))
        self.overflows, self.sent = overflows, list[bool]()

    @property
    def compute_dtype(self) -> torch.dtype:
        """What the weights are stored in, as on a GPU; not so on every processor."""
        return self.weight.dtype

    def compute_dtype_on(self, device: torch.device) -> torch.dtype:
        return self.weight.dtype

    def forward(self, x: Tensor, timestep: Tensor, encoder_hidden_states: TextContext) -> Any:
        self.sent.append(isinstance(timestep, Queued))
        (embeddings,) = encoder_hidden_states.embeddings
        seen = x * self.weight.float() * embeddings.mean()
        failing = self.compute_dtype != torch.float32 and len(self.sent) - 1 in self.overflows
        return (seen * float("nan") if failing else seen,)


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU passes for a device that queues."""
    monkeypatch.setattr(module, "queues", bool)


def begin(
    scheduler: Any,
    *,
    watched: bool,
    narrow: bool = False,
    settings: Any = None,
    steering: Sequence[Steering] = (),
) -> Trajectory:
    """Six steps under guidance, from the same noise every time."""
    run = SCHEDULERS[scheduler](**(settings or {}))
    run.set_timesteps(6)
    run.timesteps = run.timesteps.as_subclass(Queued)
    return trajectory(
        run,
        noise(0, 1, 4, 8, 8).as_subclass(Queued),
        torch.ones(2, 3, 5).as_subclass(Queued),
        Guidance(2.0, 0.5),
        generator=torch.Generator().manual_seed(1),
        eta=0.5,
        watched=watched,
        computes_in_float32=not narrow,
        steering=steering,
    )


def latents(way: Trajectory, unet: Network) -> list[Tensor]:
    return [step.latents for step in steps(way, unet)]


CASES = [
    *((name, {}) for name in SCHEDULERS),
    ("PNDMScheduler", {"skip_prk_steps": True}),
    ("DDIMScheduler", {"thresholding": True, "clip_sample": False}),
    ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True, "solver_order": 3}),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "thresholding": True}),
    ("EulerDiscreteScheduler", {"prediction_type": "v_prediction", "use_karras_sigmas": True}),
]


@pytest.mark.parametrize(("scheduler", "settings"), CASES)
def test_nothing_is_read_between_the_first_and_the_last_step(scheduler: str, settings: Any) -> None:
    Queued.reads.clear()
    unet, reads = Network(), list[int]()
    way = begin(scheduler, watched=False, settings=settings)
    while not way.is_over:
        assert way.take(engine(unet).predict(way.ask()))
        step = way.step
        assert isinstance(step, Step)
        assert isinstance(step.latents, Queued), "the subclass lost track"
        assert isinstance(step.denoised, Queued)
        reads.append(len(Queued.reads))
    # whether the first step is finite; at the end whether the others are
    assert Queued.reads == ["__bool__", "__bool__"]
    assert reads == [1] * (len(reads) - 1) + [2]
    assert all(unet.sent), "a timestep that has yet to be moved makes the device wait"


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_watched_loop_looks_at_every_step_and_draws_the_same(scheduler: str) -> None:
    Queued.reads.clear()
    watched = latents(begin(scheduler, watched=True), Network())
    assert len(Queued.reads) >= len(watched)
    unwatched = latents(begin(scheduler, watched=False), Network())
    for a, b in zip(watched, unwatched, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("overflows", [[0], [3], [1, 2, 4]])
def test_what_overflows_unseen_is_done_again_with_the_same_noise(
    scheduler: str, overflows: list[int]
) -> None:
    precise = latents(begin(scheduler, watched=True), Network())
    unet = Network(overflows).to(torch.bfloat16)  # 0.125 is the same in both
    way = begin(scheduler, watched=False, narrow=True)
    taken = steps(way, unet)
    # found at the first step before it is handed out, a later one at the last
    first = [] if overflows == [0] else list(range(len(precise) - 1))
    assert [step.index for step in taken] == [*first, *range(len(precise))]
    for step, expected in zip(taken[len(first) :], precise, strict=True):
        assert torch.equal(step.latents, expected)
    assert way.overflowed


@pytest.mark.parametrize("watched", [True, False])
def test_nan_in_float32_is_an_error_before_the_last_step_is_handed_out(watched: bool) -> None:
    unet = Network()
    unet.weight.data.fill_(float("nan"))
    with pytest.raises(NumericalError, match="UNet"):
        steps(begin("DDIMScheduler", watched=watched), unet)
    assert len(unet.sent) == 1


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_device_whose_values_cannot_be_read_takes_all_steps(
    scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the meta device stands for a GPU: reading from it, and mixing it with the CPU, are errors
    monkeypatch.setattr(Trajectory, "_usable", lambda *_: True)
    unet = UNet2DConditionModel.from_config(ONE_LEVEL_UNET).to("meta", torch.float16)
    run = SCHEDULERS[scheduler]()
    run.set_timesteps(4)
    way = trajectory(
        run,
        torch.zeros(1, 4, 8, 8, device="meta"),
        torch.zeros(2, 77, 8, device="meta", dtype=torch.float16),
        Guidance(7.5, 0.5),
        generator=torch.Generator(),
        eta=0.5,
        watched=False,
        computes_in_float32=False,
    )
    taken = steps(way, unet)
    assert len(taken) == len(run.timesteps)
    assert {step.latents.device.type for step in taken} == {"meta"}
    assert unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    assert {parameter.dtype for parameter in unet.parameters()} == {torch.float16}


def test_what_steers_sees_each_step_once() -> None:
    """A way that begins again would show it steps twice, the first time with NaN in them."""
    seen: list[tuple[int, bool]] = []

    class Looking(Steering):
        def after(self, step: Step) -> Step:
            seen.append((step.index, bool(torch.isfinite(step.latents).all())))
            return step

    unet = Network([2, 3]).to(torch.bfloat16)
    steps(begin("DDIMScheduler", watched=False, narrow=True, steering=[Looking()]), unet)
    assert seen == [(index, True) for index in range(6)]
