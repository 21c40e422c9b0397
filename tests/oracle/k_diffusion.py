"""Runs that k-diffusion's own functions made, kept in `k_diffusion.npz` for tests/schedulers.

    pip download --no-deps k-diffusion==0.1.1.post1 torchsde==0.2.6 trampoline==0.1.2 -d wheels
    for wheel in wheels/*.whl; do unzip -q $wheel -d FOLDER; done
    python -m tests.oracle.k_diffusion FOLDER

makes the file again, beside torch, scipy and diffusers. Float64 samples on ladders of float32, as
schedulers have them, stacked over numbers of steps. Only this script needs the two packages, whose
dependencies are heavy.
"""

import argparse
import importlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

FILE = Path(__file__).with_suffix(".npz")
SHAPE = (2, 1, 3, 3)
SEEDS = (5, 2**40 + 6)  # of the pictures' Brownian paths
STEPS = (1, 2, 3, 4, 7, 10, 20, 25)
MOST, LEAST = 14.614642, 0.029167


def karras(steps: int) -> Tensor:
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    ends = MOST ** (1 / 7), LEAST ** (1 / 7)
    return _ladder((ends[0] + ramp * (ends[1] - ends[0])) ** 7)


def exponential(steps: int) -> Tensor:
    return _ladder(torch.linspace(math.log(MOST), math.log(LEAST), steps).double().exp())


def halves(steps: int) -> Tensor:
    """Of which rounding cannot change where Brownian noise is asked for."""
    return _ladder(1.6 * 0.25 ** torch.arange(steps, dtype=torch.float64))


LADDERS: dict[str, Callable[[int], Tensor]] = {
    "karras": karras,
    "exponential": exponential,
    "halves": halves,
}


def _ladder(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, sigmas.new_zeros(1)]).float()


def noise_of(x: Tensor, sigma: float) -> Tensor:
    """What the model predicts of latents as it sees them: not linear, other at each noise level."""
    phase = torch.arange(x[0].numel(), dtype=x.dtype).reshape(x.shape[1:]) * 0.7
    return torch.sin(1.3 * x + phase + math.log(sigma)) + 0.3 * torch.tanh(x)


def first_noise() -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


# A case's name: the function, and its settings
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "euler": ("sample_euler", {}),
    "euler_ancestral": ("sample_euler_ancestral", {}),
    "heun": ("sample_heun", {}),
    "lms": ("sample_lms", {}),
    "dpmpp_2m": ("sample_dpmpp_2m", {}),
    "dpm_2": ("sample_dpm_2", {}),
    "dpm_2_ancestral": ("sample_dpm_2_ancestral", {}),
    "dpmpp_2s_ancestral": ("sample_dpmpp_2s_ancestral", {}),
    "dpmpp_2s_ancestral, eta 0.5": ("sample_dpmpp_2s_ancestral", {"eta": 0.5}),
    "dpmpp_2s_ancestral, eta 0": ("sample_dpmpp_2s_ancestral", {"eta": 0.0}),
    "dpmpp_sde": ("sample_dpmpp_sde", {}),
    "dpmpp_sde, s_noise 0.9": ("sample_dpmpp_sde", {"s_noise": 0.9}),
    "dpmpp_2m_sde": ("sample_dpmpp_2m_sde", {}),
    "dpmpp_2m_sde, heun": ("sample_dpmpp_2m_sde", {"solver_type": "heun"}),
    "dpmpp_2m_sde, eta 0.5": ("sample_dpmpp_2m_sde", {"eta": 0.5, "s_noise": 1.1}),
    "dpmpp_2m_sde, eta 0": ("sample_dpmpp_2m_sde", {"eta": 0.0}),
    "dpmpp_3m_sde": ("sample_dpmpp_3m_sde", {}),
    "dpmpp_3m_sde, eta 0.5": ("sample_dpmpp_3m_sde", {"eta": 0.5}),
    "dpmpp_3m_sde, eta 0": ("sample_dpmpp_3m_sde", {"eta": 0.0}),
}


def steps_of(name: str, ladder: str) -> list[int]:
    """Of which runs are kept: the multistep SDE functions fail at 1."""
    least = 2 if name.startswith(("dpmpp_2m_sde", "dpmpp_3m_sde")) else 1
    return [n for n in STEPS if least <= n <= (4 if ladder == "halves" else 25)]


# Of the reference library's DPMSolverSDEScheduler, which needs torchsde
REFERENCE: list[dict[str, Any]] = [
    {},
    {"use_karras_sigmas": True},
    {"use_exponential_sigmas": True, "prediction_type": "v_prediction"},
    {"timestep_spacing": "leading", "steps_offset": 1},
    {"timestep_spacing": "trailing"},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="where k-diffusion and torchsde are unpacked")
    sys.path.insert(0, parser.parse_args().folder)
    sampling = _sampling()
    results = {**_of_k_diffusion(sampling), **_of_the_reference(), **_of_trees(sampling)}
    np.savez_compressed(FILE, **{name: result.numpy() for name, result in results.items()})


def _sampling() -> Any:
    """k-diffusion's module of samplers without what the rest of it needs."""
    package = ModuleType("k_diffusion")
    package.__path__ = [str(Path(sys.path[0]) / "k_diffusion")]
    utils: Any = ModuleType("k_diffusion.utils")
    utils.append_dims = lambda x, ndim: x[(..., *[None] * (ndim - x.ndim))]
    odes: Any = ModuleType("torchdiffeq")
    odes.odeint = None
    sys.modules |= {"k_diffusion": package, "k_diffusion.utils": utils, "torchdiffeq": odes}
    return importlib.import_module("k_diffusion.sampling")


def _of_k_diffusion(sampling: Any) -> dict[str, Tensor]:
    def model(x: Tensor, sigma: Tensor) -> Tensor:
        level = float(sigma[0])
        return x - level * noise_of(x / (level**2 + 1) ** 0.5, level)

    results: dict[str, Tensor] = {}
    for name, (function, settings) in CASES.items():
        for ladder, sigmas_of in LADDERS.items():
            samples: list[Tensor] = []
            for steps in steps_of(name, ladder):
                sigmas = sigmas_of(steps)
                settings = {**settings, "disable": True}
                if "sde" in function:
                    settings["noise_sampler"] = sampling.BrownianTreeNoiseSampler(
                        first_noise(), sigmas[sigmas > 0].min(), sigmas.max(), seed=SEEDS
                    )
                elif "ancestral" in function:
                    settings["noise_sampler"] = _independent()
                x = first_noise() * float(sigmas[0])
                sample = getattr(sampling, function)
                samples.append(sample(model, x, sigmas, **settings))
            results[f"{name}/{ladder}"] = torch.stack(samples)
    return results


def _independent() -> Callable[[Tensor, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(3)
    return lambda _sigma, _next: torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def _of_the_reference() -> dict[str, Tensor]:
    import diffusers

    results: dict[str, Tensor] = {}
    for index, settings in enumerate(REFERENCE):
        samples: list[Tensor] = []
        timesteps: list[Tensor] = []
        for steps in STEPS:
            scheduler = diffusers.DPMSolverSDEScheduler(
                beta_schedule="scaled_linear", noise_sampler_seed=4, **settings
            )
            scheduler.set_timesteps(steps)
            samples.append(run_reference(scheduler))
            timesteps.append(scheduler.timesteps)
        results[f"reference/{index}"] = torch.stack(samples)
        results[f"timesteps/{index}"] = torch.cat(timesteps)
    return results


# From one noise level to another, in any order
QUERIES = [(14.6, 9.1), (9.1, 2.3456789), (14.6, 2.3456789), (0.5, 0.03), (2.3456789, 0.5)]


def _of_trees(sampling: Any) -> dict[str, Tensor]:
    results: dict[str, Tensor] = {}
    for seed in (0, *SEEDS):
        noise = sampling.BrownianTreeNoiseSampler(first_noise(), 0.0291671, 14.6146412, seed)
        results[f"tree/{seed}"] = torch.stack([noise(*query) for query in QUERIES])
    return results


def run_reference(scheduler: Any) -> Tensor:
    """A run of a scheduler of either library, whose model is told timesteps."""
    x = first_noise() * float(scheduler.init_noise_sigma)
    for t in scheduler.timesteps:
        output = noise_of(scheduler.scale_model_input(x, t), 1 + float(t) / 300)
        x = scheduler.step(output, t, x).prev_sample
    return x


if __name__ == "__main__":
    main()
