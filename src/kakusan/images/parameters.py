"""The text that AUTOMATIC1111's web UI writes into pictures, and that many tools read.

a cat on a red background
Negative prompt: blurry
Steps: 25, Sampler: DPM++ 2M, CFG scale: 7.5, Seed: 7, Size: 512x512, Version: kakusan 0.1.0
"""

import json
import re
from collections.abc import Mapping

from kakusan.vocabulary import WEBUI

Record = dict[str, object]

# `images` knows no schedulers; tests/schedulers/test_names.py holds this to the classes' own names
SAMPLERS = {
    "DDIMScheduler": "DDIM",
    "DDPMScheduler": "DDPM",
    "DPMSolverMultistepScheduler": "DPM++ 2M",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "EulerDiscreteScheduler": "Euler",
    "HeunDiscreteScheduler": "Heun",
    "LMSDiscreteScheduler": "LMS",
    "PNDMScheduler": "PLMS",
}
WORDS = WEBUI.words
NEGATIVE = f"{WORDS['negative_prompt']}:"
# A name, a colon, then a JSON string or anything up to the next comma
_SETTING = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_FEWEST_SETTINGS = 3  # a last line with fewer belongs to the prompt
_LARGEST = 2**64


def _sampler(scheduler: object) -> str | None:
    if not isinstance(scheduler, Mapping):
        return None
    name = str(scheduler.get("_class_name", ""))
    sampler = SAMPLERS.get(name, name)
    if "sde" in str(scheduler.get("algorithm_type", "")):
        sampler += " SDE"
    return sampler or None


def _schedule_type(scheduler: object) -> str | None:
    karras = isinstance(scheduler, Mapping) and scheduler.get("use_karras_sigmas")
    return "Karras" if karras else None


def _settings(record: Mapping[str, object]) -> Record:
    """What the last line says, in the order in which the web UI says it; None is left out."""
    width, height, clip_skip = record.get("width"), record.get("height"), record.get("clip_skip")
    version = record.get("kakusan")
    return {
        WORDS["num_inference_steps"]: record.get("num_inference_steps"),
        WORDS["scheduler"]: _sampler(record.get("scheduler")),
        "Schedule type": _schedule_type(record.get("scheduler")),
        WORDS["guidance_scale"]: record.get("guidance_scale"),
        WORDS["seed"]: record.get("seed"),
        WORDS["width"]: f"{width}x{height}" if width and height else None,
        WORDS["model"]: record.get("model"),
        # the web UI counts the last layer as 1, we count skipped layers
        WORDS["clip_skip"]: clip_skip + 1 if isinstance(clip_skip, int) and clip_skip else None,
        "Version": f"kakusan {version}" if version else None,
    }


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r"[,:\n]", text) else text


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text.strip()
    try:
        return str(json.loads(text))
    except ValueError:
        return text


def parameters_text(record: Mapping[str, object]) -> str:
    """The `parameters` text of a picture with this record.

    NUL and lone surrogates, which text in files cannot hold, become U+FFFD; the exact prompt is
    in the JSON record beside it.
    """
    settings = {name: value for name, value in _settings(record).items() if value is not None}
    lines = [str(record.get("prompt") or "")]
    if negative := record.get("negative_prompt"):
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


def parse_parameters(text: str) -> Record:
    """The part of a record that `parameters` text tells; what it does not tell is left out."""
    *lines, last = text.strip().split("\n")
    pairs = _SETTING.findall(last)
    if len(pairs) < _FEWEST_SETTINGS:
        lines, pairs = [*lines, last], []
    told = {name: _unquoted(value) for name, value in pairs}
    starts = (i for i, line in enumerate(lines) if line.strip().startswith(NEGATIVE))
    split = next(starts, len(lines))
    negative = "\n".join(lines[split:]).strip().removeprefix(NEGATIVE).strip()
    width, height = _size(told.get(WORDS["width"]))
    record: Record = {
        "prompt": "\n".join(lines[:split]).strip(),
        "negative_prompt": negative,
        "seed": _number(told.get(WORDS["seed"])),
        "width": width,
        "height": height,
        "num_inference_steps": _number(told.get(WORDS["num_inference_steps"])),
        "guidance_scale": _number(told.get(WORDS["guidance_scale"])),
        "sampler": told.get(WORDS["scheduler"]),
        "model": told.get(WORDS["model"]),
        "program": told.get("Version"),
    }
    return {name: value for name, value in record.items() if value is not None}
