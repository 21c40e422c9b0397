"""What tools do otherwise with the models of one family."""

from typing import Any

from kakusan.images.foreign import Told

_COMFYUI = ("ComfyUI", "SwarmUI", "Fooocus", "RuinedFooocus")
_WEBUI = ("AUTOMATIC1111", "Forge", "SD.Next", "Civitai")
_SIZES = ("original_size", "crops_coords_top_left", "target_size")

Part = tuple[dict[str, Any], list[str], list[str]]


def of_family(told: Told, family: str | None) -> Part:
    """The settings that are others for a model of this family; None is not known.

    Clip skip: AUTOMATIC1111 does without it for the second version and SDXL. Of SDXL, the last
    layer but one is ComfyUI's 2 and our 0.
    """
    says, found, does = told.settings, dict[str, Any](), list[str]()
    if family is None:
        return found, [], []
    xl, second = family.startswith("SDXL"), family.startswith("Stable Diffusion 2")
    if says.clip_skip and told.tool in _WEBUI and (xl or second):
        found["clip_skip"] = None
        does.append(f"clip skip {says.clip_skip + 1} does nothing, as in {told.tool} with {family}")
    elif says.clip_skip and told.tool in _COMFYUI and xl:
        found["clip_skip"] = max(says.clip_skip - 1, 0) or None
    if not xl:
        texts = dict.fromkeys(("prompt_2", "negative_prompt_2"))
        return {**found, **texts}, does, []
    for name in _SIZES:
        found[name] = getattr(says, name)
    if told.tool in _COMFYUI:  # which encodes an empty text, too
        found["force_zeros_for_empty_prompt"] = False
    return found, does, []
