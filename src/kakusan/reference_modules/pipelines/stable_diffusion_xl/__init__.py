"""The reference's module of this name: SDXL's pipelines and their output."""

from kakusan.later import missing_name
from kakusan.pipeline import (
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    StableDiffusionXLPipelineOutput,
)

__all__ = [
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLPipelineOutput",
]


def __getattr__(name: str) -> object:
    raise missing_name("kakusan.pipelines.stable_diffusion_xl", name, __all__)
