from kakusan.errors import GenerationInterrupted as GenerationInterrupted
from kakusan.errors import InputError as InputError
from kakusan.errors import KakusanError as KakusanError
from kakusan.images import image_grid as image_grid
from kakusan.images import save_image as save_image
from kakusan.models import AutoencoderKL as AutoencoderKL
from kakusan.models import AutoencoderTiny as AutoencoderTiny
from kakusan.models import CLIPImageProcessor as CLIPImageProcessor
from kakusan.models import CLIPTextModel as CLIPTextModel
from kakusan.models import StableDiffusionSafetyChecker as StableDiffusionSafetyChecker
from kakusan.models import UNet2DConditionModel as UNet2DConditionModel
from kakusan.pipeline import AutoPipelineForText2Image as AutoPipelineForText2Image
from kakusan.pipeline import DiffusionPipeline as DiffusionPipeline
from kakusan.pipeline import LatentConsistencyModelPipeline as LatentConsistencyModelPipeline
from kakusan.pipeline import Picture as Picture
from kakusan.pipeline import StableDiffusionPipeline as StableDiffusionPipeline
from kakusan.pipeline import StableDiffusionPipelineOutput as StableDiffusionPipelineOutput
from kakusan.pipeline import VaeImageProcessor as VaeImageProcessor
from kakusan.pipeline import generate as generate
from kakusan.pipeline import reproduce as reproduce
from kakusan.request import Request as Request
from kakusan.sampling import Step as Step
from kakusan.schedulers import DDIMScheduler as DDIMScheduler
from kakusan.schedulers import DDPMScheduler as DDPMScheduler
from kakusan.schedulers import DPMSolverMultistepScheduler as DPMSolverMultistepScheduler
from kakusan.schedulers import EulerAncestralDiscreteScheduler as EulerAncestralDiscreteScheduler
from kakusan.schedulers import EulerDiscreteScheduler as EulerDiscreteScheduler
from kakusan.schedulers import HeunDiscreteScheduler as HeunDiscreteScheduler
from kakusan.schedulers import LCMScheduler as LCMScheduler
from kakusan.schedulers import LMSDiscreteScheduler as LMSDiscreteScheduler
from kakusan.schedulers import PNDMScheduler as PNDMScheduler
from kakusan.schedulers import TCDScheduler as TCDScheduler
from kakusan.text import CLIPTokenizer as CLIPTokenizer
from kakusan.utils import logging as logging

__version__: str
__all__: list[str]
