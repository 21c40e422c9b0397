"""What a call says of seeds, and how a request says it."""

import secrets
from typing import Any

from kakusan.request import RANDOM_SEEDS
from kakusan.server.dialects.a1111.values import Body


def seeds(body: Body) -> dict[str, Any]:
    """The settings of a request for a call's seeds, of which those below 0 are random."""
    found: dict[str, Any] = {}
    if body["seed"] >= 0:
        found["seed"] = body["seed"]
    if body["subseed_strength"]:
        random = body["subseed"] < 0
        found["variation_seed"] = secrets.randbelow(RANDOM_SEEDS) if random else body["subseed"]
        found["variation_strength"] = body["subseed_strength"]
    height, width = body["seed_resize_from_h"], body["seed_resize_from_w"]
    if height > 0 and width > 0:
        found["seed_resize"] = (height, width)
    return found
