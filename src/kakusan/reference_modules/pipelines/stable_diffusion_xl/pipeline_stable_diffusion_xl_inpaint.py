"""The name of the module that scripts import the pipeline's class from."""

from kakusan.pipeline import StableDiffusionXLInpaintPipeline as StableDiffusionXLInpaintPipeline
