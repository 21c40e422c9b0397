"""Every field of a job as OpenAPI has it, with the ranges that a `Request` takes."""

from collections.abc import Mapping
from typing import Any

from kakusan.prompts.syntaxes import SYNTAXES
from kakusan.request.checks import (
    MAX_CHARACTERS,
    MAX_PIXELS,
    MAX_SIGMA,
    MAX_SIZE,
    MAX_STEPS,
    SIZE_STEP,
)
from kakusan.request.controls import CONTROL_MODES, MAX_CONTROLS, MAX_TYPE
from kakusan.request.controls import MAX_SCALE as MAX_CONTROL
from kakusan.request.embedded import MOST as MAX_EMBEDDINGS
from kakusan.request.freeu import MAX_WEIGHT, FreeUWeights
from kakusan.request.image_prompts import MAX_ADAPTERS
from kakusan.request.image_prompts import MAX_SCALE as MAX_SEEN
from kakusan.request.loras import MAX_LORAS, MAX_STRENGTH
from kakusan.request.masks import (
    FEATHER,
    MASKED_CONTENTS,
    MAX_BLUR,
    MAX_PADDING,
    OUTSIDES,
    SIDES,
)
from kakusan.request.randomness import LEAST_SIDE, SEEDS
from kakusan.request.request import (
    MAX_GUIDANCE,
    MAX_PICTURES,
    MAX_PSNR,
    MAX_REUSE,
    MAX_SKIPPED,
)
from kakusan.request.second_pass import MAX_SCALE as MAX_ENLARGEMENT
from kakusan.request.sizes import MAX_SCORE
from kakusan.request.steered import RESIZE_MODES
from kakusan.request.syntaxes import EMPHASES, PADDED_V0
from kakusan.request.tiled import LEAST_SCALE
from kakusan.request.tiled import MAX_SCALE as MAX_UPSCALE
from kakusan.request.upscalers import UPSCALERS

Schema = Mapping[str, Any]


def number(least: float, most: float) -> Schema:
    """A number in a range."""
    return {"type": "number", "minimum": least, "maximum": most}


def whole(least: int, most: int) -> Schema:
    """A whole number in a range."""
    return {"type": "integer", "minimum": least, "maximum": most}


def _several(each: Schema, most: int | None = None, least: int = 1) -> Schema:
    limits = {"minItems": least} if most is None else {"minItems": least, "maxItems": most}
    return {"type": "array", "items": each, **limits}


def _one_or_several(each: Schema, most: int | None = None) -> Schema:
    return {"anyOf": [each, _several(each, most)]}


def _mapping(needed: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    found = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**found, "required": list(needed)} if needed else found


_TEXT: Schema = {"type": "string", "maxLength": MAX_CHARACTERS}
_TEXTS = _one_or_several(_TEXT)
_NAME: Schema = {"type": "string", "minLength": 1}
_SWITCH: Schema = {"type": "boolean"}
_PICTURE: Schema = {"type": "string", "description": "The id of an input, or base64."}
_PICTURES = _one_or_several(_PICTURE)
_SIDE: Schema = {**whole(SIZE_STEP, MAX_SIZE), "multipleOf": SIZE_STEP}
_PIXELS = whole(0, MAX_PIXELS)
_PAIR = _several(_PIXELS, 2, 2)
_SEED = whole(0, SEEDS - 1)
_SHARE = number(0, 1)
_STRENGTH = number(-MAX_STRENGTH, MAX_STRENGTH)
_SCHEDULER: Schema = {
    "anyOf": [
        _NAME,
        {"type": "object", "required": ["name"], "properties": {"name": _NAME}},
        {"type": "object", "required": ["_class_name"], "properties": {"_class_name": _NAME}},
    ]
}
_LORA = {
    "anyOf": [_NAME, _mapping(("name",), name=_NAME, text_weight=_STRENGTH, unet_weight=_STRENGTH)]
}
_CONTROL = _mapping(
    ("image", "model"),
    image=_PICTURES,
    model=_NAME,
    kind={**_NAME, "description": "The preprocessor; left out, the picture is taken as it is."},
    type=whole(0, MAX_TYPE),
    scale=number(-MAX_CONTROL, MAX_CONTROL),
    start=_SHARE,
    end=_SHARE,
    mode={"enum": [*CONTROL_MODES]},
    resize_mode={"enum": [*RESIZE_MODES]},
)
_SEEN = _mapping(
    ("images", "model"),
    images=_PICTURES,
    model=_NAME,
    scale=number(-MAX_SEEN, MAX_SEEN),
    blocks={"type": "object", "additionalProperties": number(-MAX_SEEN, MAX_SEEN)},
)
_ENLARGEMENT: Schema = {"type": "number", "exclusiveMinimum": 1, "maximum": MAX_ENLARGEMENT}
_SECOND = {
    "anyOf": [
        _ENLARGEMENT,
        _mapping(
            scale=_ENLARGEMENT,
            width=_SIDE,
            height=_SIDE,
            upscaler={"enum": [*UPSCALERS]},
            steps=whole(1, MAX_STEPS),
            strength={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            prompt=_TEXTS,
            negative_prompt=_TEXTS,
            scheduler=_SCHEDULER,
            guidance_scale=number(0, MAX_GUIDANCE),
        ),
    ]
}
_SCALE = number(LEAST_SCALE, MAX_UPSCALE)
_UPSCALE = {"anyOf": [_SCALE, _mapping(scale=_SCALE, overlap=whole(0, MAX_SIZE))]}
_WEIGHT = number(-MAX_WEIGHT, MAX_WEIGHT)
_WEIGHTS = dict.fromkeys(FreeUWeights._fields, _WEIGHT)
_FREEU = {"anyOf": [_several(_WEIGHT, 4, 4), _mapping(tuple(_WEIGHTS), **_WEIGHTS)]}
_OUTPAINT = _mapping(**dict.fromkeys((*SIDES, FEATHER), whole(0, MAX_PADDING)))
_EMBEDDING = {"anyOf": [_NAME, _mapping(("file",), file=_NAME, token=_NAME)]}

# Of each field its schema, and what it is
_DESCRIBED: Mapping[str, tuple[Schema, str]] = {
    "prompt": (_TEXTS, "What to draw; several texts are several pictures."),
    "negative_prompt": (_TEXTS, "What to keep out: one text for all prompts, or as many."),
    "height": (_SIDE, "In pixels; else the model's own."),
    "width": (_SIDE, "In pixels; else the model's own."),
    "num_inference_steps": (whole(1, MAX_STEPS), "Steps from noise to a picture."),
    "timesteps": (_several(whole(0, int(MAX_SIGMA)), MAX_STEPS), "Falling ones of your own."),
    "sigmas": (_several(number(0, MAX_SIGMA), MAX_STEPS + 1, 2), "Falling noise levels, to 0."),
    "guidance_scale": (number(0, MAX_GUIDANCE), "How closely to follow the prompt; 1 is off."),
    "guidance_rescale": (_SHARE, "How far contrast that guidance adds is taken back."),
    "num_images_per_prompt": (whole(1, MAX_PICTURES), "Pictures of each prompt."),
    "eta": (_SHARE, "How much noise DDIM's and similar steps add."),
    "seed": (_SEED, "Of the first picture; the next has the next one. Else random, and told."),
    "clip_skip": (whole(0, MAX_SKIPPED), "Last layers of the text encoder that are left out."),
    "quality_budget": (
        number(0, MAX_PSNR),
        "Draw faster, while it stays so like the exact one, in dB.",
    ),
    "reuse_interval": (whole(1, MAX_REUSE), "Compute the whole UNet only every so many steps."),
    "model": (_NAME, "A name of /v1/models; else the first."),
    "vae": (_NAME, "A name of /v1/vaes, in the place of the model's own."),
    "scheduler": (_SCHEDULER, "A name of /v1/schedulers, or a mapping with other settings too."),
    "prompt_2": (_TEXTS, "SDXL: what the second text encoder reads instead."),
    "negative_prompt_2": (_TEXTS, "SDXL: likewise of the negative prompt."),
    "original_size": (_PAIR, "SDXL: height and width that the model is told."),
    "crops_coords_top_left": (_PAIR, "SDXL: top and left of the crop that it is told."),
    "target_size": (_PAIR, "SDXL: height and width to be told as what is wanted."),
    "negative_original_size": (_PAIR, "SDXL: the same for the negative prompt."),
    "negative_crops_coords_top_left": (_PAIR, "SDXL: the same for the negative prompt."),
    "negative_target_size": (_PAIR, "SDXL: the same for the negative prompt."),
    "force_zeros_for_empty_prompt": (_SWITCH, "SDXL: whether zeros stand for an empty one."),
    "denoising_end": (
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "SDXL: the part of the way after which to stop.",
    ),
    "denoising_start": (_SHARE, "SDXL: the part of the way that another model has gone."),
    "aesthetic_score": (number(0, MAX_SCORE), "SDXL's refiner: how beautiful it is to be."),
    "negative_aesthetic_score": (number(0, MAX_SCORE), "SDXL's refiner: and how it is not."),
    "rng": (_NAME, "By whose rules a seed makes noise: webui-gpu, comfyui, diffusers and others."),
    "ensd": (whole(-SEEDS + 1, SEEDS - 1), "AUTOMATIC1111's eta noise seed delta."),
    "variation_seed": (_SEED, "Of other noise, of which some is mixed in."),
    "variation_strength": (_SHARE, "How much of it."),
    "seed_resize": (
        _several(whole(LEAST_SIDE, MAX_PIXELS), 2, 2),
        "Height and width of the picture that the seed was found with.",
    ),
    "prompt_syntax": ({"enum": [*SYNTAXES]}, "Whose grammar of weights prompts have."),
    "emphasis": ({"enum": [*EMPHASES]}, "webui: what weights do."),
    "pad_conds": ({"enum": [True, False, PADDED_V0]}, "webui: make prompts equally long."),
    "old_timelines": (_SWITCH, "webui: count [from:to:when] as before 1.6."),
    "template": (_TEXTS, "What was written where choices were made; only kept."),
    "negative_template": (_TEXTS, "The same of the negative prompt."),
    "image": (_PICTURES, "What the picture begins at; several are for one picture each."),
    "strength": (_SHARE, "How far to go back towards noise: 0 keeps the picture."),
    "resize_mode": ({"enum": [*RESIZE_MODES]}, "How a picture of another shape comes to size."),
    "mask": (_PICTURES, 'What is drawn anew (white); also "alpha", or "box:x,y,w,h".'),
    "mask_blur": (number(0, MAX_BLUR), "How far the mask's edge is blurred, in pixels."),
    "masked_content": ({"enum": [*MASKED_CONTENTS]}, "What the masked part begins as."),
    "only_masked": (whole(0, MAX_PADDING), "Draw only what is around the mask, so far, larger."),
    "outside": ({"enum": [*OUTSIDES]}, "Whether other pixels stay the same to the bit."),
    "soft_mask": (_SWITCH, "Take every level of the mask for a share."),
    "outpaint": (_OUTPAINT, "How many pixels are added at each side, and drawn."),
    "upscale": (_UPSCALE, "Draw the picture over in tiles, so many times larger."),
    "second_pass": (_SECOND, "Draw the picture a second time, larger (hires fix)."),
    "loras": (_one_or_several(_LORA, MAX_LORAS), "Names of /v1/loras, with strengths."),
    "lora_scale": (_STRENGTH, "What all strengths are multiplied by."),
    "embeddings": (_one_or_several(_EMBEDDING, MAX_EMBEDDINGS), "Names of /v1/embeddings."),
    "controls": (_one_or_several(_CONTROL, MAX_CONTROLS), "Networks that steer by pictures."),
    "image_prompts": (_one_or_several(_SEEN, MAX_ADAPTERS), "Pictures to attend to, by adapters."),
    "freeu": (_FREEU, "FreeU's weights b1, b2, s1 and s2."),
    "truncate_pixels": (_SWITCH, "Round pixels down, as AUTOMATIC1111 and ComfyUI do."),
}
FIELDS: Mapping[str, Schema] = {
    name: {**schema, "description": says} for name, (schema, says) in _DESCRIBED.items()
}
