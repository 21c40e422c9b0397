"""Tags of another tool's prompt that are not made here: it passes them by, or knows more kinds."""

from kakusan.errors import shown
from kakusan.prompts import Network
from kakusan.prompts.networks import LORAS, network_of, take_out, without_tags
from kakusan.request.loras import MAX_STRENGTH

_MOST = 200


def without_unmade(text: str) -> str:
    """A prompt in AUTOMATIC1111's syntax without the tags that cannot be made."""
    return without_tags(text, lambda network: why_not(network) is not None)


def unmade(text: str | None) -> dict[str, str]:
    """The names in the tags that cannot be made, with what is said of each."""
    found = dict[str, str]()
    for network in map(network_of, take_out(text or "")[1][:_MOST]):
        why = why_not(network)
        if why is not None:
            found.setdefault(network.name, why)
    return found


def why_not(network: Network) -> str | None:
    """What a tag names, where it cannot be made; None where it can, or does nothing."""
    name = shown(network.name)
    if network.kind == "hypernet":
        return f"the hypernetwork {name}"
    if network.kind not in LORAS:
        return None
    if network.fault is not None:
        return f"the LoRA {name}, whose tag is written wrongly"
    if network.dyn is not None:
        return f"the LoRA {name}, which was cut to rank {network.dyn}"
    if max(abs(network.text_weight), abs(network.unet_weight)) > MAX_STRENGTH:
        return f"the LoRA {name}, whose weight is above {MAX_STRENGTH:g}"
    return None
