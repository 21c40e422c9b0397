"""What ComfyUI's samplers after the first did: a refiner, or a second, larger pass."""

from collections.abc import Mapping

from kakusan.images.foreign.comfyui import conditioning, models, samplers
from kakusan.images.foreign.comfyui.graph import Graph
from kakusan.images.foreign.fields import Fields
from kakusan.images.foreign.webui_extras import REFINED, SECOND_PASS

ENLARGING = (
    *("LatentUpscale", "LatentUpscaleBy", "ImageScale", "ImageScaleBy", "ImageUpscaleWithModel"),
    *("ImageScaleToTotalPixels", "NNLatentUpscale", "UltimateSDUpscale"),
)


def later_passes(
    graph: Graph, first: samplers.Pass, later: list[samplers.Pass]
) -> tuple[dict[str, dict[str, object]], list[str]]:
    """The second pass as a refiner, or as hires, and the sentence for it."""
    if not later:
        return {}, []
    second = later[0]
    fields = samplers.fields_of(second)
    way = list(samplers.between(graph, second.node, first.node))
    enlarging = next((node for node in way if node.kind in ENLARGING), None)
    encoders = conditioning.said_by(graph, second.positive, "positive").encoders
    model = models.loaded_by(graph, second.model, encoders).model
    steps, start = fields.steps("steps"), fields.whole("start_at_step", low=0, high=10_000)
    if enlarging is None and start and steps:
        told: dict[str, object] = {"model": model, "switch_at": start / steps}
        return {"refiner": some(told)}, [REFINED]
    many = [f"{len(later) + 1} samplers drew it; these are the settings of the first."]
    strength = fields.fraction("denoise")
    if enlarging is None and (strength is None or strength == 1):
        return {}, many
    told = {
        "steps": steps,
        "strength": strength,
        "seed": fields.seed("seed", "noise_seed"),
        "guidance_scale": fields.weight("cfg"),
        "sampler": fields.text("sampler_name"),
        "schedule_type": fields.text("scheduler"),
        "model": model,
    }
    if enlarging is not None:
        inner = Fields({name: graph.value(enlarging, name) for name in enlarging.inputs})
        told["upscaler"] = inner.text("upscale_method") or enlarging.kind
        told |= {"width": inner.side("width"), "height": inner.side("height")}
        told["scale"] = inner.number("scale_by", low=0.01, high=100)
    return {"hires": some(told)}, [SECOND_PASS, *(many if len(later) > 1 else [])]


def some(told: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in told.items() if value is not None}
