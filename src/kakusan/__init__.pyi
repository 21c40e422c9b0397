from kakusan.errors import DecodeError as DecodeError
from kakusan.errors import GenerationInterrupted as GenerationInterrupted
from kakusan.errors import InputError as InputError
from kakusan.errors import KakusanError as KakusanError
from kakusan.images import image_grid as image_grid
from kakusan.images import save_image as save_image
from kakusan.models import AutoencoderKL as AutoencoderKL
from kakusan.models import AutoencoderTiny as AutoencoderTiny
from kakusan.models import CLIPImageProcessor as CLIPImageProcessor
from kakusan.models import CLIPTextModel as CLIPTextModel
from kakusan.models import CLIPTextModelWithProjection as CLIPTextModelWithProjection
from kakusan.models import CLIPVisionModelWithProjection as CLIPVisionModelWithProjection
from kakusan.models import ControlNetModel as ControlNetModel
from kakusan.models import ControlNetUnionModel as ControlNetUnionModel
from kakusan.models import MultiAdapter as MultiAdapter
from kakusan.models import MultiControlNetModel as MultiControlNetModel
from kakusan.models import StableDiffusionSafetyChecker as StableDiffusionSafetyChecker
from kakusan.models import T2IAdapter as T2IAdapter
from kakusan.models import UNet2DConditionModel as UNet2DConditionModel
from kakusan.pipeline import AutoPipelineForImage2Image as AutoPipelineForImage2Image
from kakusan.pipeline import AutoPipelineForInpainting as AutoPipelineForInpainting
from kakusan.pipeline import AutoPipelineForText2Image as AutoPipelineForText2Image
from kakusan.pipeline import DiffusionPipeline as DiffusionPipeline
from kakusan.pipeline import (
    LatentConsistencyModelImg2ImgPipeline as LatentConsistencyModelImg2ImgPipeline,
)
from kakusan.pipeline import LatentConsistencyModelPipeline as LatentConsistencyModelPipeline
from kakusan.pipeline import Picture as Picture
from kakusan.pipeline import StableDiffusionAdapterPipeline as StableDiffusionAdapterPipeline
from kakusan.pipeline import (
    StableDiffusionControlNetImg2ImgPipeline as StableDiffusionControlNetImg2ImgPipeline,
)
from kakusan.pipeline import (
    StableDiffusionControlNetInpaintPipeline as StableDiffusionControlNetInpaintPipeline,
)
from kakusan.pipeline import StableDiffusionControlNetPipeline as StableDiffusionControlNetPipeline
from kakusan.pipeline import StableDiffusionImg2ImgPipeline as StableDiffusionImg2ImgPipeline
from kakusan.pipeline import StableDiffusionInpaintPipeline as StableDiffusionInpaintPipeline
from kakusan.pipeline import StableDiffusionPipeline as StableDiffusionPipeline
from kakusan.pipeline import StableDiffusionPipelineOutput as StableDiffusionPipelineOutput
from kakusan.pipeline import StableDiffusionXLAdapterPipeline as StableDiffusionXLAdapterPipeline
from kakusan.pipeline import (
    StableDiffusionXLControlNetImg2ImgPipeline as StableDiffusionXLControlNetImg2ImgPipeline,
)
from kakusan.pipeline import (
    StableDiffusionXLControlNetInpaintPipeline as StableDiffusionXLControlNetInpaintPipeline,
)
from kakusan.pipeline import (
    StableDiffusionXLControlNetPipeline as StableDiffusionXLControlNetPipeline,
)
from kakusan.pipeline import (
    StableDiffusionXLControlNetUnionImg2ImgPipeline as StableDiffusionXLControlNetUnionImg2ImgPipeline,  # noqa: E501
)
from kakusan.pipeline import (
    StableDiffusionXLControlNetUnionInpaintPipeline as StableDiffusionXLControlNetUnionInpaintPipeline,  # noqa: E501
)
from kakusan.pipeline import (
    StableDiffusionXLControlNetUnionPipeline as StableDiffusionXLControlNetUnionPipeline,
)
from kakusan.pipeline import StableDiffusionXLImg2ImgPipeline as StableDiffusionXLImg2ImgPipeline
from kakusan.pipeline import StableDiffusionXLInpaintPipeline as StableDiffusionXLInpaintPipeline
from kakusan.pipeline import StableDiffusionXLPipeline as StableDiffusionXLPipeline
from kakusan.pipeline import StableDiffusionXLPipelineOutput as StableDiffusionXLPipelineOutput
from kakusan.pipeline import VaeImageProcessor as VaeImageProcessor
from kakusan.pipeline import decode as decode
from kakusan.pipeline import generate as generate
from kakusan.pipeline import load_latents as load_latents
from kakusan.pipeline import reproduce as reproduce
from kakusan.pipeline import save_latents as save_latents
from kakusan.request import Request as Request
from kakusan.sampling import Step as Step
from kakusan.schedulers import DDIMCFGPPScheduler as DDIMCFGPPScheduler
from kakusan.schedulers import DDIMScheduler as DDIMScheduler
from kakusan.schedulers import DDPMScheduler as DDPMScheduler
from kakusan.schedulers import DEISMultistepScheduler as DEISMultistepScheduler
from kakusan.schedulers import DPMFastScheduler as DPMFastScheduler
from kakusan.schedulers import DPMPP2MCFGPPScheduler as DPMPP2MCFGPPScheduler
from kakusan.schedulers import DPMPP2MSDEScheduler as DPMPP2MSDEScheduler
from kakusan.schedulers import DPMPP2SAncestralScheduler as DPMPP2SAncestralScheduler
from kakusan.schedulers import DPMPP2SCFGPPScheduler as DPMPP2SCFGPPScheduler
from kakusan.schedulers import DPMPP3MSDEScheduler as DPMPP3MSDEScheduler
from kakusan.schedulers import DPMSolverMultistepScheduler as DPMSolverMultistepScheduler
from kakusan.schedulers import DPMSolverSDEScheduler as DPMSolverSDEScheduler
from kakusan.schedulers import DPMSolverSinglestepScheduler as DPMSolverSinglestepScheduler
from kakusan.schedulers import EDMDPMSolverMultistepScheduler as EDMDPMSolverMultistepScheduler
from kakusan.schedulers import EDMEulerScheduler as EDMEulerScheduler
from kakusan.schedulers import ERSDEScheduler as ERSDEScheduler
from kakusan.schedulers import EulerAncestralDiscreteScheduler as EulerAncestralDiscreteScheduler
from kakusan.schedulers import EulerCFGPPScheduler as EulerCFGPPScheduler
from kakusan.schedulers import EulerDiscreteScheduler as EulerDiscreteScheduler
from kakusan.schedulers import GradientEstimationCFGPPScheduler as GradientEstimationCFGPPScheduler
from kakusan.schedulers import GradientEstimationScheduler as GradientEstimationScheduler
from kakusan.schedulers import HeunDiscreteScheduler as HeunDiscreteScheduler
from kakusan.schedulers import HeunPP2Scheduler as HeunPP2Scheduler
from kakusan.schedulers import ImprovedPNDMScheduler as ImprovedPNDMScheduler
from kakusan.schedulers import KDPM2AncestralDiscreteScheduler as KDPM2AncestralDiscreteScheduler
from kakusan.schedulers import KDPM2DiscreteScheduler as KDPM2DiscreteScheduler
from kakusan.schedulers import LCMScheduler as LCMScheduler
from kakusan.schedulers import LMSDiscreteScheduler as LMSDiscreteScheduler
from kakusan.schedulers import PNDMScheduler as PNDMScheduler
from kakusan.schedulers import RESMultistepCFGPPScheduler as RESMultistepCFGPPScheduler
from kakusan.schedulers import RESMultistepScheduler as RESMultistepScheduler
from kakusan.schedulers import RestartScheduler as RestartScheduler
from kakusan.schedulers import SEEDS2Scheduler as SEEDS2Scheduler
from kakusan.schedulers import SEEDS3Scheduler as SEEDS3Scheduler
from kakusan.schedulers import TCDScheduler as TCDScheduler
from kakusan.schedulers import UniPCMultistepScheduler as UniPCMultistepScheduler
from kakusan.text import CLIPTokenizer as CLIPTokenizer
from kakusan.utils import logging as logging

__version__: str
__all__: list[str]
