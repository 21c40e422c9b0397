"""CFG++: steps that look at the negative prompt's prediction."""

from typing import Any

import pytest
import torch
from torch import Tensor

from kakusan.schedulers import SCHEDULERS, DDIMCFGPPScheduler

X = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
PARTING = [name for name, kind in SCHEDULERS.items() if kind().parts_guidance]


def predicted(x: Tensor, t: Any, *, negative: bool) -> Tensor:
    return torch.cos(0.9 * x + float(t) / 300) if negative else torch.sin(1.3 * x + float(t) / 200)


def test_ddim_cfg_pp_is_the_papers() -> None:
    """arXiv:2406.08070, Algorithm 2, by hand."""
    scheduler = DDIMCFGPPScheduler(beta_schedule="scaled_linear", clip_sample=False)
    scheduler.set_timesteps(7)
    kept, times = scheduler.alphas_cumprod.double(), scheduler.schedule
    x = expected = X
    for index, t in enumerate(times):
        share = 0.6
        negative = predicted(x, t, negative=True)
        guided = negative + share * (predicted(x, t, negative=False) - negative)
        x = scheduler.step(guided, t, x, unconditional=negative).prev_sample

        other = predicted(expected, t, negative=True)
        noise = other + share * (predicted(expected, t, negative=False) - other)
        a = kept[int(t)]
        b = kept[int(times[index + 1])] if index + 1 < len(times) else torch.tensor(1.0)
        clean = (expected - (1 - a) ** 0.5 * noise) / a**0.5
        expected = b**0.5 * clean + (1 - b) ** 0.5 * other
    assert torch.allclose(x, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", PARTING)
def test_without_a_negative_prediction_it_is_the_same_as_the_guided_one(name: str) -> None:
    results: list[Tensor] = []
    for given in (True, False):
        scheduler = SCHEDULERS[name](beta_schedule="scaled_linear")
        scheduler.set_timesteps(5)
        x = X * scheduler.init_noise_sigma
        options: dict[str, Any] = {}
        if "generator" in scheduler.step_options:
            options["generator"] = torch.Generator().manual_seed(2)
        for t in scheduler.timesteps:
            output = predicted(scheduler.scale_model_input(x, t), t, negative=False)
            options["unconditional"] = output if given else None
            x = scheduler.step(output, t, x, **options).prev_sample
        results.append(x)
    assert torch.equal(*results)
