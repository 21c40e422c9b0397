"""Fields that are taken from pasted text (`infotext`), where the call does not say them itself."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from kakusan.images.foreign import Settings
from kakusan.images.foreign.webui import read_webui
from kakusan.server.dialects.a1111.options import RNG

_PLAIN: Mapping[str, str] = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "seed": "seed",
    "width": "width",
    "height": "height",
    "steps": "num_inference_steps",
    "cfg_scale": "guidance_scale",
    "denoising_strength": "strength",
    "subseed": "variation_seed",
    "subseed_strength": "variation_strength",
    "sampler_name": "sampler",
    "scheduler": "schedule_type",
}
_HIRES: Mapping[str, str] = {
    "hr_scale": "scale",
    "hr_resize_x": "width",
    "hr_resize_y": "height",
    "hr_upscaler": "upscaler",
    "hr_second_pass_steps": "steps",
    "hr_sampler_name": "sampler",
    "hr_scheduler": "schedule_type",
    "hr_prompt": "prompt",
    "hr_negative_prompt": "negative_prompt",
}


class Filled(NamedTuple):
    """A call with what pasted text tells.

    Attributes:
        model: what the text says of it: hash and name, each None where it says nothing.
    """

    sent: Mapping[str, Any]
    model: tuple[str | None, str | None] = (None, None)


def with_infotext(sent: Mapping[str, Any]) -> Filled:
    """A call with what its `infotext` tells; what the call says itself counts first."""
    text = sent.get("infotext")
    if not isinstance(text, str) or not text.strip():
        return Filled(sent)
    says = read_webui(text, "infotext").settings
    told: dict[str, Any] = {field: getattr(says, name) for field, name in _PLAIN.items()}
    if says.seed_resize is not None:
        told["seed_resize_from_w"], told["seed_resize_from_h"] = says.seed_resize
    if says.hires:
        told |= {field: says.hires.get(name) for field, name in _HIRES.items()}
        told["enable_hr"] = True
    own = {name: value for name, value in sent.items() if value is not None}
    found = {name: value for name, value in told.items() if value is not None} | own
    given = own.get("override_settings")
    chosen = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    found["override_settings"] = {**_options(says), **chosen}
    return Filled(found, (says.model_hash, says.model))


def _options(says: Settings) -> dict[str, Any]:
    """Settings of the tool that the text tells."""
    sources = {rng: name for name, rng in RNG.items()}
    found = {
        "CLIP_stop_at_last_layers": None if says.clip_skip is None else says.clip_skip + 1,
        "eta_noise_seed_delta": says.ensd,
        "randn_source": sources.get(says.rng or ""),
        "emphasis": says.emphasis,
    }
    return {name: value for name, value in found.items() if value is not None}
