"""From a graph that is in order to what it asks to be drawn, under a request's names."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from kakusan.errors import RequestError
from kakusan.images.foreign import Settings, Told
from kakusan.images.foreign.comfyui import Drawn, drawn_at
from kakusan.images.foreign.comfyui.graph import Graph, Node
from kakusan.interchange import translated
from kakusan.prompts.comfy import comfy_weights
from kakusan.prompts.learnt import comfy_names
from kakusan.samplers import meaning_of
from kakusan.server.dialects.comfyui import refusals
from kakusan.server.dialects.comfyui.latents import Begun, begun_at
from kakusan.server.dialects.comfyui.nodes import KINDS
from kakusan.server.dialects.comfyui.parts import check_one_model, one_vae, source
from kakusan.server.dialects.comfyui.refusals import not_drawn_at
from kakusan.server.dialects.comfyui.validation import Checked, before
from kakusan.server.errors import FieldError

SAMPLING = ("KSampler", "KSamplerAdvanced")
_DECODING = ("VAEDecode", "VAEDecodeTiled")
# ComfyUI cuts pixels off to levels; here a picture equals that of `kakusan.generate`
_LEFT_OPEN = ("truncate_pixels", "model")


@dataclass(frozen=True)
class End:
    """A node where pictures come out.

    Attributes:
        prefix: how the names of its files begin; None where they are not kept for long.
    """

    node: str
    prefix: str | None


@dataclass(frozen=True)
class Plan:
    """What one graph asks for.

    Attributes:
        told: what the graph tells, for `settings_of`.
        count: how many pictures are drawn together.
        begun: the latents that it begins with.
        sampler: the node that samples.
        order: the nodes that lead to pictures, each after those that lead to it.
        ignored: what was given and changes nothing, each "node.input: why".
    """

    told: Settings
    count: int
    begun: Begun
    ends: tuple[End, ...]
    sampler: str
    order: tuple[str, ...]
    ignored: tuple[str, ...] = ()


def planned(found: Checked) -> Plan:
    """What the outputs of a graph draw, all of them the same pictures.

    Raises:
        GraphError: It draws several, or what cannot be drawn here.
    """
    plans = [_plan_of(found.graph, end) for end in found.ends]
    first = plans[0]
    for other in plans[1:]:
        if (other.told, other.count, other.begun) != (first.told, first.count, first.begun):
            raise refusals.invalid_prompt(
                "The graph draws different pictures for its outputs.",
                f"nodes {first.ends[0].node} and {other.ends[0].node}: send a graph for each",
            )
    order = dict.fromkeys(name for plan in plans for name in plan.order)
    ignored = dict.fromkeys(line for plan in plans for line in plan.ignored)
    return replace(
        first,
        ends=tuple(end for plan in plans for end in plan.ends),
        order=tuple(order),
        ignored=(*found.ignored, *ignored),
    )


def settings_of(plan: Plan, family: str | None) -> dict[str, Any]:
    """The settings of a request, but for pictures and where they belong.

    Args:
        family: of the model, as `kakusan.checkpoints.facts` calls it.

    Raises:
        GraphError: Something of it is not drawn.
    """
    says = replace(plan.told, loras=(), vae=None, width=None, height=None)
    told = Told(tool="ComfyUI", carrier="", settings=says)
    translation = translated(told, family)
    for sentence in translation.left:
        raise not_drawn_at(plan.sampler, "KSampler", sentence)
    found = {name: v for name, v in translation.settings.items() if name not in _LEFT_OPEN}
    loras = [
        {"name": each.name, "text_weight": each.text_weight, "unet_weight": each.unet_weight}
        for each in plan.told.loras
        if each.text_weight or each.unet_weight
    ]
    found |= {"model": plan.told.model, "vae": plan.told.vae, "loras": loras or None}
    found |= {"num_images_per_prompt": plan.count}
    found["embeddings"] = learnt_words(plan) or None
    return {name: value for name, value in found.items() if value is not None}


def learnt_words(plan: Plan) -> list[str]:
    """The names of embeddings in the texts, once each.

    Raises:
        FieldError: A weight in a text is infinite.
    """
    found: list[str] = []
    for field in ("prompt", "negative_prompt"):
        try:
            parts = comfy_weights(getattr(plan.told, field) or "")
        except RequestError as error:
            raise FieldError(field, str(error)) from None
        found += [name for part in parts for name in comfy_names(part.text)]
    return list(dict.fromkeys(found))


def _plan_of(whole: Graph, end: str) -> Plan:
    order, _ = before(whole, end)
    graph = Graph({name: whole.nodes[name] for name in order})
    node = graph.nodes[end]
    decoder, sampler = _decoder_and_sampler(graph, node)
    begun = begun_at(graph, sampler)
    drawn = drawn_at(_from_the_first_step(graph, sampler, begun), node)
    if drawn is None:
        raise not_drawn_at(end, node.kind, "no sampler leads to its pictures", "images")
    for sentence in _unsaid(drawn):
        raise not_drawn_at(sampler.id, sampler.kind, sentence.rstrip("."))
    check_one_model(graph, sampler, drawn)
    told = replace(drawn.settings, vae=one_vae(graph, decoder, begun, drawn))
    prefix = graph.value(node, "filename_prefix")
    kept = str(prefix) if "filename_prefix" in KINDS[node.kind].inputs else None
    return Plan(
        told=replace(told, img2img=None, inpaint=None, strength=None),
        count=begun.count,
        begun=begun,
        ends=(End(end, kept),),
        sampler=sampler.id,
        order=tuple(order),
        ignored=tuple(_ignored(drawn, sampler, begun)),
    )


def _decoder_and_sampler(graph: Graph, end: Node) -> tuple[Node, Node]:
    """The two nodes before one where pictures come out."""
    decoder = source(graph, end, "images")
    if decoder is None or decoder.kind not in _DECODING:
        kind = "nothing" if decoder is None else decoder.kind
        raise not_drawn_at(
            end.id, end.kind, f"pictures come from VAEDecode alone here, not from {kind}", "images"
        )
    sampler = source(graph, decoder, "samples")
    if sampler is None or sampler.kind not in SAMPLING:
        kind = "nothing" if sampler is None else sampler.kind
        raise not_drawn_at(
            decoder.id,
            decoder.kind,
            f"latents come from {' or '.join(SAMPLING)} here, not from {kind}",
            "samples",
        )
    return decoder, sampler


def _from_the_first_step(graph: Graph, sampler: Node, begun: Begun) -> Graph:
    """The graph as if all steps were taken, where `begun` says how many are left out."""
    if begun.skipped is None:
        return graph
    whole = Node(sampler.id, sampler.kind, {**sampler.inputs, "start_at_step": 0})
    return Graph({**graph.nodes, sampler.id: whole})


def _unsaid(drawn: Drawn) -> Iterator[str]:
    """What settings do not say of a graph, but for a schedule that changes nothing."""
    name = drawn.settings.scheduler
    ignored = None if name is None else meaning_of(name).ignored
    for sentence in drawn.limits:
        if ignored is None or sentence != f"{ignored}.":
            yield sentence


def _ignored(drawn: Drawn, sampler: Node, begun: Begun) -> Iterator[str]:
    name = drawn.settings.scheduler
    ignored = None if name is None else meaning_of(name).ignored
    if ignored is not None:
        yield f"{sampler.id}.scheduler: {ignored}"
    yield from begun.ignored
