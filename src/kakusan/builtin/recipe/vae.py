"""The first stage: an autoencoder between pictures and latents."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from kakusan.builtin.recipe.losses import kl_loss, reconstruction_loss
from kakusan.models import AutoencoderKL, VAEConfig
from kakusan.training.grids import grid, to_pictures, to_tensor
from kakusan.training.pace import StageSettings
from kakusan.training.trainer import Stage, mixed_precision

INITIAL_LOGVAR = -8.0
LATENT_NOISE = 0.15  # of the latents' standard deviation, at most
SHOWN = 16  # pictures of a sample grid

# The pictures to learn from, uint8 (n, height, width, 3), drawn when they are wanted first
Pictures = Callable[[], Tensor]


class VAEStage(Stage[AutoencoderKL]):
    """Learns to reconstruct pictures from sampled latents, with a small KL term.

    Args:
        vae: learns, from as it is.
        settings: of the stage.
        pictures: gives them, on the networks' device.
        kl_weight: of the KL divergence beside the reconstruction loss.
        seed: decides which come when, and the latents' noise.
    """

    name = "vae"

    def __init__(
        self,
        vae: AutoencoderKL,
        settings: StageSettings,
        *,
        pictures: Pictures,
        kl_weight: float,
        seed: int,
    ) -> None:
        self.networks = vae
        self.settings = settings
        self.seed = seed
        self.kl_weight = kl_weight
        self.pictures = pictures

    def loss(self, rng: np.random.Generator) -> Tensor:
        """Return the reconstruction loss plus the weighted KL divergence."""
        draw = self.draws(rng)
        pictures = some_of(self.pictures(), self.settings.batch_size, draw)
        with mixed_precision(self.device):
            posterior = self.networks.encode(pictures)[0]
            mean, logvar = posterior.mean.float(), posterior.logvar.float()
            noise = torch.randn(mean.shape, generator=draw, device=self.device)
            decoded = self.networks.decode(mean + (0.5 * logvar).exp() * noise)[0]
        reconstruction = reconstruction_loss(decoded.float(), pictures)
        return reconstruction + self.kl_weight * kl_loss(mean, logvar)

    @torch.no_grad()
    def samples(self) -> Image.Image:
        """Return originals above their reconstructions; the pictures are always the same."""
        return shown(self.networks, self.pictures())


class DecoderStage(VAEStage):
    """Learns to decode better, and from imperfect latents, while the encoder stays as it is.

    Latents made before this stage stay valid, so it may run beside or after the UNet's.
    """

    name = "decoder"

    def __init__(
        self,
        vae: AutoencoderKL,
        settings: StageSettings,
        *,
        pictures: Pictures,
        kl_weight: float,
        seed: int,
    ) -> None:
        super().__init__(vae, settings, pictures=pictures, kl_weight=kl_weight, seed=seed)
        keep_encoder(vae)

    def loss(self, rng: np.random.Generator) -> Tensor:
        """Return the reconstruction loss from latents with a little noise."""
        draw = self.draws(rng)
        pictures = some_of(self.pictures(), self.settings.batch_size, draw)
        decoded = decoded_from_imperfect(self.networks, pictures, draw)
        return reconstruction_loss(decoded.float(), pictures)


def keep_encoder(vae: AutoencoderKL) -> None:
    """Let an autoencoder's encoder learn no more, so that latents made by it stay valid."""
    for frozen in (vae.encoder, vae.quant_conv):
        frozen.requires_grad_(False)


def some_of(pictures: Tensor, count: int, draw: torch.Generator) -> Tensor:
    """So many of the pictures, shape (count, 3, height, width)."""
    chosen = torch.randint(len(pictures), (count,), generator=draw, device=pictures.device)
    return to_tensor(pictures[chosen])


def decoded_from_imperfect(vae: AutoencoderKL, pictures: Tensor, draw: torch.Generator) -> Tensor:
    """What is decoded of the pictures' latents with a little noise, as of the latents of a UNet,
    which are never exact; each picture has its own degree of it.
    """
    with torch.no_grad(), mixed_precision(pictures.device):
        mean = vae.encode(pictures)[0].mean.float()
    degree = torch.rand((len(mean), 1, 1, 1), generator=draw, device=mean.device)
    noise = torch.randn(mean.shape, generator=draw, device=mean.device)
    with mixed_precision(pictures.device):
        return vae.decode(mean + LATENT_NOISE * mean.std() * degree * noise)[0]


def shown(vae: AutoencoderKL, known: Tensor) -> Image.Image:
    """The first pictures, uint8 (n, height, width, 3), above what becomes of them."""
    pictures = to_tensor(known[:SHOWN])
    decoded = vae.decode(vae.encode(pictures)[0].mode())[0]
    return above(pictures, decoded, max(1, len(pictures) // 2))


def above(pictures: Tensor, decoded: Tensor, columns: int) -> Image.Image:
    """Rows of so many pictures, each above the row of what is decoded of them."""
    pairs = zip(pictures.split(columns), decoded.split(columns), strict=True)
    return grid(to_pictures(torch.cat([half for pair in pairs for half in pair])), columns)


def new_vae(config: VAEConfig, seed: int) -> AutoencoderKL:
    """Return a VAE with seeded weights that passes colours and shapes from the first step on."""
    torch.manual_seed(seed)
    vae = AutoencoderKL(config)
    begin_linear(vae)
    return vae


@torch.no_grad()
def begin_linear(vae: AutoencoderKL) -> None:
    """Let a new VAE pass colours and coarse shapes from the first step on.

    Convolutions keep the variance of what they get, residual branches begin at zero, and the
    latents with almost no noise: with much of it nothing gets through at first.
    """
    for module in vae.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for name, parameter in vae.named_parameters():
        if name.endswith((".conv2.weight", ".to_out.0.weight")):
            nn.init.zeros_(parameter)
        if name.startswith("quant_conv."):
            level = INITIAL_LOGVAR if name.endswith(".bias") else 0.0
            nn.init.constant_(parameter[vae.config.latent_channels :], level)
