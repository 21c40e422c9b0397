"""What each actor gets of a cluster: one device, and its part of the processors."""

from collections.abc import Sequence
from dataclasses import dataclass

from kakusan.errors import RequestError


@dataclass(frozen=True)
class Node:
    """What a machine has for actors."""

    cpus: int
    gpus: int


@dataclass(frozen=True)
class Share:
    """How many actors there are, and what each has."""

    actors: int
    cpus: int
    gpus: int


def share_of(
    nodes: Sequence[Node], *, actors: int | None, cpus: int | None, device: str | None
) -> Share:
    """How a cluster is divided.

    Where there are GPUs each actor has one, else as many processors as there are for it.

    Args:
        actors: how many; None is one for each GPU, or for each machine where there are none.
        cpus: processors of each; None divides them evenly.
        device: that all rows are drawn on; None is a GPU where there are some.

    Raises:
        RequestError: The cluster does not have it.
    """
    kind = (device or "").partition(":")[0]
    gpus = sum(node.gpus for node in nodes)
    if kind == "cuda" and not gpus:
        raise RequestError("--device cuda: the Ray cluster has no GPU; leave it out")
    each = 1 if gpus and kind in ("", "cuda") else 0
    wanted = (gpus if each else sum(node.cpus > 0 for node in nodes)) if actors is None else actors
    if wanted and cpus is not None:
        room = sum(_room(node, cpus, each) for node in nodes)
        if actors is None:
            wanted = room or wanted
        if room >= wanted:
            return Share(wanted, cpus, each)
    elif wanted:
        for some in range(max(node.cpus for node in nodes), 0, -1):
            if sum(_room(node, some, each) for node in nodes) >= wanted:
                return Share(wanted, some, each)
    has = f"machines: {len(nodes)}, CPUs: {sum(node.cpus for node in nodes)}, GPUs: {gpus}"
    asked = f"--actors {wanted}, each with CPUs: {cpus or 1}, GPUs: {each}"
    raise RequestError(f"the Ray cluster ({has}) has no room for {asked}")


def _room(node: Node, cpus: int, gpus: int) -> int:
    """How many actors a machine has room for."""
    return min(node.cpus // cpus, node.gpus // gpus if gpus else node.cpus)
