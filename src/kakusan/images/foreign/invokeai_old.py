"""InvokeAI before version 3: `sd-metadata`, and the command line of its first version."""

import re
from collections.abc import Mapping

from kakusan.images.foreign import names
from kakusan.images.foreign.fields import Fields, as_object
from kakusan.images.foreign.hashes import as_hash
from kakusan.images.foreign.told import Settings, Told
from kakusan.images.foreign.webui_extras import ANOTHER_PICTURE, MASK, SECOND_PASS

_OPTION = re.compile(r"""\s-{1,2}([A-Za-z_]\w*)(?:[ =]+("[^"]*"|'[^']*'|(?!-[A-Za-z])\S+))?""")
_OPTIONS = {  # of the command line
    "s": "steps",
    "steps": "steps",
    "S": "seed",
    "seed": "seed",
    "W": "width",
    "width": "width",
    "H": "height",
    "height": "height",
    "C": "cfg_scale",
    "cfg_scale": "cfg_scale",
    "A": "sampler",
    "sampler": "sampler",
    "I": "init_image",
    "init_img": "init_image",
    "f": "strength",
    "strength": "strength",
    "M": "init_mask",
    "init_mask": "init_mask",
    "G": "facetool_strength",
    "gfpgan_strength": "facetool_strength",
    "U": "upscale",
    "upscale": "upscale",
    "V": "with_variations",
    "with_variations": "with_variations",
    "v": "variation_amount",
    "variation_amount": "variation_amount",
    "hires_fix": "hires_fix",
    "seamless": "seamless",
    "threshold": "threshold",
    "perlin": "perlin",
}
# The k-diffusion samplers of versions before 2.3 used Karras's levels below this many steps
_KARRAS_BELOW = 29


def read_sd_metadata(told: Mapping[str, object], carrier: str) -> Told:
    """`sd-metadata`, of version 2."""
    outer = Fields(told)
    image = Fields(outer.mapping("image") or {})
    prompt, negative, said = _prompts(image.take("prompt"))
    settings = {
        "model": outer.text("model_weights"),
        "model_hash": as_hash(outer.take("model_hash")),
    }
    outer.take("model", "app_id")
    version = outer.text("app_version")
    return _of_image(image, outer, (prompt, negative), settings, version, carrier, said)


def read_dream(text: str, carrier: str) -> Told | None:
    """The command line of version 1: `"a cat [blurry]" -s 50 -S 1`; None where it is none."""
    match = re.match(r'\s*(?:!?\w+\s+)?"((?:\\.|[^"\\])*)"', text)
    rest = text[match.end() :] if match is not None else ""
    if match is None:
        options = re.search(r"\s-{1,2}[A-Za-z]", text)
        if options is None:
            return None
        prompt, rest = text[: options.start()], text[options.start() :]
    else:
        prompt = match[1].replace('\\"', '"')
    told: dict[str, object] = {}
    for count, option in enumerate(_OPTION.finditer(f" {rest}")):
        name = _OPTIONS.get(option[1], option[1])
        if count < 200:
            told.setdefault(name, (option[2] or "True").strip("\"'"))
    if not {"steps", "seed", "sampler", "cfg_scale", "width"} & told.keys():
        return None
    positive, negative, said = _prompts(prompt)
    return _of_image(Fields(told), Fields({}), (positive, negative), {}, None, carrier, said)


def _of_image(
    image: Fields,
    outer: Fields,
    prompts: tuple[str, str],
    model: Mapping[str, str | None],
    version: str | None,
    carrier: str,
    said: list[str],
) -> Told:
    limits = list(said)
    for why, keys in {
        ANOTHER_PICTURE: ("init_image", "init_image_path", "orig_hash"),
        MASK: ("init_mask", "mask_image_path", "mask_hash"),
        "noise of other seeds was mixed in.": ("variations", "with_variations"),
        "it was enlarged, or its faces restored, afterwards.": (
            *("postprocessing", "upscale", "facetool_strength"),
        ),
        "its latents were thresholded.": ("threshold",),
        "its noise had Perlin noise mixed in.": ("perlin",),
        SECOND_PASS: ("hires_fix",),
        "it was drawn to be tiled.": ("seamless",),
    }.items():
        if any(image.look(key) not in (None, 0, "0", "", False, [], "0.0", 0.0) for key in keys):
            limits.append(why)
    kind = image.text("type") or ""
    if kind == "img2img" and ANOTHER_PICTURE not in limits:
        limits.append(ANOTHER_PICTURE)
    given = image.text("init_image", "init_image_path")
    steps, sampler = image.steps("steps"), image.text("sampler")
    scheduler, more = _old_scheduler(sampler, steps, version)
    for key in ("threshold", "perlin", "hires_fix", "seamless", "variations"):
        if image.look(key) in (0, 0.0, False, [], "0", "0.0"):
            image.take(key)
    settings = Settings(
        prompt=prompts[0],
        negative_prompt=prompts[1],
        seed=image.seed("seed"),
        width=image.side("width"),
        height=image.side("height"),
        num_inference_steps=steps,
        guidance_scale=image.weight("cfg_scale"),
        scheduler=scheduler,
        sampler=sampler,
        strength=image.fraction("strength", "strength_steps"),
        model=model.get("model"),
        model_hash=model.get("model_hash"),
        prompt_syntax="compel" if version is not None else "plain",
        rng="invokeai",
        img2img=({"image": given} if given else {}) if ANOTHER_PICTURE in limits else None,
        inpaint={"mask": True} if MASK in limits else None,
    )
    return Told(
        tool="InvokeAI",
        version=version,
        carrier=carrier,
        settings=settings,
        unknown={**outer.left(), **image.left()},
        limits=(*limits, *more, *image.refused),
    )


def _old_scheduler(
    sampler: str | None, steps: int | None, version: str | None
) -> tuple[str | None, list[str]]:
    if sampler is None:
        return None, []
    match = re.match(r"v?(\d{1,3})\.(\d{1,3})", version or "")
    with_classes = match is not None and (int(match[1]), int(match[2])) >= (2, 3)
    plain = sampler.removeprefix("k_").replace("dpm_2", "dpm2").replace("dpmpp_2", "dpmpp_2m")
    if with_classes or not sampler.startswith("k_"):
        return names.of_invokeai(sampler)
    karras = steps is not None and steps < _KARRAS_BELOW
    return names.known([f"{plain} {'karras' if karras else 'uniform'}", plain])


def _prompts(value: object) -> tuple[str, str, list[str]]:
    """The prompt without its words in square brackets, which are the negative prompt."""
    said: list[str] = []
    if isinstance(value, list):
        parts = [Fields(as_object(each) or {}) for each in value[:50]]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        texts = [part.prompt("prompt") or "" for part in parts]
        weights = [part.weight("weight") for part in parts]
        if len(texts) > 1 and any(weight not in (None, 1) for weight in weights):
            said.append("its prompt had several parts with weights, which stand together here.")
        value = ", ".join(text for text in texts if text)
    text = value if isinstance(value, str) else ""
    negative = [match.strip(" ,") for match in re.findall(r"\[([^\[\]]*)\]", text)]
    positive = re.sub(r"\s*\[[^\[\]]*\]", "", text).strip(" ,")
    return positive, ", ".join(each for each in negative if each), said
