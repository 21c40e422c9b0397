"""The loop on a device that only queues work, told on the CPU by tensors that note being read."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from kakusan import generation
from kakusan.errors import NumericalError
from kakusan.generation import Guidance, Step, Widening, denoise, step_options
from kakusan.models import Model, TextContext, UNet2DConditionModel
from kakusan.schedulers import SCHEDULERS
from tests.oracle.tiny import ONE_LEVEL_UNET

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
        """What the weights are kept in, as on a GPU; not so on every processor."""
        return self.weight.dtype

    def forward(self, x: Tensor, timestep: Tensor, encoder_hidden_states: TextContext) -> Any:
        self.sent.append(isinstance(timestep, Queued))
        noise = x * self.weight.float() * encoder_hidden_states.embeddings.mean()
        failing = self.compute_dtype != torch.float32 and len(self.sent) - 1 in self.overflows
        return (noise * float("nan") if failing else noise,)


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU passes for a device that queues."""
    monkeypatch.setattr(generation, "queues", bool)


def begin(
    scheduler: Any, unet: Network, widening: Widening, *, watched: bool, settings: Any = None
) -> Iterator[Step]:
    """A loop of six steps under guidance, from the same noise every time."""
    run = SCHEDULERS[scheduler](**(settings or {}))
    run.set_timesteps(6)
    run.timesteps = run.timesteps.as_subclass(Queued)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        yield from denoise(
            unet,  # pyright: ignore[reportArgumentType]
            run,
            (latents * run.init_noise_sigma).as_subclass(Queued),
            torch.ones(2, 3, 5).as_subclass(Queued),
            Guidance(2.0, 0.5),
            options=step_options(run, 0.5, torch.Generator().manual_seed(1)),
            widening=widening,
            watched=watched,
        )


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
    for step in begin(scheduler, unet, Widening(), watched=False, settings=settings):
        assert isinstance(step.latents, Queued), "the subclass lost track"
        assert isinstance(step.denoised, Queued)
        reads.append(len(Queued.reads))
    # the timesteps, once, and whether the first step is finite; at the end whether the others are
    assert Queued.reads == ["tolist", "__bool__", "__bool__"]
    assert reads == [2] * (len(reads) - 1) + [3]
    assert all(unet.sent), "a timestep that has yet to be moved makes the device wait"


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_watched_loop_looks_at_every_step_and_draws_the_same(scheduler: str) -> None:
    Queued.reads.clear()
    watched = [s.latents for s in begin(scheduler, Network(), Widening(), watched=True)]
    assert len(Queued.reads) > len(watched)
    unwatched = [s.latents for s in begin(scheduler, Network(), Widening(), watched=False)]
    for a, b in zip(watched, unwatched, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("overflows", [[0], [3], [1, 2, 4]])
def test_what_overflows_unseen_is_done_again_with_the_same_noise(
    scheduler: str, overflows: list[int]
) -> None:
    wide = [s.latents for s in begin(scheduler, Network(), Widening(), watched=True)]
    widening = Widening()
    unet = Network(overflows).to(torch.bfloat16)  # 0.125 is the same in both
    steps = list(begin(scheduler, unet, widening, watched=False))
    # found at the first step before it is handed out, a later one at the last
    first = [] if overflows == [0] else list(range(len(wide) - 1))
    assert [step.index for step in steps] == [*first, *range(len(wide))]
    for step, expected in zip(steps[len(first) :], wide, strict=True):
        assert torch.equal(step.latents, expected)
    assert widening.notes == ["UNet computed in float32: bfloat16 overflowed"]


@pytest.mark.parametrize("watched", [True, False])
def test_nan_in_float32_is_an_error_before_the_last_step_is_handed_out(watched: bool) -> None:
    unet = Network()
    unet.weight.data.fill_(float("nan"))
    with pytest.raises(NumericalError, match="UNet"):
        list(begin("DDIMScheduler", unet, Widening(), watched=watched))
    assert len(unet.sent) == 1


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_device_whose_values_cannot_be_read_takes_all_steps(
    scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the meta device stands for a GPU: reading from it, and mixing it with the CPU, are errors
    monkeypatch.setattr(Widening, "settled", lambda *_: True)
    unet = UNet2DConditionModel.from_config(ONE_LEVEL_UNET).to("meta", torch.float16)
    run = SCHEDULERS[scheduler]()
    run.set_timesteps(4)  # their one reading is before the loop
    latents = torch.zeros(1, 4, 8, 8, device="meta")
    with torch.no_grad():
        steps = list(
            denoise(
                unet,
                run,
                latents,
                torch.zeros(2, 77, 8, device="meta", dtype=torch.float16),
                Guidance(7.5, 0.5),
                options=step_options(run, 0.5, torch.Generator()),
                widening=Widening(),
                watched=False,
            )
        )
    assert len(steps) == len(run.timesteps)
    assert {step.latents.device.type for step in steps} == {"meta"}
    assert unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    assert {parameter.dtype for parameter in unet.parameters()} == {torch.float16}
