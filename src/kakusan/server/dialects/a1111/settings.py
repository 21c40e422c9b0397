"""From a call of txt2img or img2img to the settings of a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from kakusan.prompts.networks import without_loras
from kakusan.server.dialects.a1111 import hires, masks, noise, options, samplers, scripts
from kakusan.server.dialects.a1111.controls import Unit
from kakusan.server.dialects.a1111.errors import ApiError, refused
from kakusan.server.dialects.a1111.styles import Style, applied
from kakusan.server.dialects.a1111.values import Body

NO_INIT_IMAGE = "Init image not found"


@dataclass(frozen=True)
class Pictures:
    """The pictures of a call, decoded.

    Attributes:
        init: those that are drawn over.
        units: one for each of ControlNet's units, None for one without.
    """

    init: Sequence[Image.Image] = ()
    mask: Image.Image | None = None
    units: Sequence[Image.Image | None] = ()


@dataclass(frozen=True)
class Drawing:
    """What is to be drawn.

    Attributes:
        settings: under the names of a `Request`; pictures are PIL's.
        sampler: the choice, for the answer.
        batch: batch_size and n_iter, as they count.
        ignored: what counts for nothing.
    """

    settings: Mapping[str, Any]
    sampler: samplers.Chosen
    batch: tuple[int, int]
    ignored: tuple[str, ...] = field(default=())


def drawing(
    body: Body,
    pictures: Pictures,
    units: Sequence[Unit],
    chosen_options: Mapping[str, Any],
    styles: Sequence[Style] = (),
    *,
    is_img2img: bool,
) -> Drawing:
    """What a call asks for, but for the model.

    Args:
        units: of ControlNet, in the order of their pictures.
        chosen_options: all settings, those of this call among them.
        styles: all that there are.

    Raises:
        ApiError: Something of it is not there, or out of range.
    """
    sampler = _sampler(body)
    batch = _batch(body, len(pictures.init))
    texts, unknown = _texts(body, styles)
    found: dict[str, Any] = {
        **texts,
        "num_inference_steps": body["steps"],
        "guidance_scale": body["cfg_scale"],
        "num_images_per_prompt": batch[0] * batch[1],
        **samplers.with_eta(sampler, body["eta"]),
        **noise.seeds(body),
        **options.settings_of(chosen_options),
        **_begun(body, pictures, is_img2img=is_img2img),
    }
    ignored = [*body.ignored, *scripts.inactive(body), *unknown]
    ignored += ["scheduler"] if sampler.ignored else []
    ignored += ["enable_hr"] if is_img2img and body["enable_hr"] else []
    if units:
        found["controls"], more = _controls(units, pictures)
        ignored += more
    return Drawing(found, sampler, batch, tuple(dict.fromkeys(ignored)))


def check(body: Body, *, is_img2img: bool) -> None:
    """Raise ApiError for what can be seen before any picture is decoded."""
    if is_img2img and not body["init_images"]:
        raise ApiError(404, NO_INIT_IMAGE)
    _sampler(body)


def _sampler(body: Body) -> samplers.Chosen:
    return samplers.chosen(body["sampler_name"] or body["sampler_index"], body["scheduler"])


def _texts(body: Body, styles: Sequence[Style]) -> tuple[dict[str, str], list[str]]:
    """Both prompts with their styles, and the styles that are nowhere."""
    prompt, negative = (
        without_loras(body[name]) if body["disable_extra_networks"] else body[name]
        for name in ("prompt", "negative_prompt")
    )
    prompt, negative, unknown = applied(body["styles"], styles, prompt, negative)
    return {"prompt": prompt, "negative_prompt": negative}, unknown


def _begun(body: Body, pictures: Pictures, *, is_img2img: bool) -> dict[str, Any]:
    """The size, and what it is drawn from."""
    if is_img2img:
        return masks.begun(body, list(pictures.init), pictures.mask)
    sizes = {side: body[side] for side in ("width", "height") if body[side] is not None}
    return sizes | hires.second_pass(body)


def _batch(body: Body, given: int) -> tuple[int, int]:
    """Pictures in a batch, and batches; several pictures that are drawn over are one batch."""
    size, iterations = body["batch_size"], body["n_iter"]
    for name in ("batch_size", "n_iter"):
        if body[name] < 1:
            raise refused(f"{name} must be 1 or more, not {body[name]}")
    if given > 1:
        if given > size:
            raise refused(
                f"bad number of images passed: {given}; expecting {size} or less, as batch_size is"
            )
        size = given
    return size, iterations


def _controls(units: Sequence[Unit], pictures: Pictures) -> tuple[list[dict[str, Any]], list[str]]:
    found: list[dict[str, Any]] = []
    ignored: list[str] = []
    for index, (unit, own) in enumerate(zip(units, pictures.units, strict=True)):
        image = own or (pictures.init[0] if pictures.init else None)
        if image is None:
            raise refused(f"ControlNet unit {index} has no image; give one, or disable it")
        found.append({**unit.asked, "image": image})
        ignored += unit.ignored
    return found, ignored
