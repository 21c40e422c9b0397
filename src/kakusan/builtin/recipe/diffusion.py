"""Stages that learn to denoise latents by what a text encoder says of them."""

import copy
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.telling import told
from kakusan.errors import reason
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel
from kakusan.runtime.precision import compute_dtype
from kakusan.schedulers import seeded
from kakusan.schedulers.ddim import DDIMScheduler
from kakusan.text import CLIPTokenizer
from kakusan.training.grids import grid, to_pictures, to_tensor
from kakusan.training.pace import StageSettings
from kakusan.training.trainer import Stage, mixed_precision

NetworksT = TypeVar("NetworksT", bound=nn.Module)
Pictures = npt.NDArray[np.uint8]
UNTOLD = 0.15


class DenoisingStage(Stage[NetworksT]):
    """Learns the velocity of noised latents, given a caption of what they show.

    All that it learns from lies on the networks' device, and is drawn there.

    Args:
        networks: learn, from as they are.
        text_encoder: reads the captions, and learns only if it is one of the networks.
        vae: decodes sample grids.
        tokenizer: reads the prompts of the sample grids.
        latents: shape (n, channels, height, width), scaled to a standard deviation of 1.
        ids: of the captions of each of them, shape (n, captions, tokens).
        settings: of the stage.
        prompts: of the sample grids.
        seed: decides noise, timesteps and captions.
        scale: what the latents were multiplied with.
        unspoken: the share of captions left out, for classifier-free guidance.
        first: the numbers of the latents that come first; without any, all from the first step on.
        first_share: of the stage, in which only these come.
        min_snr: weighs the loss by min(signal-to-noise ratio, this) instead of by the ratio + 1
            that the velocity's plain error amounts to (arXiv:2303.09556); None is the plain error.
            In small latents what a prompt asks for is decided where there is more noise than
            signal, and there this weight is close to nothing.
        emphasis: shape (n, height, width), how much the error at each place of the latents counts;
            None counts them alike.
        lean: timesteps are random shares to its power; below 1 there is more often much noise.
        chances: of the scenes, which their noise tells (`telling`), shape (n, chances); of a share
            `UNTOLD` it does not, as where noise is laid over a picture that is there already.

    `odds` is how often each of the latents comes, shape (n,); None lets them come alike.
    """

    odds: Tensor | None = None

    def __init__(
        self,
        networks: NetworksT,
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
        unspoken: float = 0.1,
        first: Tensor | None = None,
        first_share: float = 0.0,
        min_snr: float | None = None,
        emphasis: Tensor | None = None,
        lean: float = 1.0,
        chances: Tensor | None = None,
    ) -> None:
        self.networks = networks
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
        self.unspoken = unspoken
        self.first = None if first is None else first.to(self.device)
        self.first_share = first_share
        self.min_snr = min_snr
        self.emphasis = None if emphasis is None else emphasis.to(self.device)
        self.lean = lean
        self.chances = None if chances is None else chances.to(self.device)
        self.scheduler = noise_scheduler()
        self.signal = self.scheduler.alphas_cumprod.float().to(self.device)

    @abstractmethod
    def predict(
        self,
        noised: Tensor,
        timesteps: Tensor,
        embeddings: Tensor,
        chosen: Tensor,
        rng: Rng | None = None,
    ) -> Tensor:
        """What is said of noised latents, which are those with the numbers `chosen`.

        Args:
            rng: decides what else is random; None is a sample grid, where nothing is.
        """

    def loss(self, rng: np.random.Generator) -> Tensor:
        """Return the mean squared error of the velocity at random timesteps."""
        count, draw = self.settings.batch_size, self.draws(rng)
        chosen = self._chosen(count, draw)
        latents = self.latents[chosen].float()
        noise = self.noise(chosen, draw)
        timesteps = self._timesteps(count, draw)
        kept = self.signal[timesteps][:, None, None, None]  # alpha squared, sigma squared is 1 less
        noised = kept.sqrt() * latents + (1 - kept).sqrt() * noise
        velocity = kept.sqrt() * noise - (1 - kept).sqrt() * latents  # arXiv:2202.00512, appendix D
        with mixed_precision(self.device):
            captions = self._captions(chosen, draw)
            text = self.read(captions)
            prediction = self.predict(noised, timesteps, text, chosen, rng)
            besides = self.besides(captions, text, chosen)
        errors = F.mse_loss(prediction.float(), velocity, reduction="none").mean(1)
        if self.emphasis is not None:
            errors = errors * self.emphasis[chosen].float()
        return (errors.mean((1, 2)) * self._weights(kept.flatten())).mean() + besides

    def besides(
        self,
        captions: Tensor,  # noqa: ARG002  # a stage that learns more of the text has them here
        text: Tensor,  # noqa: ARG002
        chosen: Tensor,  # noqa: ARG002
    ) -> Tensor | float:
        """What else counts in the loss.

        Args:
            captions: ids, shape (batch, tokens).
            text: what they are read as, shape (batch, tokens, width).
            chosen: the numbers of the latents.
        """
        return 0.0

    def _chosen(self, count: int, draw: torch.Generator) -> Tensor:
        """The numbers of the latents of a step, shape (count,)."""
        if self.first is None or self.done >= self.first_share:
            if self.odds is not None:
                return torch.multinomial(self.odds, count, replacement=True, generator=draw)
            return torch.randint(len(self.latents), (count,), generator=draw, device=self.device)
        index = torch.randint(len(self.first), (count,), generator=draw, device=self.device)
        return self.first[index]

    def noise(self, chosen: Tensor, draw: torch.Generator) -> Tensor:
        """Noise for the latents with some numbers: standard normal, of the latents' shape."""
        shape = (len(chosen), *self.latents.shape[1:])
        noise = torch.randn(shape, generator=draw, device=self.device)
        if self.chances is None:
            return noise
        untold = torch.rand(len(chosen), generator=draw, device=self.device) < UNTOLD
        return torch.where(untold[:, None, None, None], noise, told(noise, self.chances[chosen]))

    def _timesteps(self, count: int, draw: torch.Generator) -> Tensor:
        """One from each of `count` equal ranges: the same law as without them, less variance."""
        within = torch.rand(count, generator=draw, device=self.device)
        spread = ((torch.arange(count, device=self.device) + within) / count) ** self.lean
        return (spread * len(self.signal)).long().clamp(max=len(self.signal) - 1)

    def _captions(self, chosen: Tensor, draw: torch.Generator) -> Tensor:
        """One of the captions of each, or nothing, shape (count, tokens)."""
        count = len(chosen)
        which = torch.randint(self.ids.shape[1], (count,), generator=draw, device=self.device)
        left_out = torch.rand(count, generator=draw, device=self.device) < self.unspoken
        return torch.where(left_out[:, None], self.nothing, self.ids[chosen, which].long())

    @torch.no_grad()
    def read(self, ids: Tensor) -> Tensor:
        """Text embeddings of captions of ids (captions, tokens), (captions, tokens, width)."""
        return self.text_encoder(ids)[0]

    def _weights(self, signal: Tensor) -> Tensor:
        if self.min_snr is None:
            return torch.ones_like(signal)
        ratio = signal / (1 - signal)
        return ratio.clamp(max=self.min_snr) / (ratio + 1)

    def samples(self) -> Image.Image:
        """Return a picture of each of the prompts, always from the same noise."""
        return grid(self.drawn(), columns=max(1, len(self.prompts) // 4))

    @torch.no_grad()
    def drawn(self, *, guidance: float = 4.0, steps: int = 25) -> Pictures:
        """A picture of each prompt from noise that only the seed decides, (n, h, w, 3)."""
        texts = [*[""] * len(self.prompts), *self.prompts]
        embeddings = self.read(self.tokenizer.encode_prompts(texts).to(self.device))
        generator = seeded(self.seed)
        x = torch.randn((len(self.prompts), *self.latents.shape[1:]), generator=generator)
        x = x.to(self.device)
        both = torch.arange(len(self.prompts), device=self.device).repeat(2)
        scheduler = self.scheduler.fresh()
        scheduler.set_timesteps(steps)
        for timestep in scheduler.timesteps:
            at = timestep.to(self.device).expand(len(both))
            plain, guided = self.predict(torch.cat([x, x]), at, embeddings, both).chunk(2)
            x = scheduler.step(plain + guidance * (guided - plain), timestep, x)[0]
        return to_pictures(self.vae.decode(x / self.scale)[0])


class DiffusionStage(DenoisingStage[UNet2DConditionModel]):
    """A UNet learns to denoise."""

    name = "unet"
    _compiled: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None

    def predict(
        self,
        noised: Tensor,
        timesteps: Tensor,
        embeddings: Tensor,
        chosen: Tensor,  # noqa: ARG002  # the same for all
        rng: Rng | None = None,
    ) -> Tensor:
        if self._compiled is None or rng is None:  # a sample grid has a batch of its own size
            return self.networks(noised, timesteps, embeddings)[0]
        return self._compiled(noised, timesteps, embeddings)

    def compile(self) -> None:
        """Learn by the compiled UNet from now on; where it cannot be compiled, say so instead."""

        def predict(noised: Tensor, timesteps: Tensor, embeddings: Tensor) -> Tensor:
            return self.networks(noised, timesteps, embeddings)[0]

        self._compiled = torch.compile(predict, dynamic=False)
        try:
            self.loss(self.rng(0)).backward()
        # whatever a compiler, its tools or what they generate may raise
        except Exception as error:
            print(f"{self.name}: not compiled ({reason(error)})", file=sys.stderr)
            self._compiled = None
        finally:
            self.networks.zero_grad()


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
