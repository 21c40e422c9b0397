"""ComfyUI's samplers: which drew the picture, in which order, and with what."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kakusan.images.foreign.comfyui.graph import Graph, Node, as_link
from kakusan.images.foreign.fields import Fields, as_number

_MOST = 20_000  # nodes on the way
_NAMED = ("SamplerCustom", "SamplerCustomAdvanced")
_NOT_PICTURES = (  # inputs that lead away from pixels and latents
    *("model", "clip", "vae", "positive", "negative", "control_net", "clip_vision", "guider"),
    *("conditioning", "sigmas", "sampler", "noise", "upscale_model", "mask", "text"),
    # but values, whose nodes are asked for them
    *("seed", "noise_seed", "steps", "cfg", "denoise", "sampler_name", "scheduler"),
    *("width", "height", "batch_size", "start_at_step", "end_at_step", "scale_by"),
)
_SAMPLERS = {  # nodes that are a sampler -> its name
    "SamplerEulerAncestral": "euler_ancestral",
    "SamplerEulerAncestralCFGPP": "euler_ancestral_cfg_pp",
    "SamplerEulerCFGpp": "euler_cfg_pp",
    "SamplerLMS": "lms",
    "SamplerDPMPP_2M_SDE": "dpmpp_2m_sde",
    "SamplerDPMPP_3M_SDE": "dpmpp_3m_sde",
    "SamplerDPMPP_SDE": "dpmpp_sde",
    "SamplerDPMPP_2S_Ancestral": "dpmpp_2s_ancestral",
    "SamplerLCMUpscale": "lcm",
}
_SCHEDULES = {
    "KarrasScheduler": "karras",
    "ExponentialScheduler": "exponential",
    "PolyexponentialScheduler": "polyexponential",
    "SDTurboScheduler": "sd_turbo",
    "AlignYourStepsScheduler": "align_your_steps_sd1",
    "BetaSamplingScheduler": "beta",
    "BasicScheduler": "normal",
}
# These leave out the first of their levels where they denoise in part, and KSampler's never
_CUT = ("SDTurboScheduler", "AlignYourStepsScheduler")
_SHAPED = ("BetaSamplingScheduler",)
# Values of those nodes that say nothing: their defaults, the ends of the training schedule
_USUAL: dict[str, Callable[[object], bool]] = {
    "sigma_min": lambda value: _near(value, 0.0291675),
    "sigma_max": lambda value: _near(value, 14.614642),
    "rho": lambda value: _near(value, 7.0),
}


def _near(value: object, usual: float) -> bool:
    number = as_number(value)
    return number is not None and abs(number - usual) < 1e-3 * usual


@dataclass
class Pass:
    """What one sampler did, under ComfyUI's names for it."""

    node: Node
    told: dict[str, object] = field(default_factory=dict[str, object])
    model: tuple[Node, int] | None = None
    positive: tuple[Node, int] | None = None
    negative: tuple[Node, int] | None = None
    limits: list[str] = field(default_factory=list[str])


def is_sampler(node: Node) -> bool:
    told = node.inputs.keys()
    seeded = {"seed", "noise_seed"} & told
    return node.kind in _NAMED or ({"steps", "cfg", "sampler_name"} <= told and bool(seeded))


def ends(graph: Graph) -> list[Node]:
    """Where pictures come out, the likeliest first."""
    nodes = [node for node in graph.nodes.values() if not node.skipped]
    pictured = [n for n in nodes if as_link(n.inputs.get("images", n.inputs.get("image")))]
    saving = [n for n in pictured if "save" in n.kind.casefold()]
    showing = [n for n in pictured if "preview" in n.kind.casefold()]
    decoding = [n for n in nodes if n.kind.startswith("VAEDecode")]
    return saving or showing or decoding or [n for n in nodes if is_sampler(n)]


def way_to(graph: Graph, end: Node) -> tuple[list[Node], list[Node]]:
    """The samplers whose work goes into `end`, the last first; and every node on the way."""
    seen: dict[str, Node] = {end.id: end}
    found, waiting = [end] if is_sampler(end) else [], [end]
    while waiting and len(seen) < _MOST:
        node = waiting.pop(0)
        for name, other, _ in graph.links(node):
            if name in _NOT_PICTURES or other.id in seen:
                continue
            seen[other.id] = other
            waiting.append(other)
            if is_sampler(other):
                found.append(other)
    return found, list(seen.values())


def passes(graph: Graph, samplers: list[Node]) -> list[Pass]:
    """What each did, the first first."""
    return [_pass(graph, node) for node in reversed(samplers)]


def _pass(graph: Graph, node: Node) -> Pass:
    values = {name: graph.value(node, name) for name in node.inputs}
    done = Pass(node, values)
    done.model = graph.linked(node, "model")
    done.positive, done.negative = graph.linked(node, "positive"), graph.linked(node, "negative")
    parts = {name: _far(graph, node, name) for name in ("guider", "noise", "sampler", "sigmas")}
    guider, noise = parts["guider"], parts["noise"]
    if guider is not None:
        done.told |= {k: v for k, v in _values(graph, guider).items() if k == "cfg"}
        done.model = graph.linked(guider, "model")
        done.positive = graph.linked(guider, "positive") or graph.linked(guider, "conditioning")
        done.negative = graph.linked(guider, "negative")
        if guider.kind == "BasicGuider":
            done.told["cfg"] = 1
        elif guider.kind != "CFGGuider":
            done.limits.append(f"its guidance was another ({guider.kind}).")
    if noise is not None:
        done.told |= _values(graph, noise)
        if noise.kind == "DisableNoise":
            done.limits.append("it began without noise of its own.")
    if parts["sampler"] is not None:
        done.told |= _of_sampler(graph, parts["sampler"])
    if parts["sigmas"] is not None:
        done.told |= _of_sigmas(graph, parts["sigmas"], done.limits)
    if str(done.told.get("add_noise")).casefold() in ("disable", "false"):
        done.limits.append("a sampler began without noise of its own.")
    return done


def _far(graph: Graph, node: Node, name: str) -> Node | None:
    found = graph.linked(node, name)
    return None if found is None else found[0]


def _values(graph: Graph, node: Node) -> dict[str, object]:
    return {name: graph.value(node, name) for name in node.inputs}


def _of_sampler(graph: Graph, node: Node) -> dict[str, object]:
    told = _values(graph, node)
    name = told.get("sampler_name") or _SAMPLERS.get(node.kind)
    if node.kind == "SamplerDPMPP_2M_SDE" and told.get("solver_type") == "heun":
        name = "dpmpp_2m_sde_heun"
    eta, noise = told.get("eta"), told.get("s_noise")
    return {"sampler_name": name or node.kind, "eta": eta, "s_noise": noise}


def _of_sigmas(graph: Graph, node: Node, limits: list[str]) -> dict[str, object]:
    """Steps, schedule and how much is redrawn, behind nodes that cut the noise levels."""
    for _ in range(100):
        before = _far(graph, node, "sigmas")
        if before is None:
            break
        limits.append(f"its noise levels were cut or turned round ({node.kind}).")
        node = before
    told = _values(graph, node)
    kept = {key: told.get(key) for key in ("steps", "denoise")}
    kept |= {key: told.get(key) for key, usual in _USUAL.items() if not usual(told.get(key))}
    if node.kind == "PolyexponentialScheduler" and told.get("rho") == 1:
        kept.pop("rho", None)
    if node.kind in _SHAPED and (told.get("alpha", 0.6), told.get("beta", 0.6)) != (0.6, 0.6):
        limits.append("its noise levels are spaced by another beta distribution.")
    denoise = as_number(told.get("denoise"))
    if node.kind in _CUT and denoise is not None and denoise < 1:
        limits.append(f"its noise levels begin further down ({node.kind}, denoise {denoise:g}).")
    kept["discard_penultimate_sigma"] = False  # as the sampler's node would, and these do not
    if node.kind not in _SCHEDULES:
        limits.append(f"its noise levels come from a node that is not known ({node.kind}).")
    schedule = told.get("scheduler") or _SCHEDULES.get(node.kind)
    if node.kind == "SDTurboScheduler" and isinstance(steps := told.get("steps"), int):
        kept["steps"] = min(steps, 10)  # there are no more
    if node.kind == "AlignYourStepsScheduler":
        model = str(told.get("model_type") or "SD1").casefold()
        schedule = f"align_your_steps_{model}"
        if model not in ("sd1", "sdxl"):
            limits.append(f"its noise levels are those of another kind of model ({model[:20]}).")
            schedule = "align_your_steps_sd1"
    return {**kept, "scheduler": schedule}


def cut_short(fields: Fields) -> list[str]:
    """What is to be said of a lone sampler that left steps out; of several, each takes a part."""
    steps, start, end = (fields.look(name) for name in ("steps", "start_at_step", "end_at_step"))
    kept = all(isinstance(each, int) for each in (steps, start, end))
    if not kept or (start <= 0 and end >= steps):  # pyright: ignore[reportOperatorIssue]
        return []
    return [f"of its {steps} steps those from {start} to {end} were made alone."]


def fields_of(done: Pass) -> Fields:
    return Fields(done.told)


def between(graph: Graph, later: Node, earlier: Node) -> Iterator[Node]:
    """The nodes between two samplers, along latents and pixels."""
    seen, waiting = set[str](), [later]
    while waiting and len(seen) < _MOST:
        node = waiting.pop(0)
        for name, other, _ in graph.links(node):
            if name in _NOT_PICTURES or other.id in seen or other.id == earlier.id:
                continue
            seen.add(other.id)
            waiting.append(other)
            yield other
