"""Timesteps and noise levels that were published for few steps."""

from types import MappingProxyType

# Of Stable Diffusion 1.5 in ten steps: "Align Your Steps", arXiv:2404.14507. They go into a call's
# `timesteps=` or `sigmas=`
AysSchedules = MappingProxyType(
    {
        "StableDiffusionTimesteps": [999, 850, 736, 645, 545, 455, 343, 233, 124, 24],
        "StableDiffusionSigmas": [
            *(14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.0),
        ],
    }
)
