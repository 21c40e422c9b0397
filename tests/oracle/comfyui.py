"""Runs that ComfyUI's, Forge's and k-diffusion's functions made, kept in `comfyui.npz`.

    python -m tests.oracle.comfyui COMFYUI FORGE FOLDER

makes the file again, beside torch and scipy: from ComfyUI's `comfy/k_diffusion/sampling.py` and
`sa_solver.py` (as in the fork hiddenswitch/pip-and-uv-installable-ComfyUI, commit 87606c5), Forge's
`modules/sd_samplers_extra.py` (lllyasviel/stable-diffusion-webui-forge, commit dfdcbab), and the
folder of tests/oracle/k_diffusion.py. Samples, models and ladders are those of that file too.
"""

import argparse
import importlib
import importlib.util
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.oracle import k_diffusion
from tests.oracle.k_diffusion import exponential, first_noise, karras, noise_of

FILE = Path(__file__).with_suffix(".npz")
LADDERS: dict[str, Callable[[int], Tensor]] = {"karras": karras, "exponential": exponential}
STEPS = (1, 2, 3, 4, 7, 10, 25)
RESTART_STEPS = (7, 20, 25, 36, 45)
GUIDANCE = 1.4  # of runs that look at both sides of the prompt

# A case's name, which is what it is called in `kakusan.samplers`: the function, and its settings
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "heunpp2": ("sample_heunpp2", {}),
    "res_multistep": ("sample_res_multistep", {}),
    "res_multistep_ancestral": ("sample_res_multistep_ancestral", {}),
    "gradient_estimation": ("sample_gradient_estimation", {}),
    "er_sde": ("sample_er_sde", {}),
    "seeds_2": ("sample_seeds_2", {}),
    "seeds_3": ("sample_seeds_3", {}),
    "exp_heun_2_x0": ("sample_exp_heun_2_x0", {}),
    "exp_heun_2_x0_sde": ("sample_exp_heun_2_x0_sde", {}),
    "euler_cfg_pp": ("sample_euler_cfg_pp", {}),
    "euler_ancestral_cfg_pp": ("sample_euler_ancestral_cfg_pp", {}),
    "dpmpp_2m_cfg_pp": ("sample_dpmpp_2m_cfg_pp", {}),
    "dpmpp_2s_ancestral_cfg_pp": ("sample_dpmpp_2s_ancestral_cfg_pp", {}),
    "res_multistep_cfg_pp": ("sample_res_multistep_cfg_pp", {}),
    "res_multistep_ancestral_cfg_pp": ("sample_res_multistep_ancestral_cfg_pp", {}),
    "gradient_estimation_cfg_pp": ("sample_gradient_estimation_cfg_pp", {}),
    "seeds_2, eta 0.5": ("sample_seeds_2", {"eta": 0.5, "s_noise": 0.9}),
    "seeds_3, eta 0.5": ("sample_seeds_3", {"eta": 0.5, "s_noise": 0.9}),
    "er_sde, s_noise 0.9": ("sample_er_sde", {"s_noise": 0.9}),
    "res_multistep_ancestral, eta 0.5": ("sample_res_multistep_ancestral", {"eta": 0.5}),
    "gradient_estimation, gamma 1.5": ("sample_gradient_estimation", {"ge_gamma": 1.5}),
}
FAST: dict[str, dict[str, Any]] = {"dpm_fast": {}, "dpm_fast, eta 1": {"eta": 1.0}}


def negative_noise_of(x: Tensor, sigma: float) -> Tensor:
    """What the model predicts for the negative prompt."""
    return torch.cos(0.9 * x + math.log(sigma)) - 0.2 * x.tanh()


class _Model:
    """A denoiser as ComfyUI's samplers see it."""

    def __init__(self) -> None:
        patcher = SimpleNamespace(get_model_object=lambda _name: self)
        self.inner_model = SimpleNamespace(model_patcher=patcher)

    def __call__(self, x: Tensor, sigma: Tensor, **options: Any) -> Tensor:
        level = float(sigma[0])
        shown = x / (level**2 + 1) ** 0.5
        text = x - level * noise_of(shown, level)
        looks: Any = options.get("model_options")
        if looks is None:
            return text
        negative = x - level * negative_noise_of(shown, level)
        guided = negative + GUIDANCE * (text - negative)
        return looks({"denoised": guided, "uncond_denoised": negative})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("comfyui", "forge", "folder"):
        parser.add_argument(name)
    given = parser.parse_args()
    sys.path.insert(0, given.folder)
    sampling = k_diffusion._sampling()
    results = _of_comfyui(Path(given.comfyui)) | _fast(sampling)
    results |= _restarted(Path(given.forge), sampling)
    np.savez_compressed(FILE, **{name: result.numpy() for name, result in results.items()})


def _of_comfyui(root: Path) -> dict[str, Tensor]:
    patcher: Any = ModuleType("comfy.model_patcher")
    patcher.set_model_options_post_cfg_function = lambda _options, function, **_: function
    levels: Any = ModuleType("comfy.model_sampling")
    levels.CONST = type("CONST", (), {})
    memory: Any = ModuleType("comfy.memory_management")
    memory.aimdo_allocator = None
    utils: Any = ModuleType("comfy.k_diffusion.utils")
    utils.append_dims = lambda x, ndim: x[(..., *[None] * (ndim - x.ndim))]
    packages = {name: ModuleType(name) for name in ("comfy", "comfy.k_diffusion")}
    for name, package in packages.items():
        package.__path__ = [str(root / name.replace(".", "/"))]
    sys.modules |= packages | {each.__name__: each for each in (patcher, levels, memory, utils)}
    for module in (patcher, levels, memory):
        setattr(packages["comfy"], module.__name__.rpartition(".")[2], module)
    deis = sys.modules["comfy.k_diffusion.deis"] = ModuleType("comfy.k_diffusion.deis")
    packages["comfy.k_diffusion"].deis = deis  # pyright: ignore[reportAttributeAccessIssue]
    packages["comfy.k_diffusion"].utils = utils  # pyright: ignore[reportAttributeAccessIssue]
    sampling: Any = importlib.import_module("comfy.k_diffusion.sampling")
    results: dict[str, Tensor] = {}
    for name, (function, settings) in CASES.items():
        sample = getattr(sampling, function)
        takes_noise = "noise_sampler" in sample.__wrapped__.__code__.co_varnames
        for ladder, sigmas_of in LADDERS.items():
            samples: list[Tensor] = []
            for steps in STEPS:
                noise = {"noise_sampler": k_diffusion._independent()} if takes_noise else {}
                sigmas = sigmas_of(steps)
                x = first_noise() * float(sigmas[0])
                samples.append(sample(_Model(), x, sigmas, disable=True, **noise, **settings))
            results[f"{name}/{ladder}"] = torch.stack(samples)
    return results


def _fast(sampling: Any) -> dict[str, Tensor]:
    torch.set_default_dtype(torch.float64)  # of noise levels, which it makes tensors of
    results: dict[str, Tensor] = {}
    for name, settings in FAST.items():
        samples: list[Tensor] = []
        for steps in STEPS:
            x = first_noise() * k_diffusion.MOST
            noise = k_diffusion._independent()
            ends = k_diffusion.LEAST, k_diffusion.MOST
            samples.append(
                sampling.sample_dpm_fast(
                    _Model(), x, *ends, steps, disable=True, noise_sampler=noise, **settings
                )
            )
        results[name] = torch.stack(samples)
    torch.set_default_dtype(torch.float32)
    return results


class _Torch:
    """torch, whose `randn_like` draws from one generator."""

    def __init__(self) -> None:
        draw = k_diffusion._independent()
        self.randn_like = lambda x: draw(x, x)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def _restarted(root: Path, sampling: Any) -> dict[str, Tensor]:
    path = root / "modules" / "sd_samplers_extra.py"
    spec = importlib.util.spec_from_file_location("sd_samplers_extra", path)
    assert spec is not None
    assert spec.loader is not None
    extra = importlib.util.module_from_spec(spec)
    sys.modules["k_diffusion"].sampling = sampling  # pyright: ignore[reportAttributeAccessIssue]
    spec.loader.exec_module(extra)
    results: dict[str, Tensor] = {}
    for ladder, sigmas_of in LADDERS.items():
        samples: list[Tensor] = []
        for steps in RESTART_STEPS:
            sampling.torch = _Torch()
            sigmas = sigmas_of(steps)
            x = first_noise() * float(sigmas[0])
            samples.append(extra.restart_sampler(_Model(), x, sigmas, disable=True))
        results[f"Restart/{ladder}"] = torch.stack(samples)
    return results


if __name__ == "__main__":
    main()
