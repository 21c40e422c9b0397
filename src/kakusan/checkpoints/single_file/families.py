"""What the families have in common beside shapes, as their published configs say."""

from dataclasses import dataclass
from typing import Any

from kakusan.checkpoints.files import JSON
from kakusan.checkpoints.single_file.prediction import EPSILON, Prediction, V

_BETAS: dict[str, Any] = {
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}


@dataclass(frozen=True)
class Family:
    """What a file does not say.

    Attributes:
        sample_size: of the latents that it was trained on.
        scheduler: the class that its published folder names.
        scaling_factor: of the latents.
        force_upcast: whether the VAE overflows in float16.
        second_tokenizer: whether it has a tokenizer for the second text encoder.
        pads_with_zero: tokenizers that fill texts up with the token 0.
        settings: what its index says besides.
    """

    sample_size: int
    scheduler: str
    scaling_factor: float = 0.18215
    force_upcast: bool = False
    pads_with_zero: frozenset[str] = frozenset()
    timestep_spacing: str | None = None
    force_zeros_for_empty_prompt: bool = True


_XL: dict[str, Any] = {
    "sample_size": 128,
    "scheduler": "EulerDiscreteScheduler",
    "scaling_factor": 0.13025,
    "force_upcast": True,
    "pads_with_zero": frozenset({"tokenizer_2"}),
    "timestep_spacing": "leading",
}
FAMILY = {
    "v1": Family(64, "PNDMScheduler"),
    "v2": Family(64, "PNDMScheduler", pads_with_zero=frozenset({"tokenizer"})),
    "sdxl": Family(**_XL),
    "sdxl-refiner": Family(**_XL, force_zeros_for_empty_prompt=False),
}
V2_LARGE = 96  # of version 2's models that predict v


def sample_size(family: str, prediction: str, variant: str) -> int:
    """Height and width of the latents that a family was trained on."""
    if family == "v2" and prediction == V and not variant:
        return V2_LARGE
    return FAMILY[family].sample_size


def scheduler_config(family: str, prediction: Prediction, *, guided: bool) -> dict[str, JSON]:
    """The published config of the scheduler that a family comes with.

    Args:
        guided: whether the network takes the guidance itself, as distilled ones do (LCM).
    """
    if prediction.edm is not None:
        return {**prediction.edm, "prediction_type": prediction.kind, "num_train_timesteps": 1000}
    known = FAMILY[family]
    config: dict[str, JSON] = {
        "_class_name": known.scheduler,
        **_BETAS,
        "prediction_type": prediction.kind,
    }
    if family == "v2" and prediction.kind != EPSILON:
        config["_class_name"] = "DDIMScheduler"
    if known.timestep_spacing is not None:
        config["timestep_spacing"] = known.timestep_spacing
    if guided:
        config |= {"_class_name": "LCMScheduler", "set_alpha_to_one": True}
    if prediction.zero_snr:
        # trained down to noise alone, so the first step has to begin there
        config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
        if known.scheduler == "PNDMScheduler":
            config["_class_name"] = "DDIMScheduler"
    return config
