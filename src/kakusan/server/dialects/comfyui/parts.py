"""Which model, text encoder and VAE a graph draws with: one of each, as a request has it."""

from collections.abc import Sequence

from kakusan.images.foreign.comfyui import Drawn
from kakusan.images.foreign.comfyui.graph import Graph, Node
from kakusan.images.foreign.comfyui.models import chain
from kakusan.server.dialects.comfyui.latents import Begun
from kakusan.server.dialects.comfyui.refusals import not_drawn_at


def check_one_model(graph: Graph, sampler: Node, drawn: Drawn) -> None:
    """See that both texts are read by one encoder, of the model that draws.

    Raises:
        GraphError: They are not.
    """
    read = {role: _read_by(graph, sampler, role) for role in ("positive", "negative")}
    if read["positive"] != read["negative"]:
        raise not_drawn_at(
            sampler.id,
            sampler.kind,
            "both texts are read by one CLIP here: the same checkpoint, LoRAs and last layer",
            "negative",
        )
    if read["positive"][0] != drawn.settings.model:
        raise not_drawn_at(
            sampler.id,
            sampler.kind,
            f"texts are read by the model that draws, {drawn.settings.model!r}, and not by "
            f"{read['positive'][0]!r}",
            "positive",
        )


def _read_by(graph: Graph, sampler: Node, role: str) -> tuple[object, object, Sequence[object]]:
    """The checkpoint, the last layer and the LoRAs that a text is read with."""
    encoder = source(graph, sampler, role)
    nodes = [] if encoder is None else list(chain(graph, encoder, "clip"))
    layers = [
        node.inputs["stop_at_clip_layer"] for node in nodes if node.kind == "CLIPSetLastLayer"
    ]
    loras = [
        (node.inputs["lora_name"], node.inputs["strength_clip"])
        for node in nodes
        if node.kind == "LoraLoader" and node.inputs["strength_clip"]
    ]
    model = nodes[-1].inputs.get("ckpt_name") if nodes else None
    return model, layers[0] if layers else -1, sorted(loras, key=str)


def one_vae(graph: Graph, decoder: Node, begun: Begun, drawn: Drawn) -> str | None:
    """The VAE's file; None where it is the model's own.

    Raises:
        GraphError: There are two, or it is another checkpoint's.
    """
    name = _vae_of(graph, decoder)
    if begun.encoder is not None and _vae_of(graph, graph.nodes[begun.encoder]) != name:
        raise not_drawn_at(
            begun.encoder,
            graph.nodes[begun.encoder].kind,
            "one VAE encodes and decodes here; link both to the same",
            "vae",
        )
    kind, file = name
    if kind == "vae_name":
        return str(file)
    if file != drawn.settings.model:
        raise not_drawn_at(
            decoder.id,
            decoder.kind,
            f"the VAE is the model's own, or VAELoader's, and not that of {file!r}",
            "vae",
        )
    return None


def _vae_of(graph: Graph, node: Node) -> tuple[str, object]:
    loader = source(graph, node, "vae")
    assert loader is not None
    name = "vae_name" if "vae_name" in loader.inputs else "ckpt_name"
    return name, loader.inputs[name]


def source(graph: Graph, node: Node, name: str) -> Node | None:
    """The node that an input comes from."""
    found = graph.linked(node, name)
    return None if found is None else found[0]
