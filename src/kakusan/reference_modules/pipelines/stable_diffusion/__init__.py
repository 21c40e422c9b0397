"""The reference's module of this name: the pipeline, its output, and the safety checker."""

from kakusan.later import missing_name
from kakusan.models import StableDiffusionSafetyChecker
from kakusan.pipeline import (
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionPipelineOutput,
)

__all__ = [
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionPipeline",
    "StableDiffusionPipelineOutput",
    "StableDiffusionSafetyChecker",
]


def __getattr__(name: str) -> object:
    raise missing_name("kakusan.pipelines.stable_diffusion", name, __all__)
