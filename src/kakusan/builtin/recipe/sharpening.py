"""The decoder's last stage: a critic teaches it edges as steep as those of true pictures.

Of what latents leave open, the decoder that errs least is a blur. A critic that sees parts of
pictures tells decoded ones from true ones, and the decoder learns to be taken for true beside
staying near (arXiv:2012.09841, section 3.1). Nothing is downloaded: the critic learns here too.
"""

import torch
from PIL import Image
from torch import Tensor, nn
from torch.func import functional_call  # pyright: ignore[reportUnknownVariableType]
from torch.nn import functional as F

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.losses import reconstruction_loss
from kakusan.builtin.recipe.vae import (
    Pictures,
    decoded_from_imperfect,
    keep_encoder,
    shown,
    some_of,
)
from kakusan.models import AutoencoderKL
from kakusan.training.pace import StageSettings
from kakusan.training.trainer import Stage, mixed_precision

WIDTHS = (32, 64, 96)
_LEAST = 1e-6  # of the length of a gradient that another is divided by
_MOST = 1e3  # of the critic's weight


class Critic(nn.Module):
    """Says of each part of a picture, of 18 pixels, how true it looks."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, WIDTHS[0], 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(WIDTHS[0], WIDTHS[1], 4, 2, 1),
            nn.GroupNorm(8, WIDTHS[1]),
            nn.LeakyReLU(0.2),
            nn.Conv2d(WIDTHS[1], WIDTHS[2], 3, 1, 1),
            nn.GroupNorm(8, WIDTHS[2]),
            nn.LeakyReLU(0.2),
            nn.Conv2d(WIDTHS[2], 1, 1),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """How true pictures (n, 3, height, width) look, (n, 1, height / 4, width / 4)."""
        return self.layers(pictures)


class Sharpening(nn.Module):
    """An autoencoder whose decoder learns, and its critic."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae
        self.critic = Critic()


class SharpeningStage(Stage[Sharpening]):
    """Learns to decode with steep edges, while the encoder stays as it is.

    Args:
        vae: its decoder learns, from as it is.
        settings: of the stage.
        pictures: gives them, on the networks' device.
        critic_weight: of the critic's opinion beside the reconstruction loss; 1 would make the two
            pull as hard at what the decoder ends with.
        seed: decides which pictures come when, the latents' noise and the critic's first weights.
    """

    name = "sharpening"

    def __init__(
        self,
        vae: AutoencoderKL,
        settings: StageSettings,
        *,
        pictures: Pictures,
        critic_weight: float,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.networks = Sharpening(vae).to(vae.device)
        keep_encoder(vae)
        self.settings = settings
        self.seed = seed
        self.pictures = pictures
        self.critic_weight = critic_weight

    def loss(self, rng: Rng) -> Tensor:
        """Return the decoder's loss plus the critic's (hinge), each of its own weights alone."""
        draw, vae, critic = self.draws(rng), self.networks.vae, self.networks.critic
        pictures = some_of(self.pictures(), self.settings.batch_size, draw)
        decoded = decoded_from_imperfect(vae, pictures, draw).float()
        judged = {name: value.detach() for name, value in critic.named_parameters()}
        with mixed_precision(self.device):
            opinion = functional_call(critic, judged, (decoded,)).float()
            true, made = critic(pictures).float(), critic(decoded.detach()).float()
        near, taken = reconstruction_loss(decoded, pictures), -opinion.mean()
        weight = self.critic_weight * self._pull(near) / self._pull(taken).clamp(min=_LEAST)
        learnt = F.relu(1 - true).mean() + F.relu(1 + made).mean()
        return near + weight.clamp(max=_MOST) * taken + learnt

    def _pull(self, loss: Tensor) -> Tensor:
        """The length of a loss's gradient by what the decoder ends with."""
        last = self.networks.vae.decoder.conv_out.weight
        return torch.autograd.grad(loss, last, retain_graph=True)[0].norm().detach()

    @torch.no_grad()
    def samples(self) -> Image.Image:
        """Return originals above their reconstructions; the pictures are always the same."""
        return shown(self.networks.vae, self.pictures())
