"""What a graph of ComfyUI tells of the picture that came out of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kakusan.images.foreign import names
from kakusan.images.foreign.comfyui import conditioning, models, samplers
from kakusan.images.foreign.comfyui.graph import Graph, Node, as_link, graph_of_prompt
from kakusan.images.foreign.comfyui.later import ENLARGING, later_passes, some
from kakusan.images.foreign.comfyui.workflow import graph_of_workflow
from kakusan.images.foreign.fields import Fields, parsed_object, short
from kakusan.images.foreign.told import Settings, Told
from kakusan.images.foreign.webui_extras import (
    ANOTHER_PICTURE,
    CONTROL,
    MASK,
)

_MOST_UNKNOWN = 100
_PICTURES = ("LoadImage", "LoadImageMask", "LoadImageOutput")
_MASKS = ("VAEEncodeForInpaint", "SetLatentNoiseMask", "InpaintModelConditioning")
_PLAIN = (
    *("VAEDecode", "VAEDecodeTiled", "VAEEncode", "VAEEncodeTiled", "SaveImage", "PreviewImage"),
    *("EmptyLatentImage", "RepeatLatentBatch", "LatentFromBatch", "SaveAnimatedWEBP"),
    *(*_PICTURES, *_MASKS, *ENLARGING, *models.LOADERS),
)


@dataclass(frozen=True)
class Drawn:
    """What one way through a graph draws.

    Attributes:
        count: how many pictures are drawn together.
        strange: the nodes that are not known.
        limits: in whole sentences what the settings do not say of the graph, but for `count`, and
            for the picture and the mask that they tell of.
    """

    settings: Settings
    count: int
    strange: Sequence[Node]
    limits: Sequence[str]


def read_graphs(
    prompt: str | None, workflow: str | None, carrier: str, size: tuple[int, int] | None
) -> Told | None:
    """What the API's form tells, or the editor's where that is missing; None if neither is one.

    Args:
        size: Of the picture, which tells its way from others where a graph has several.
    """
    return read_objects(parsed_object(prompt), parsed_object(workflow), carrier, size)


def read_objects(
    prompt: Mapping[str, object] | None,
    workflow: Mapping[str, object] | None,
    carrier: str,
    size: tuple[int, int] | None,
) -> Told | None:
    """The same of what JSON said."""
    graph = None if prompt is None else graph_of_prompt(prompt)
    partly = graph is None
    if graph is None and workflow is not None:
        graph = graph_of_workflow(workflow)
    return None if graph is None else read_graph(graph, carrier, size, partly=partly)


def read_graph(
    graph: Graph, carrier: str, size: tuple[int, int] | None, *, partly: bool = False
) -> Told:
    """What one graph tells."""
    ways = [samplers.way_to(graph, end) for end in samplers.ends(graph)[:50]]
    ways = [way for way in ways if way[0]]
    limits: list[str] = []
    if partly:
        limits.append("only the editor's graph is there, in which values have no names.")
    if not ways:
        limits.append("no sampler that is known leads to a picture in its graph.")
        unknown = _shown(graph.nodes.values())
        return _told(carrier, Settings(rng="comfyui", prompt_syntax="comfy"), unknown, limits)
    if len({tuple(node.id for node in way[0]) for way in ways}) > 1:
        limits.append("its graph makes several pictures; this may be another one of them.")
    found, on_the_way = max(ways, key=lambda way: _likeness(graph, way, size))
    drawn = _drawn(graph, found, on_the_way)
    limits += drawn.limits
    if drawn.count > 1:
        limits.append(f"it is one of {drawn.count} drawn together, and which is not told.")
    if drawn.settings.img2img is not None:
        limits.append(ANOTHER_PICTURE if drawn.settings.inpaint is None else MASK)
    return _told(carrier, drawn.settings, _shown(drawn.strange), limits)


def drawn_at(graph: Graph, end: Node) -> Drawn | None:
    """What leads to one node where pictures come out; None where no sampler does."""
    found, on_the_way = samplers.way_to(graph, end)
    return _drawn(graph, found, on_the_way) if found else None


def _told(
    carrier: str, settings: Settings, unknown: Mapping[str, object], limits: list[str]
) -> Told:
    return Told(
        tool="ComfyUI",
        carrier=carrier,
        settings=settings,
        unknown=unknown,
        limits=tuple(dict.fromkeys(limits)),
    )


def _likeness(
    graph: Graph, way: tuple[list[Node], list[Node]], size: tuple[int, int] | None
) -> tuple[bool, int]:
    """Whether a way of one pass makes a picture of this size, then how many passes it has."""
    enlarged = any(node.kind in ENLARGING for node in way[1])
    exact = size is not None and not enlarged and _latent_size(graph, way[1])[0] == size
    return exact, len(way[0])


def _latent_size(graph: Graph, nodes: Sequence[Node]) -> tuple[tuple[int, int] | None, int]:
    """The size of the latents that it began with, and how many there were."""
    repeated = 1
    for node in nodes:
        if node.kind == "RepeatLatentBatch":
            amount = Fields({"amount": graph.value(node, "amount")})
            repeated *= amount.whole("amount", low=1, high=64) or 1
    for node in nodes:
        if "empty" not in node.kind.casefold() and "empty_latent_width" not in node.inputs:
            continue
        fields = Fields({name: graph.value(node, name) for name in node.inputs})
        width = fields.side("width", "empty_latent_width")
        height = fields.side("height", "empty_latent_height")
        if width is not None and height is not None:
            count = fields.whole("batch_size", low=1, high=100_000) or 1
            return (width, height), count * repeated
    return None, repeated


def _drawn(graph: Graph, found: list[Node], on_the_way: list[Node]) -> Drawn:
    """The settings of the first pass, and what is to be said of it and of the others."""
    first, *later = samplers.passes(graph, found)
    fields = samplers.fields_of(first)
    positive = conditioning.said_by(graph, first.positive, "positive")
    negative = conditioning.said_by(graph, first.negative, "negative")
    encoders = [*positive.encoders, *negative.encoders]
    loaded = models.loaded_by(graph, first.model, encoders)
    limits = [*positive.limits, *negative.limits, *loaded.limits, *first.limits]
    size, count = _latent_size(graph, on_the_way)
    controls = tuple(_control(graph, node) for node in [*positive.controls, *negative.controls])
    controls = tuple(each for n, each in enumerate(controls) if each not in controls[:n])
    limits.extend([CONTROL] if controls else [])
    begun = {node.kind for node in on_the_way}
    denoise = fields.fraction("denoise")
    given = _given(graph, on_the_way) if begun & set(_PICTURES) else None
    masked = bool(begun & set(_MASKS))
    if given is None and denoise is not None and denoise < 1:
        limits.append("it was denoised in part only, from empty latents.")
    limits += [] if later else samplers.cut_short(fields)
    passes, said = later_passes(graph, first, later)
    limits += said
    after = samplers.between(graph, samplers.ends(graph)[0], found[0]) if not later else ()
    if any(node.kind in ENLARGING for node in after):
        limits.append("it was enlarged after it was drawn.")
    sampler, schedule = fields.text("sampler_name"), fields.text("scheduler")
    scheduler, unsaid = names.of_comfyui(sampler, schedule) if sampler else (None, list[str]())
    sizes = conditioning.sizes_of(graph, positive.encoders)
    settings = Settings(
        prompt=positive.text,
        negative_prompt=negative.text,
        prompt_2=positive.second,
        negative_prompt_2=negative.second,
        seed=fields.seed("seed", "noise_seed"),
        width=size[0] if size else None,
        height=size[1] if size else None,
        num_inference_steps=fields.steps("steps"),
        guidance_scale=fields.weight("cfg"),
        guidance_rescale=loaded.guidance_rescale,
        scheduler=scheduler,
        sampler=sampler,
        schedule_type=schedule,
        eta=fields.number("eta", low=0, high=100),
        clip_skip=models.clip_skip_of(graph, encoders),
        strength=denoise if given is not None else None,
        model=loaded.model,
        vae=_vae(graph, on_the_way),
        loras=loaded.loras,
        prompt_syntax=_syntax(encoders),
        rng="comfyui",
        sigma_noise=fields.number("s_noise", low=0, high=1000),
        schedule_sigma_min=fields.number("sigma_min", low=0, high=1e6),
        schedule_sigma_max=fields.number("sigma_max", low=0, high=1e6),
        schedule_rho=fields.number("rho", low=0, high=1000),
        discard_penultimate_sigma=fields.flag("discard_penultimate_sigma"),
        original_size=sizes.get("original_size"),
        crops_coords_top_left=sizes.get("crops_coords_top_left"),
        target_size=sizes.get("target_size"),
        quirks=tuple(loaded.quirks),
        hires=passes.get("hires"),
        refiner=passes.get("refiner"),
        img2img=given,
        inpaint={"mask": True} if masked else None,
        controlnets=controls,
    )
    strange = [n for n in on_the_way if n.kind not in _PLAIN and not samplers.is_sampler(n)]
    strange = [n for n in strange if "Empty" not in n.kind]
    strange += [*loaded.strange, *positive.strange, *negative.strange]
    limits += [
        f"its graph has the node {node.kind!r}, which kakusan does not know."
        for node in strange[:8]
    ]
    return Drawn(settings, count, strange, [*limits, *unsaid, *fields.refused])


def _given(graph: Graph, nodes: list[Node]) -> dict[str, object]:
    """The name of the picture that it began with, which is not looked for."""
    loader = next(node for node in nodes if node.kind in _PICTURES)
    name = graph.value(loader, "image")
    return {"image": name[:500]} if isinstance(name, str) else {}


def _control(graph: Graph, node: Node) -> dict[str, object]:
    loader = graph.linked(node, "control_net")
    fields = Fields({name: graph.value(node, name) for name in node.inputs})
    model = graph.value(loader[0], "control_net_name") if loader else None
    return some(
        {
            "model": model[:500] if isinstance(model, str) else None,
            "weight": fields.weight("strength"),
            "guidance_start": fields.fraction("start_percent"),
            "guidance_end": fields.fraction("end_percent"),
        }
    )


def _vae(graph: Graph, nodes: list[Node]) -> str | None:
    """A VAE's file, where it is not the checkpoint's own."""
    for node in nodes:
        loader = graph.linked(node, "vae") if node.kind.startswith("VAEDecode") else None
        name = graph.value(loader[0], "vae_name") if loader is not None else None
        if isinstance(name, str) and name not in ("", "Baked VAE"):
            return name[:500]
    return None


def _syntax(encoders: list[Node]) -> str:
    """One well-known node reads prompts as AUTOMATIC1111 does, and says so."""
    parsers = {str(node.inputs.get("parser", "comfy")).casefold() for node in encoders}
    return "webui" if parsers and all(each.startswith("a1111") for each in parsers) else "comfy"


def _shown(nodes: Iterable[Node]) -> dict[str, object]:
    """Nodes that are not known, with their values."""
    return dict(_each_shown(list(nodes)[:_MOST_UNKNOWN]))


def _each_shown(nodes: list[Node]) -> Iterator[tuple[str, object]]:
    for node in nodes:
        values = {k: short(v) for k, v in list(node.inputs.items())[:50] if as_link(v) is None}
        yield f"{node.kind} {node.id}"[:100], values
