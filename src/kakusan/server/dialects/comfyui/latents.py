"""The latents that a sampler of a graph begins with: empty ones, or those of a picture."""

from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from kakusan.images.foreign import Settings, Told
from kakusan.images.foreign.comfyui.graph import Graph, Node
from kakusan.interchange.begun import begun as by_comfyuis_rules
from kakusan.interchange.begun import share
from kakusan.request import MAX_PICTURES, SIZE_STEP
from kakusan.server.dialects.comfyui.pixels import (
    Mask,
    Opened,
    Pixels,
    as_latents_see,
    hidden,
    mask_at,
    mask_of,
    masked,
    picture_of,
    pixels_at,
)
from kakusan.server.dialects.comfyui.refusals import not_drawn_at

_ENCODING = ("VAEEncode", "VAEEncodeTiled", "VAEEncodeForInpaint")


@dataclass(frozen=True)
class Begun:
    """What is in a sampler's `latent_image`.

    Attributes:
        count: how many pictures are drawn.
        size: width and height of empty latents, in pixels.
        pixels: what was encoded; None for empty latents.
        mask: 1 where it is drawn anew.
        grown: by how many pixels, and what is under the mask hidden; None where it is not.
        encoder: the node that encodes.
        denoise: of KSampler; 1 is all of it.
        skipped: how many steps KSamplerAdvanced leaves out; None where it takes all.
        ignored: what was given and changes nothing.
    """

    count: int = 1
    size: tuple[int, int] | None = None
    pixels: Pixels | None = None
    mask: Mask | None = None
    grown: int | None = None
    encoder: str | None = None
    denoise: float = 1.0
    skipped: int | None = None
    ignored: tuple[str, ...] = ()


def begun_at(graph: Graph, sampler: Node) -> Begun:
    """What a sampler begins with.

    Raises:
        GraphError: The latents come from elsewhere.
    """
    found = _latents(graph, sampler, "latent_image")
    if found.pixels is None:
        if found.mask is not None:
            raise not_drawn_at(
                sampler.id, sampler.kind, "a mask needs a picture under it; link VAEEncode"
            )
        return found
    denoise = graph.value(sampler, "denoise")
    start, end, steps = (
        graph.value(sampler, name) for name in ("start_at_step", "end_at_step", "steps")
    )
    found = replace(found, denoise=float(denoise) if isinstance(denoise, int | float) else 1.0)
    if not all(isinstance(each, int) for each in (start, end, steps)):
        return found
    assert isinstance(start, int)
    assert isinstance(end, int)
    assert isinstance(steps, int)
    if start >= steps:
        raise not_drawn_at(
            sampler.id, sampler.kind, f"of {steps} steps none is left from step {start}"
        )
    return replace(found, skipped=start) if start and end >= steps else found


def steps_of(begun: Begun, steps: int) -> dict[str, Any]:
    """How far to go back from a picture, as a request has it."""
    if begun.pixels is None:
        return {}
    if begun.denoise <= 0:
        return {"num_inference_steps": steps, "strength": 0.0}
    if begun.skipped is not None:
        return {"num_inference_steps": steps, "strength": share(steps - begun.skipped, steps)}
    says = Settings(strength=begun.denoise, num_inference_steps=steps)
    return by_comfyuis_rules(Told(tool="ComfyUI", carrier="", settings=says))[0]


def drawn_over(begun: Begun, opened: Opened) -> tuple[Image.Image, Image.Image | None]:
    """The picture that is encoded and its mask, of one size: whole latents.

    Raises:
        RequestError: The picture is too small, or a size on the way too large.
    """
    assert begun.pixels is not None
    image = picture_of(begun.pixels, opened)
    if begun.mask is None:
        return as_latents_see(image), None
    mask = mask_of(begun.mask, opened)
    if begun.grown is not None:
        return hidden(image, mask, begun.grown)
    image = as_latents_see(image)
    return image, masked(image, mask)


def _latents(graph: Graph, node: Node, name: str) -> Begun:
    """What comes in by one input; repeated and masked on the way."""
    repeated, mask = 1, None
    while True:
        found = graph.linked(node, name)
        assert found is not None
        node, name = found[0], "samples"
        if node.kind == "RepeatLatentBatch":
            repeated = min(repeated * _whole(graph, node, "amount"), MAX_PICTURES + 1)
        elif node.kind == "SetLatentNoiseMask":
            mask = mask_at(graph, node, "mask") if mask is None else mask
        else:
            break
    begun = _first(graph, node)
    if mask is not None and begun.mask is not None:
        raise not_drawn_at(node.id, node.kind, "latents have one mask here, and these have two")
    mask = begun.mask if mask is None else mask
    if (count := begun.count * repeated) > MAX_PICTURES:
        why = f"more than {MAX_PICTURES} pictures are too many at once"
        raise not_drawn_at(node.id, node.kind, why)
    return replace(begun, count=count, mask=mask)


def _first(graph: Graph, node: Node) -> Begun:
    if node.kind == "EmptyLatentImage":
        given = tuple(_whole(graph, node, name) for name in ("width", "height"))
        width, height = (side - side % SIZE_STEP for side in given)
        ignored = tuple(
            f"{node.id}.{name}: {side} is cut to {cut}, a multiple of {SIZE_STEP}"
            for name, side, cut in zip(("width", "height"), given, (width, height), strict=True)
            if side != cut
        )
        count = _whole(graph, node, "batch_size")
        return Begun(count=count, size=(width, height), ignored=ignored)
    if node.kind not in _ENCODING:
        raise not_drawn_at(node.id, node.kind, "latents of a sampler are not sampled again here")
    begun = Begun(pixels=pixels_at(graph, node, "pixels"), encoder=node.id)
    if node.kind != "VAEEncodeForInpaint":
        return begun
    mask = mask_at(graph, node, "mask")
    return replace(begun, mask=mask, grown=_whole(graph, node, "grow_mask_by"))


def _whole(graph: Graph, node: Node, name: str) -> int:
    value = graph.value(node, name)
    assert isinstance(value, int)
    return value
