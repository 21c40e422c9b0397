"""From a sampler's `model` back to its checkpoint, through LoRAs and patches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from kakusan.images.foreign.comfyui.graph import Graph, Node
from kakusan.images.foreign.fields import Fields, as_object
from kakusan.images.foreign.told import Lora

_MOST = 2000  # nodes on the way
_NAMES = ("ckpt_name", "unet_name", "model_name", "base_ckpt_name", "gguf_name", "model")
_PLAIN = ("LoraLoader", "LoraLoaderModelOnly", "CLIPSetLastLayer", "Power Lora Loader (rgthree)")
LOADERS = (
    *("CheckpointLoaderSimple", "CheckpointLoader", "UNETLoader", "unCLIPCheckpointLoader"),
    *("Efficient Loader", "UnetLoaderGGUF", "Checkpoint Loader (Simple)"),
)
_CHANGED = {
    "FreeU": "layers of the UNet were weighted (FreeU).",
    "FreeU_V2": "layers of the UNet were weighted (FreeU).",
    "IPAdapter": "another picture steered it (IP-Adapter).",
    "IPAdapterAdvanced": "another picture steered it (IP-Adapter).",
    "HypernetworkLoader": "a hypernetwork was on, which kakusan has not.",
    "ModelMergeSimple": "its model was merged of two.",
    "PerpNeg": "its guidance was another (Perp-Neg).",
    "PerturbedAttentionGuidance": "its guidance was another (PAG).",
    "SelfAttentionGuidance": "its guidance was another (SAG).",
    "TomePatchModel": "tokens were merged (ToMe), which changes the picture a little.",
    "HyperTile": "it was drawn in tiles (HyperTile).",
    "PatchModelAddDownscale": "its UNet was patched (Deep Shrink).",
}
_SAMPLING = ("ModelSamplingDiscrete", "ModelSamplingContinuousEDM", "RescaleCFG")


@dataclass
class Loaded:
    """What the model was made of."""

    model: str | None = None
    loras: tuple[Lora, ...] = ()
    guidance_rescale: float | None = None
    quirks: list[str] = field(default_factory=list[str])
    limits: list[str] = field(default_factory=list[str])
    strange: list[Node] = field(default_factory=list[Node])


def loaded_by(graph: Graph, start: tuple[Node, int] | None, encoders: list[Node]) -> Loaded:
    """The checkpoint and the LoRAs, in the order in which they were put on."""
    found = Loaded()
    texts = {node.id: node for encoder in encoders for node in chain(graph, encoder, "clip")}
    loras: list[Lora] = []
    for node in _upwards(graph, start, "model"):
        name = _first_text(graph, node)
        loras[:0] = _loras_of(graph, node, in_text=texts.pop(node.id, None) is not None)
        if node.kind in _CHANGED:
            found.limits.append(_CHANGED[node.kind])
        elif node.kind in _SAMPLING:
            _patch(graph, node, found)
        elif node.kind not in (*_PLAIN, *LOADERS) and "lora_name" not in node.inputs:
            found.strange.append(node)
        if name is not None:
            found.model = name
            break
    for node in texts.values():  # those that the UNet does without
        loras += [replace(lora, unet_weight=0.0) for lora in _loras_of(graph, node, in_text=True)]
    found.loras = tuple(loras)
    return found


def chain(graph: Graph, node: Node, name: str) -> Iterator[Node]:
    """The nodes that come before one by its input `name`, and by theirs."""
    return _upwards(graph, graph.linked(node, name), name)


def _upwards(graph: Graph, start: tuple[Node, int] | None, name: str) -> Iterator[Node]:
    here, seen = start, set[str]()
    while here is not None and here[0].id not in seen and len(seen) < _MOST:
        node = here[0]
        seen.add(node.id)
        yield node
        onwards = (name, f"{name}1", "base_model" if name == "model" else "base_clip")
        here = next((far for each in onwards if (far := graph.linked(node, each))), None)


def _first_text(graph: Graph, node: Node) -> str | None:
    """The name of a checkpoint's file, if the node loads one."""
    for name in _NAMES:
        value = graph.value(node, name) if name in node.inputs else None
        if isinstance(value, str) and value and not node.kind.startswith("Lora"):
            return value[:500]
    return None


def _loras_of(graph: Graph, node: Node, *, in_text: bool) -> Iterator[Lora]:
    """Those that one node puts on.

    Args:
        in_text: Whether the texts were encoded with them too.
    """
    entries = [value for value in map(as_object, node.inputs.values()) if value is not None]
    for entry in entries:  # rgthree's node has an object for each
        if "lora" in entry and entry.get("on", True) is True:
            yield from _lora(entry, ("lora",), ("strength",), ("strengthTwo", "strength"), in_text)
    values = {name: graph.value(node, name) for name in node.inputs}
    if node.kind == "Efficient Loader" or "lora_name" in values:
        yield from _lora(
            values,
            ("lora_name",),
            ("strength_model", "lora_model_strength", "strength", "lora_wt"),
            ("strength_clip", "lora_clip_strength", "strength", "lora_wt"),
            in_text and node.kind != "LoraLoaderModelOnly",
        )
    for number in range(1, 51):
        if values.get(f"lora_name_{number}", values.get(f"lora_{number:02}")) is not None:
            yield from _lora(
                values,
                (f"lora_name_{number}", f"lora_{number:02}"),
                (f"model_weight_{number}", f"model_str_{number}", f"strength_{number:02}"),
                (f"clip_weight_{number}", f"clip_str_{number}", f"strength_{number:02}"),
                in_text,
            )


def _lora(
    told: Mapping[str, object],
    names: tuple[str, ...],
    unet: tuple[str, ...],
    text: tuple[str, ...],
    in_text: bool,
) -> Iterator[Lora]:
    name = Fields(told).text(*names)
    if name is None or name in ("None", ""):
        return
    weight, other = Fields(told).weight(*unet), Fields(told).weight(*text)
    weight = 1.0 if weight is None else float(weight)
    other = weight if other is None else float(other)
    yield Lora(name=name, text_weight=other if in_text else 0.0, unet_weight=weight)


def _patch(graph: Graph, node: Node, found: Loaded) -> None:
    fields = Fields({name: graph.value(node, name) for name in node.inputs})
    if node.kind == "RescaleCFG":
        found.guidance_rescale = fields.fraction("multiplier")
    elif node.kind == "ModelSamplingDiscrete":
        sampling = fields.text("sampling")
        if fields.flag("zsnr"):
            found.quirks.append("zero_terminal_snr")
        if sampling != "eps":
            found.limits.append(f"its model was told to predict {sampling!r}; say so where it is.")
    else:
        found.limits.append(f"its noise levels were others ({node.kind}).")


def clip_skip_of(graph: Graph, encoders: list[Node]) -> int | None:
    """How many layers are left out, where a node says so."""
    for encoder in encoders:
        for node in (encoder, *chain(graph, encoder, "clip")):
            fields = Fields({name: graph.value(node, name) for name in node.inputs})
            last = fields.whole("stop_at_clip_layer", "clip_skip", low=-100, high=-1)
            if last is not None:
                return -last - 1
    return None
