"""kakusan: Stable Diffusion in Python. Text in, pictures out.

Every public name is imported on first use, so that `import kakusan` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "AutoencoderKL": "kakusan.models",
    "CLIPImageProcessor": "kakusan.models",
    "CLIPTextModel": "kakusan.models",
    "CLIPTokenizer": "kakusan.text",
    "DDIMScheduler": "kakusan.schedulers",
    "DDPMScheduler": "kakusan.schedulers",
    "DPMSolverMultistepScheduler": "kakusan.schedulers",
    "EulerAncestralDiscreteScheduler": "kakusan.schedulers",
    "EulerDiscreteScheduler": "kakusan.schedulers",
    "GenerationInterrupted": "kakusan.errors",
    "HeunDiscreteScheduler": "kakusan.schedulers",
    "InputError": "kakusan.errors",
    "KakusanError": "kakusan.errors",
    "LMSDiscreteScheduler": "kakusan.schedulers",
    "PNDMScheduler": "kakusan.schedulers",
    "Picture": "kakusan.pipeline",
    "Request": "kakusan.generation",
    "StableDiffusionPipeline": "kakusan.pipeline",
    "StableDiffusionPipelineOutput": "kakusan.pipeline",
    "StableDiffusionSafetyChecker": "kakusan.models",
    "Step": "kakusan.generation",
    "UNet2DConditionModel": "kakusan.models",
    "generate": "kakusan.pipeline",
    "image_grid": "kakusan.images",
    "reproduce": "kakusan.pipeline",
    "save_image": "kakusan.images",
}

__all__ = sorted([*_HOMES, "__version__"])  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:
    from kakusan.errors import GenerationInterrupted, InputError, KakusanError
    from kakusan.generation import Request, Step
    from kakusan.images import image_grid, save_image
    from kakusan.models import (
        AutoencoderKL,
        CLIPImageProcessor,
        CLIPTextModel,
        StableDiffusionSafetyChecker,
        UNet2DConditionModel,
    )
    from kakusan.pipeline import (
        Picture,
        StableDiffusionPipeline,
        StableDiffusionPipelineOutput,
        generate,
        reproduce,
    )
    from kakusan.schedulers import (
        DDIMScheduler,
        DDPMScheduler,
        DPMSolverMultistepScheduler,
        EulerAncestralDiscreteScheduler,
        EulerDiscreteScheduler,
        HeunDiscreteScheduler,
        LMSDiscreteScheduler,
        PNDMScheduler,
    )
    from kakusan.text import CLIPTokenizer


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kakusan' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
