"""What there is, as AUTOMATIC1111's lists have it; of files their names alone, never folders."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from kakusan.request.upscalers import UPSCALERS as SECOND_PASS_UPSCALERS
from kakusan.server.dialects.a1111.extras import UPSCALERS
from kakusan.server.worker.entries import Entry

_TEXTS = ("prompt", "negative_prompt")
_OF_A_NETWORK = 8  # digits of a hash, as sd-webui-controlnet tells them
# What it has lists of, and kakusan nothing to put in
NOTHING: Mapping[str, Any] = {
    "hypernetworks": [],
    "face-restorers": [],
    "realesrgan-models": [],
    "extensions": [],
    "scripts": {"txt2img": [], "img2img": []},
    "script-info": [],
}


def models(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """As GET sd-models has them."""
    return [
        {
            "title": each.title,
            "model_name": each.name,
            "hash": each.short_hash,
            "sha256": each.sha256,
            "filename": each.file_name,
            "config": None,
        }
        for each in entries
    ]


def vaes(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """As GET sd-vae has them."""
    return [{"model_name": each.name, "filename": each.file_name} for each in entries]


def loras(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """As GET loras has them; a prompt's tag names one by `name`."""
    return [
        {
            "name": each.name,
            "alias": next(iter(each.aliases), each.name),
            "path": each.file_name,
            "metadata": {},
        }
        for each in entries
    ]


def embeddings(entries: Iterable[Entry]) -> dict[str, Any]:
    """As GET embeddings has them; their files are not read for it."""
    empty = dict.fromkeys(("step", "sd_checkpoint", "sd_checkpoint_name", "shape", "vectors"))
    return {"loaded": {each.name: dict(empty) for each in entries}, "skipped": {}}


def learnt_in(entries: Iterable[Entry], settings: Mapping[str, Any]) -> list[str]:
    """The learnt words that prompts name, which needs no more than their files' names there."""
    second = settings.get("second_pass") or {}
    texts = [told.get(name) for told in (settings, second) for name in _TEXTS]
    words = " ".join(text for text in texts if text).casefold()
    return [
        each.name
        for each in entries
        if each.kind == "embedding" and _is_in(PurePath(each.name).name.casefold(), words)
    ]


def _is_in(word: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def controlnets(entries: Iterable[Entry]) -> list[str]:
    """As GET /controlnet/model_list has them."""
    return [
        f"{each.name} [{each.sha256[:_OF_A_NETWORK]}]" if each.sha256 else each.name
        for each in entries
    ]


def upscalers() -> list[dict[str, Any]]:
    """As GET upscalers has them."""
    nothing = dict.fromkeys(("model_name", "model_path", "model_url"))
    return [{"name": name, **nothing, "scale": 4} for name in UPSCALERS]


def latent_modes() -> list[dict[str, str]]:
    """As GET latent-upscale-modes has them."""
    return [{"name": name} for name, how in SECOND_PASS_UPSCALERS.items() if how.latent]
