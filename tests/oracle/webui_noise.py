"""Noise and runs that AUTOMATIC1111's own `modules/rng.py` made, kept in `webui_noise.npz`.

    python -m tests.oracle.webui_noise CHECKOUT FOLDER

makes the file again, beside torch and scipy. CHECKOUT has `modules/rng.py` and
`modules/rng_philox.py` of stable-diffusion-webui, or of Forge (lllyasviel/stable-diffusion-webui-
forge, commit dfdcbab, with which the file was made; the rules are the same); FOLDER is that of
tests/oracle/k_diffusion.py. CUDA's generator is left out: its numbers are those of "NV".
"""

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.oracle import k_diffusion
from tests.oracle.k_diffusion import noise_of

FILE = Path(__file__).with_suffix(".npz")
SOURCES = {"webui-cpu": "CPU", "webui-nv": "NV"}
SHAPE = (4, 7, 6)
SEEDS = (1234, 2**32 - 1)
SUBSEEDS = (77, 78)
DRAWS = 3  # of each picture: the first latents, and what samplers add
STEPS = 6

# A case's name: the arguments of ImageRNG, and the eta noise seed delta
CASES: dict[str, tuple[dict[str, Any], int]] = {
    "plain": ({}, 0),
    "ensd": ({}, 31337),
    "variation": ({"subseeds": SUBSEEDS, "subseed_strength": 0.3}, 0),
    "variation, whole": ({"subseeds": SUBSEEDS, "subseed_strength": 1.0}, 0),
    "variation of itself": ({"subseeds": SEEDS, "subseed_strength": 0.3}, 0),
    "resized, smaller": ({"seed_resize_from_h": 40, "seed_resize_from_w": 24}, 0),
    "resized, larger": ({"seed_resize_from_h": 80, "seed_resize_from_w": 104}, 0),
    "resized, both": ({"seed_resize_from_h": 24, "seed_resize_from_w": 72}, 0),
    "resized, the same": ({"seed_resize_from_h": 59, "seed_resize_from_w": 48}, 0),
    "all": (
        {
            "subseeds": SUBSEEDS,
            "subseed_strength": 0.6,
            "seed_resize_from_h": 64,
            "seed_resize_from_w": 32,
        },
        -5,
    ),
}
# Samplers, as they are called in `kakusan.samplers`; those with a Brownian path
RUNS = {"Euler a": False, "DPM++ 2S a Karras": False, "DPM++ SDE Karras": True}
FUNCTIONS = {
    "Euler a": "sample_euler_ancestral",
    "DPM++ 2S a Karras": "sample_dpmpp_2s_ancestral",
    "DPM++ SDE Karras": "sample_dpmpp_sde",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", help="where AUTOMATIC1111's or Forge's modules are")
    parser.add_argument("folder", help="where k-diffusion and torchsde are unpacked")
    arguments = parser.parse_args()
    sys.path[:0] = [arguments.folder, arguments.checkout]
    options = SimpleNamespace(randn_source="CPU", eta_noise_seed_delta=0, forge_try_reproduce="")
    rng = _rng(options)
    results: dict[str, Tensor] = {}
    for name, source in SOURCES.items():
        options.randn_source = source
        for case, (arguments_of, ensd) in CASES.items():
            options.eta_noise_seed_delta = ensd
            noise = rng.ImageRNG(SHAPE, list(SEEDS), **arguments_of)
            results[f"{name}/{case}"] = torch.stack([noise.next() for _ in range(DRAWS)])
        for run in RUNS:
            options.eta_noise_seed_delta = 31337
            results[f"{name}/{run}"] = _run(run, rng)
    np.savez_compressed(FILE, **{name: result.numpy() for name, result in results.items()})


def _rng(options: SimpleNamespace) -> Any:
    """AUTOMATIC1111's module, which knows the settings and a CPU."""
    cpu = torch.device("cpu")
    shared: Any = ModuleType("modules.shared")
    shared.opts, shared.device = options, cpu
    devices: Any = ModuleType("modules.devices")
    devices.device = devices.cpu = cpu
    package: Any = importlib.import_module("modules")
    package.shared, package.devices = shared, devices
    sys.modules |= {"modules.shared": shared, "modules.devices": devices}
    return importlib.import_module("modules.rng")


def sigmas_of(run: str) -> Tensor:
    """The ladder of a run, as our scheduler has it: what is compared here is the noise."""
    from kakusan.schedulers import EulerDiscreteScheduler, named_scheduler

    base = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    scheduler = named_scheduler("DPM++ 2M Karras" if "Karras" in run else "Euler", base)
    scheduler.set_timesteps(STEPS)
    return scheduler.sigmas  # pyright: ignore


def _run(run: str, rng: Any) -> Tensor:
    sampling = k_diffusion._sampling()  # pyright: ignore[reportPrivateUsage]
    noise = rng.ImageRNG(SHAPE, list(SEEDS))
    # what the web UI does to k-diffusion, and to torchsde
    hijacked: Any = ModuleType("torch")
    hijacked.__dict__.update(torch.__dict__)
    hijacked.randn_like = lambda _x: noise.next()
    sampling.torch = hijacked
    tree = importlib.import_module("torchsde._brownian.brownian_interval")

    def randn(size: Any, dtype: Any, device: Any, seed: int) -> Tensor:
        return rng.randn_local(seed, size).to(device=device, dtype=dtype)

    tree._randn = randn
    sigmas = sigmas_of(run)
    x = noise.next() * sigmas[0]
    more: dict[str, Any] = {}
    if RUNS[run]:
        ends = sigmas[sigmas > 0].min(), sigmas.max()
        more["noise_sampler"] = sampling.BrownianTreeNoiseSampler(x, *ends, seed=list(SEEDS))

    def model(x: Tensor, sigma: Tensor) -> Tensor:
        level = float(sigma[0])
        return x - level * noise_of(x / (level**2 + 1) ** 0.5, level)

    return getattr(sampling, FUNCTIONS[run])(model, x, sigmas, disable=True, **more)


if __name__ == "__main__":
    main()
