"""The reference's name of the room `pipeline`, which scripts import from."""

from kakusan.later import missing_name
from kakusan.pipeline import (
    AutoPipelineForText2Image,
    DiffusionPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)

__all__ = [
    "AutoPipelineForText2Image",
    "DiffusionPipeline",
    "StableDiffusionPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLPipeline",
]


def __getattr__(name: str) -> object:
    raise missing_name("kakusan.pipelines", name, __all__)
