"""Which tool a picture is of: the texts that it carries, tried in one order.

A text of AUTOMATIC1111's kind goes before a graph beside it, which says what the text does not.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace

from kakusan.images.carriers import Texts
from kakusan.images.foreign.civitai import read_civitai
from kakusan.images.foreign.comfyui import read_graphs, read_objects
from kakusan.images.foreign.draw_things import read_draw_things
from kakusan.images.foreign.easy_diffusion import KEYS, read_easy_diffusion
from kakusan.images.foreign.fields import as_object, parsed, parsed_object
from kakusan.images.foreign.fooocus import read_fooocus
from kakusan.images.foreign.invokeai import read_metadata
from kakusan.images.foreign.invokeai_old import read_dream, read_sd_metadata
from kakusan.images.foreign.novelai import read_novelai
from kakusan.images.foreign.swarmui import read_swarmui
from kakusan.images.foreign.told import Settings, Told
from kakusan.images.foreign.webui import has_settings, read_webui

# Where a text or an object of settings may stand, the likeliest first
_PLACES = (
    *("png:parameters", "exif:UserComment", "gif:comment", "jpeg:comment", "stealth:parameters"),
    *("xmp:parameters", "exif:ImageDescription", "exif:XPComment", "exif:Model", "png:Comment"),
    *("png:comment", "png:Description", "png:UserComment", "xmp:UserComment", "xmp:description"),
)
_GRAPHS = {"exif:Make": "workflow", "exif:Model": "prompt"}


def recognised(texts: Texts) -> Told | None:
    """What the texts tell; None where no tool that is known wrote them."""
    for read in (_webui, _objects, _comfyui, _invokeai, _novelai, _easy_diffusion, _only_prompt):
        told = read(texts)
        if told is not None:
            return told
    return None


def _webui(texts: Texts) -> Told | None:
    for where, text in _candidates(texts):
        if text.lstrip().startswith(("{", "[")) and parsed(text) is not None:
            continue
        if has_settings(text):
            schemes = (texts.get(each) for each in ("png:fooocus_scheme", "exif:MakerNote"))
            tool = "Fooocus" if "a1111" in schemes else None
            return _with_graph(read_webui(text, where, tool=tool), texts)
    return None


def _candidates(texts: Texts) -> Iterator[tuple[str, str]]:
    for place in _PLACES:
        yield from ((place, text) for text in reversed(list(texts.all(place))))


def _with_graph(told: Told, texts: Texts) -> Told:
    """The same with what ComfyUI's graph tells beside the text of a saving node."""
    graph = _comfyui(texts)
    if graph is None:
        return told
    settings, more = told.settings, graph.settings
    missing = {
        each.name: getattr(more, each.name)
        for each in fields(Settings)
        if getattr(settings, each.name) in (None, (), "")
    }
    filled = replace(settings, **missing, rng="comfyui") if missing else settings
    filled = replace(filled, prompt_syntax=more.prompt_syntax, rng="comfyui", emphasis=None)
    limits = tuple(dict.fromkeys((*told.limits, *graph.limits)))
    unknown = {**graph.unknown, **told.unknown}
    return replace(told, tool="ComfyUI", settings=filled, limits=limits, unknown=unknown)


def _objects(texts: Texts) -> Told | None:
    """Tools that write one object, wherever it stands."""
    for where, text in _candidates(texts):
        found = parsed_object(text)
        told = _object(found, where, texts) if found is not None else None
        if told is not None:
            return told
    return None


def _object(found: Mapping[str, object], where: str, texts: Texts) -> Told | None:
    keys = found.keys()
    if "sui_image_params" in keys:
        return read_swarmui(found, where)
    if "c" in keys and {"uc", "sampler", "steps", "seed"} & keys:
        return read_draw_things(found, where)
    if {"base_model", "Base Model", "base_model_name"} & keys or str(
        found.get("software")
    ).startswith("RuinedFooocus"):
        return read_fooocus(found, where, _fooocus_version(texts))
    if keys & set(KEYS) or {"prompt", "num_inference_steps", "guidance_scale"} <= keys:
        return read_easy_diffusion(found, where)
    prompt, workflow = as_object(found.get("prompt")), as_object(found.get("workflow"))
    if prompt is not None or workflow is not None:  # as nodes write it that save JPEG
        return read_objects(prompt, workflow, where, texts.size)
    civitai = read_civitai(found, where, texts.size)
    if civitai is not None:
        return civitai
    if {"sampler", "steps", "uc"} <= keys and where != "png:Comment":
        return read_novelai(found, texts.get("png:Description"), None, where, texts.size)
    return None


def _fooocus_version(texts: Texts) -> str | None:
    said = texts.get("exif:Software")
    return said if said is not None and said.startswith("Fooocus") else None


def _comfyui(texts: Texts) -> Told | None:
    prompt, workflow = texts.get("png:prompt"), texts.get("png:workflow")
    carrier = "png:prompt" if prompt is not None else "png:workflow"
    told = read_graphs(prompt, workflow, carrier, texts.size)
    if told is not None:
        return told
    found: dict[str, str] = {}
    for where, text in texts.found:
        name, colon, rest = text.partition(":")
        if (
            where.startswith("exif:")
            and colon
            and name.strip().casefold() in ("prompt", "workflow")
        ):
            found.setdefault(name.strip().casefold(), rest)
            carrier = where
    return read_graphs(found.get("prompt"), found.get("workflow"), carrier, texts.size)


def _invokeai(texts: Texts) -> Told | None:
    readers: dict[str, Callable[[Mapping[str, object], str], Told]] = {
        "invokeai_metadata": read_metadata,
        "sd-metadata": read_sd_metadata,
    }
    for key, read in readers.items():
        found = parsed_object(texts.get(f"png:{key}"))
        if found is not None:
            return read(found, f"png:{key}")
    dream = texts.get("png:Dream")
    return None if dream is None else read_dream(dream, "png:Dream")


def _novelai(texts: Texts) -> Told | None:
    for carrier in ("png", "stealth"):
        comment = parsed_object(texts.get(f"{carrier}:Comment"))
        software = texts.get(f"{carrier}:Software") or ""
        if comment is not None and (software == "NovelAI" or {"uc", "sampler"} <= comment.keys()):
            description, source = (
                texts.get(f"{carrier}:{key}") for key in ("Description", "Source")
            )
            return read_novelai(comment, description, source, f"{carrier}:Comment", texts.size)
    return None


def _easy_diffusion(texts: Texts) -> Told | None:
    """One text a setting."""
    told = {
        where.removeprefix("png:"): text
        for where, text in texts.found
        if where.startswith("png:") and len(text) < 1_000_000
    }
    if told.keys() & set(KEYS) or {"negative_prompt", "num_inference_steps"} <= told.keys():
        return read_easy_diffusion(told, "png")
    return None


def _only_prompt(texts: Texts) -> Told | None:
    """A text by AUTOMATIC1111's name, in which no settings are found."""
    text = texts.get("png:parameters")
    if text is None or not text.strip():
        return None
    found = parsed(text) if text.lstrip().startswith(("{", "[")) else None
    too_deep = found is None and text.lstrip().startswith(("[[[[", '{"'))
    if as_object(found) or isinstance(found, list) or too_deep:
        return None
    return read_webui(text, "png:parameters")
