"""From what users hand to a pipeline to a request and its inputs."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from kakusan.errors import ArgumentError
from kakusan.inputs import EMBEDS, Inputs, given_pictures, seen_pictures
from kakusan.later import without_later
from kakusan.request import SEEDS, Request
from kakusan.request.choices import Folders, choice_seeds, say_left, wildcard_folders, with_choices
from kakusan.vocabulary import INPUTS, POOLED, SEEN, STREAM


def asked(
    prompt: str | Sequence[str] | Request | None, settings: dict[str, Any]
) -> tuple[Request, Inputs]:
    """A request that was given whole, or the one that texts and settings make; and its inputs."""
    settings = without_later(settings)
    STREAM.check_known(settings)
    wildcards = settings.pop("wildcards", None)
    given = {name: settings.pop(name) for name in (*INPUTS, *POOLED) if name in settings}
    seen = seen_pictures(*(settings.pop(name, None) for name in SEEN))
    inputs = Inputs(
        **given, seen=seen, image=given_pictures("image", settings.pop("image", None), files=True)
    )
    if isinstance(prompt, Request):
        if wildcards is not None:
            raise ArgumentError("the choices of a request are made; leave {wildcards} out")
        if settings:
            named = ", ".join(settings)
            raise ArgumentError("a request is whole; {0} belong into it", named)
        if inputs.negative_prompt_embeds is not None and not any(prompt.negative_prompt):
            prompt = replace(prompt, negative_prompt=(None,))  # "" is what nobody wrote
        return prompt, inputs
    if settings.get("negative_prompt") is not None:
        settings.setdefault("force_zeros_for_empty_prompt", False)
    negative = negative_or_embeds(
        settings.pop("negative_prompt", None), inputs.negative_prompt_embeds
    )
    texts = texts_or_embeds("prompt", prompt, inputs.prompt_embeds)
    request = Request.of(texts, negative_prompt=negative, **settings)
    return with_choices_made(request, inputs, wildcards)


def with_choices_made(
    request: Request, inputs: Inputs, wildcards: Folders
) -> tuple[Request, Inputs]:
    """A request whose prompts have no choices left, and inputs that go with it.

    Each picture's are made by its seed, else by that of its generator; else by a random one, as
    its noise is.

    Raises:
        RequestError: A choice cannot be made.
    """
    folders = wildcard_folders(wildcards, request.syntax)
    count, given = request.num_pictures, inputs.generator
    if isinstance(given, Sequence) and len(given) == count:
        seeds = [each.initial_seed() % SEEDS for each in given]
    else:
        first = request.seed
        if first is None and isinstance(given, torch.Generator):
            first = given.initial_seed()
        if first is None:
            first = secrets.randbelow(SEEDS)
        seeds = choice_seeds(first, count)
    say_left(request)
    made = with_choices(request, seeds, folders)
    if made is request:
        return request, inputs
    # each picture has a prompt of its own now
    embeds = {name: getattr(inputs, name) for name in (*EMBEDS, *POOLED)}
    repeated = {
        name: each.repeat_interleave(request.num_images_per_prompt, dim=0)
        for name, each in embeds.items()
        if each is not None
    }
    return made, replace(inputs, **repeated)


def check_no_request(prompt: object) -> None:
    """Raise RequestError for a request where a prompt is expected."""
    if isinstance(prompt, Request):
        raise ArgumentError("{prompt} is a request; pipe.pictures(request) draws it")


def negative_or_embeds(
    texts: str | Sequence[str] | None, embeds: Tensor | None
) -> str | Sequence[str | None] | None:
    return texts if embeds is None else texts_or_embeds("negative_prompt", texts, embeds)


def texts_or_embeds(
    name: str, texts: str | Sequence[str] | None, embeds: Tensor | None
) -> str | Sequence[str | None]:
    """The texts, or a None for each row of `embeds` (prompts, tokens, width) in their place.

    Raises:
        RequestError: Both or neither were given.
    """
    if (texts is None) == (embeds is None):
        both = "were both given" if texts is not None else "are both missing"
        raise ArgumentError(f"{{{name}}} and {{{name}_embeds}} {both}; give exactly one of them")
    if embeds is None:
        return cast("str | Sequence[str]", texts)
    return [None] * len(embeds)
