"""Easy Diffusion: one text a setting in PNG, an object elsewhere."""

import re
from collections.abc import Mapping

from kakusan.images.foreign import names
from kakusan.images.foreign.fields import Fields, as_list
from kakusan.images.foreign.told import Embedding, Lora, Settings, Told
from kakusan.images.foreign.webui_extras import ANOTHER_PICTURE, CONTROL, MASK

# Labels of its older files and of its text files -> the names in newer ones
_LABELS = {
    "Prompt": "prompt",
    "Negative Prompt": "negative_prompt",
    "Seed": "seed",
    "Stable Diffusion model": "use_stable_diffusion_model",
    "Clip Skip": "clip_skip",
    "ControlNet model": "use_controlnet_model",
    "VAE model": "use_vae_model",
    "Sampler": "sampler_name",
    "Scheduler": "scheduler_name",
    "Width": "width",
    "Height": "height",
    "Steps": "num_inference_steps",
    "Guidance Scale": "guidance_scale",
    "LoRA model": "use_lora_model",
    "LoRA Strength": "lora_alpha",
    "Hypernetwork model": "use_hypernetwork_model",
    "Hypernetwork Strength": "hypernetwork_strength",
    "Prompt Strength": "prompt_strength",
    "Use Upscaling": "use_upscale",
    "Use Face Correction": "use_face_correction",
    "Embedding models": "use_embeddings_model",
    "Seamless Tiling": "tiling",
}
KEYS = ("use_stable_diffusion_model", "Stable Diffusion model")


def read_easy_diffusion(told: Mapping[str, object], carrier: str) -> Told:
    """Its settings under either kind of names."""
    fields = Fields({_LABELS.get(name, name): value for name, value in told.items()})
    sampler, schedule = fields.text("sampler_name"), fields.text("scheduler_name")
    scheduler, said = (
        names.known([f"{sampler} {schedule}", sampler] if schedule else [sampler])
        if sampler
        else (None, list[str]())
    )
    limits = [*said, *_limits(fields)]
    skipped = fields.flag("clip_skip")
    strength = fields.fraction("prompt_strength")
    given = ANOTHER_PICTURE in limits or MASK in limits
    settings = Settings(
        prompt=fields.prompt("prompt"),
        negative_prompt=fields.prompt("negative_prompt"),
        seed=fields.seed("seed"),
        width=fields.side("width"),
        height=fields.side("height"),
        num_inference_steps=fields.steps("num_inference_steps"),
        guidance_scale=fields.weight("guidance_scale"),
        scheduler=scheduler,
        sampler=sampler,
        schedule_type=schedule,
        clip_skip=None if skipped is None else int(skipped),
        strength=strength if given else None,
        model=_stem(fields.text("use_stable_diffusion_model")),
        vae=_stem(fields.text("use_vae_model")),
        loras=_loras(fields),
        embeddings=_embeddings(fields),
        prompt_syntax="compel",
        rng="diffusers",
        img2img={} if given else None,
        inpaint={"mask": True} if MASK in limits else None,
    )
    fields.drop("tiling", usual=("none", ""))
    return Told(
        tool="Easy Diffusion",
        version=fields.text("app_version", "version"),
        carrier=carrier,
        settings=settings,
        unknown=fields.left(),
        limits=(*limits, *fields.refused),
    )


def _limits(fields: Fields) -> list[str]:
    said = {
        ANOTHER_PICTURE: ("init_image",),
        MASK: ("mask",),
        CONTROL: ("use_controlnet_model", "control_image"),
        "a hypernetwork was on, which kakusan has not.": ("use_hypernetwork_model",),
        "it was enlarged, or its faces restored, afterwards.": (
            *("use_upscale", "use_face_correction"),
        ),
        "it was drawn to be tiled.": ("tiling",),
    }
    unset = (None, "", "None", "none", False, "False", "null")
    return [why for why, keys in said.items() if any(fields.look(k) not in unset for k in keys)]


def _stem(name: str | None) -> str | None:
    """The file's name without the folders of another machine; None for none."""
    if name is None or name in ("", "None", "null"):
        return None
    return re.split(r"[/\\]", name)[-1] if re.match(r"[A-Za-z]:|/", name) else name


def _several(value: object) -> list[object]:
    """One value, a list, or the text of a list as Python writes it."""
    if isinstance(value, str) and value.strip().startswith("["):
        return [part.strip(" '\"") for part in value.strip()[1:-1][:20_000].split(",")]
    if isinstance(value, str) and "," in value:
        return [part.strip() for part in value[:20_000].split(",")]
    return list(as_list(value)) if isinstance(value, list) else [value]


def _loras(fields: Fields) -> tuple[Lora, ...]:
    named, weights = _several(fields.take("use_lora_model")), _several(fields.take("lora_alpha"))
    found: list[Lora] = []
    for index, each in enumerate(named[:200]):
        one = Fields({"name": each, "weight": weights[index] if index < len(weights) else 0.5})
        name, weight = _stem(one.text("name")), one.weight("weight")
        if name:
            weight = 0.5 if weight is None else float(weight)  # its own default
            found.append(Lora(name=name, text_weight=weight, unet_weight=weight))
    return tuple(found)


def _embeddings(fields: Fields) -> tuple[Embedding, ...]:
    named = (
        Fields({"name": each}).text("name")
        for each in _several(fields.take("use_embeddings_model"))[:200]
    )
    return tuple(Embedding(name=stem) for name in named if (stem := _stem(name)))
