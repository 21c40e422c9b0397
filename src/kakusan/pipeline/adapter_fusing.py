"""Adapters of a pipeline in the weights of its networks, as the reference's scripts have them.

Each function is a method of the pipeline, which is its first argument.
"""

from collections.abc import Sequence
from typing import Any

from kakusan.checkpoints.arguments import Published, check_published
from kakusan.errors import RequestError, listed
from kakusan.models import Model, Worn
from kakusan.pipeline.adapter_parts import (
    PARTS,
    Names,
    Pipe,
    adapted_networks,
    check_loaded,
    names_of,
    parts_of,
)
from kakusan.request.loras import strength

_ONLY_COMPONENTS = "components= says which parts"
_FUSING = {
    "safe_fusing": Published(),
    **dict.fromkeys(
        ("fuse_unet", "fuse_text_encoder", "unfuse_unet", "unfuse_text_encoder"),
        Published((True,), _ONLY_COMPONENTS),
    ),
}


def fuse_lora(
    pipe: Pipe,
    components: Names = PARTS,
    lora_scale: float = 1.0,
    safe_fusing: bool = False,  # noqa: ARG001
    adapter_names: Names | None = None,
    **published: Any,
) -> None:
    """Add adapters to the weights themselves, which then compute as fast as before.

    The plain weights are kept, and `unfuse_lora` has them again, to the bit.

    Args:
        components: The parts whose weights are changed.
        lora_scale: Multiplies the strengths.
        safe_fusing: Nothing is fused whose values are not finite, with this or without.
        adapter_names: Which; those that are on where not given.

    Raises:
        UnknownNameError: There is no such part, or no adapter of such a name.
        RequestError: None is loaded, or one is fused already.
    """
    check_published("fuse_lora", published, _FUSING, ("components", "lora_scale", "adapter_names"))
    parts, networks = parts_of(components), adapted_networks(pipe)
    scale = strength("lora_scale", lora_scale)
    if scale is None:
        raise RequestError("lora_scale must be a number, not None; leave it out")
    if adapter_names is not None:
        check_loaded(pipe, names_of(adapter_names))
    added: dict[str, dict[str, Worn]] = {}
    for part in parts:
        if part in networks:
            names = None if adapter_names is None else names_of(adapter_names)
            added[part] = _to_fuse(networks[part], names, scale)
    if not any(added.values()):
        raise RequestError("there is no adapter to fuse; load one with load_lora_weights")
    for part, each in added.items():
        networks[part].fuse(each)


def unfuse_lora(pipe: Pipe, components: Names = PARTS, **published: Any) -> None:
    """Have the weights again that were there before `fuse_lora`.

    Raises:
        UnknownNameError: There is no such part.
    """
    check_published("unfuse_lora", published, _FUSING, ("components",))
    networks = adapted_networks(pipe)
    for part in parts_of(components):
        if part in networks:
            networks[part].unfuse()


def fused_loras(pipe: Pipe) -> set[str]:
    """The names of those that are fused."""
    networks = adapted_networks(pipe).values()
    return {each.name for network in networks for each in network.adapters.fused}


def num_fused_loras(pipe: Pipe) -> int:
    """How many are fused."""
    return len(fused_loras(pipe))


def _to_fuse(network: Model[Any], names: Sequence[str] | None, scale: float) -> dict[str, Worn]:
    adapters = network.adapters
    chosen = [*adapters.active] if names is None else [n for n in names if n in adapters.loaded]
    in_already = {each.name for each in adapters.fused}
    if again := [name for name in chosen if name in in_already]:
        raise RequestError(
            f"{listed(again)} is fused into the weights already; call unfuse_lora() first"
        )
    return {name: adapters.as_worn(name).scaled(scale) for name in chosen}
