"""Which loaded adapters of a pipeline are on, and how strongly, as the reference's scripts say it.

Each function is a method of the pipeline, which is its first argument.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from kakusan.engine import Engine
from kakusan.errors import NotYetError, RequestError, UnknownNameError, listed, nearest, shown
from kakusan.models import UNet2DConditionModel
from kakusan.pipeline.adapter_blocks import strengths_of
from kakusan.pipeline.adapter_parts import Names, Pipe, adapted_networks, check_loaded, names_of
from kakusan.request.loras import strength


def set_adapters(
    pipe: Pipe, adapter_names: Names, adapter_weights: object | Sequence[object] = None
) -> None:
    """Have these adapters on and no others, each at a strength.

    Args:
        adapter_names: One name or several.
        adapter_weights: One for all or one for each: a number, None for 1, or a mapping with
            "unet", "text_encoder" and "text_encoder_2", in which the UNet's may be a mapping of
            its blocks, see `kakusan.pipeline.adapter_blocks`.

    Those that are fused stay in the weights at the strengths they were fused with, and the others
    are on beside them; in the reference, layers with one that is fused have none beside it.

    Raises:
        UnknownNameError: No adapter of such a name was loaded.
        RequestError: A strength is no finite number, their count is another, or a name is there
            twice.
    """
    names = names_of(adapter_names)
    check_loaded(pipe, names)
    if twice := [name for number, name in enumerate(names) if name in names[:number]]:
        raise RequestError(f"{listed(twice)} is named twice; name it once, at both strengths' sum")
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


def disable_lora(pipe: Pipe) -> None:
    """Draw without adapters, fused ones too, until `enable_lora` or `unload_lora_weights`.

    What is loaded, chosen or fused in the meantime is on after that, as in the reference.
    """
    for network in adapted_networks(pipe).values():
        network.switch_adapters(False)


def enable_lora(pipe: Pipe) -> None:
    """End `disable_lora`."""
    for network in adapted_networks(pipe).values():
        network.switch_adapters(True)


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
