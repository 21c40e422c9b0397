"""The parts of a pipeline that adapters change, and the names that users gave these."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

from kakusan.engine import Engine
from kakusan.errors import RequestError, UnknownNameError, listed, nearest, shown
from kakusan.models import Model, within

PARTS = ("unet", "text_encoder", "text_encoder_2")
Names = str | Sequence[str]


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


def names_of(given: object) -> list[str]:
    several = [given] if isinstance(given, str) else given
    if not isinstance(several, Iterable):
        raise RequestError(f"adapter names are a text or several, not {shown(given)}")
    return [str(name) for name in cast("Iterable[object]", several)]


def all_names(pipe: Pipe) -> list[str]:
    networks = adapted_networks(pipe).values()
    return list(dict.fromkeys(name for each in networks for name in each.adapters.loaded))


def check_loaded(pipe: Pipe, names: Iterable[str]) -> None:
    known = all_names(pipe)
    for name in names:
        if name not in known:
            have = f"loaded are {listed(known)}" if known else "none is loaded"
            raise UnknownNameError(
                f"there is no adapter {shown(name)}; {have}.{nearest(name, known)}"
            )


def parts_of(components: Names) -> list[str]:
    parts = names_of(components)
    for part in parts:
        if part not in PARTS:
            raise UnknownNameError(
                f"adapters change {listed(PARTS)}, and no {shown(part)}.{nearest(part, PARTS)}"
            )
    if not parts:
        raise RequestError("components is empty; name a part, such as unet")
    return parts
