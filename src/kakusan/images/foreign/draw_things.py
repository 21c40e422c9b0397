"""Draw Things, whose settings stand as JSON in XMP."""

from collections.abc import Mapping

from kakusan.images.foreign import names
from kakusan.images.foreign.fields import Fields, as_object
from kakusan.images.foreign.told import Lora, Settings, Told
from kakusan.images.foreign.webui_extras import ANOTHER_PICTURE, CONTROL, SECOND_PASS

_DEVICE = "Draw Things computes on Apple's hardware with noise of its own."


def read_draw_things(told: Mapping[str, object], carrier: str) -> Told:
    """Its object with the keys `c` and `uc`."""
    fields = Fields(told)
    more = Fields(fields.mapping("v2") or {})
    sampler = fields.text("sampler")
    scheduler, said = names.known([sampler]) if sampler else (None, list[str]())
    size = fields.pair("size")
    limits = [_DEVICE, *said]
    strength = fields.fraction("strength")
    if strength is not None and strength < 1:
        limits.append(ANOTHER_PICTURE)
    controls = [as_object(each) or {} for each in fields.items("control")[:50]]
    limits.extend([CONTROL] if controls else [])
    limits.extend([SECOND_PASS] if more.look("hiresFix") is True else [])
    fields.drop("seed_mode", "profile")
    more.drop(
        "width", "height", "guidanceScale", "sampler", "seedMode", "steps", "seed", "strength"
    )
    more.drop("batchCount", "batchSize", "aestheticScore", "negativeAestheticScore", "model")
    skip = more.whole("clipSkip", low=1, high=100)
    settings = Settings(
        prompt=fields.prompt("c"),
        negative_prompt=fields.prompt("uc"),
        seed=fields.seed("seed"),
        width=size[0] if size else more.side("width"),
        height=size[1] if size else more.side("height"),
        num_inference_steps=fields.steps("steps"),
        guidance_scale=fields.weight("scale"),
        scheduler=scheduler,
        sampler=sampler,
        clip_skip=None if skip is None else skip - 1,
        strength=strength if strength is not None and strength < 1 else None,
        model=fields.text("model"),
        loras=_loras(fields, "lora") or _loras(more, "loras"),
        prompt_syntax="webui",
        rng="drawthings",
        img2img={} if ANOTHER_PICTURE in limits else None,
        controlnets=tuple(Fields(each).left() for each in controls),
    )
    rest = {f"v2.{name}": value for name, value in more.left().items()}
    return Told(
        tool="Draw Things",
        carrier=carrier,
        settings=settings,
        unknown={**fields.left(), **rest},
        limits=(*limits, *fields.refused),
    )


def _loras(fields: Fields, where: str) -> tuple[Lora, ...]:
    found: list[Lora] = []
    for each in map(as_object, fields.items(where)[:200]):
        one = Fields(each or {})
        name, weight = one.text("model", "file"), one.weight("weight")
        weight = 1.0 if weight is None else float(weight)
        if name:
            found.append(Lora(name=name, text_weight=weight, unet_weight=weight))
    return tuple(found)
