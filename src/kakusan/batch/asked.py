"""From the settings of a row to what is drawn: a request, and the pictures that it names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from kakusan.errors import ArgumentError, shown
from kakusan.inputs import (
    Given,
    Inputs,
    SeenPictures,
    asked_controls,
    given_masks,
    given_pictures,
    one_adapters,
)
from kakusan.request import Request
from kakusan.request.choices import choice_seeds, with_choices
from kakusan.request.freeu import typed as typed_freeu
from kakusan.request.image_prompts import typed as typed_prompt
from kakusan.request.loras import typed as typed_lora
from kakusan.request.masks import with_usual_mask


class Asked(NamedTuple):
    """What a row asks for."""

    request: Request
    inputs: Inputs


def asked_of(settings: Mapping[str, Any], wildcards: Sequence[Path] = ()) -> Asked:
    """The request of a row. Pictures are named by their files.

    Args:
        settings: under the names of a `Request`; texts are read as they are typed elsewhere.
        wildcards: folders of what `__name__` in prompts chooses a line of.

    Raises:
        InputError: Something of it cannot be used.
    """
    found = dict(settings)
    image = given_pictures("image", found.pop("image", None), files=True)
    mask = given_masks("mask", found.pop("mask", None), files=True, picture=image)
    steered = asked_controls(found.pop("controls", None))
    prompts, seen = _prompts(found.pop("image_prompts", None))
    if "loras" in found:
        found["loras"] = [_lora(each) for each in _listed(found["loras"])]
    if "embeddings" in found:
        found["embeddings"] = _listed(found["embeddings"])
    if isinstance(found.get("freeu"), str):
        found["freeu"] = typed_freeu(found["freeu"])
    if mask is not None or "outpaint" in found:
        found = with_usual_mask(found, () if mask is None else mask.names)
    request = Request.of(
        **found, controls=steered.asked, image_prompts=prompts or None, **_told(image, mask)
    )
    seeds = choice_seeds(request.seed or 0, request.num_pictures)
    request = with_choices(request, seeds, wildcards)
    return Asked(request, Inputs(image=image, mask=mask, seen=seen, controls=steered.given))


def _told(image: Given | None, mask: Any) -> dict[str, Any]:
    given = {"image": image, "mask": mask}
    return {name: each.files() for name, each in given.items() if each is not None}


def _prompts(given: object) -> tuple[list[dict[str, Any]], tuple[SeenPictures, ...]]:
    """What is asked of IP-Adapters, and the pictures that they are shown."""
    asked, seen = list[dict[str, Any]](), list[SeenPictures]()
    for each in [] if given is None else _listed(given):
        told = _prompt(each)
        pictures = one_adapters("image_prompts", told.pop("images", None))
        assert pictures.pictures is not None
        seen.append(pictures)
        asked.append({**told, "images": pictures.pictures.files()})
    return asked, tuple(seen)


def _prompt(given: object) -> dict[str, Any]:
    if isinstance(given, str):
        picture, adapter, scale = typed_prompt(given)
        return {"images": picture, "model": adapter, "scale": scale}
    if not isinstance(given, Mapping):
        raise ArgumentError(
            "each of {image_prompts} must be PICTURE@ADAPTER[:SCALE], or a mapping with images "
            "and model, not {0}",
            shown(given),
        )
    return dict(cast("Mapping[str, Any]", given))


def _lora(given: object) -> object:
    """A text is read as it is typed, unless it is the name of a file that is there."""
    is_typed = isinstance(given, str) and not Path(given).is_file()
    return typed_lora(str(given)) if is_typed else given


def _listed(given: object) -> list[object]:
    return list(cast("list[object]", given)) if isinstance(given, list | tuple) else [given]
