"""Lines of present-day scripts about schedulers, run in the reference library and here."""

import copy
import inspect
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

import kakusan.schedulers
from kakusan.errors import RequestError, UnknownArgumentError
from kakusan.schedulers import SCHEDULERS, DDIMScheduler, PNDMScheduler, Scheduler
from tests.schedulers.reference import IN_REFERENCE, ON_TIMESTEPS

# The reference calls numpy and torch in ways that they warn of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]

SETTINGS: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "skip_prk_steps": True,
    "clip_sample": False,
    "timestep_spacing": "leading",
}
# Each is evaluated with `s`, a scheduler, `lib`, its library, and `x` and `noise`, tensors.
EXPRESSIONS = [
    "len(s)",
    "s.order",
    "float(s.init_noise_sigma)",
    "s.num_inference_steps",
    "s.timesteps",
    "s.timesteps[0].item()",
    "len(s.timesteps)",
    "s.betas",
    "s.alphas",
    "s.alphas_cumprod",
    "s.alphas_cumprod[500]",
    "s.config.num_train_timesteps",
    "s.num_train_timesteps",
    "s.config['num_train_timesteps']",
    "s.config.get('num_train_timesteps')",
    "s.config.get('no_such_setting', 7)",
    "'beta_start' in s.config",
    "'no_such_setting' in s.config",
    "s.config.beta_schedule",
    "s.config.prediction_type",
    "s.config.clip_sample",
    "s.config.steps_offset",
    "getattr(s.config, 'steps_offset', 0) != 1",
    "hasattr(s.config, 'clip_sample') and s.config.clip_sample is True",
    "hasattr(s.config, 'no_such_setting')",
    "dict(s.config)['beta_end']",
    "{**s.config}['skip_prk_steps']",
    "[s.config[k] for k in ('trained_betas', 'timestep_spacing')]",
    "type(s).__name__",
    "s.__class__.from_config(s.config).config.beta_end",
    "s.from_config(s.config, timestep_spacing='trailing').config.timestep_spacing",
    "lib.DDIMScheduler.from_config(s.config).config.clip_sample",
    "lib.DDIMScheduler.from_config(dict(s.config)).config.beta_start",
    "type(lib.EulerDiscreteScheduler.from_config(s.config, use_karras_sigmas=True)).__name__",
    "lib.DPMSolverMultistepScheduler in s.compatibles",
    "type(s) in s.compatibles",
    "sorted(c.__name__ for c in s.compatibles if c.__name__ in known)",
    "s.scale_model_input(x, s.timesteps[0])",
    "s.scale_model_input(x, timestep=s.timesteps[0])",
    "s.scale_model_input(sample=x, timestep=s.timesteps[0])",
    "s.add_noise(x, noise, s.timesteps[2:3])",
    "s.add_noise(original_samples=x, noise=noise, timesteps=s.timesteps[1:2])",
    "'eta' in set(inspect.signature(s.step).parameters.keys())",
    "'generator' in set(inspect.signature(s.step).parameters.keys())",
    "hasattr(s, 'order')",
    "[(i, float(t)) for i, t in enumerate(s.timesteps)][:2]",
]
STEPS = [
    "s.step(noise, s.timesteps[0], x).prev_sample",
    "s.step(noise, s.timesteps[0], x)[0]",
    "s.step(noise, s.timesteps[0], x)['prev_sample']",
    "s.step(noise, s.timesteps[0], x, return_dict=False)[0]",
    "s.step(model_output=noise, timestep=s.timesteps[0], sample=x).prev_sample",
]
OF_SOME = {
    "s.final_alpha_cumprod": ["DDIMScheduler", "PNDMScheduler"],
    "s.sigmas[:9]": [name for name in IN_REFERENCE if hasattr(SCHEDULERS[name](), "sigmas")],
    "(s.begin_index, s.step_index)": ["EulerDiscreteScheduler", "DPMSolverMultistepScheduler"],
    "s.set_begin_index(2)": ["EulerDiscreteScheduler", "LMSDiscreteScheduler"],
    "s.get_velocity(x, noise, torch.tensor([7]))": ["DDIMScheduler", "DDPMScheduler"],
    "s.step(noise, s.timesteps[0], x, eta=0.0).pred_original_sample": ["DDIMScheduler"],
    "s.step(noise, s.timesteps[0], x).pred_original_sample": ["EulerDiscreteScheduler"],
    "[int(s.previous_timestep(t)) for t in s.timesteps]": ["DDPMScheduler"],
    "[s.index_for_timestep(t) for t in s.timesteps]": ["EulerDiscreteScheduler"],
    "s.set_timesteps(timesteps=[900, 500, 20])": ["DDPMScheduler", "DPMSolverMultistepScheduler"],
}

# Where a scheduler has more than the reference's.
EXCEPT = {
    "'generator' in set(inspect.signature(s.step).parameters.keys())": [
        "HeunDiscreteScheduler",
        "KDPM2DiscreteScheduler",
    ],
    # It has no such setting, and the reference forgets the override.
    "s.from_config(s.config, timestep_spacing='trailing').config.timestep_spacing": [
        "DPMSolverSinglestepScheduler"
    ],
}


# The reference offers them for no other scheduler's config; here every config makes every one.
DISTILLED = ("LCMScheduler", "TCDScheduler")


@cache
def planned(library: Any, name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = getattr(library, name).from_config(SETTINGS)
    scheduler.set_timesteps(8, device="cpu")
    return scheduler


def evaluated(line: str, library: Any, name: str) -> Any:
    scheduler = copy.deepcopy(planned(library, name)) if "(" in line else planned(library, name)
    x, noise = torch.randn(2, 1, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(5)
    names = {
        "s": scheduler,
        "lib": library,
        "x": x,
        "noise": noise,
        "known": set(IN_REFERENCE) - set(DISTILLED),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(line, {**names, "torch": torch, "inspect": inspect})


def assert_same(found: Any, expected: Any, line: str) -> None:
    if isinstance(expected, Tensor):
        assert found.dtype == expected.dtype, line
        assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6), line
    elif isinstance(expected, Iterable) and not isinstance(expected, str | Mapping):
        assert list(found) == list(expected), line
    else:
        assert found == expected, line


@pytest.mark.parametrize("name", IN_REFERENCE)
def test_lines_for_every_scheduler(name: str) -> None:
    for line in (*EXPRESSIONS, *STEPS):
        if name in EXCEPT.get(line, ()) or ("compatibles" in line and name in DISTILLED):
            continue
        expected = evaluated(line, diffusers, name)
        assert_same(evaluated(line, kakusan.schedulers, name), expected, line)


def test_lines_for_some() -> None:
    for line, name in ((line, name) for line, names in OF_SOME.items() for name in names):
        expected = evaluated(line, diffusers, name)
        assert_same(evaluated(line, kakusan.schedulers, name), expected, f"{name}: {line}")


def test_a_registered_setting_acts() -> None:
    for kind in ON_TIMESTEPS.values():
        ours = kind.from_config(SETTINGS)
        ours.set_timesteps(5)
        ours.register_to_config(prediction_type="v_prediction", beta_end=0.02)
        fresh = kind.from_config(SETTINGS | {"prediction_type": "v_prediction", "beta_end": 0.02})
        assert dict(ours.config) == dict(fresh.config)
        assert torch.equal(ours.alphas_cumprod, fresh.alphas_cumprod)
        assert ours.num_inference_steps is None
        with pytest.raises(UnknownArgumentError, match="prediction_type"):
            ours.register_to_config(predictiontype="sample")
        with pytest.raises(RequestError, match="beta_end"):
            ours.register_to_config(beta_end=-1)


def test_settings_of_others_are_attributes_too(tmp_path: Path) -> None:
    pndm = PNDMScheduler.from_config({"_class_name": "X", "clip_sample": False, "odd": [1]})
    assert pndm.config.clip_sample is False
    assert pndm.config.odd == [1]
    assert pndm.config._class_name == "PNDMScheduler"
    with pytest.raises(AttributeError, match="no setting 'thresholding'"):
        _ = pndm.config.thresholding
    pndm.save_pretrained(tmp_path)
    assert DDIMScheduler.from_pretrained(tmp_path).config.clip_sample is False


KINDS = ["epsilon", "v_prediction", "sample"]


@pytest.mark.parametrize("prediction", KINDS)
def test_a_model_that_hits_the_training_target_knows_the_picture(prediction: str) -> None:
    settings = SETTINGS | {"prediction_type": prediction, "timestep_spacing": "linspace"}
    x, noise = torch.randn(2, 3, 4, 3, 3, dtype=torch.float64)
    for name, t in product(ON_TIMESTEPS, (5, 500, 999)):
        scheduler: Scheduler = ON_TIMESTEPS[name].from_config(settings)
        each = torch.full((3,), t)
        target = scheduler.training_target(x, noise, each)
        noised = scheduler.add_noise(x, noise, each)
        tolerance = 5e-4 if name == "LCMScheduler" else 1e-4  # keeps a little of the noisy one
        assert torch.allclose(scheduler.denoised(target, t, noised), x, atol=tolerance), name
        expected = {"epsilon": noise, "sample": x}.get(prediction)
        assert expected is None or torch.equal(target, expected), name
