"""How much exactness `quality_budget` may trade for time, and what each trade was measured to cost.

Nothing of this is on by default. The numbers are the built-in model's, beside its exact run with
its own guidance (`python -m benchmarks.quality`); another model's loss may be larger or smaller.
"""

from dataclasses import dataclass

# What `--fast` stands for
FAST = 35.0


@dataclass(frozen=True, kw_only=True)
class Saving:
    """One way to make fewer and shorter network calls.

    Attributes:
        psnr: in dB, below which none of 64 pictures fell, each of its own prompt and seed.
        calls: of the network, in the run that was measured.
        solver: whether they are DPM-Solver++ steps in place of the model's own.
        reuse_interval: see `kakusan.predictions`.
    """

    psnr: float
    calls: int = 25
    solver: bool = False
    reuse_interval: int = 1

    def interval_for(self, calls: int) -> int:
        """The interval in a run of so many calls; 1 is exact.

        Fewer than were measured lie further apart, so that the interval is shorter in proportion.
        More keep it, and lose less.
        """
        return max(1, min(self.reuse_interval, self.reuse_interval * calls // self.calls))


# The fastest first
SAVINGS = (
    Saving(psnr=26.0, calls=12, solver=True, reuse_interval=2),
    Saving(psnr=32.0, reuse_interval=4),
    Saving(psnr=37.0, calls=15, solver=True, reuse_interval=2),
    Saving(psnr=35.0, reuse_interval=3),
    Saving(psnr=40.0, reuse_interval=2),
)


def saving_within(budget: float, *, steps: int | None) -> Saving | None:
    """The fastest saving that measured no less than `budget` dB; None where only exact is enough.

    Args:
        steps: what another solver may make fewer of; None where the solver is to be kept.
    """
    for saving in SAVINGS:
        allowed = not saving.solver or (steps is not None and saving.calls < steps)
        if allowed and saving.psnr >= budget:
            return saving
    return None
