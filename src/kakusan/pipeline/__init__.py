"""The parts put together: from a prompt to a picture."""

from kakusan.pipeline.auto import (
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    AutoPipelineForText2Image,
    DiffusionPipeline,
)
from kakusan.pipeline.controlnet import (
    StableDiffusionControlNetPipeline,
    StableDiffusionXLControlNetPipeline,
)
from kakusan.pipeline.controlnet_img2img import (
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetImg2ImgPipeline,
)
from kakusan.pipeline.controlnet_inpaint import (
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionXLControlNetInpaintPipeline,
)
from kakusan.pipeline.controlnet_union import (
    StableDiffusionXLControlNetUnionImg2ImgPipeline,
    StableDiffusionXLControlNetUnionInpaintPipeline,
    StableDiffusionXLControlNetUnionPipeline,
)
from kakusan.pipeline.decode import decode
from kakusan.pipeline.draw import draw
from kakusan.pipeline.image_processor import VaeImageProcessor
from kakusan.pipeline.latent_consistency import LatentConsistencyModelPipeline
from kakusan.pipeline.latent_consistency_img2img import LatentConsistencyModelImg2ImgPipeline
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.pipeline.latents import load_latents, save_latents
from kakusan.pipeline.output import (
    Picture,
    StableDiffusionPipelineOutput,
    StableDiffusionXLPipelineOutput,
)
from kakusan.pipeline.short import generate, reproduce
from kakusan.pipeline.stable_diffusion import StableDiffusionPipeline
from kakusan.pipeline.stable_diffusion_img2img import StableDiffusionImg2ImgPipeline
from kakusan.pipeline.stable_diffusion_inpaint import StableDiffusionInpaintPipeline
from kakusan.pipeline.stable_diffusion_xl import StableDiffusionXLPipeline
from kakusan.pipeline.stable_diffusion_xl_img2img import StableDiffusionXLImg2ImgPipeline
from kakusan.pipeline.stable_diffusion_xl_inpaint import StableDiffusionXLInpaintPipeline
from kakusan.pipeline.t2i_adapter import (
    StableDiffusionAdapterPipeline,
    StableDiffusionXLAdapterPipeline,
)
from kakusan.pipeline.together import draw_together

__all__ = [
    "AutoPipelineForImage2Image",
    "AutoPipelineForInpainting",
    "AutoPipelineForText2Image",
    "DiffusionPipeline",
    "LatentConsistencyModelImg2ImgPipeline",
    "LatentConsistencyModelPipeline",
    "LatentDiffusionPipeline",
    "Picture",
    "StableDiffusionAdapterPipeline",
    "StableDiffusionControlNetImg2ImgPipeline",
    "StableDiffusionControlNetInpaintPipeline",
    "StableDiffusionControlNetPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionPipeline",
    "StableDiffusionPipelineOutput",
    "StableDiffusionXLAdapterPipeline",
    "StableDiffusionXLControlNetImg2ImgPipeline",
    "StableDiffusionXLControlNetInpaintPipeline",
    "StableDiffusionXLControlNetPipeline",
    "StableDiffusionXLControlNetUnionImg2ImgPipeline",
    "StableDiffusionXLControlNetUnionInpaintPipeline",
    "StableDiffusionXLControlNetUnionPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLPipelineOutput",
    "VaeImageProcessor",
    "decode",
    "draw",
    "draw_together",
    "generate",
    "load_latents",
    "reproduce",
    "save_latents",
]
