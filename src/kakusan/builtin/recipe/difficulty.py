"""How well a UNet draws each object, and how often its scenes should come so that it learns.

What is drawn badly is what the UNet cannot foresee: of the squared difference between an object's
latents, within the places that it covers, and the mean of all scenes', the share that is left where
there is almost nothing but noise to see.
"""

import torch
from torch import Tensor

from kakusan.builtin.recipe.diffusion import DiffusionStage
from kakusan.builtin.recipe.lessons import Lessons
from kakusan.builtin.recipe.questions import questions
from kakusan.training.trainer import mixed_precision

TIMESTEP = 900
SCENES = 24  # of each object, that its share is measured by
POWER = 1.5


@torch.no_grad()
def unexplained(stage: DiffusionStage, lessons: Lessons, things: int) -> Tensor:
    """The share of variance that a stage's UNet leaves unexplained of each object, (things,).

    It is measured by scenes of one object; of an object that has none it is the others' mean.
    """
    alone = lessons.answers[:, _column("count", things)] == 1
    which = lessons.answers[:, _column("object 1", things)].long()
    mean = stage.latents.mean((0, 2, 3), dtype=torch.float32)[:, None, None]
    shares = torch.full((things,), float("nan"))
    for thing in range(things):
        chosen = (alone & (which == thing)).nonzero().flatten()[:SCENES].to(stage.device)
        if len(chosen):
            shares[thing] = _share(stage, mean, lessons.objects[chosen.cpu()], chosen)
    return shares.nan_to_num(float(shares.nanmean()))


def odds(shares: Tensor, answers: Tensor) -> Tensor:
    """How often each scene should come, beside a mean of 1, shape (scenes,).

    Args:
        shares: that are unexplained of each object.
        answers: what the scenes show (`questions`); those of no object come as the mean ones do.
    """
    things = len(shares)
    columns = [i for i, each in enumerate(questions(things)) if each.name.startswith("object ")]
    shown = answers[:, columns].long()
    there = shown < things
    hard = shares[shown.clamp(max=things - 1)] ** POWER * there
    found = hard.sum(1) / there.sum(1)  # nothing by nothing where there is no object
    found = found.nan_to_num(float(found.nanmean()))
    return found / found.mean()


def _column(name: str, things: int) -> int:
    return [each.name for each in questions(things)].index(name)


def _share(stage: DiffusionStage, mean: Tensor, objects: Tensor, chosen: Tensor) -> Tensor:
    """Of some scenes, by the first of their captions."""
    where = objects.to(stage.device)[:, None].float()
    latents = stage.latents[chosen].float()
    draw = torch.Generator(stage.device).manual_seed(stage.seed)
    noise = stage.noise(chosen, draw)
    kept = stage.signal[TIMESTEP]
    noised = kept.sqrt() * latents + (1 - kept).sqrt() * noise
    at = torch.full((len(chosen),), TIMESTEP, device=stage.device)
    with mixed_precision(stage.device):
        text = stage.read(stage.ids[chosen, 0].long())
        velocity = stage.networks(noised, at, text)[0].float()
    predicted = kept.sqrt() * noised - (1 - kept).sqrt() * velocity
    return (((predicted - latents) ** 2) * where).sum() / (((latents - mean) ** 2) * where).sum()
