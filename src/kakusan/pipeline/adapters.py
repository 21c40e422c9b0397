"""LoRA and its relatives on a pipeline, as scripts for the reference library call for them.

Each function is a method of the pipeline, which is its first argument. What is loaded belongs to
the networks, so that pipelines that share these share it too.
"""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from kakusan.checkpoints.adapters.adapter import Adapter
from kakusan.checkpoints.adapters.reading import adapter_of, read_adapter
from kakusan.checkpoints.arguments import LOADING, Published, check_published, token_of
from kakusan.engine import Engine
from kakusan.errors import (
    CheckpointError,
    NotYetError,
    RequestError,
    UnknownNameError,
    listed,
    nearest,
    shown,
)
from kakusan.models import Model, UNet2DConditionModel, Worn, within
from kakusan.pipeline.adapter_blocks import strengths_of
from kakusan.pipeline.adapter_files import Where
from kakusan.request.loras import strength

# The parts of a pipeline that adapters change
PARTS = ("unet", "text_encoder", "text_encoder_2")
Names = str | Sequence[str]
# What the reference's loading takes, and changes nothing here
_ALSO = ("use_safetensors", "metadata", "token")
_ONLY_COMPONENTS = "components= says which parts"
_FUSING = {
    "safe_fusing": Published(),
    **dict.fromkeys(
        ("fuse_unet", "fuse_text_encoder", "unfuse_unet", "unfuse_text_encoder"),
        Published((True,), _ONLY_COMPONENTS),
    ),
}


class Pipe(Protocol):
    """What these methods need of the pipeline."""

    @property
    def components(self) -> dict[str, Any]: ...
    @property
    def engine(self) -> Engine: ...


def adapted_networks(pipe: Pipe) -> dict[str, Model[Any]]:
    """The networks that adapters change, by the names of parts."""
    parts = {name: within(pipe.components.get(name)) for name in PARTS}
    return {name: part for name, part in parts.items() if isinstance(part, Model)}


def shapes(pipe: Pipe) -> dict[str, dict[str, tuple[int, ...]]]:
    """Of the parameters that adapters can change, under our names, by part."""
    return {
        part: {name: tuple(each.shape) for name, each in network.named_parameters()}
        for part, network in adapted_networks(pipe).items()
    }


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


def set_adapters(
    pipe: Pipe, adapter_names: Names, adapter_weights: object | Sequence[object] = None
) -> None:
    """Have these adapters on and no others, each at a strength.

    Args:
        adapter_names: One name or several.
        adapter_weights: One for all or one for each: a number, None for 1, or a mapping with
            "unet", "text_encoder" and "text_encoder_2", in which the UNet's may be a mapping of
            its blocks, see `kakusan.pipeline.adapter_blocks`.

    Raises:
        UnknownNameError: No adapter of such a name was loaded.
        RequestError: A strength is no finite number, or their count is another.
    """
    names = _names(adapter_names)
    _check_loaded(pipe, names)
    several = isinstance(adapter_weights, Sequence) and not isinstance(adapter_weights, str)
    weights = list(cast("Sequence[object]", adapter_weights)) if several else None
    if weights is None:
        weights = [adapter_weights] * len(names)
    if len(weights) != len(names):
        raise RequestError(
            f"{len(names)} adapters were named, and {len(weights)} strengths given; give one for "
            "all, or one for each"
        )
    networks, worn = adapted_networks(pipe), dict[str, dict[str, Any]]()
    for part, network in networks.items():
        unet = network if isinstance(network, UNet2DConditionModel) else None
        worn[part] = {
            name: strengths_of(_of_part(weight, part, networks), unet)
            for name, weight in zip(names, weights, strict=True)
        }
    for part, network in networks.items():  # nothing was wrong: all of it, or nothing
        network.adapters.wear(worn[part])


def get_active_adapters(pipe: Pipe) -> list[str]:
    """The names of those that are on, or would be if they were enabled."""
    found = [network.adapters.active for network in adapted_networks(pipe).values()]
    return list(dict.fromkeys(name for each in found for name in each))


def get_list_adapters(pipe: Pipe) -> dict[str, list[str]]:
    """By part the names of those that were loaded for it; parts without any are left out."""
    found = {
        part: list(network.adapters.loaded) for part, network in adapted_networks(pipe).items()
    }
    return {part: names for part, names in found.items() if names}


def delete_adapters(pipe: Pipe, adapter_names: Names) -> None:
    """Forget adapters; where none is on then, the last one that is left is.

    Raises:
        UnknownNameError: No adapter of such a name was loaded.
        RequestError: One is fused into the weights.
    """
    names = _names(adapter_names)
    _check_loaded(pipe, names)
    if fused := [name for name in names if name in fused_loras(pipe)]:
        raise RequestError(f"{listed(fused)} is fused into the weights; call unfuse_lora() first")
    for network in adapted_networks(pipe).values():
        adapters = network.adapters
        was_on = bool(adapters.active)
        adapters.delete(names)
        if was_on and not adapters.active and adapters.loaded:
            adapters.wear({[*adapters.loaded][-1]: (1.0, ())})


def disable_lora(pipe: Pipe) -> None:
    """Draw without adapters until `enable_lora`, which has the same ones on again."""
    for network in adapted_networks(pipe).values():
        network.adapters.enable(False)


def enable_lora(pipe: Pipe) -> None:
    """End `disable_lora`."""
    for network in adapted_networks(pipe).values():
        network.adapters.enable(True)


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
    parts, networks = _parts(components), adapted_networks(pipe)
    scale = strength("lora_scale", lora_scale)
    if scale is None:
        raise RequestError("lora_scale must be a number, not None; leave it out")
    if adapter_names is not None:
        _check_loaded(pipe, _names(adapter_names))
    added: dict[str, dict[str, Worn]] = {}
    for part in parts:
        if part in networks:
            names = None if adapter_names is None else _names(adapter_names)
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
    for part in _parts(components):
        if part in networks:
            networks[part].unfuse()


def fused_loras(pipe: Pipe) -> set[str]:
    """The names of those that are fused."""
    networks = adapted_networks(pipe).values()
    return {each.name for network in networks for each in network.adapters.fused}


def num_fused_loras(pipe: Pipe) -> int:
    """How many are fused."""
    return len(fused_loras(pipe))


def unload_lora_weights(pipe: Pipe) -> None:
    """Forget all adapters; what was fused stays in the weights, as in the reference."""
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
    _check_loaded(pipe, _names(adapter_names))


def scaled_engine(pipe: Pipe, scale: float | None) -> Engine:
    """The pipeline's networks, in which those adapters that are on are so much stronger or weaker.

    Raises:
        RequestError: The scale is no finite number.
    """
    checked = strength("lora_scale", scale)
    if checked is None:
        return pipe.engine
    return pipe.engine.wearing(
        {
            part: tuple(worn.scaled(checked) for worn in network.adapters.worn)
            for part, network in adapted_networks(pipe).items()
        }
    )


def scale_of(cross_attention_kwargs: Mapping[str, object] | None) -> float | None:
    """What a call says that adapters are to be scaled by, in the reference's words.

    Raises:
        RequestError: It says something else besides, or no finite number.
    """
    if cross_attention_kwargs is None:
        return None
    if not isinstance(cross_attention_kwargs, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RequestError(
            'cross_attention_kwargs must be a mapping such as {"scale": 0.5}, not '
            f"{shown(cross_attention_kwargs)}"
        )
    if other := [name for name in cross_attention_kwargs if name != "scale"]:
        raise NotYetError(
            f"cross_attention_kwargs has {listed(map(str, other))}, which is not there yet; scale, "
            "the strength of adapters, is"
        )
    return strength("cross_attention_kwargs", cross_attention_kwargs.get("scale"))


def _to_fuse(network: Model[Any], names: Sequence[str] | None, scale: float) -> dict[str, Worn]:
    adapters = network.adapters
    chosen = [*adapters.active] if names is None else [n for n in names if n in adapters.loaded]
    in_already = {each.name for each in adapters.fused}
    if again := [name for name in chosen if name in in_already]:
        raise RequestError(
            f"{listed(again)} is fused into the weights already; call unfuse_lora() first"
        )
    return {name: adapters.as_worn(name).scaled(scale) for name in chosen}


def _new_name(pipe: Pipe, name: str | None, *, hotswap: bool) -> str:
    taken = _all_names(pipe)
    if name is None:
        number = len(taken)
        while f"default_{number}" in taken:
            number += 1
        return f"default_{number}"
    if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RequestError(f"adapter_name must be a text, not {shown(name)}")
    if hotswap:
        _check_loaded(pipe, [name])
    if name in taken and not hotswap:
        raise RequestError(
            f"an adapter is called {shown(name)} already; give another adapter_name, or "
            "hotswap=True to put it in the other one's place"
        )
    if name in fused_loras(pipe):
        raise RequestError(f"{shown(name)} is fused into the weights; call unfuse_lora() first")
    return name


def _names(given: object) -> list[str]:
    several = [given] if isinstance(given, str) else given
    if not isinstance(several, Iterable):
        raise RequestError(f"adapter names are a text or several, not {shown(given)}")
    return [str(name) for name in cast("Iterable[object]", several)]


def _all_names(pipe: Pipe) -> list[str]:
    networks = adapted_networks(pipe).values()
    return list(dict.fromkeys(name for each in networks for name in each.adapters.loaded))


def _check_loaded(pipe: Pipe, names: Iterable[str]) -> None:
    known = _all_names(pipe)
    for name in names:
        if name not in known:
            have = f"loaded are {listed(known)}" if known else "none is loaded"
            raise UnknownNameError(
                f"there is no adapter {shown(name)}; {have}.{nearest(name, known)}"
            )


def _parts(components: Names) -> list[str]:
    parts = _names(components)
    for part in parts:
        if part not in PARTS:
            raise UnknownNameError(
                f"adapters change {listed(PARTS)}, and no {shown(part)}.{nearest(part, PARTS)}"
            )
    if not parts:
        raise RequestError("components is empty; name a part, such as unet")
    return parts


def _of_part(weight: object, part: str, networks: Mapping[str, object]) -> object:
    """What is given for one part, in a mapping of parts or for all."""
    if not isinstance(weight, Mapping):
        return weight
    given = cast("Mapping[object, object]", weight)
    if set(given) <= {"down", "mid", "up"} and given:  # blocks, for the UNet alone
        return given if part == "unet" else None
    for name in given:
        if name not in networks:
            raise UnknownNameError(
                f"this pipeline has no part {shown(name)} that adapters change; it has "
                f"{listed(networks)}.{nearest(str(name), networks)}"
            )
    return given.get(part)
