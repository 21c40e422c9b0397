"""How much exactness `quality_budget` may trade for time, and what each trade was measured to cost.

Nothing of this is on by default. The numbers are the built-in model's, beside its exact run with
its own guidance (`python -m benchmarks.quality`); another model's loss may be larger or smaller.
"""

from dataclasses import dataclass

# What `--fast` stands for
FAST = 35.0


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A scheduler, its steps and an interval that were measured together, and are taken together.

    Attributes:
        psnr: in dB, below which none of 64 pictures fell, each of its own prompt and seed.
        scheduler: its name, see `kakusan.schedulers`.
        num_inference_steps: of it.
        reuse_interval: see `kakusan.sampling.reuse`.
    """

    psnr: float
    scheduler: str
    num_inference_steps: int
    reuse_interval: int


# On the levels of the model's own config
_MULTISTEP = "DPMSolverMultistepScheduler"

# The fastest first
PRESETS = (
    Preset(psnr=26.0, scheduler=_MULTISTEP, num_inference_steps=12, reuse_interval=2),
    Preset(psnr=37.0, scheduler=_MULTISTEP, num_inference_steps=15, reuse_interval=2),
    Preset(psnr=40.0, scheduler="ddim", num_inference_steps=25, reuse_interval=2),
)


def preset_within(budget: float, *, steps: int) -> Preset | None:
    """The fastest preset of no less than `budget` dB; None where only the exact run will do.

    Args:
        steps: of the exact run, of which no preset takes more.
    """
    fits = (p for p in PRESETS if p.psnr >= budget and p.num_inference_steps <= steps)
    return next(fits, None)
