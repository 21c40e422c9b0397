"""SDXL's offspring on EDM's noise levels, told by tensors that their files have as flags.

FAMILY.md, section 1.2, and as ComfyUI reads them.
"""

import math
from collections.abc import Collection
from typing import NamedTuple

from kakusan.checkpoints.files import JSON
from kakusan.checkpoints.single_file.entries import TensorFile
from kakusan.errors import CheckpointError, listed, shown_path

SIGMAS = {"sigma_min": "edm_vpred.sigma_min", "sigma_max": "edm_vpred.sigma_max"}
STATISTICS = {"latents_mean": "edm_mean", "latents_std": "edm_std"}
FLAGS = frozenset({*SIGMAS.values(), *STATISTICS.values()})
COSXL, PLAYGROUND = "CosXL", "Playground v2.5"
_PREFIX = "model.diffusion_model."


class EdmModel(NamedTuple):
    """A model on EDM's noise levels.

    Attributes:
        name: as its authors call it.
        scheduler: its published config, but for what its UNet predicts.
        prediction: what its UNet predicts.
        vae: what the config of its VAE says besides.
    """

    name: str
    scheduler: dict[str, JSON]
    prediction: str
    vae: dict[str, JSON]


def is_flag(name: str) -> bool:
    """Whether a tensor's name is that of a flag."""
    return name.removeprefix(_PREFIX) in FLAGS


def edm_name(names: Collection[str]) -> str | None:
    """Which model a file's tensors are of, by their names; None where no flag is there."""
    bare = {name.removeprefix(_PREFIX) for name in names}
    if SIGMAS["sigma_max"] in bare:
        return COSXL
    return PLAYGROUND if STATISTICS["latents_mean"] in bare else None


def edm_model(file: TensorFile) -> EdmModel | None:
    """What a file's flags say; None where it has none.

    Raises:
        CheckpointError: A flag is missing, or no number that can be.
    """
    name = edm_name(file.entries)
    if name == COSXL:
        # ComfyUI's bounds, where only the other is said
        low, high = _number(file, SIGMAS["sigma_min"], 0.002), _number(file, SIGMAS["sigma_max"])
        if not 0 < low < high:
            raise CheckpointError(
                f"{shown_path(file.path)}: its flags {listed(SIGMAS.values())} are {low:g} and "
                f"{high:g}; the first must be the lesser, and above 0."
            )
        scheduler: dict[str, JSON] = {
            "_class_name": "EDMEulerScheduler",
            "sigma_data": 1.0,
            "sigma_max": high,
            "sigma_min": low,
            "sigma_schedule": "exponential",
        }
        return EdmModel(name, scheduler, "v_prediction", {})
    if name == PLAYGROUND:
        told: dict[str, JSON] = {key: [*_numbers(file, flag)] for key, flag in STATISTICS.items()}
        scheduler = {
            "_class_name": "EDMDPMSolverMultistepScheduler",
            "sigma_data": 0.5,
            "sigma_max": 80.0,
            "sigma_min": 0.002,
        }
        return EdmModel(name, scheduler, "epsilon", told | {"scaling_factor": 0.5})
    return None


def _number(file: TensorFile, flag: str, default: float | None = None) -> float:
    held = _held(file, flag)
    if held is None and default is not None:
        return default
    numbers = _numbers(file, flag)
    if len(numbers) != 1:
        raise CheckpointError(f"{shown_path(file.path)}: {flag} has {len(numbers)} numbers, not 1.")
    # as it was before it was stored in float32
    return float(f"{numbers[0]:.6g}")


def _numbers(file: TensorFile, flag: str) -> list[float]:
    held = _held(file, flag)
    if held is None:
        raise CheckpointError(
            f"{shown_path(file.path)} was trained on EDM's noise levels, but has no {flag}."
        )
    count = math.prod(file.entries[held].shape)
    numbers = file.numbers(held) if count <= 256 else []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise CheckpointError(f"{shown_path(file.path)}: {flag} is not a few finite numbers.")
    return numbers


def _held(file: TensorFile, flag: str) -> str | None:
    return next((each for each in (flag, _PREFIX + flag) if each in file.entries), None)
