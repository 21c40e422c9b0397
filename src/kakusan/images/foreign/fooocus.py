"""Fooocus, its older log in a comment, and RuinedFooocus."""

import ast
from collections.abc import Mapping, Sequence

from kakusan.images.foreign import names
from kakusan.images.foreign.fields import Fields, as_list, parsed
from kakusan.images.foreign.hashes import as_hash
from kakusan.images.foreign.told import Lora, Settings, Told

EXPANSION = (
    "Fooocus changes the prompt by styles and an expansion model, sharpens on the way and guides "
    "by a rule of its own (ADM): the picture can be imitated, not made again."
)


def read_fooocus(told: Mapping[str, object], carrier: str, version: str | None = None) -> Told:
    """Its JSON, in the names of any version."""
    fields = Fields({_plain(name): value for name, value in told.items()})
    ruined = str(fields.look("software")).startswith("RuinedFooocus")
    version = fields.text("version", "software") or version
    sampler, schedule = fields.text("sampler", "sampler_name"), fields.text("scheduler")
    scheduler, said = names.of_comfyui(sampler, schedule) if sampler else (None, list[str]())
    size = _size(fields)
    limits = [EXPANSION, *said]
    refiner = fields.text("refiner_model", "refiner")
    switch = fields.fraction("refiner_switch")
    refined = refiner is not None and refiner.casefold() not in ("none", "")
    if refined:
        limits.append("a second model took over on the way (a refiner).")
    layers = fields.whole("clip_skip", low=0, high=100)
    settings = Settings(
        prompt=fields.prompt("prompt"),
        negative_prompt=fields.prompt("negative_prompt", "negative"),
        seed=fields.seed("seed"),
        width=size[0] if size else None,
        height=size[1] if size else None,
        num_inference_steps=fields.steps("steps"),
        guidance_scale=fields.weight("guidance_scale", "cfg"),
        scheduler=scheduler,
        sampler=sampler,
        schedule_type=schedule,
        clip_skip=None if layers is None else max(layers - 1, 0),
        model=fields.text("base_model", "base_model_name"),
        model_hash=as_hash(fields.take("base_model_hash")),
        vae=_named(fields.text("vae")),
        loras=_loras(fields),
        prompt_syntax="comfy",
        rng="fooocus",
        refiner=_some({"model": refiner, "switch_at": switch}) if refined else None,
    )
    return Told(
        tool="RuinedFooocus" if ruined else "Fooocus",
        version=version,
        carrier=carrier,
        settings=settings,
        unknown=fields.left(),
        limits=(*limits, *fields.refused),
    )


def _plain(name: str) -> str:
    """`Negative Prompt` of the older log is `negative_prompt`."""
    return name.strip().casefold().replace(" ", "_")


def _size(fields: Fields) -> tuple[int, int] | None:
    value = fields.look("resolution")
    numbers = as_list(value) if isinstance(value, list) else ()
    if len(numbers) == 2:
        fields.give("resolution", f"{numbers[0]}x{numbers[1]}")
    both = fields.pair("resolution")
    width, height = fields.side("width"), fields.side("height")
    return both or ((width, height) if width and height else None)


def _named(name: str | None) -> str | None:
    return None if name is None or name.casefold() in ("none", "default (model)") else name


def _loras(fields: Fields) -> tuple[Lora, ...]:
    """Lists of name, weight and hash; numbered texts in the older log, `name : weight`."""
    found: list[Lora] = []
    for each in _listed(fields.take("loras"))[:100]:
        row = as_list(each) or (tuple(each) if isinstance(each, tuple) else ())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        one: dict[str, object] = dict(zip(("name", "weight", "hash"), row, strict=False))
        found.extend(_lora(Fields(one)))
    for number in range(1, 11):
        text = fields.text(f"lora_combined_{number}", f"lora_{number}")
        if text is not None:
            name, _, weight = text.rpartition(":")
            found.extend(_lora(Fields({"name": name.strip(), "weight": weight})))
    for name in [each for each in fields.names() if each.startswith("lora_[")][:20]:
        inner = {"name": name[6:].partition("]")[0], "weight": fields.take(name)}
        found.extend(_lora(Fields(inner)))
    return tuple(found)


def _lora(fields: Fields) -> tuple[Lora, ...]:
    name, weight = fields.text("name"), fields.weight("weight")
    if not name or name == "None":
        return ()
    weight = 1.0 if weight is None else float(weight)
    digits = as_hash(fields.take("hash"))
    return (Lora(name=name, text_weight=weight, unet_weight=weight, hash=digits),)


def _listed(value: object) -> Sequence[object]:
    """A list, or a text that is one in JSON or, as RuinedFooocus has it, in Python."""
    if isinstance(value, str) and len(value) < 20_000:
        found = parsed(value)
        if found is None and "(" not in value.replace("(", "", 200):
            try:
                found = ast.literal_eval(value.strip())
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                found = None
        value = found
    return as_list(value)


def _some(told: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in told.items() if value is not None}
