"""Civitai's generator, which keeps ComfyUI's graph with a summary in EXIF."""

from collections.abc import Mapping
from dataclasses import replace

from kakusan.images.foreign import names
from kakusan.images.foreign.comfyui.graph import graph_of_prompt
from kakusan.images.foreign.comfyui.reading import read_graph
from kakusan.images.foreign.fields import Fields, as_object
from kakusan.images.foreign.told import Settings, Told


def read_civitai(
    told: Mapping[str, object], carrier: str, size: tuple[int, int] | None
) -> Told | None:
    """A graph with `extraMetadata`, or without; None where there is no graph."""
    graph = graph_of_prompt(told)
    if graph is None:
        return None
    found = read_graph(graph, carrier, size)
    outer = Fields({key: told[key] for key in ("extraMetadata", "extra") if key in told})
    summary = Fields(outer.mapping("extraMetadata") or {})
    if not summary.names():
        return found
    sampler = summary.text("sampler")
    scheduler, said = names.known([sampler]) if sampler else (None, list[str]())
    layers = summary.whole("clipSkip", low=1, high=100)
    known = Settings(
        prompt=summary.prompt("prompt"),
        negative_prompt=summary.prompt("negativePrompt"),
        seed=summary.seed("seed"),
        width=summary.side("width"),
        height=summary.side("height"),
        num_inference_steps=summary.steps("steps"),
        guidance_scale=summary.weight("cfgScale"),
        scheduler=scheduler,
        sampler=sampler,
        clip_skip=None if layers is None else layers - 1,
    )
    changes = {name: value for name, value in vars(known).items() if value not in (None, ())}
    if found.settings.scheduler is not None:
        changes.pop("scheduler", None)
        said = []
    return replace(
        found,
        tool="Civitai",
        settings=replace(found.settings, **changes),
        unknown={**found.unknown, **summary.left(), **(as_object(outer.left()) or {})},
        limits=(*found.limits, *said, *summary.refused),
    )
