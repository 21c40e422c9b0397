"""From a request's seed to what draws a picture's noise, and from there to a seed again."""

import torch

from kakusan.errors import ArgumentError
from kakusan.inputs import Inputs
from kakusan.request import Request
from kakusan.schedulers import Generators, seeded
from kakusan.schedulers.tool_noise import PictureNoise, Seeding


def generator_of(request: Request, index: int, scale_factor: int) -> Generators:
    """What draws the noise of picture `index`; of the first latents first.

    Args:
        scale_factor: pixels to a latent, along a side.
    """
    seed = request.seed_of(index) or 0
    if request.draws_own_noise:
        return seeded(seed)
    alone = request.picture(index)
    variation, resized = None, None
    if alone.variation_seed is not None and alone.variation_strength is not None:
        variation = (alone.variation_seed, alone.variation_strength)
    if alone.seed_resize is not None:
        height, width = (max(side // scale_factor, 1) for side in alone.seed_resize)
        resized = (height, width)
    return PictureNoise(
        Seeding(
            rng=alone.rng,
            seed=seed,
            ensd=alone.ensd or 0,
            variation=variation,
            resized_from=resized,
        )
    )


def check_noise_is_drawn(request: Request, inputs: Inputs) -> None:
    """Refuse rules for noise where the first noise is none that a seed draws.

    Raises:
        ArgumentError: A rule could not be kept.
    """
    named = next((n for n in request.only_noise() if getattr(request, n) is not None), None)
    if named is None:
        return
    given = {
        "latents": inputs.latents is not None,
        "denoising_start": request.denoising_start is not None,
    }
    for name, there in given.items():
        if there:
            raise ArgumentError(
                f"{{{named}}} says how the first noise is drawn, and with {{{name}}} none is; "
                "leave one of them out"
            )


def known_seeds(request: Request, inputs: Inputs, embedded: torch.dtype) -> list[int | None]:
    """The seed that draws each picture's noise again, where there is one.

    Args:
        embedded: what text embeddings are in: a generator draws in it, a seed always in float32.
    """
    count = request.num_pictures
    is_drawn = inputs.latents is None and given_how(request, inputs) is None
    if is_drawn and request.seed is not None:
        return [request.seed_of(index) for index in range(count)]
    seeds = inputs.known_seeds() if is_drawn and embedded == torch.float32 else []
    return seeds if len(seeds) == count else [None] * count


def given_how(request: Request, inputs: Inputs) -> str | None:
    """What was handed in with which no seed draws the same; None where nothing was."""
    given = inputs.image
    if given is not None and given.latents is not None:
        return "begun at latents handed in"
    if inputs.masked_image_latents is not None:
        return "painted beside latents handed in"
    for each in inputs.image_prompts:
        if each.seen.pictures is None:
            return "attending to tensors handed in"
        if each.adapter.path is None:
            return "drawn with an IP-Adapter that came from no file"
    if given is not None and request.seed is None:
        return "begun at a picture with another's random numbers"
    return None
