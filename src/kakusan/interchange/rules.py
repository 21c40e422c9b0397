"""From what another tool's picture tells to a request by that tool's rules."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from kakusan.errors import InputError, shown
from kakusan.images.foreign import Settings, Told
from kakusan.images.foreign.webui_extras import ANOTHER_PICTURE
from kakusan.interchange.begun import begun
from kakusan.interchange.families import of_family
from kakusan.interchange.second_pass import second_pass
from kakusan.interchange.tags import unmade, without_unmade
from kakusan.request import Request
from kakusan.request.randomness import RNGS
from kakusan.request.syntaxes import PADDED_V0
from kakusan.samplers import SAMPLERS, meaning_of

# What a request has under the same name
_ALIKE = (
    *("prompt", "negative_prompt", "prompt_2", "negative_prompt_2", "seed"),
    *("num_inference_steps", "guidance_scale", "guidance_rescale", "clip_skip"),
    *("prompt_syntax", "emphasis"),
)
_OF_A_REQUEST = frozenset(each.name for each in fields(Request))
_SIDE = 8
OURS = "kakusan"  # a picture of which only the text for other tools is left
# Rules that nobody knows outside these tools
_UNKNOWN_RULES = {
    "novelai": "NovelAI's",
    "drawthings": "Draw Things'",
    "sdcpp-std": "the C++ library's",
}
# Tools that make pixels of floats by cutting off what is behind the point
_TRUNCATING = (
    *("AUTOMATIC1111", "Forge", "Civitai", "ComfyUI", "SwarmUI", "Fooocus", "RuinedFooocus"),
    "stable-diffusion.cpp",
)
# What a request can say, under which name
_FOLLOWED = {
    "pad_conds": ("pad_conds", True, "conditionings padded to one length"),
    # where both are told, the older way counts there
    "pad_conds_v0": ("pad_conds", PADDED_V0, "conditionings padded to one length, the old way"),
    "old_prompt_timelines": ("old_timelines", True, "the old counting of prompt schedules"),
}
_DOWNCAST = "downcast_alphas_cumprod"
_QUIRKS = {
    _DOWNCAST: "noise levels rounded to float16",
    "refiner_by_sampling_steps": "the old switch to the refiner",
    "zero_terminal_snr": "noise levels changed to zero terminal SNR",
    "sgm_noise_multiplier": "its first noise multiplied as SGM does",
}


@dataclass(frozen=True)
class Translation:
    """A request by another tool's rules, but for its model.

    Attributes:
        settings: of a `Request`, under its names.
        made: what is known, in a few words.
        followed: by which of the tool's rules it is made again.
        left: what is not made again, or not as it was; in sentences or a few words.
    """

    settings: Mapping[str, Any]
    made: str
    followed: tuple[str, ...]
    left: tuple[str, ...] = field(default=())


def translated(
    told: Told, family: str | None = None, *, rng: str | None = None, over: bool = False
) -> Translation:
    """What a picture tells, as a request.

    Args:
        family: of the model that it is drawn with, as `kakusan.checkpoints.facts` calls it.
        rng: counts instead of what the picture tells of randomness.
        over: whether the picture that it was drawn over is there.
    """
    says = told.settings
    found = {
        name: getattr(says, name)
        for name in _ALIKE
        if name in _OF_A_REQUEST and getattr(says, name) is not None
    }
    if found.get("prompt_syntax") != "webui":
        found.pop("emphasis", None)
    if found.get("prompt_syntax") == "novelai":
        del found["prompt_syntax"]
    if found.get("prompt_syntax") == "webui" and "prompt" in found:
        found["prompt"] = without_unmade(found["prompt"])
    if found.get("emphasis") == "Original":
        del found["emphasis"]
    followed = list[str]()
    left = [each for each in told.limits if not over or each != ANOTHER_PICTURE]
    for part in (
        _size(says),
        _scheduler(says, told.tool, told.limits),
        _noise(says, told.tool, rng),
        of_family(told, family),
        _pixels(told.tool),
        _quirks(says),
        begun(told) if over else ({}, [], []),
        second_pass(told),
    ):
        settings, does, lacks = part
        found |= settings
        followed += does
        left += lacks
    left += _lacking(says, found)
    if "prompt_syntax" in found:
        followed.insert(0, f"prompts read as {found['prompt_syntax']}")
    found = {name: value for name, value in found.items() if value is not None}
    return Translation(found, made_by(told), tuple(followed), tuple(dict.fromkeys(left)))


def check_can_be_made(told: Told, *, over: bool = False) -> None:
    """Refuse a picture that was made from what its file does not hold, or tells too little.

    Args:
        over: whether a picture is there that it was drawn over.

    Raises:
        InputError: It cannot be made again.
    """
    says = told.settings
    if says.inpaint is not None:
        raise InputError(
            f"{told.tool} drew it over a part of another picture, which is not made again yet; "
            "`kakusan generate --like` takes its settings for a picture of its own"
        )
    if says.img2img is not None and not over:
        raise InputError(
            f"{told.tool} drew it over another picture, which the file does not hold; give that "
            "one with --input, or take its settings for a picture of its own with `kakusan "
            "generate --like`"
        )
    if over and says.img2img is None:
        raise InputError(f"{told.tool} drew it over no other picture; leave --input out")
    lacking = [
        word for word, value in (("seed", says.seed), ("prompt", says.prompt)) if value is None
    ]
    if lacking:
        raise InputError(
            f"the file tells no {' and no '.join(lacking)}, so the picture cannot be made again; "
            "`kakusan generate --like` takes what it tells"
        )


def made_by(told: Told) -> str:
    """Who made a picture, and how, in a few words."""
    says = told.settings
    version = "" if told.version is None else shown(told.version)[1:-1]
    tool = version if version.startswith(told.tool) else f"{told.tool} {version}".strip()
    model = says.model or says.model_hash
    size = None if says.width is None else f"{says.width}x{says.height}"
    sampler = says.scheduler or says.sampler
    parts = (
        None if says.seed is None else f"seed {says.seed}",
        None if says.num_inference_steps is None else f"{says.num_inference_steps} steps",
        None if sampler is None else shown(sampler)[1:-1],
        size,
        None if model is None else f"model {shown(model)[1:-1]}",
    )
    return f"{tool}: {', '.join(part for part in parts if part is not None)}"


STEERED = "what steered it: ControlNet"
Part = tuple[dict[str, Any], list[str], list[str]]


def _size(says: Settings) -> Part:
    """Sides in whole latents, as the tools cut them."""
    sides = {"width": says.width, "height": says.height}
    given = {name: side for name, side in sides.items() if side is not None}
    cut = {name: side - side % _SIDE for name, side in given.items()}
    if cut == given:
        return dict(given), [], []
    return dict(cut), [], [f"its size, {says.width}x{says.height}, which is no multiple of {_SIDE}"]


def _scheduler(says: Settings, tool: str, limits: Sequence[str]) -> Part:
    """The sampler on its schedule, with what was set of it."""
    name = says.scheduler
    if name is None:
        told = any("sampler" in each for each in limits)
        return (
            {},
            [],
            [] if told or says.sampler is None else [f"the sampler {shown(says.sampler)}"],
        )
    meaning = meaning_of(name)
    changes: dict[str, Any] = {}
    left: list[str] = []
    if says.discard_penultimate_sigma is not None and "sigma_schedule" in meaning.settings:
        own = meaning.settings.get("discard_penultimate_sigma", False)
        if says.discard_penultimate_sigma != own:
            changes["discard_penultimate_sigma"] = says.discard_penultimate_sigma
    if _DOWNCAST in says.quirks:
        changes[_DOWNCAST] = True
    settings: dict[str, Any] = {}
    if says.eta is not None and meaning.kind == "DDIMScheduler":
        settings["eta"] = min(says.eta, 1.0)
    elif tool == "stable-diffusion.cpp" and says.eta == 0:
        pass  # it writes what DDIM and TCD alone have
    elif says.eta is not None and "eta" in meaning.settings:
        changes["eta"] = says.eta
    elif says.eta not in (None, 1, 0):
        left.append(f"an eta of {says.eta:g}")
    settings["scheduler"] = {"name": name, **changes} if changes else name
    does = [name, *(_QUIRKS.get(key, f"{key} {value}") for key, value in changes.items())]
    return settings, does, left


def _noise(says: Settings, tool: str, asked: str | None) -> Part:
    """By whose rules a seed makes noise, and what is mixed into it."""
    rng, left, guessed = (asked or says.rng), list[str](), list[str]()
    if rng in _UNKNOWN_RULES:
        left.append(f"{_UNKNOWN_RULES[rng]} own random numbers, whose rules are not known")
        rng = None
    elif asked is None and tool != OURS:
        rng, guessed = _as_on_a_gpu(says)
    found: dict[str, Any] = {"rng": rng if rng in RNGS else None}
    with_ensd = str(rng).startswith("webui") or (rng is None and tool == OURS)
    if says.ensd and with_ensd:
        found["ensd"] = says.ensd
    if says.variation_strength:
        if says.variation_seed is None:
            left.append("a variation, whose seed is not told")
        else:
            found["variation_seed"] = says.variation_seed
            found["variation_strength"] = says.variation_strength
    if says.seed_resize is not None and min(says.seed_resize) >= _SIDE:
        width, height = says.seed_resize
        found["seed_resize"] = (height, width)
    return found, [*_said_of(found), *guessed], left


def _pixels(tool: str) -> Part:
    if tool not in _TRUNCATING:
        return {}, [], []
    return {"truncate_pixels": True}, ["pixels cut off to whole levels, not rounded"], []


def _quirks(says: Settings) -> Part:
    """What an old version, or a setting of the tool, did otherwise with prompts."""
    followed = [each for quirk, each in _FOLLOWED.items() if quirk in says.quirks]
    if says.prompt_syntax != "webui":
        return {}, [], [does for _, _, does in followed]
    return {name: value for name, value, _ in followed}, [does for _, _, does in followed], []


def _said_of(noise: Mapping[str, Any]) -> Iterator[str]:
    rng = noise["rng"]
    if rng is not None:
        yield f"noise: {RNGS[rng][0]} ({rng})"
    if noise.get("ensd"):
        yield f"eta noise seed delta {noise['ensd']}"
    if noise.get("variation_strength"):
        share, seed = noise["variation_strength"], noise["variation_seed"]
        yield f"{share:g} of the noise of seed {seed}"
    if noise.get("seed_resize"):
        height, width = noise["seed_resize"]
        yield f"noise resized from {width}x{height}"


def _as_on_a_gpu(says: Settings) -> tuple[str | None, list[str]]:
    """What a file leaves open: where the tool computed, which is a GPU most of the time."""
    if says.rng == "invokeai":
        return "invokeai-gpu", ["as if it was computed on a GPU, which is not told"]
    random = says.scheduler is not None and _adds_noise(says.scheduler)
    if says.rng != "comfyui" or not random:
        return says.rng, []
    along_a_path = "sde" in str(says.scheduler).casefold()
    if along_a_path:  # on the CPU, unless its name says otherwise
        return ("comfyui-gpu" if "_gpu" in str(says.sampler) else "comfyui"), []
    return "comfyui-gpu", ["as if it was computed on a GPU, which is not told"]


def _adds_noise(name: str) -> bool:
    kind = meaning_of(name).kind
    return any(each.random for each in SAMPLERS if each.kind == kind)


def _lacking(says: Settings, found: Mapping[str, Any]) -> Iterator[str]:
    """What a request cannot say, or is not said in it."""
    for quirk in says.quirks:
        if quirk in _FOLLOWED or (quirk == _DOWNCAST and "scheduler" in found):
            continue
        yield _QUIRKS.get(quirk, shown(quirk))
    if says.vae is not None and says.vae.casefold() not in ("automatic", "none", "baked vae"):
        yield f"the VAE {shown(says.vae)} (say with --vae where it is)"
    dropped = unmade(says.prompt) if says.prompt_syntax == "webui" else {}
    yield from dropped.values()
    for each in says.loras:
        if each.name not in dropped:
            yield f"the LoRA {shown(each.name)}"
    for each in says.embeddings:
        yield f"the embedding {shown(each.name)}"
    for name in ("sigma_churn", "schedule_sigma_min", "schedule_sigma_max", "schedule_rho"):
        if getattr(says, name):
            yield f"{name} {getattr(says, name):g}"
    if says.prompt_syntax not in (None, "plain", found.get("prompt_syntax")):
        yield f"the prompt's grammar ({says.prompt_syntax}): it is read as plain words"
    if says.emphasis not in (None, "Original", found.get("emphasis")):
        yield f"the emphasis {shown(says.emphasis)}"
    yield from map(_steered, says.controlnets)


def _steered(unit: Mapping[str, object]) -> str:
    """A network that steered the picture, as far as the file tells of it."""
    module, model, weight = (unit.get(name) for name in ("module", "model", "weight"))
    named = "" if model is None else f" {shown(model)}"
    how = "" if module is None else f", made by {shown(module)}"
    strength = f", weight {weight:g}" if isinstance(weight, int | float) else ""
    return f"{STEERED}{named}{how}{strength} (give it with --control)"
