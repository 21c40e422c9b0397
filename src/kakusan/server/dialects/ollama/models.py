"""The models there are, as Ollama tells them."""

from pathlib import Path
from typing import Any

from kakusan.server.dialects.ollama.answers import moment
from kakusan.server.worker.catalog import Entry

TAG = ":latest"
IMAGE = "image"  # what a model can do
_FAMILY = "stable-diffusion"


def listed(entry: Entry) -> dict[str, Any]:
    """A line of `/api/tags`."""
    name = entry.name + TAG
    size, changed = _files(entry.path)
    digest = {} if entry.sha256 is None else {"digest": entry.sha256}
    return {
        "name": name,
        "model": name,
        "modified_at": moment(changed),
        "size": size,
        **digest,
        "details": details(entry),
        "capabilities": [IMAGE],
    }


def shown(entry: Entry) -> dict[str, Any]:
    """What `/api/show` says."""
    numbers = {
        "width": entry.width,
        "height": entry.height,
        "steps": entry.steps,
        "guidance": entry.guidance,
    }
    own = {name: value for name, value in numbers.items() if value is not None}
    return {
        "modelfile": "",
        "parameters": "\n".join(f"{name} {value}" for name, value in own.items()),
        "template": "{{ .Prompt }}",
        "license": "",
        "modified_at": moment(_files(entry.path)[1]),
        "details": details(entry),
        "model_info": {
            "general.architecture": _FAMILY,
            "general.basename": entry.name,
            **{f"{_FAMILY}.{name}": value for name, value in own.items()},
        },
        "capabilities": [IMAGE],
    }


def details(entry: Entry) -> dict[str, Any]:
    """What kind of model it is."""
    is_file = entry.path is not None and Path(entry.path).is_file()
    suffix = Path(entry.path).suffix.removeprefix(".") if is_file and entry.path else ""
    return {
        "parent_model": "",
        "format": suffix or "diffusers",
        "family": _FAMILY,
        "families": [_FAMILY, entry.family] if entry.family else [_FAMILY],
        "parameter_size": "",
        "quantization_level": "",
    }


def _files(path: object) -> tuple[int, float]:
    """The bytes of a model, and when it was changed last; zeros where nobody knows."""
    if not isinstance(path, str | Path):
        return 0, 0.0
    top = Path(path)
    files = [top] if top.is_file() else [each for each in top.rglob("*") if each.is_file()]
    try:
        told = [each.stat() for each in files]
    except OSError:
        return 0, 0.0
    return sum(each.st_size for each in told), max((each.st_mtime for each in told), default=0.0)
