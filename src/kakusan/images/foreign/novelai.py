"""NovelAI: text chunks, or the same in the lowest bits of pixels."""

import re
from collections.abc import Mapping

from kakusan.images.foreign import names
from kakusan.images.foreign.fields import Fields, as_object
from kakusan.images.foreign.told import Settings, Told
from kakusan.images.foreign.webui_extras import ANOTHER_PICTURE, MASK

_SERVICE = "NovelAI's models are not published: the picture can be imitated, not made again."
_SCHEDULES = {"native": "normal"}
_SAMPLERS = {"ddim_v3": "ddim", "k_dpm_adaptive": "dpm_adaptive", "k_dpm_fast": "dpm_fast"}
_ANLAS = ("n_samples", "request_type", "signed_hash", "hash")

SEVERAL = "characters had prompts of their own."
_SWITCHES = (
    *("dynamic_thresholding", "sm", "sm_dyn", "legacy", "legacy_v3_extend", "legacy_uc"),
    *(
        "deliberate_euler_ancestral_bug",
        "explike_fine_detail",
        "minimize_sigma_inf",
        "add_original",
    ),
    *("quality_toggle", "variety_boost", "autoSmea", "hide_debug_overlay"),
)
# How requests are made and billed there, and how its samplers are told apart
_OF_THE_SERVICE = (
    *("version", "params_version", "extra_passthrough_testing", "cfg_sched_eligibility"),
    *("prefer_brownian", "uncond_per_vibe", "wonky_vibe_correlation", "stream"),
)


def read_novelai(
    comment: Mapping[str, object],
    description: str | None,
    source: str | None,
    carrier: str,
    size: tuple[int, int] | None,
) -> Told:
    """What its comment tells; what is missing in old ones stands in the other chunks.

    Args:
        size: Of the picture, for comments that tell none.
    """
    fields = Fields(comment)
    prompt = fields.prompt("prompt")
    newest = _text_of_v4(fields.look("v4_prompt"))
    limits = [_SERVICE, *_limits(fields)]
    if newest is not None and newest == prompt and SEVERAL not in limits:
        fields.drop("v4_prompt")
    negative = _text_of_v4(fields.look("v4_negative_prompt"))
    if negative is not None and negative == fields.look("uc"):
        fields.drop("v4_negative_prompt")
    _leave_out_the_usual(fields)
    sampler, schedule = fields.text("sampler"), fields.text("noise_schedule")
    plain = (sampler or "").removeprefix("k_")
    scheduler, said = (
        names.of_comfyui(
            _SAMPLERS.get(sampler, plain), _SCHEDULES.get(schedule or "native", schedule)
        )
        if sampler
        else (None, list[str]())
    )
    model, digits = _model(source)
    asked = fields.text("request_type") or ""
    strength = fields.fraction("strength")
    given = "image" in comment or asked in ("Img2ImgRequest", "NativeInfillingRequest")
    settings = Settings(
        prompt=prompt if prompt is not None else (newest or description),
        negative_prompt=fields.prompt("uc", "negative_prompt"),
        seed=fields.seed("seed"),
        width=fields.side("width") or (size[0] if size else None),
        height=fields.side("height") or (size[1] if size else None),
        num_inference_steps=fields.steps("steps"),
        guidance_scale=fields.weight("scale"),
        guidance_rescale=fields.fraction("cfg_rescale") or None,
        scheduler=scheduler,
        sampler=sampler,
        schedule_type=schedule,
        strength=strength if given else None,
        model=model,
        model_hash=digits,
        prompt_syntax="novelai",
        rng="novelai",
        img2img={} if given else None,
        inpaint={"mask": True} if "Infilling" in asked else None,
    )
    for name in _ANLAS:
        fields.take(name)
    return Told(
        tool="NovelAI",
        version=None,
        carrier=carrier,
        settings=settings,
        unknown=fields.left(),
        limits=(*limits, *said, *fields.refused),
    )


def _leave_out_the_usual(fields: Fields) -> None:
    """Switches that are off, and what only says something where they are on."""
    if fields.look("dynamic_thresholding") in (None, False):
        fields.drop("dynamic_thresholding_percentile", "dynamic_thresholding_mimic_scale")
    if fields.look("controlnet_model") in (None, ""):
        fields.drop("controlnet_strength")
    fields.drop(*_SWITCHES, usual=(False,))
    fields.drop("uncond_scale", "skip_cfg_below_sigma", usual=(0,))
    fields.drop(*_OF_THE_SERVICE)


def _limits(fields: Fields) -> list[str]:
    asked = str(fields.look("request_type"))
    found: list[str] = []
    if asked == "NativeInfillingRequest":
        found.append(MASK)
    elif asked == "Img2ImgRequest" or fields.look("image"):
        found.append(ANOTHER_PICTURE)
    if fields.look("sm") or fields.look("sm_dyn"):
        found.append("its noise levels were changed (SMEA).")
    if _caption(fields.look("v4_prompt")).get("char_captions"):
        found.append(SEVERAL)
    if fields.look("dynamic_thresholding"):
        found.append("its guidance was thresholded.")
    if fields.look("reference_strength") or fields.look("reference_strength_multiple"):
        found.append("another picture steered it (vibe transfer).")
    return found


def _text_of_v4(value: object) -> str | None:
    """`{"caption": {"base_caption": "a cat", "char_captions": []}}`"""
    text = _caption(value).get("base_caption")
    return text if isinstance(text, str) else None


def _caption(value: object) -> Mapping[str, object]:
    return as_object((as_object(value) or {}).get("caption")) or {}


def _model(source: str | None) -> tuple[str | None, str | None]:
    """`Stable Diffusion 1D44365E`: a name and a hash."""
    match = re.fullmatch(r"(.*?)\s+([0-9A-Fa-f]{6,64})\s*", (source or "")[:500])
    return (match[1], match[2].lower()) if match else ((source or "")[:500] or None, None)
