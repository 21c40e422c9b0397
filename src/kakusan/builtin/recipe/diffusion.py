"""The last stage: a UNet that learns to denoise latents by what a text encoder says of them."""

import copy
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.checkpoints.files import atomic
from kakusan.errors import CheckpointError
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel
from kakusan.runtime.precision import compute_dtype
from kakusan.schedulers import seeded
from kakusan.schedulers.ddim import DDIMScheduler
from kakusan.text import CLIPTokenizer
from kakusan.training.grids import grid, to_pictures, to_tensor
from kakusan.training.trainer import Stage, StageSettings, fingerprint, mixed_precision

NetworksT = TypeVar("NetworksT", bound=nn.Module)
Indices = npt.NDArray[np.int64]
Pictures = npt.NDArray[np.uint8]
# One of the captions of the picture with an index
Caption = Callable[[int, Rng], str]


ENCODED_TOGETHER = 32


@dataclass(frozen=True)
class Lesson:
    """What is learnt first: only the latents with these indices, for so many steps."""

    indices: Sequence[int]
    steps: int


class DenoisingStage(Stage[NetworksT]):
    """Learns the velocity of noised latents, given a caption of what they show.

    Args:
        networks: learn, from as they are.
        text_encoder: reads the captions, and stays as it is.
        vae: decodes sample grids.
        tokenizer: reads captions.
        latents: shape (n, channels, height, width), scaled to a standard deviation of 1.
        caption: of each of them.
        settings: of the stage.
        prompts: of the sample grids.
        seed: decides noise, timesteps and captions.
        scale: what the latents were multiplied with.
        unspoken: the share of captions left out, for classifier-free guidance.
        lesson: what is learnt first; without one, everything from the first step on.
        min_snr: weighs the loss by min(signal-to-noise ratio, this) instead of by the ratio + 1
            that the velocity's plain error amounts to (arXiv:2303.09556); None is the plain error.
            In small latents what a prompt asks for is decided where there is more noise than
            signal, and there this weight is close to nothing.
        emphasis: shape (n, height, width), how much the error at each place of the latents counts;
            None counts them alike.
        lean: timesteps are random shares to its power; below 1 there is more often much noise.
    """

    def __init__(
        self,
        networks: NetworksT,
        text_encoder: CLIPTextModel,
        vae: AutoencoderKL,
        tokenizer: CLIPTokenizer,
        latents: Tensor,
        caption: Caption,
        settings: StageSettings,
        *,
        prompts: Sequence[str],
        seed: int,
        scale: float,
        unspoken: float = 0.1,
        lesson: Lesson | None = None,
        min_snr: float | None = None,
        emphasis: Tensor | None = None,
        lean: float = 1.0,
    ) -> None:
        self.networks = networks
        self.text_encoder = text_encoder
        self.vae = vae
        self.tokenizer = tokenizer
        self.latents = latents
        self.caption = caption
        self.settings = settings
        self.prompts = prompts
        self.seed = seed
        self.scale = scale
        self.unspoken = unspoken
        self.lesson = lesson
        self.min_snr = min_snr
        self.emphasis = emphasis
        self.lean = lean
        self.scheduler = noise_scheduler()

    @abstractmethod
    def predict(
        self,
        noised: Tensor,
        timesteps: Tensor,
        embeddings: Tensor,
        chosen: Indices,
        rng: Rng | None = None,
    ) -> Tensor:
        """What is said of noised latents, which are those with the indices `chosen`.

        Args:
            rng: decides what else is random; None is a sample grid, where nothing is.
        """

    def loss(self, rng: np.random.Generator) -> Tensor:
        """Return the mean squared error of the velocity at random timesteps."""
        count = self.settings.batch_size
        if self.lesson is not None and self.step < self.lesson.steps:
            chosen = rng.choice(np.asarray(self.lesson.indices), size=count)
        else:
            chosen = rng.integers(len(self.latents), size=count)
        captions = [
            self.caption(int(i), rng) if rng.random() > self.unspoken else "" for i in chosen
        ]
        latents = self.latents[torch.from_numpy(chosen)].float().to(self.device)
        noise = torch.from_numpy(rng.standard_normal(latents.shape, dtype=np.float32)).to(latents)
        # One timestep from each of `count` equal ranges: the same law, less variance.
        spread = (np.arange(count) + rng.random(count)) / count
        timesteps = torch.from_numpy((spread**self.lean * len(self.scheduler)).astype(np.int64))
        timesteps = timesteps.to(self.device)
        noised = self.scheduler.add_noise(latents, noise, timesteps)
        target = self.scheduler.training_target(latents, noise, timesteps)
        with mixed_precision(self.device):
            prediction = self.predict(noised, timesteps, self.read(captions), chosen, rng)
        errors = F.mse_loss(prediction.float(), target, reduction="none").mean(1)
        if self.emphasis is not None:
            errors = errors * self.emphasis[torch.from_numpy(chosen)].to(errors)
        return (errors.mean((1, 2)) * self._weights(timesteps)).mean()

    @torch.no_grad()
    def read(self, captions: Sequence[str]) -> Tensor:
        """Text embeddings of captions, (captions, tokens, width)."""
        return self.text_encoder(self.tokenizer.encode_prompts(captions).to(self.device))[0]

    def _weights(self, timesteps: Tensor) -> Tensor:
        if self.min_snr is None:
            return torch.ones(len(timesteps), device=timesteps.device)
        signal = self.scheduler.alphas_cumprod.to(timesteps.device)[timesteps].float()
        ratio = signal / (1 - signal)
        return ratio.clamp(max=self.min_snr) / (ratio + 1)

    @torch.no_grad()
    def drawn(self, *, guidance: float = 4.0, steps: int = 25) -> Pictures:
        """A picture of each prompt from noise that only the seed decides, (n, h, w, 3)."""
        embeddings = self.read([*[""] * len(self.prompts), *self.prompts])
        generator = seeded(self.seed)
        x = torch.randn((len(self.prompts), *self.latents.shape[1:]), generator=generator)
        x = x.to(self.device)
        both = np.tile(np.arange(len(self.prompts)), 2)
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

    def predict(
        self,
        noised: Tensor,
        timesteps: Tensor,
        embeddings: Tensor,
        chosen: Indices,  # noqa: ARG002  # the same for all
        rng: Rng | None = None,  # noqa: ARG002
    ) -> Tensor:
        return self.networks(noised, timesteps, embeddings)[0]

    def samples(self) -> Image.Image:
        """Return a picture of each of the prompts, always from the same noise."""
        return grid(self.drawn(), columns=max(1, len(self.prompts) // 4))


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
def encode_pictures(
    vae: AutoencoderKL,
    picture: Callable[[int], npt.NDArray[np.uint8]],
    count: int,
    path: Path,
    *,
    of: str,
) -> Tensor:
    """Return the latents' means of pictures 0 to `count` as float16, from `path` if it is there.

    They are computed in bfloat16 where that is fast: they differ by less than half a percent.

    Args:
        of: says which pictures these are; it is stored in the file, with what tells encoders apart.

    Raises:
        CheckpointError: The file is of other pictures, or of another encoder.
    """
    known = {"of": of, "encoder": fingerprint(vae.encoder)}
    if path.exists():
        with safe_open(path, framework="pt") as file:
            if file.metadata() != known:
                raise CheckpointError(
                    f"{path} holds latents of other scenes or of another autoencoder; "
                    "remove it or give another run folder."
                )
            return file.get_tensor("latents")
    means: list[Tensor] = []
    vae = copy.deepcopy(vae).to(compute_dtype(torch.bfloat16, vae.device))
    for start in range(0, count, ENCODED_TOGETHER):
        several = range(start, min(count, start + ENCODED_TOGETHER))
        pictures = to_tensor(np.stack([picture(index) for index in several])).to(
            vae.device, vae.dtype
        )
        means.append(vae.encode(pictures)[0].mean.half().cpu())
    latents = torch.cat(means).contiguous()
    with atomic(path) as temporary:
        save_file({"latents": latents}, temporary, metadata=known)
    return latents
