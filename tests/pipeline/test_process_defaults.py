"""What a program sets for the whole of torch changes nothing of a picture."""

import subprocess
import sys

import pytest

DRAW = """
import hashlib, torch
from kakusan import StableDiffusionPipeline
from kakusan import schedulers
{setting}
pipe = StableDiffusionPipeline.from_pretrained("builtin").to("cpu")
pipe.set_progress_bar_config(disable=True)
for name in {names}:
    pipe.scheduler = getattr(schedulers, name).from_config(pipe.scheduler.config)
    drawn = pipe("a red cat", num_inference_steps=3, seed=5, output_type="np").images
    print(name, hashlib.sha256(drawn.tobytes()).hexdigest())
"""
NAMES = [
    "DDIMScheduler",
    "PNDMScheduler",
    "EulerAncestralDiscreteScheduler",
    "UniPCMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "LCMScheduler",
    "HeunDiscreteScheduler",
]


def drawn(setting: str) -> list[str]:
    command = [sys.executable, "-c", DRAW.format(setting=setting, names=NAMES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def usual() -> list[str]:
    return drawn("")


@pytest.mark.parametrize(
    "setting",
    ["torch.set_default_device('meta')", "torch.set_default_dtype(torch.float64)"],
)
def test_a_default_of_torch(setting: str, usual: list[str]) -> None:
    assert drawn(setting) == usual
