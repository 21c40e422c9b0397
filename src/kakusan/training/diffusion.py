"""The second stage: a UNet and a text encoder that learn to denoise latents by their captions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.checkpoints.files import atomic
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel
from kakusan.schedulers.ddim import DDIMScheduler
from kakusan.text import CLIPTokenizer
from kakusan.training.captions import caption
from kakusan.training.grids import grid, to_pictures, to_tensor
from kakusan.training.scenes import Painter, Scene, random_scene
from kakusan.training.trainer import Stage, StageSettings, mixed_precision

SAMPLE_PROMPTS = (
    "a cat on a red background",
    "a dog on a blue background",
    "a photo of a rocket, black background",
    "a strawberry on a white background",
    "green background with a penguin",
    "an emoji of a house in front of a yellow wall",
    "umbrella, pink",
    "a bicycle on a light blue background",
    "a drawing of an elephant on a purple background",
    "a pizza on a gray background",
    "an astronaut on a teal background",
    "a butterfly on an orange background",
    "a castle on a brown background",
    "a sunflower on a blue background",
    "a robot",
    "a key on a green background",
)


class Networks(nn.Module):
    """The two networks that learn together."""

    def __init__(self, unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.unet = unet
        self.text_encoder = text_encoder


class DiffusionStage(Stage[Networks]):
    """Learns the velocity of noised latents of drawn scenes, given their captions.

    `latents` is `(n, channels, h, w)`, scaled to a standard deviation of 1, and `scenes` are what
    they show. A tenth of the captions is left out, for classifier-free guidance.
    """

    def __init__(
        self,
        name: str,
        networks: Networks,
        vae: AutoencoderKL,
        tokenizer: CLIPTokenizer,
        latents: Tensor,
        scenes: Sequence[Scene],
        settings: StageSettings,
        *,
        seed: int,
        scale: float,
    ) -> None:
        self.name = name
        self.networks = networks
        self.vae = vae
        self.tokenizer = tokenizer
        self.latents = latents
        self.scenes = scenes
        self.settings = settings
        self.seed = seed
        self.scale = scale
        self.scheduler = noise_scheduler()

    def loss(self, rng: np.random.Generator) -> Tensor:
        """Return the mean squared error of the velocity at random timesteps."""
        count = self.settings.batch_size
        chosen = rng.integers(len(self.scenes), size=count)
        captions = [caption(self.scenes[i], rng) if rng.random() > 0.1 else "" for i in chosen]
        latents = self.latents[torch.from_numpy(chosen)].float()
        noise = torch.from_numpy(rng.standard_normal(latents.shape, dtype=np.float32))
        # One timestep from each of `count` equal ranges: the same law, less variance.
        spread = (np.arange(count) + rng.random(count)) / count
        timesteps = torch.from_numpy((spread * len(self.scheduler)).astype(np.int64))
        noised = self.scheduler.add_noise(latents, noise, timesteps)
        target = self.scheduler.get_velocity(latents, noise, timesteps)
        with mixed_precision():
            embeddings = self.networks.text_encoder(self.tokenizer.encode_prompts(captions))[0]
            prediction = self.networks.unet(noised, timesteps, embeddings)[0]
        return F.mse_loss(prediction.float(), target)

    def samples(self) -> Image.Image:
        """Return pictures of `SAMPLE_PROMPTS`, two seeds each, always from the same noise."""
        latents = self.generate([*SAMPLE_PROMPTS, *SAMPLE_PROMPTS], guidance=3.0, steps=25)
        with torch.no_grad():
            return grid(to_pictures(self.vae.decode(latents / self.scale)[0]), columns=16)

    @torch.no_grad()
    def generate(self, prompts: Sequence[str], *, guidance: float, steps: int) -> Tensor:
        """Return latents of the prompts, denoised from noise that only the seed decides."""
        ids = self.tokenizer.encode_prompts([*[""] * len(prompts), *prompts])
        embeddings = self.networks.text_encoder(ids)[0]
        generator = torch.Generator().manual_seed(self.seed)
        x = torch.randn((len(prompts), *self.latents.shape[1:]), generator=generator)
        scheduler = self.scheduler.fresh()
        scheduler.set_timesteps(steps)
        for timestep in scheduler.timesteps:
            prediction = self.networks.unet(torch.cat([x, x]), timestep, embeddings)[0]
            plain, guided = prediction.chunk(2)
            x = scheduler.step(plain + guidance * (guided - plain), timestep, x)[0]
        return x


def noise_scheduler() -> DDIMScheduler:
    """Return the noise that the model learns to take away.

    The betas are DDPM's (arXiv:2006.11239): in 8x8 latents no trace of a flat background may be
    left at the last timestep, and Stable Diffusion's schedule leaves one.
    """
    return DDIMScheduler(
        beta_schedule="linear",
        beta_start=0.0001,
        beta_end=0.02,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        steps_offset=1,  # without effect with "trailing"; the reference wants to see it
    )


def begin_quietly(networks: Networks) -> None:
    """Set to zero what each residual branch of the UNet ends with, so that it begins as nothing."""
    unet = networks.unet
    for name, parameter in unet.named_parameters():
        if any(end in name for end in (".conv2.", ".proj_out.", "conv_out.")):
            nn.init.zeros_(parameter)


def draw_scenes(count: int, seed: int, variety: float) -> list[Scene]:
    """Return the scenes that a diffusion stage learns from."""
    rng = np.random.default_rng([seed, count])
    return [random_scene(rng, variety=variety) for _ in range(count)]


@torch.no_grad()
def encode_scenes(
    vae: AutoencoderKL, scenes: Sequence[Scene], painter: Painter, path: Path
) -> Tensor:
    """Return the latents' means as float16, from the file at `path` if it is there."""
    if path.exists():
        return load_file(path)["latents"]
    means: list[Tensor] = []
    with mixed_precision():
        for start in range(0, len(scenes), 64):
            pictures = np.stack([painter.draw(scene) for scene in scenes[start : start + 64]])
            means.append(vae.encode(to_tensor(pictures))[0].mean.half())
    latents = torch.cat(means).contiguous()
    with atomic(path) as temporary:
        save_file({"latents": latents}, temporary)
    return latents
