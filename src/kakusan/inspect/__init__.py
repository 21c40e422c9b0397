"""A look inside: what happens between a prompt and its picture, as pictures.

Every result shows itself in a notebook and saves as PNG (`result.save("steps.png")`). Nothing here
costs a pipeline anything while it is not used.
"""

from kakusan.inspect.attention import AttentionMaps, attention_maps
from kakusan.inspect.grids import Experiment, experiment
from kakusan.inspect.latents import LatentChannels, latent_channels
from kakusan.inspect.live import watch
from kakusan.inspect.noise import Schedules, schedules
from kakusan.inspect.prompt import PromptReading, Token, read_prompt
from kakusan.inspect.shown import Shown
from kakusan.inspect.steps import Denoising, denoising
from kakusan.inspect.walks import Walk, slerp, walk

__all__ = [
    "AttentionMaps",
    "Denoising",
    "Experiment",
    "LatentChannels",
    "PromptReading",
    "Schedules",
    "Shown",
    "Token",
    "Walk",
    "attention_maps",
    "denoising",
    "experiment",
    "latent_channels",
    "read_prompt",
    "schedules",
    "slerp",
    "walk",
    "watch",
]
