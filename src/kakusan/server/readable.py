"""How a picture was made, as its file tells it, in words that a job can be asked for with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kakusan.errors import InputError, UnknownNameError, shown
from kakusan.images import read_foreign, read_parameters, read_record
from kakusan.interchange import settings_of, translated
from kakusan.interchange.like import request_of
from kakusan.interchange.taken import adapters_of, adapters_told
from kakusan.server.fields import ALLOWED, PICTURED
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.entries import Kind


def told_by(path: Path, catalog: Catalog) -> dict[str, Any]:
    """A picture's settings, as plain JSON.

    `tool` made it; `settings` are for a job, with a model and adapters only where they are in the
    catalog; `left` says what is not among them; `parameters` is AUTOMATIC1111's text.

    Raises:
        InputError: It is no picture, or tells nothing of how it was made.
    """
    try:
        record = read_record(path)
    except InputError as error:
        raise InputError(str(error).replace(str(path), "the picture")) from None
    if record is None:
        raise InputError("the picture tells nothing of how it was made")
    ours = "kakusan" in record
    found = _ours(record, catalog) if ours else _another_tools(path, catalog)
    return {**found, "parameters": read_parameters(path)}


def _ours(record: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    request = request_of(record)
    names, plain = settings_of(record), request.to_record()
    settings = {name: plain[name] for name in names if name in ALLOWED and name in plain}
    left = [f"{name}: hand the picture in again" for name in sorted(PICTURED & plain.keys())]
    for name in PICTURED:
        settings.pop(name, None)
    left += _model(settings, request.model, catalog)
    left += _loras(settings, adapters_of(request), request.syntax, catalog)
    return {"tool": "kakusan", "settings": settings, "left": left}


def _another_tools(path: Path, catalog: Catalog) -> dict[str, Any]:
    told = read_foreign(path)
    if told is None:
        raise InputError("the picture tells nothing of how it was made")
    found = translated(told)
    settings = {n: plain_json(v) for n, v in found.settings.items() if n in ALLOWED}
    says = told.settings
    loras = adapters_told(says)
    here = {f"the LoRA {shown(each.name)}" for each in loras}  # which is said of them below
    left = [each for each in found.left if each not in here]
    left += _model(settings, says.model_hash or says.model, catalog, also=says.model)
    left += _loras(settings, loras, says.prompt_syntax or "plain", catalog)
    return {"tool": told.tool, "settings": settings, "left": left}


def _model(
    settings: dict[str, Any], name: str | None, catalog: Catalog, also: str | None = None
) -> list[str]:
    settings.pop("model", None)
    for each in (name, also):
        if each is not None and (found := _there(catalog, "model", each)) is not None:
            settings["model"] = found
            return []
    return [f"the model {(also or name or '')[:60]!r} is not on this server"] if name else []


def _loras(settings: dict[str, Any], loras: Any, syntax: str, catalog: Catalog) -> list[str]:
    """Those that are here, but for those that the prompt names itself."""
    from kakusan.interchange.taken import names_in

    settings.pop("loras", None)
    tags = names_in(settings.get("prompt")) if syntax == "webui" else []
    found, left = list[dict[str, Any]](), list[str]()
    for each in loras:
        name = _there(catalog, "lora", each.name)
        if name is None:
            left.append(f"the LoRA {each.name[:60]!r} is not on this server")
        elif each.name.strip() not in tags:
            weights = {"text_weight": each.text_weight, "unet_weight": each.unet_weight}
            found.append({"name": name, **weights})
    if found:
        settings["loras"] = found
    return left


def _there(catalog: Catalog, kind: Kind, name: str) -> str | None:
    try:
        return catalog.find(kind, name).name
    except (UnknownNameError, InputError):
        return None


def plain_json(value: Any) -> Any:
    """A setting as JSON has it."""
    if hasattr(value, "to_record"):
        return value.to_record()
    if hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, list | tuple):
        return [plain_json(each) for each in value]
    return value
