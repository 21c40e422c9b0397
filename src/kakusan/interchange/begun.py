"""How far other tools go back from a picture, in the words of a request."""

from typing import Any

from kakusan.images.foreign import Told
from kakusan.samplers import meaning_of

# They take one step more than the strength's share, from one noise level further up
_ONE_MORE = frozenset({"AUTOMATIC1111", "Forge", "SD.Next", "stable-diffusion.cpp"})
_LONGER = frozenset({"ComfyUI"})  # as many steps as asked for, the last of more
# of AUTOMATIC1111's, those that walk down timesteps
_BY_TIMESTEPS = frozenset({"DDIMScheduler", "PNDMScheduler", "UniPCMultistepScheduler"})
_NEARLY_ALL = 0.999

Part = tuple[dict[str, Any], list[str], list[str]]


def begun(told: Told) -> Part:
    """Settings, rules that are followed, and what is left, of a picture drawn over another."""
    says = told.settings
    strength, steps = says.strength, says.num_inference_steps
    if strength is None or steps is None:
        return {}, [], ["how far it went back from the picture, which is not told"]
    left = [] if told.tool in _LONGER else ["the random part of the picture's latents"]
    if told.tool in _LONGER:
        total = steps if strength >= 0.9999 or strength <= 0 else int(steps / strength)
        settings = {"num_inference_steps": total, "strength": share(steps, total)}
        return settings, [f"the last {steps} of {total} steps"], left
    if told.tool not in _ONE_MORE:
        return {"strength": strength}, [], left
    taken = int(min(strength, _NEARLY_ALL) * steps)
    by_timesteps = says.scheduler is not None and meaning_of(says.scheduler).kind in _BY_TIMESTEPS
    if by_timesteps:
        left.append("the noise level that it began at, which is between two steps")
    else:
        taken += 1
    # where it cuts nothing off, it changes the picture's shape
    settings = {"strength": share(taken, steps), "resize_mode": "stretch"}
    return settings, [f"{taken} of {steps} steps"], left


def share(taken: int, steps: int) -> float:
    """The shortest strength of which so many steps are taken, `int(steps * strength)`."""
    for digits in range(2, 9):
        found = round(taken / steps, digits)
        for each in (found, round(found + 10**-digits, digits)):
            if int(steps * each) == taken and each <= 1.0:
                return each
    return min((taken + 0.5) / steps, 1.0)
