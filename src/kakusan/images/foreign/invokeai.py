"""InvokeAI from version 3 on, which writes its metadata as one object."""

from collections.abc import Mapping

from kakusan.images.foreign import names
from kakusan.images.foreign.fields import Fields, as_object
from kakusan.images.foreign.hashes import as_hash
from kakusan.images.foreign.told import JSON, Lora, Settings, Told
from kakusan.images.foreign.webui_extras import ANOTHER_PICTURE, CONTROL, MASK, REFINED, SECOND_PASS

_STEERED = "another picture steered it (IP-Adapter or T2I-Adapter), which is not in the file."


def read_metadata(told: Mapping[str, object], carrier: str) -> Told:
    """`invokeai_metadata`, of version 3 and later."""
    fields = Fields(told)
    limits = _limits(fields)
    other_hash = _other_hash(fields.look("model"))
    scheduler, said = _scheduler(fields)
    model, digits = _named(fields, "model")
    vae, vae_hash = _named(fields, "vae")
    mode = fields.text("generation_mode") or ""
    skipped = fields.whole("clip_skip", "skipped_layers", low=0, high=100)
    if "img2img" in mode or fields.look("init_image") is not None:
        limits.append(ANOTHER_PICTURE)
    if "inpaint" in mode or "outpaint" in mode:
        limits.append(MASK)
    given = fields.text("init_image")
    fields.drop("seamless_x", "seamless_y", "hrf_enabled", usual=(False,))
    if not any((as_object(fields.look("canvas_v2_metadata")) or {}).values()):
        fields.drop("canvas_v2_metadata")
    device = fields.text("rand_device")
    if device not in (None, "cpu"):
        limits.append(f"its noise was drawn on the device {device!r}, whose numbers are others.")
    settings = Settings(
        prompt=fields.prompt("positive_prompt"),
        negative_prompt=fields.prompt("negative_prompt"),
        prompt_2=fields.prompt("positive_style_prompt") or None,
        negative_prompt_2=fields.prompt("negative_style_prompt") or None,
        seed=fields.seed("seed"),
        width=fields.side("width"),
        height=fields.side("height"),
        num_inference_steps=fields.steps("steps"),
        guidance_scale=fields.weight("cfg_scale"),
        guidance_rescale=fields.fraction("cfg_rescale_multiplier") or None,
        scheduler=scheduler[0],
        sampler=scheduler[1],
        clip_skip=skipped,
        strength=fields.fraction("strength"),
        model=model,
        model_hash=digits,
        vae=vae,
        vae_hash=vae_hash,
        loras=_loras(fields),
        prompt_syntax="compel",
        rng="invokeai",
        hires=_hires(fields),
        refiner=_refiner(fields),
        img2img={"image": given} if given else ({} if ANOTHER_PICTURE in limits else None),
        inpaint={"mask": True} if "inpaint" in mode or "outpaint" in mode else None,
        controlnets=_controls(fields),
    )
    return Told(
        tool="InvokeAI",
        version=fields.text("app_version"),
        carrier=carrier,
        settings=settings,
        unknown={**fields.left(), **other_hash},
        limits=(*limits, *said, *fields.refused),
    )


def _limits(fields: Fields) -> list[str]:
    """Before anything is taken."""
    said = {
        CONTROL: ("controlnets", "control_layers"),
        _STEERED: ("ipAdapters", "t2iAdapters"),
        REFINED: ("refiner_model",),
        SECOND_PASS: ("hrf_enabled",),
        "it was drawn to be tiled.": ("seamless_x", "seamless_y"),
        "regions had prompts of their own.": ("regions",),
    }
    return [why for why, keys in said.items() if any(fields.look(key) for key in keys)]


def _scheduler(fields: Fields) -> tuple[tuple[str | None, str | None], list[str]]:
    name = fields.text("scheduler")
    if name is None:
        return (None, None), []
    scheduler, said = names.of_invokeai(name)
    return (scheduler, name), said


def _model(value: object) -> tuple[str | None, str | None]:
    """A model's name and hash, whether an object tells them or a text."""
    if isinstance(value, str):
        return value[:500], None
    fields = Fields(as_object(value) or {})
    kind, _, digits = (fields.text("hash") or "").rpartition(":")
    return fields.text("name", "model_name"), as_hash(digits) if kind in ("", "sha256") else None


def _named(fields: Fields, key: str) -> tuple[str | None, str | None]:
    """The same of an entry, which stays among what is unknown where it tells no name."""
    value = fields.take(key)
    name, digits = _model(value)
    if name is None and value:
        fields.give(key, value)
    return name, digits


def _other_hash(value: object) -> JSON:
    """A model's hash of another kind than SHA-256, which newer versions write."""
    told = Fields(as_object(value) or {}).text("hash") or ""
    return {"model hash": told} if ":" in told and not told.startswith("sha256:") else {}


def _loras(fields: Fields) -> tuple[Lora, ...]:
    found: list[Lora] = []
    for each in map(as_object, fields.items("loras")[:200]):
        inner = Fields(each or {})
        name, digits = _model(inner.take("model", "lora"))
        weight = inner.weight("weight")
        weight = 0.75 if weight is None else float(weight)  # InvokeAI's own default
        if name:
            found.append(Lora(name=name, text_weight=weight, unet_weight=weight, hash=digits))
    return tuple(found)


def _controls(fields: Fields) -> tuple[dict[str, object], ...]:
    found: list[dict[str, object]] = []
    for each in map(as_object, fields.items("controlnets")[:50]):
        inner = Fields(each or {})
        name, digits = _model(inner.take("control_model", "model"))
        told: dict[str, object] = {
            "model": name,
            "model_hash": digits,
            "weight": inner.weight("control_weight", "weight"),
            "guidance_start": inner.fraction("begin_step_percent"),
            "guidance_end": inner.fraction("end_step_percent"),
            "control_mode": inner.text("control_mode"),
        }
        found.append({key: value for key, value in told.items() if value is not None})
    return tuple(found)


def _hires(fields: Fields) -> dict[str, object] | None:
    on = fields.flag("hrf_enabled")
    method, strength = fields.text("hrf_method"), fields.fraction("hrf_strength")
    told: dict[str, object] = {"upscaler": method, "strength": strength}
    return {key: value for key, value in told.items() if value is not None} if on else None


def _refiner(fields: Fields) -> dict[str, object] | None:
    name, digits = _named(fields, "refiner_model")
    told: dict[str, object] = {
        "model": name,
        "model_hash": digits,
        "steps": fields.steps("refiner_steps"),
        "guidance_scale": fields.weight("refiner_cfg_scale"),
        "sampler": fields.text("refiner_scheduler"),
        "switch_at": fields.fraction("refiner_start"),
        "aesthetic_score": fields.weight("refiner_positive_aesthetic_score"),
        "negative_aesthetic_score": fields.weight("refiner_negative_aesthetic_score"),
    }
    found = {key: value for key, value in told.items() if value is not None}
    return found if name else None
