"""ComfyUI's graph as its editor saves it: nodes with values by position, and a table of links.

It is read only where the API's form is missing: values of nodes from elsewhere have no names here.
"""

from collections.abc import Mapping, Sequence

from kakusan.images.foreign.comfyui.graph import MOST_NODES, Graph, Node
from kakusan.images.foreign.fields import as_list, as_object

# What follows a seed, and says what the editor does with it next
_WORDS_AFTER = ("fixed", "increment", "decrement", "randomize", True, False)
_SEEDS = ("seed", "noise_seed")
_WIDGETS: Mapping[str, tuple[str, ...]] = {
    "KSampler": ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        *("add_noise", "noise_seed", "steps", "cfg", "sampler_name", "scheduler"),
        *("start_at_step", "end_at_step", "return_with_leftover_noise"),
    ),
    "SamplerCustom": ("add_noise", "noise_seed", "cfg"),
    "RandomNoise": ("noise_seed",),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KarrasScheduler": ("steps", "sigma_max", "sigma_min", "rho"),
    "ExponentialScheduler": ("steps", "sigma_max", "sigma_min"),
    "PolyexponentialScheduler": ("steps", "sigma_max", "sigma_min", "rho"),
    "SDTurboScheduler": ("steps", "denoise"),
    "AlignYourStepsScheduler": ("model_type", "steps", "denoise"),
    "BetaSamplingScheduler": ("steps", "alpha", "beta"),
    "SamplerEulerAncestral": ("eta", "s_noise"),
    "SamplerDPMPP_2M_SDE": ("solver_type", "eta", "s_noise", "noise_device"),
    "SamplerDPMPP_3M_SDE": ("eta", "s_noise", "noise_device"),
    "SamplerDPMPP_SDE": ("eta", "s_noise", "r", "noise_device"),
    "CFGGuider": ("cfg",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "CheckpointLoader": ("config_name", "ckpt_name"),
    "unCLIPCheckpointLoader": ("ckpt_name",),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "HypernetworkLoader": ("hypernetwork_name", "strength"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeSDXL": (
        *("width", "height", "crop_w", "crop_h", "target_width", "target_height"),
        *("text_g", "text_l"),
    ),
    "CLIPTextEncodeSDXLRefiner": ("ascore", "width", "height", "text"),
    "ConditioningAverage": ("conditioning_to_strength",),
    "ConditioningSetArea": ("width", "height", "x", "y", "strength"),
    "ConditioningSetTimestepRange": ("start", "end"),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "LatentUpscale": ("upscale_method", "width", "height", "crop"),
    "LatentUpscaleBy": ("upscale_method", "scale_by"),
    "ImageScale": ("upscale_method", "width", "height", "crop"),
    "ImageScaleBy": ("upscale_method", "scale_by"),
    "UpscaleModelLoader": ("model_name",),
    "LoadImage": ("image",),
    "LoadImageMask": ("image", "channel"),
    "VAEEncodeForInpaint": ("grow_mask_by",),
    "RepeatLatentBatch": ("amount",),
    "LatentFromBatch": ("batch_index", "length"),
    "ControlNetLoader": ("control_net_name",),
    "ControlNetApply": ("strength",),
    "ControlNetApplyAdvanced": ("strength", "start_percent", "end_percent"),
    "ModelSamplingDiscrete": ("sampling", "zsnr"),
    "RescaleCFG": ("multiplier",),
    "FreeU": ("b1", "b2", "s1", "s2"),
    "FreeU_V2": ("b1", "b2", "s1", "s2"),
    "PrimitiveNode": ("value",),
    "PrimitiveString": ("value",),
    "PrimitiveStringMultiline": ("value",),
    "PrimitiveInt": ("value",),
    "PrimitiveFloat": ("value",),
    "SaveImage": ("filename_prefix",),
}
_MUTED, _BYPASSED = 2, 4
Links = dict[object, tuple[str, int]]


def graph_of_workflow(told: Mapping[str, object]) -> Graph | None:
    """The nodes with what is known of their values; None where there are none."""
    links = _links(as_list(told.get("links")))
    nodes: dict[str, Node] = {}
    for each in as_list(told.get("nodes"))[:MOST_NODES]:
        node = as_object(each) or {}
        kind, name, mode = node.get("type"), node.get("id"), node.get("mode")
        if isinstance(kind, str) and isinstance(name, str | int) and mode != _MUTED:
            inputs = {**_widgets(kind, node), **_inputs(node, links)}
            nodes[str(name)] = Node(str(name), kind[:200], inputs, mode == _BYPASSED)
    return Graph(nodes) if nodes else None


def _links(table: Sequence[object]) -> Links:
    """Under a link's id where it comes from."""
    found: Links = {}
    for each in table[: 10 * MOST_NODES]:
        row = as_list(each)
        link = as_object(each)
        if link is not None:
            row = [link.get(key) for key in ("id", "origin_id", "origin_slot")]
        if len(row) >= 3 and isinstance(row[0], int | str) and isinstance(row[2], int):
            found[row[0]] = str(row[1])[:100], row[2]
    return found


def _inputs(node: Mapping[str, object], links: Links) -> dict[str, object]:
    found: dict[str, object] = {}
    for each in as_list(node.get("inputs"))[:1000]:
        slot = as_object(each) or {}
        name, link = slot.get("name"), slot.get("link")
        if isinstance(name, str) and isinstance(link, int | str) and link in links:
            found[name] = list(links[link])
    return found


def _widgets(kind: str, node: Mapping[str, object]) -> dict[str, object]:
    values = node.get("widgets_values")
    by_name = as_object(values)
    if by_name is not None:
        return dict(by_name)
    found: dict[str, object] = {}
    rest = list(as_list(values)[:1000])
    for name in _WIDGETS.get(kind, ()):
        if not rest:
            break
        found[name] = rest.pop(0)
        if name in _SEEDS and rest and _is_control(rest[0]):
            rest.pop(0)
    return found


def _is_control(value: object) -> bool:
    return isinstance(value, str | bool) and value in _WORDS_AFTER
