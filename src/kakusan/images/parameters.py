"""The text that AUTOMATIC1111's web UI writes into pictures, and that many tools read.

a cat on a red background
Negative prompt: blurry
Steps: 25, Sampler: DPM++ 2M, CFG scale: 7.5, Seed: 7, Size: 512x512, Version: kakusan 0.1.0
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import cast

from kakusan.images.control_text import control_settings
from kakusan.images.hires_words import hires_words, second_strength
from kakusan.images.settings_line import find_settings
from kakusan.prompts.as_webui import as_webui
from kakusan.samplers import SAMPLERS, SCHEDULES, label_of
from kakusan.vocabulary import WEBUI

Record = dict[str, object]

_MULTISTEP = "DPMSolverMultistepScheduler"
# Settings by which samplers of one class differ
_TELLING = {"algorithm_type", "solver_order", "solver_type", "variable_steps"}
_TELLING_OF = {
    "EulerCFGPPScheduler": {"eta"},
    "RESMultistepCFGPPScheduler": {"eta"},
    "RESMultistepScheduler": {"eta"},
    "SEEDS2Scheduler": {"eta", "r"},
}
# The web UI calls all of its kind so, whatever its options for variant and order say
_ONE_NAME = {"UniPCMultistepScheduler": "UniPC"}
WORDS = WEBUI.words
# What it says of random numbers; unsaid, it reads GPU, and we read kakusan's own
_SOURCES = {"webui-gpu": "GPU", "webui-cpu": "CPU", "webui-nv": "NV"}
SCHEDULE, SCHEDULE_TYPE = "schedule_type", "Schedule type"
# What other tools have no word for: whose rules noise follows, and in which syntax prompts were
OWN_RNG, OWN_SYNTAX = "kakusan rng", "kakusan syntax"
_MASKED_CONTENTS = {
    "original": "original",
    "fill": "fill",
    "noise": "latent noise",
    "nothing": "latent nothing",
}
NEGATIVE = f"{WORDS['negative_prompt']}:"
_LARGEST = 2**64
_FILES = (".safetensors", ".ckpt", ".gguf", ".pt", ".bin")  # of models and adapters


def _sampler(config: Mapping[object, object]) -> str | None:
    """Its class's name where the web UI has none for these settings."""
    name = str(config.get("_class_name", ""))
    if name in _ONE_NAME:
        return _ONE_NAME[name]
    kinds = (name,)
    algorithm, order = config.get("algorithm_type"), config.get("solver_order", 2)
    if (name, algorithm, order) == (_MULTISTEP, "sde-dpmsolver++", 2):
        kinds = (name, "DPMPP2MSDEScheduler")  # whose noise is another
    telling = _TELLING | _TELLING_OF.get(name, set())
    for sampler in SAMPLERS:
        told = ((key, sampler.settings[key]) for key in telling & sampler.settings.keys())
        if sampler.kind in kinds and all(config.get(key, value) == value for key, value in told):
            return sampler.webui
    return name or None


def _schedule_type(config: Mapping[object, object]) -> str | None:
    """How the noise levels are spaced: "Karras" for `use_karras_sigmas` and for its ladder."""
    if (ladder := config.get("sigma_schedule")) in SCHEDULES:
        return label_of(str(ladder))
    for name, value in config.items():
        spacing = re.fullmatch("use_([a-z]+)_sigmas", str(name))
        if spacing is not None and value is True:
            return spacing[1].title()
    # unsaid, the web UI takes another spacing for these samplers
    kind = config.get("_class_name")
    unlike = any(s.kind == kind and s.automatic not in (None, "uniform") for s in SAMPLERS)
    return label_of("uniform") if unlike else None


def _settings(record: Mapping[str, object]) -> Record:
    """What the last line says, in the order in which the web UI says it; None is left out."""
    width, height, clip_skip = record.get("width"), record.get("height"), record.get("clip_skip")
    version, scheduler, rng = record.get("kakusan"), record.get("scheduler"), str(record.get("rng"))
    config = cast("Mapping[object, object]", scheduler if isinstance(scheduler, Mapping) else {})
    return {
        WORDS["num_inference_steps"]: record.get("num_inference_steps"),
        WORDS["scheduler"]: _sampler(config),
        SCHEDULE_TYPE: _schedule_type(config),
        WORDS["guidance_scale"]: record.get("guidance_scale"),
        WORDS["seed"]: record.get("seed"),
        WORDS["width"]: f"{width}x{height}" if width and height else None,
        WORDS["model"]: _model(record.get("model")),
        WORDS["vae"]: Path(vae).name if isinstance(vae := record.get("vae"), str) else None,
        WORDS["variation_seed"]: record.get("variation_seed"),
        WORDS["variation_strength"]: record.get("variation_strength"),
        WORDS["seed_resize"]: _resized(record.get("seed_resize")),
        WORDS["strength"]: record.get("strength", second_strength(record)),
        **_masked(record),
        # the web UI counts the last layer as 1, we count skipped layers
        WORDS["clip_skip"]: clip_skip + 1 if isinstance(clip_skip, int) and clip_skip else None,
        WORDS["ensd"]: record.get("ensd"),
        WORDS["rng"]: _SOURCES.get(rng),
        OWN_RNG: rng if record.get("rng") and rng not in _SOURCES else None,
        OWN_SYNTAX: None if (syntax := _syntax(record)) in ("webui", "plain") else syntax,
        WORDS["emphasis"]: None if (mode := record.get("emphasis")) == "Original" else mode,
        WORDS["pad_conds"]: True if (padded := record.get("pad_conds")) is True else None,
        f"{WORDS['pad_conds']} v0": True if padded == "v0" else None,
        WORDS["old_timelines"]: record.get("old_timelines"),
        **hires_words(record, lambda text: _written(text, record), _sampler, _schedule_type),
        "SD upscale overlap": _overlap(record.get("upscale")),
        **{WORDS[name]: record.get(name) for name in ("template", "negative_template")},
        "Lora hashes": _lora_hashes(record.get("lora_files")),
        **control_settings(record),
        "TI hashes": _hashes(record.get("embeddings")),
        "Version": f"kakusan {version}" if version else None,
    }


def _masked(record: Mapping[str, object]) -> Record:
    """What it says of masks, where that is not what it takes unsaid."""
    blur, padding = record.get("mask_blur"), record.get("only_masked")
    content = record.get("masked_content")
    named = "original" if content is None else _MASKED_CONTENTS.get(str(content))
    return {
        WORDS["mask_blur"]: f"{blur:g}" if isinstance(blur, int | float) and blur > 0 else None,
        "Inpaint area": None if padding is None else "Only masked",
        WORDS["only_masked"]: padding,
        WORDS["masked_content"]: None if named == "original" else named,
    }


def _model(name: object) -> object:
    """Of a single file its name alone, as the web UI has it; its folder is nobody's business."""
    path = PurePath(name) if isinstance(name, str) else None
    return path.stem if path is not None and path.suffix.casefold() in _FILES else name


def _syntax(record: Mapping[str, object]) -> str:
    return str(record.get("prompt_syntax") or "plain")


def _prompt(record: Mapping[str, object], name: str) -> str:
    """A prompt as AUTOMATIC1111 reads it, in which nothing looks as if another part began.

    The backslashes that see to it are dropped when a prompt is read.
    """
    text = _written(record.get(name), record)
    text = text.replace(NEGATIVE, NEGATIVE.replace(" ", "\\ "))
    return text.replace("\nSteps:", "\nSteps\\:")


def _written(text: object, record: Mapping[str, object]) -> str:
    """A text of a record in AUTOMATIC1111's syntax."""
    return as_webui(str(text or ""), _syntax(record))


def _with_adapters(prompt: str, loras: object) -> str:
    """The prompt with tags for adapters that stand beside it."""
    tags: list[str] = []
    for each in cast("list[object]", loras) if isinstance(loras, list) else []:
        lora = cast("Mapping[str, object]", each if isinstance(each, Mapping) else {})
        weights = [lora.get("text_weight", 1.0), lora.get("unet_weight", 1.0)]
        if isinstance(name := lora.get("name"), str):
            said = ":".join(map(str, dict.fromkeys(weights)))
            tags.append(f"<lora:{_model(name)}:{said}>")
    return " ".join([prompt, *tags]).strip() if tags else prompt


def _lora_hashes(files: object) -> str | None:
    """Names of adapters as the prompt's tags have them, and what the web UI tells them by."""
    found: list[str] = []
    named = cast("Mapping[object, object]", files if isinstance(files, Mapping) else {})
    for name, each in named.items():
        entry = cast("Mapping[str, object]", each if isinstance(each, Mapping) else {})
        digest = entry.get("lora_hash")
        if isinstance(digest, str):
            found.append(f"{_model(name)}: {digest}")
    return ", ".join(found) or None


def _hashes(embeddings: object) -> str | None:
    """Names and hashes of learnt words, which the web UI calls by their files."""
    found: list[str] = []
    for each in cast("list[object]", embeddings) if isinstance(embeddings, list) else []:
        entry = cast("Mapping[str, object]", each if isinstance(each, Mapping) else {})
        file, token, digest = (entry.get(key) for key in ("file", "token", "hash"))
        stem = PurePath(file).stem if isinstance(file, str) else ""
        name = token if stem in ("", "learned_embeds") else stem
        if isinstance(name, str) and isinstance(digest, str):
            found.append(f"{re.sub('[:,]', '', name)}: {digest}")
    return ", ".join(found) or None


def _resized(size: object) -> str | None:
    """(height, width) as the web UI says it."""
    if not isinstance(size, list | tuple) or len(size) != 2:
        return None
    height, width = cast("list[object]", size)
    return f"{width}x{height}"


def _overlap(upscale: object) -> object:
    """Of a picture that was drawn over in tiles, as the web UI's script SD upscale says it."""
    return (
        cast("Mapping[str, object]", upscale).get("overlap")
        if isinstance(upscale, Mapping)
        else None
    )


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r"[,:\n]", text) else text


def parameters_text(record: Mapping[str, object]) -> str:
    """The `parameters` text of a picture with this record.

    Prompts stand in AUTOMATIC1111's syntax, whatever theirs was, as `as_webui` writes them: read
    so, plain words come back as they were.

    NUL and lone surrogates, which text in files cannot hold, become U+FFFD; the exact prompt is
    in the JSON record beside it.
    """
    settings = {name: value for name, value in _settings(record).items() if value is not None}
    lines = [_with_adapters(_prompt(record, "prompt"), record.get("loras"))]
    if negative := _prompt(record, "negative_prompt"):
        lines.append(f"{NEGATIVE} {negative}")
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in settings.items()))
    return re.sub("[\0\ud800-\udfff]", "\ufffd", "\n".join(lines)).strip()


def _number(text: str | None) -> int | float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    if value != value or abs(value) >= _LARGEST:
        return None
    return int(text or "") if re.fullmatch(r"\s*-?\d+\s*", text or "") else value


def _size(text: str | None) -> tuple[int, int] | tuple[None, None]:
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text or "")
    return (int(match[1]), int(match[2])) if match else (None, None)


def has_settings(text: str) -> bool:
    """Whether a text has a line of settings, so that it is no other program's remark."""
    return find_settings(_with_plain_ends(text)) is not None


def parse_parameters(text: str) -> Record:
    """The part of a record that `parameters` text tells; what it does not tell is left out.

    Lines after the settings, which extensions write, belong to neither prompt.
    """
    text = _with_plain_ends(text)
    settings = find_settings(text)
    told = {} if settings is None else settings.told
    prompt, negative = split_prompts(text if settings is None else text[: settings.start])
    width, height = _size(told.get(WORDS["width"]))
    record: Record = {
        "prompt": prompt,
        "negative_prompt": negative,
        "seed": _number(told.get(WORDS["seed"])),
        "width": width,
        "height": height,
        "num_inference_steps": _number(told.get(WORDS["num_inference_steps"])),
        "guidance_scale": _number(told.get(WORDS["guidance_scale"])),
        "clip_skip": _skipped(_number(told.get(WORDS["clip_skip"]))),
        "sampler": told.get(WORDS["scheduler"]),
        SCHEDULE: told.get(SCHEDULE_TYPE),
        "model": told.get(WORDS["model"]),
        "program": told.get("Version"),
    }
    return {name: value for name, value in record.items() if value is not None}


def split_prompts(text: str) -> tuple[str, str]:
    """The prompt and the negative prompt in what stands before the settings."""
    lines = text.strip().split("\n")
    starts = (i for i, line in enumerate(lines) if line.strip().startswith(NEGATIVE))
    split = next(starts, len(lines))
    negative = "\n".join(lines[split:]).strip().removeprefix(NEGATIVE).strip()
    return "\n".join(lines[:split]).strip(), negative


def _with_plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _skipped(layers: int | float | None) -> int | None:
    """The web UI counts the last layer as 1, we count the layers that are skipped."""
    return layers - 1 if isinstance(layers, int) and layers >= 1 else None
