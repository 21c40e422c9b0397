"""SwarmUI, which draws with ComfyUI."""

from collections.abc import Mapping

from kakusan.images.foreign import names
from kakusan.images.foreign.fields import Fields, as_list, as_object, short
from kakusan.images.foreign.hashes import as_hash
from kakusan.images.foreign.swarmui_tags import without_tags
from kakusan.images.foreign.told import Lora, Settings, Told
from kakusan.images.foreign.webui_extras import (
    ANOTHER_PICTURE,
    CONTROL,
    MASK,
    REFINED,
    SECOND_PASS,
)


def read_swarmui(told: Mapping[str, object], carrier: str) -> Told:
    """Its `sui_image_params`, and the hashes beside them."""
    outer = Fields(told)
    outer.drop("sui_extra_data")  # when, and how long it took
    models = outer.look("sui_models")
    fields = Fields(outer.mapping("sui_image_params") or {})
    hashes = {_stem(name): digits for name, digits in _hashes(outer)}
    version = fields.text("swarm_version")
    fields.drop("aspectratio", "sidelength", "date", "prep_time", "generation_time", "automaticvae")
    fields.drop("images", "batchsize", usual=(1,))
    sampler = fields.text("sampler", "comfyuisampler", "comfy_ui_sampler", "autowebuisampler")
    schedule = fields.text("scheduler", "comfyuischeduler", "comfy_ui_scheduler")
    scheduler, said = names.of_comfyui(sampler, schedule) if sampler else (None, list[str]())
    if sampler is None:
        said = ["its sampler is not told: SwarmUI chose one for the model."]
    limits = [*said, *_limits(fields)]
    model = fields.text("model")
    strength = fields.fraction("initimagecreativity")
    stop = fields.whole("clipstopatlayer", low=-100, high=-1)
    upscale = _hires(fields)
    loras = _loras(fields, hashes)
    prompt, tags = without_tags(fields.prompt("prompt"), loras)
    negative, more = without_tags(fields.prompt("negativeprompt"), (*loras, *tags.loras))
    limits += dict.fromkeys((*tags.limits, *more.limits))
    settings = Settings(
        prompt=prompt,
        negative_prompt=negative,
        seed=fields.seed("seed"),
        width=fields.side("width"),
        height=fields.side("height"),
        num_inference_steps=fields.steps("steps"),
        guidance_scale=fields.weight("cfgscale"),
        scheduler=scheduler,
        sampler=sampler,
        schedule_type=schedule,
        clip_skip=None if stop is None else -stop - 1,
        strength=strength if "initimage" in fields else None,
        model=model,
        vae=_vae(fields),
        loras=(*loras, *tags.loras, *more.loras),
        embeddings=tuple(dict.fromkeys((*tags.embeddings, *more.embeddings))),
        prompt_syntax="comfy",
        rng="comfyui",
        variation_seed=fields.seed("variationseed"),
        variation_strength=fields.fraction("variationseedstrength"),
        sigma_noise=fields.number("samplersigmanoise", low=0, high=1000),
        schedule_sigma_min=fields.number("samplersigmamin", low=0, high=1e6),
        schedule_sigma_max=fields.number("samplersigmamax", low=0, high=1e6),
        schedule_rho=fields.number("samplerrho", low=0, high=1000),
        hires=upscale,
        img2img={} if fields.take("initimage") is not None else None,
        inpaint={"mask": True} if fields.take("maskimage") is not None else None,
    )
    return Told(
        tool="SwarmUI",
        version=version,
        carrier=carrier,
        settings=settings,
        unknown={
            **outer.left(),
            **fields.left(),
            **({"sui_models": short(models)} if models else {}),
        },
        limits=(*limits, *fields.refused),
    )


def _limits(fields: Fields) -> list[str]:
    said = {
        ANOTHER_PICTURE: ("initimage",),
        MASK: ("maskimage",),
        CONTROL: ("controlnetmodel", "controlnetimageinput"),
        SECOND_PASS: ("refinerupscale",),
        REFINED: ("refinermodel",),
        "another picture steered it.": ("promptimages", "useipadapter"),
        "it was drawn to be tiled.": ("seamlesstileable",),
        "layers of the UNet were weighted (FreeU).": ("freeuapplyto",),
    }
    unset = (None, False, "false", "", 1, "1")
    return [why for why, keys in said.items() if any(fields.look(k) not in unset for k in keys)]


def _hires(fields: Fields) -> dict[str, object] | None:
    told: dict[str, object] = {
        "scale": fields.number("refinerupscale", low=0.01, high=100),
        "upscaler": fields.text("refinerupscalemethod"),
        "strength": fields.fraction("refinercontrolpercentage", "refinercontrol"),
        "steps": fields.steps("refinersteps"),
        "model": fields.text("refinermodel"),
    }
    found = {key: value for key, value in told.items() if value is not None}
    return found or None


def _vae(fields: Fields) -> str | None:
    name = fields.text("vae")
    return None if name in (None, "None", "Automatic", "") else name


def _hashes(outer: Fields) -> list[tuple[str, str | None]]:
    """`sui_models`: names with the SHA-256 of their tensors."""
    found: list[tuple[str, str | None]] = []
    for each in map(as_object, outer.items("sui_models")[:200]):
        one = Fields(each or {})
        name = one.text("name")
        if name:
            found.append((name, as_hash(one.take("hash"))))
    return found


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition("\\")[2].removesuffix(".safetensors")


def _loras(fields: Fields, hashes: Mapping[str, str | None]) -> tuple[Lora, ...]:
    named, weights = (_several(fields.take(key)) for key in ("loras", "loraweights"))
    text = _several(fields.take("loratencweights"))
    found: list[Lora] = []
    for index, name in enumerate(named[:200]):
        one = Fields(
            {
                "name": name,
                "unet": weights[index] if index < len(weights) else 1,
                "text": text[index] if index < len(text) else None,
            }
        )
        plain, unet, other = one.text("name"), one.weight("unet"), one.weight("text")
        unet = 1.0 if unet is None else float(unet)
        if plain:
            other = unet if other is None else float(other)
            digits = hashes.get(_stem(plain))
            found.append(Lora(name=plain, text_weight=other, unet_weight=unet, hash=digits))
    return tuple(found)


def _several(value: object) -> list[object]:
    """A list, or a text with commas as older versions wrote it."""
    if isinstance(value, str):
        return [part.strip() for part in value[:20_000].split(",") if part.strip()]
    return list(as_list(value))
