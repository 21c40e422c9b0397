"""What people copy from a browser: the address of a model of the hub, or of one of its files."""

import os
import re
from typing import NamedTuple
from urllib.parse import unquote

from kakusan.checkpoints.hub_file import hub_file
from kakusan.errors import InputError, shown

HUB = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(.+)")
_ELSEWHERE = re.compile(r"(?:https?://|www\.).+")


class Address(NamedTuple):
    """A model of the hub, one of its files, and its revision, as far as an address says them."""

    name: str
    file: str | None = None
    revision: str | None = None


def hub_address(text: str) -> Address:
    """What an address of the hub means; anything else is the name of a model.

    Raises:
        InputError: It is an address of another site, or of no model.
    """
    path = _path(text)
    if path is None and (named := hub_file(text)) is not None:
        return Address(named.repo, named.path, named.revision)
    if path is None:
        if _ELSEWHERE.fullmatch(text):
            raise InputError(
                f"{shown(text)} is not of the Hugging Face Hub; fetch the file with a browser, and "
                "give its path as the model"
            )
        return Address(text)
    parts = [unquote(part) for part in path.partition("?")[0].partition("#")[0].split("/") if part]
    name = "/".join(parts[:2])
    if len(parts) == 2:
        return Address(name)
    if len(parts) > 4 and parts[2] in ("blob", "resolve", "raw"):
        return Address(name, "/".join(parts[4:]), parts[3])
    if len(parts) >= 4 and parts[2] == "tree":
        return Address(name, None, parts[3])
    raise InputError(f"{shown(text)} is no address of a model or of a file of one on the hub")


def _path(text: str) -> str | None:
    """What follows the hub's name in an address; None where it is none of the hub."""
    if match := HUB.fullmatch(text):
        return match[1]
    mirror = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return text.removeprefix(f"{mirror}/") if mirror and text.startswith(f"{mirror}/") else None
