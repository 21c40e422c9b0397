"""The second, larger pass of another tool's picture (hires fix), by that tool's rules."""

from collections.abc import Iterator, Mapping
from typing import Any

from kakusan.errors import InputError, shown
from kakusan.images.foreign import Settings, Told
from kakusan.images.foreign.versions import webui_version
from kakusan.interchange.tags import without_unmade
from kakusan.request.checks import SIZE_STEP
from kakusan.request.second_pass import DEFAULT_UPSCALER, SECOND_STRENGTH, second_pass_of
from kakusan.request.upscalers import needs_model
from kakusan.samplers import meaning_of

Part = tuple[dict[str, Any], list[str], list[str]]
# Who writes it as AUTOMATIC1111 does, and draws it so
TOOLS = ("AUTOMATIC1111", "Forge", "kakusan")
_ALIKE = ("scale", "width", "height", "steps", "prompt", "negative_prompt", "guidance_scale")
_SAME = ("use same sampler", "use same scheduler", "use same checkpoint", "use same choices")
# Before version 1.6, the second pass after these was drawn with DDIM
_NEVER_SECOND = ("plms", "unipc")
_NEWER = (1, 6, 0, 0)
_BY_TIMESTEPS = ("DDIMScheduler", "PNDMScheduler", "UniPCMultistepScheduler")


def second_pass(told: Told) -> Part:
    """What is told of it as a request has it, by which rules that is, and what is not made."""
    says, hires = told.settings, told.settings.hires
    if hires is None or told.tool not in TOOLS or not _is_larger(hires):
        return {}, [], []
    upscaler = str(hires.get("upscaler") or DEFAULT_UPSCALER)
    if needs_model(upscaler):
        lacks = f"its second pass, whose upscaler {shown(upscaler)} is a model of its own"
        return {}, [], [lacks]
    asked: dict[str, Any] = {name: hires[name] for name in _ALIKE if hires.get(name)}
    if "prompt" in asked:
        asked["prompt"] = without_unmade(str(asked["prompt"]))
    for side in ("width", "height"):
        if side in asked:
            asked[side] -= asked[side] % SIZE_STEP
    asked |= {"upscaler": upscaler, "strength": says.strength or SECOND_STRENGTH}
    scheduler, left = _scheduler(told, hires)
    if scheduler is not None:
        asked["scheduler"] = scheduler
    try:
        found = second_pass_of(asked)
        if found is not None and says.width and says.height:
            found.enlargement(says.width, says.height)
    except InputError as error:
        return {}, [], [f"its second pass ({error})"]
    left += _lacking(says, hires)
    return {"second_pass": found}, [f"a second pass, {_words(hires)}by {upscaler}"], left


def _is_larger(hires: Mapping[str, object]) -> bool:
    return any(hires.get(name) for name in ("scale", "width", "height"))


def _words(hires: Mapping[str, object]) -> str:
    scale = hires.get("scale")
    return f"{scale:g} times as large " if isinstance(scale, int | float) else ""


def _scheduler(told: Told, hires: Mapping[str, object]) -> tuple[str | None, list[str]]:
    """The sampler of the second pass; None where it is the first one's."""
    says, version = told.settings, webui_version(told.version)
    sampler, schedule = _own(hires.get("sampler")), _own(hires.get("schedule_type"))
    if sampler is None and schedule is None:
        never = (says.sampler or "").casefold() in _NEVER_SECOND
        return ("DDIM" if never and version is not None and version < _NEWER else None), []
    name = f"{sampler or says.sampler or ''} {schedule or ''}".strip()
    for word in (name, sampler):
        try:
            meaning_of(word or "")
        except InputError:
            continue
        return word, []
    return None, [f"the sampler {shown(name)} of its second pass"]


def _own(word: object) -> str | None:
    if not isinstance(word, str) or word.casefold() in (*_SAME, "automatic"):
        return None
    return word


def _lacking(says: Settings, hires: Mapping[str, object]) -> Iterator[str]:
    model = _own(hires.get("model"))
    if model is not None:
        yield f"the model {shown(model)} of its second pass"
    kind = None if says.scheduler is None else meaning_of(says.scheduler).kind
    if kind in _BY_TIMESTEPS:
        yield "the noise that its second pass begins with, which AUTOMATIC1111 takes a step off"
