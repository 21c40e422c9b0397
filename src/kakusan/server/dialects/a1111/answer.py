"""From a job that is finished to what its waiting caller is told."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from kakusan.errors import printable
from kakusan.images.parameters import parameters_text
from kakusan.images.settings_line import find_settings
from kakusan.server.dialects.a1111.fields import FIELDS
from kakusan.server.dialects.a1111.values import Body
from kakusan.server.queue.job import Job

IGNORED = "kakusan_ignored"  # in `parameters`
HEADER = "X-Kakusan-Ignored"
_LONGEST_HEADER, _LONGEST_NAME, _MOST_NAMED = 1000, 60, 100
_IMAGES = ("init_images", "mask")
# What every text has, so that it is told in fields of its own
_PLAIN = ("Steps", "Sampler", "CFG scale", "Seed", "Size", "Model", "Version", "Clip skip")


def note_of(
    body: Body, *, sampler: str, batch: tuple[int, int], clip_skip: int, model: tuple[str, str]
) -> dict[str, Any]:
    """What is kept beside a job for its answer.

    Args:
        batch: batch_size and n_iter.
        clip_skip: as AUTOMATIC1111 counts, from 1.
        model: its name and short hash, "" where it has none.
    """
    return {
        "sampler": sampler,
        "batch": list(batch),
        "clip_skip": max(clip_skip, 1),
        "model": list(model),
        "styles": [str(each)[:200] for each in body["styles"]][:100],
        "subseed": body["subseed"],
        "strength": body["denoising_strength"],
        "restore_faces": False,
        "task": body["force_task_id"],
    }


def echo(body: Body, ignored: Sequence[str]) -> dict[str, Any]:
    """The call as it was understood, with what was ignored; pictures only where asked for."""
    found: dict[str, Any] = {name: body[name] for name in FIELDS}
    if not body["include_init_images"]:
        found |= dict.fromkeys(_IMAGES)
        found["alwayson_scripts"] = _without_pictures(found["alwayson_scripts"])
    return found | {IGNORED: list(ignored)}


def named(ignored: Iterable[str]) -> list[str]:
    """What was ignored, each once and in a few letters, whatever clients call their fields."""
    return list(dict.fromkeys(printable(name[:_LONGEST_NAME]) for name in ignored))[:_MOST_NAMED]


def ignored_header(ignored: Sequence[str]) -> dict[str, str]:
    """The names of what was ignored, in letters that a header may have."""
    names = ("".join(c for c in name if c.isascii() and c.isprintable()) for name in ignored)
    text = ", ".join(name.replace(",", " ").strip() for name in names if name.strip())
    return {HEADER: text[:_LONGEST_HEADER]} if text else {}


def info_of(job: Job) -> dict[str, Any]:
    """What AUTOMATIC1111 tells of pictures, under all of its names."""
    note, request = job.submission.note, job.submission.request
    records = [each.record for each in job.pictures]
    first: Mapping[str, Any] = records[0] if records else request
    seeds, subseeds = _seeds(records, first), _subseeds(records, note)
    texts = [parameters_text(each) for each in records]
    size = _size(job, first)
    return {
        "prompt": _text(first, "prompt"),
        "all_prompts": [_text(each, "prompt") for each in records] or [_text(first, "prompt")],
        "negative_prompt": _text(first, "negative_prompt"),
        "all_negative_prompts": [_text(each, "negative_prompt") for each in records]
        or [_text(first, "negative_prompt")],
        "seed": seeds[0],
        "all_seeds": seeds,
        "subseed": subseeds[0],
        "all_subseeds": subseeds,
        "subseed_strength": first.get("variation_strength") or 0,
        "width": size[0],
        "height": size[1],
        "sampler_name": note.get("sampler", ""),
        "cfg_scale": first.get("guidance_scale") or 0.0,
        "steps": first.get("num_inference_steps") or 0,
        "batch_size": cast("list[int]", note.get("batch", [1, 1]))[0],
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": cast("list[str]", note.get("model", ["", ""]))[0],
        "sd_model_hash": cast("list[str]", note.get("model", ["", ""]))[1],
        "sd_vae_name": request.get("vae"),
        "sd_vae_hash": None,
        **_resized(first),
        "denoising_strength": note.get("strength") if _has_strength(first) else None,
        "extra_generation_params": _extra(texts),
        "index_of_first_image": 0,
        "infotexts": texts,
        "styles": note.get("styles", []),
        "job_timestamp": timestamp(job.started or job.created),
        "clip_skip": note.get("clip_skip", 1),
        "is_using_inpainting_conditioning": False,
        "version": f"kakusan {first['kakusan']}" if "kakusan" in first else "kakusan",
    }


def answer_of(job: Job, images: Sequence[str], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an answer.

    Args:
        images: base64 of the pictures.
        parameters: see `echo`.
    """
    info = json.dumps(info_of(job), ensure_ascii=False)
    return {"images": list(images), "parameters": dict(parameters), "info": info}


def timestamp(seconds: float) -> str:
    """A time as the tool writes it."""
    return time.strftime("%Y%m%d%H%M%S", time.localtime(seconds))


def _text(record: Mapping[str, Any], name: str) -> str:
    text: object = record.get(name)
    if isinstance(text, Sequence) and not isinstance(text, str):
        several = cast("Sequence[object]", text)
        text = several[0] if several else ""
    return text if isinstance(text, str) else ""


def _seeds(records: Sequence[Mapping[str, Any]], first: Mapping[str, Any]) -> list[int]:
    found = [seed for each in records if isinstance(seed := each.get("seed"), int)]
    own = first.get("seed")
    return found or [own if isinstance(own, int) else -1]


def _subseeds(records: Sequence[Mapping[str, Any]], note: Mapping[str, Any]) -> list[int]:
    asked = note.get("subseed")
    usual = asked if isinstance(asked, int) else -1
    found = [each.get("variation_seed", usual) for each in records]
    return [usual if each is None else each for each in found] or [usual]


def _size(job: Job, first: Mapping[str, Any]) -> tuple[int, int]:
    """Of the first pass where there are two, as there."""
    width, height = first.get("width"), first.get("height")
    if isinstance(width, int) and isinstance(height, int):
        return width, height
    return (job.pictures[0].width, job.pictures[0].height) if job.pictures else (0, 0)


def _resized(record: Mapping[str, Any]) -> dict[str, int]:
    size = record.get("seed_resize")
    height, width = cast("Sequence[int]", size) if size else (-1, -1)
    return {"seed_resize_from_w": width, "seed_resize_from_h": height}


def _has_strength(record: Mapping[str, Any]) -> bool:
    return any(record.get(name) is not None for name in ("strength", "second_pass"))


def _extra(texts: Sequence[str]) -> dict[str, str]:
    """What the text of the first picture says beside what has a field of its own."""
    settings = find_settings(texts[0]) if texts else None
    told = {} if settings is None else settings.told
    return {name: value for name, value in told.items() if name not in _PLAIN}


def _without_pictures(scripts: Mapping[str, Any]) -> dict[str, Any]:
    """The values of scripts, without what is as long as a picture."""
    return {name: _shortened(value, 0) for name, value in scripts.items()}


def _shortened(value: object, depth: int) -> object:
    if depth > 8 or (isinstance(value, str) and len(value) > 1000):
        return None
    if isinstance(value, dict):
        return {k: _shortened(v, depth + 1) for k, v in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_shortened(each, depth + 1) for each in cast("list[object]", value)]
    return value
