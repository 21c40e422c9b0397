"""What each network of an engine has on, as it was when the engine was made."""

from collections.abc import Collection, Sequence
from typing import Any, TypeVar, cast

from kakusan.models import AdapterSet, Model, acting, within

NetworkT = TypeVar("NetworkT")


class Wardrobe:
    """Adapters of networks; a call under way keeps those that it began with.

    Args:
        networks: as a pipeline has them, compiled ones among them.
    """

    def __init__(self, networks: Sequence[object]) -> None:
        self._merged: frozenset[AdapterSet] = frozenset()
        self._worn: dict[int, AdapterSet] = {}
        for network in networks:
            plain = within(network)
            if isinstance(plain, Model) and plain.adapters.worn:
                self._worn[id(plain)] = plain.adapters.worn

    def changed(
        self,
        worn: Sequence[tuple[Model[Any] | None, AdapterSet]],
        merged: Collection[AdapterSet] = (),
    ) -> "Wardrobe":
        """Another, in which some networks have others on.

        Args:
            merged: those that are added to the weights, where they could be beside them, too.
        """
        made = Wardrobe([])
        made._merged = self._merged | {acting(each) for each in merged}
        given = {id(within(network)): each for network, each in worn if network is not None}
        made._worn = self._worn | given
        return made

    def worn_by(self, network: object) -> AdapterSet:
        """What a network has on."""
        return self._worn.get(id(within(network)), ())

    def dressed(self, network: NetworkT, worn: AdapterSet) -> NetworkT:
        """A network with these adapters on and no others; a compiled one compiled likewise."""
        plain = within(network)
        if not isinstance(plain, Model):
            return network
        found = cast("Model[Any]", plain)
        worn = acting(worn)
        made = found.wearing(worn, merge=worn in self._merged)
        if made is found:
            return network
        if found is not network:
            wrapper = cast(Any, network)
            made = type(wrapper)(made, wrapper.dynamo_ctx)
        return cast(NetworkT, made)
