"""Which scenes a UNet draws worst, so that it learns from those most often."""

import torch
from torch import Tensor

from kakusan.builtin.recipe.diffusion import noise_scheduler
from kakusan.builtin.recipe.lessons import Lessons
from kakusan.builtin.recipe.questions import ITEMS
from kakusan.builtin.recipe.telling import told
from kakusan.models import CLIPTextModel, UNet2DConditionModel
from kakusan.schedulers import seeded
from kakusan.training.trainer import mixed_precision

TIMESTEP = 900  # where shapes are decided: the signal is a sixtieth of the noise
BATCH = 100
SCENES = 6000  # that are looked at, of those with one object
STEEPNESS = 2.0  # what is missed twice as much comes four times as often


@torch.no_grad()
def sampling_weights(
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    latents: Tensor,
    lessons: Lessons,
    *,
    things: int,
    seed: int,
) -> Tensor:
    """How often each scene is to come, of any scale, shape (scenes,).

    Of an object what counts is the share of its variance, within the places that it covers, that
    the UNet's picture of almost nothing but noise leaves unexplained: raw errors would rather name
    what has much contrast. It is measured on the first scenes that have the object alone; a scene
    is as hard as its objects are on average, one of none as the easiest.

    Args:
        unet: draws.
        text_encoder: reads the captions.
        latents: of all scenes, scaled to a standard deviation of 1.
        lessons: of the same scenes.
        things: how many objects there are.
        seed: decides the noise.
    """
    named = lessons.answers[:, : 3 * ITEMS : 3].long()  # beside each its colour and size
    count = lessons.answers[:, 3 * ITEMS]
    single = ((count == 1) & (named[:, 0] < things)).nonzero().flatten()[:SCENES]
    errors, variances = torch.zeros(things + 1), torch.zeros(things + 1)
    generator = seeded(seed)
    for chosen in single.split(BATCH):
        of = named[chosen, 0]
        error, variance = _compared(unet, text_encoder, latents, lessons, chosen, generator)
        errors.index_add_(0, of, error)
        variances.index_add_(0, of, variance)
    measured = variances > 0
    if not measured.any():
        return torch.ones(len(named))
    shares = errors / variances
    shares = torch.where(measured, shares, shares[measured].mean())
    shares[things] = 0.0
    objects = (named < things).sum(1)
    hardness = shares[named].sum(1) / objects.clamp(min=1)
    return torch.where(objects > 0, hardness, shares[measured].min()) ** STEEPNESS


def _compared(
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    latents: Tensor,
    lessons: Lessons,
    chosen: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """The squared error over each object, and its variance there, on the CPU."""
    device = unet.device
    true = latents[chosen.to(latents.device)].to(device).float()
    noise = told(torch.randn(true.shape, generator=generator), lessons.chances[chosen]).to(device)
    signal = noise_scheduler().alphas_cumprod[TIMESTEP].float().to(device)
    noised = signal.sqrt() * true + (1 - signal).sqrt() * noise
    timesteps = torch.full((len(chosen),), TIMESTEP, device=device)
    with mixed_precision(device):
        text = text_encoder(lessons.ids[chosen, 0].long().to(device))[0]
        velocity = unet(noised, timesteps, text)[0].float()
    found = signal.sqrt() * noised - (1 - signal).sqrt() * velocity
    covered = lessons.objects[chosen].to(device).float()[:, None]
    mean = (true * covered).sum((2, 3), keepdim=True) / covered.sum((2, 3), keepdim=True)
    errors = ((found - true).square() * covered).sum((1, 2, 3))
    return errors.cpu(), ((true - mean).square() * covered).sum((1, 2, 3)).cpu()
