"""LoRA and its relatives loaded into a pipeline, as scripts for the reference library call for it.

Each function is a method of the pipeline, which is its first argument. What is loaded belongs to
the networks, so that pipelines that share these share it too.
"""

from collections.abc import Mapping
from os import PathLike
from typing import Any, cast

import torch
from torch import Tensor

from kakusan.checkpoints.adapters.adapter import Adapter
from kakusan.checkpoints.adapters.reading import adapter_of, read_adapter
from kakusan.checkpoints.arguments import LOADING, check_published, token_of
from kakusan.errors import CheckpointError, RequestError, listed, nearest, shown
from kakusan.pipeline.adapter_files import Where
from kakusan.pipeline.adapter_parts import (
    Names,
    Pipe,
    adapted_networks,
    all_names,
    check_loaded,
    names_of,
    shapes,
)

# What the reference's loading takes, and changes nothing here
_ALSO = ("use_safetensors", "metadata", "token")
_CHECKS = ("error", "warn", "ignore")


def load_lora_weights(
    pipe: Pipe,
    pretrained_model_name_or_path_or_dict: str | PathLike[str] | Mapping[str, Tensor],
    adapter_name: str | None = None,
    hotswap: bool = False,
    *,
    weight_name: str | None = None,
    subfolder: str | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | PathLike[str] | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    **published: Any,
) -> None:
    """Load a LoRA or one of its relatives, and have it on; others go off, as in the reference.

    Weights stay as they are: it is computed beside them. `set_adapters` puts several on, and says
    how strongly; `fuse_lora` adds it to the weights.

    Args:
        pretrained_model_name_or_path_or_dict: A file, a folder, OWNER/NAME or OWNER/NAME/FILE of
            the Hugging Face Hub, or the tensors themselves.
        adapter_name: What it is called from now on; default_0, default_1, ... where not given.
        hotswap: Whether it takes the place of the one that is called so already.
        weight_name: The file's name in a folder or a repository.
        published: What the reference takes besides and changes nothing here.

    Raises:
        CheckpointError: It is broken, no adapter, or for another family of models.
        ModelNotFoundError: There is no such file.
        RequestError: The name is in use.
    """
    where = "load_lora_weights"
    known = ("adapter_name", "hotswap", "weight_name", "subfolder", "revision", "cache_dir")
    left = {name: value for name, value in published.items() if name not in _ALSO}
    check_published(where, left, LOADING, (*known, "local_files_only", *_ALSO))
    name = _new_name(pipe, adapter_name, hotswap=hotswap)
    given = pretrained_model_name_or_path_or_dict
    if isinstance(given, Mapping):
        said = published.get("metadata") or {}
        adapter = adapter_of(given, cast("Mapping[str, str]", said), shapes(pipe), name=name)
    else:
        place = Where(
            weight_name,
            subfolder,
            revision,
            token_of(token, published),
            cache_dir,
            local_files_only,
            force_download,
        )
        adapter = read_adapter(place.file(given), shapes(pipe))
    put_on(pipe, name, adapter)


def put_on(pipe: Pipe, name: str, adapter: Adapter) -> None:
    """Know an adapter under a name, and have it on alone, in the networks that it changes.

    Raises:
        CheckpointError: It changes none.
    """
    if not adapter.parts:  # its words are on with it, and there is nothing to have on
        raise CheckpointError(
            f"the adapter {shown(adapter.name)} holds nothing but embeddings (textual inversion); "
            "load each with load_textual_inversion, or name the file with loras= for a picture"
        )
    for part, network in adapted_networks(pipe).items():
        if adapter.parts.get(part):
            network.adapters.load(name, adapter, part)
            network.adapters.wear({name: (1.0, ())})
        elif name in network.adapters.loaded:  # one that it takes the place of
            network.adapters.delete([name])


def get_list_adapters(pipe: Pipe) -> dict[str, list[str]]:
    """By part the names of those that were loaded for it; parts without any are left out."""
    found = {
        part: list(network.adapters.loaded) for part, network in adapted_networks(pipe).items()
    }
    return {part: names for part, names in found.items() if names}


def delete_adapters(pipe: Pipe, adapter_names: Names) -> None:
    """Forget adapters; where none is on then, the first one that is left is, as it last was.

    Those that are fused stay in the weights, if all that are fused are named.

    Raises:
        UnknownNameError: No adapter of such a name was loaded.
        RequestError: Some of those that are fused are named, and not all.
    """
    names = names_of(adapter_names)
    check_loaded(pipe, names)
    networks = adapted_networks(pipe).values()
    for network in networks:
        fused = {each.name for each in network.adapters.fused}
        if fused & set(names) and not fused <= set(names):
            raise RequestError(
                f"{listed(fused & set(names))} is fused into the weights, together with "
                f"{listed(fused - set(names))}; call unfuse_lora() first, or delete all of them"
            )
    for network in networks:
        adapters = network.adapters
        was_on = bool(adapters.active)
        adapters.delete(names)
        if was_on and not adapters.active and adapters.loaded:
            first = adapters.as_worn(next(iter(adapters.loaded)))
            adapters.wear({next(iter(adapters.loaded)): (first.strength, first.blocks)})


def unload_lora_weights(pipe: Pipe) -> None:
    """Forget all adapters; what was fused stays in the weights, as in the reference.

    Nothing takes that out again: `unfuse_lora` has to come first. New adapters are beside it.
    """
    for network in adapted_networks(pipe).values():
        network.adapters.forget_all()


def set_lora_device(
    pipe: Pipe,
    adapter_names: Names,
    device: torch.device | str | int,  # noqa: ARG001
) -> None:
    """Nothing but a check of the names: adapters are where their networks compute.

    Raises:
        UnknownNameError: No adapter of such a name was loaded.
    """
    check_loaded(pipe, names_of(adapter_names))


def enable_lora_hotswap(
    pipe: Pipe,  # noqa: ARG001
    *,
    target_rank: int = 128,
    check_compiled: str = "error",
) -> None:
    """Nothing but a check: one adapter takes another's place whatever their ranks are.

    Args:
        target_rank: The highest rank, which does not matter here.
        check_compiled: "error", "warn" or "ignore"; networks may be compiled before or after.

    Raises:
        RequestError: One of them is not what it should be.
    """
    if type(target_rank) is not int or target_rank < 1:
        raise RequestError(f"target_rank must be a whole number above 0, not {shown(target_rank)}")
    if check_compiled not in _CHECKS:
        raise RequestError(
            f"check_compiled must be {listed(_CHECKS)}, not {shown(check_compiled)}."
            f"{nearest(str(check_compiled), _CHECKS)}"
        )


def _new_name(pipe: Pipe, name: str | None, *, hotswap: bool) -> str:
    taken, networks = all_names(pipe), adapted_networks(pipe).values()
    if name is None:
        number = len(taken)
        while f"default_{number}" in taken:
            number += 1
        return f"default_{number}"
    if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RequestError(f"adapter_name must be a text, not {shown(name)}")
    if hotswap:
        check_loaded(pipe, [name])
    if name in taken and not hotswap:
        raise RequestError(
            f"an adapter is called {shown(name)} already; give another adapter_name, or "
            "hotswap=True to put it in the other one's place"
        )
    if any(name == each.name for part in networks for each in part.adapters.fused):
        raise RequestError(f"{shown(name)} is fused into the weights; call unfuse_lora() first")
    return name
