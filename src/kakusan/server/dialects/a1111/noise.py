"""What a call says of seeds, and how a request says it."""

from typing import Any

from kakusan.server.dialects.a1111.values import Body

_RANDOM = -1


def seeds(body: Body) -> dict[str, Any]:
    """The settings of a request for a call's seeds; a random one is left out.

    Of variations, `variation_seed` is -1 where it is to be drawn.
    """
    found: dict[str, Any] = {}
    if body["seed"] != _RANDOM:
        found["seed"] = body["seed"]
    if body["subseed_strength"]:
        found["variation_seed"] = body["subseed"]
        found["variation_strength"] = body["subseed_strength"]
    height, width = body["seed_resize_from_h"], body["seed_resize_from_w"]
    if height > 0 and width > 0:
        found["seed_resize"] = (height, width)
    return found
