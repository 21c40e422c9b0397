"""The last stage: a UNet that learns to denoise latents by what a text encoder says of them."""

import copy
import sys
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.errors import reason
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel
from kakusan.runtime.precision import compute_dtype
from kakusan.schedulers import seeded
from kakusan.schedulers.ddim import DDIMScheduler
from kakusan.text import CLIPTokenizer
from kakusan.training.grids import grid, to_pictures, to_tensor
from kakusan.training.pace import StageSettings
from kakusan.training.trainer import Stage, mixed_precision

DROPOUT = 0.1  # of captions


class DiffusionStage(Stage[UNet2DConditionModel]):
    """Learns the velocity of noised latents, given a caption of what they show.

    A tenth of the captions is left out, for classifier-free guidance. All that it learns from lies
    on the UNet's device, and is drawn there.

    Args:
        unet: learns, from as it is.
        text_encoder: reads the captions, and stays as it is.
        vae: decodes sample grids.
        tokenizer: reads the prompts of the sample grids.
        latents: shape (n, channels, height, width), scaled to a standard deviation of 1.
        ids: of the captions of each of them, shape (n, captions, tokens).
        settings: of the stage.
        prompts: of the sample grids.
        seed: decides noise, timesteps and captions.
        scale: what the latents were multiplied with.
        first: the numbers of the latents that come first; without any, all from the first step on.
        first_share: of the stage, in which only these come.
        min_snr: weighs the loss by min(signal-to-noise ratio, this) instead of by the ratio + 1
            that the velocity's plain error amounts to (arXiv:2303.09556); None is the plain error.
            In small latents what a prompt asks for is decided where there is more noise than
            signal, and there this weight is close to nothing.
        emphasis: shape (n, height, width), how much the error at each place of the latents counts;
            None counts them alike.
        compiled: whether the UNet is compiled for the training, where that works.
    """

    name = "unet"

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text_encoder: CLIPTextModel,
        vae: AutoencoderKL,
        tokenizer: CLIPTokenizer,
        latents: Tensor,
        ids: Tensor,
        settings: StageSettings,
        *,
        prompts: Sequence[str],
        seed: int,
        scale: float,
        first: Tensor | None = None,
        first_share: float = 0.0,
        min_snr: float | None = None,
        emphasis: Tensor | None = None,
        compiled: bool = False,
    ) -> None:
        self.networks = unet
        self.text_encoder = text_encoder
        self.vae = vae
        self.tokenizer = tokenizer
        self.latents = latents.to(self.device)
        self.ids = ids.to(self.device)
        self.nothing = tokenizer.encode_prompts([""]).to(self.device)
        self.settings = settings
        self.prompts = prompts
        self.seed = seed
        self.scale = scale
        self.first = None if first is None else first.to(self.device)
        self.first_share = first_share
        self.min_snr = min_snr
        self.emphasis = None if emphasis is None else emphasis.to(self.device)
        self.scheduler = noise_scheduler()
        self.signal = self.scheduler.alphas_cumprod.float().to(self.device)
        self.predict: Callable[[Tensor, Tensor, Tensor], Tensor] = _predicting(unet)
        if compiled:
            self.predict = self._compiled()

    def loss(self, rng: np.random.Generator) -> Tensor:
        """Return the mean squared error of the velocity at random timesteps."""
        count, draw = self.settings.batch_size, self.draws(rng)
        chosen = self._chosen(count, draw)
        latents = self.latents[chosen].float()
        noise = torch.randn(latents.shape, generator=draw, device=self.device)
        # One timestep from each of `count` equal ranges: the same law, less variance.
        within = torch.rand(count, generator=draw, device=self.device)
        spread = (torch.arange(count, device=self.device) + within) / count
        timesteps = (spread * len(self.signal)).long().clamp(max=len(self.signal) - 1)
        kept = self.signal[timesteps][:, None, None, None]  # alpha squared, sigma squared is 1 less
        noised = kept.sqrt() * latents + (1 - kept).sqrt() * noise
        velocity = kept.sqrt() * noise - (1 - kept).sqrt() * latents  # arXiv:2202.00512, appendix D
        with mixed_precision(self.device):
            text = self._read(self._captions(chosen, draw))
            prediction = self.predict(noised, timesteps, text)
        errors = F.mse_loss(prediction.float(), velocity, reduction="none").mean(1)
        if self.emphasis is not None:
            errors = errors * self.emphasis[chosen].float()
        return (errors.mean((1, 2)) * self._weights(kept.flatten())).mean()

    def _chosen(self, count: int, draw: torch.Generator) -> Tensor:
        """The numbers of the latents of a step, shape (count,)."""
        if self.first is None or self.done >= self.first_share:
            return torch.randint(len(self.latents), (count,), generator=draw, device=self.device)
        index = torch.randint(len(self.first), (count,), generator=draw, device=self.device)
        return self.first[index]

    def _captions(self, chosen: Tensor, draw: torch.Generator) -> Tensor:
        """One of the captions of each, or nothing, shape (count, tokens)."""
        count = len(chosen)
        which = torch.randint(self.ids.shape[1], (count,), generator=draw, device=self.device)
        left_out = torch.rand(count, generator=draw, device=self.device) < DROPOUT
        return torch.where(left_out[:, None], self.nothing, self.ids[chosen, which].long())

    @torch.no_grad()
    def _read(self, ids: Tensor) -> Tensor:
        return self.text_encoder(ids)[0]

    def _weights(self, signal: Tensor) -> Tensor:
        if self.min_snr is None:
            return torch.ones_like(signal)
        ratio = signal / (1 - signal)
        return ratio.clamp(max=self.min_snr) / (ratio + 1)

    def _compiled(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """What predicts by the compiled UNet, or as before where it cannot be compiled."""
        predict = torch.compile(_predicting(self.networks), dynamic=False)
        plain, self.predict = self.predict, predict
        try:
            self.loss(np.random.default_rng(self.seed)).backward()
        # whatever a compiler, its tools or what they generate may raise
        except Exception as error:
            print(f"{self.name}: not compiled ({reason(error)})", file=sys.stderr)
            return plain
        finally:
            self.networks.zero_grad()
        return predict

    def samples(self) -> Image.Image:
        """Return a picture of each of the prompts, always from the same noise."""
        latents = self.generate(self.prompts, guidance=4.0, steps=25)
        with torch.no_grad():
            pictures = self.vae.decode(latents / self.scale)[0]
        return grid(to_pictures(pictures), columns=max(1, len(self.prompts) // 4))

    @torch.no_grad()
    def generate(self, prompts: Sequence[str], *, guidance: float, steps: int) -> Tensor:
        """Return latents of the prompts, denoised from noise that only the seed decides."""
        texts = [*[""] * len(prompts), *prompts]
        embeddings = self._read(self.tokenizer.encode_prompts(texts).to(self.device))
        generator = seeded(self.seed)
        x = torch.randn((len(prompts), *self.latents.shape[1:]), generator=generator).to(
            self.device
        )
        scheduler = self.scheduler.fresh()
        scheduler.set_timesteps(steps)
        for timestep in scheduler.timesteps:
            prediction = self.networks(torch.cat([x, x]), timestep, embeddings)[0]
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


def begin_quietly(unet: UNet2DConditionModel) -> None:
    """Set to zero what each residual branch of the UNet ends with, so that it begins as nothing."""
    for name, parameter in unet.named_parameters():
        if any(end in name for end in (".conv2.", ".proj_out.", "conv_out.")):
            nn.init.zeros_(parameter)


@torch.no_grad()
def encode_pictures(vae: AutoencoderKL, pictures: Iterable[Tensor]) -> Tensor:
    """Return the latents' means of pictures as float16, on the device of the autoencoder.

    They are computed in bfloat16 where that is fast: they differ by less than half a percent.

    Args:
        vae: encodes.
        pictures: uint8 (n, height, width, 3), some at a time.
    """
    dtype = compute_dtype(torch.bfloat16, vae.device)
    vae = copy.deepcopy(vae).to(dtype)
    means = [
        vae.encode(to_tensor(several.to(vae.device)).to(dtype))[0].mean.half()
        for several in pictures
    ]
    return torch.cat(means).contiguous()  # as they are when a run reads them again


def _predicting(unet: UNet2DConditionModel) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def predict(noised: Tensor, timesteps: Tensor, text: Tensor) -> Tensor:
        return unet(noised, timesteps, text)[0]

    return predict
