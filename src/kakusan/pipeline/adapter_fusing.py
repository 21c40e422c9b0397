"""Adapters of a pipeline in the weights of its networks, as the reference's scripts have them.

Each function is a method of the pipeline, which is its first argument.
"""

from collections.abc import Sequence
from typing import Any

from kakusan.checkpoints.arguments import Published, check_published
from kakusan.errors import RequestError, shown
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

    The plain weights are kept, and `unfuse_lora` has them again, to the bit. Those that are fused
    already stay as they are, so that a second call does nothing.

    Two things differ from the reference, where a layer into which one adapter is fused computes
    with no other: here those that are on and were not fused stay on beside it, as do those that are
    loaded or put on later. And what `lora_scale` multiplies is the strength in the weights alone;
    after `unfuse_lora` strengths are those that `set_adapters` gave.

    Args:
        components: The parts whose weights are changed.
        lora_scale: Multiplies the strengths.
        safe_fusing: Nothing is fused whose values are not finite, with this or without.
        adapter_names: Which; those that are on where not given.

    Raises:
        UnknownNameError: There is no such part, or no adapter of such a name.
        RequestError: None is loaded, or one is fused already at another strength.
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
    if not any(added.values()) and not fused_loras(pipe):
        raise RequestError("there is no adapter to fuse; load one with load_lora_weights")
    for part, each in added.items():
        if each:
            networks[part].fuse(each)


def unfuse_lora(pipe: Pipe, components: Names = PARTS, **published: Any) -> None:
    """Have the weights again that were there before `fuse_lora`; nothing, where none is fused.

    Raises:
        UnknownNameError: There is no such part.
    """
    check_published("unfuse_lora", published, _FUSING, ("components",))
    networks = adapted_networks(pipe)
    for part in parts_of(components):
        if part in networks:
            networks[part].unfuse()


def fused_loras(pipe: Pipe) -> set[str]:
    """The names of those that were fused and not taken out, though they may be unloaded by now."""
    networks = adapted_networks(pipe).values()
    return {name for network in networks for name in network.adapters.fused_names}


def num_fused_loras(pipe: Pipe) -> int:
    """How many are fused."""
    return len(fused_loras(pipe))


def _to_fuse(network: Model[Any], names: Sequence[str] | None, scale: float) -> dict[str, Worn]:
    adapters = network.adapters
    chosen = [*adapters.active] if names is None else [n for n in names if n in adapters.loaded]
    added = {name: adapters.as_worn(name).scaled(scale) for name in chosen}
    for each in adapters.fused:
        if each.worn != added.pop(each.name, each.worn):
            raise RequestError(
                f"{shown(each.name)} is fused into the weights already, at another strength; call "
                "unfuse_lora() first"
            )
    return added
