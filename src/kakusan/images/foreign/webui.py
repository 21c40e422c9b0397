"""AUTOMATIC1111's text, and that of the tools that write like it: Forge, SD.Next, Civitai."""

from collections.abc import Mapping
from dataclasses import replace

from kakusan.images.foreign import names
from kakusan.images.foreign.fields import LARGEST_SEED, Fields
from kakusan.images.foreign.fooocus import EXPANSION
from kakusan.images.foreign.hashes import as_hash
from kakusan.images.foreign.told import Settings, Told
from kakusan.images.foreign.versions import WITH_SCHEDULE_TYPES, is_forge, quirks_of, webui_version
from kakusan.images.foreign.webui_extras import SECOND_PASS, ways_limits
from kakusan.images.foreign.webui_networks import networks
from kakusan.images.foreign.webui_passes import controls, hires, inpaint, old_first_pass, refiner
from kakusan.images.parameters import OWN_RNG, OWN_SYNTAX, split_prompts
from kakusan.images.settings_line import find_settings

_RNG = {None: "webui-gpu", "GPU": "webui-gpu", "CPU": "webui-cpu", "NV": "webui-nv"}
_OF_COMFYUI = ("ComfyUI", "SwarmUI", "Fooocus", "RuinedFooocus")  # whose prompts it reads
# Whose second pass is known, see `kakusan.interchange.second_pass`
_TWO_PASSES = ("AUTOMATIC1111", "Forge", "kakusan")
_TOOLS = ("Fooocus", "RuinedFooocus", "ComfyUI", "SwarmUI", "StableSwarmUI", "kakusan")
_QUIRKS = {
    "Pad conds": "pad_conds",
    "Pad conds v0": "pad_conds_v0",
    "Old prompt editing timelines": "old_prompt_timelines",
    "Downcast alphas_cumprod": "downcast_alphas_cumprod",
    "Refiner switch by sampling steps": "refiner_by_sampling_steps",
    "SGM noise multiplier": "sgm_noise_multiplier",
}


def has_settings(text: str) -> bool:
    return find_settings(_plain(text)) is not None


def read_webui(text: str, carrier: str, *, tool: str | None = None) -> Told:
    """What a text of this form tells; without a line of settings it is all prompt.

    Args:
        tool: Whose it is, where something else in the file says so.
    """
    text = _plain(text)
    line = find_settings(text)
    prompt, negative = split_prompts(text if line is None else text[: line.start])
    if line is None:
        return Told(
            tool="unknown",
            carrier=carrier,
            settings=Settings(prompt=prompt, negative_prompt=negative),
            limits=("the file tells no settings, only a text that may be the prompt.",),
        )
    fields = Fields(line.told)
    after = text[line.end :].strip()
    told = _read(fields, (prompt, negative), carrier, tool)
    unknown = {**told.unknown, **_templates(after)}
    return replace(told, unknown=unknown)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\0 \t\n\ufeff")


def _templates(after: str) -> dict[str, object]:
    """The lines behind the settings, such as the prompt before wildcards were filled in."""
    found: dict[str, object] = {}
    for line in after.split("\n")[:100]:
        name, colon, value = line.partition(":")
        if colon and name.strip() and len(found) < 20:
            found.setdefault(name.strip()[:60], value.strip()[:4000])
    return found


def _read(fields: Fields, prompts: tuple[str, str], carrier: str, tool: str | None) -> Told:
    (prompt, negative), program = prompts, fields.text("Version")
    fields.take("SDCPP")  # says the same again, for that tool itself
    tool = tool or _tool(fields, program)
    _leave_out_what_says_nothing(fields, tool)
    version = webui_version(program)
    refined = fields.look("Refiner") is not None
    sampler, schedule = fields.text("Sampler"), _schedule(fields, tool)
    scheduler, said = _scheduler(sampler, schedule, tool, program)
    limits = [*said, *ways_limits(fields, prompt)]
    if tool == "Fooocus":
        limits.append(EXPANSION)
    if (syntax := fields.text(OWN_SYNTAX)) is not None:
        limits.append(
            f"its prompt was in another syntax ({syntax[:20]}), whose weights change texts "
            "otherwise than AUTOMATIC1111's, in which it stands here."
        )
    if tool == "SD.Next":
        limits.append("SD.Next does not tell on which device its noise was drawn.")
    size, first = fields.pair("Size"), fields.pair("First pass size") or _none_given(fields)
    second = hires(fields)
    if size and first is not None:
        size, enlarged = old_first_pass(size, first)
        second = {**(second or {}), "width": enlarged[0], "height": enlarged[1]}
        second.setdefault("upscaler", "None")  # as it was, where nobody chose another way
    if second is not None and tool in _TWO_PASSES:
        limits = [each for each in limits if each != SECOND_PASS]
    strength, mask = fields.fraction("Denoising strength"), inpaint(fields)
    given = {"image_hash": fields.text("Init image hash"), "mask": mask is not None or None}
    given = {key: value for key, value in given.items() if value is not None}
    drawn_over = bool(given or strength is not None or mask) and second is None
    loras, embeddings, hashes = networks(fields, prompt)
    model, model_hash = _model(fields, hashes)
    control = controls(fields)
    part = refiner(fields)
    quirks = [*_told_quirks(fields), *quirks_of(version, prompt, sampler or "", refined)]
    width, height = size or (None, None)
    settings = Settings(
        prompt=prompt,
        negative_prompt=negative,
        seed=fields.seed("Seed"),
        width=width,
        height=height,
        num_inference_steps=fields.steps("Steps"),
        guidance_scale=fields.weight("CFG scale"),
        guidance_rescale=fields.fraction("CFG rescale", "CFG Rescale φ", "CFG Rescale phi"),
        scheduler=scheduler,
        sampler=sampler,
        schedule_type=schedule,
        eta=_eta(fields, sampler),
        clip_skip=_skipped(fields),
        strength=strength,
        model=model,
        model_hash=model_hash,
        vae=_vae(fields),
        vae_hash=as_hash(fields.take("VAE hash")),
        loras=loras,
        embeddings=embeddings,
        prompt_syntax="comfy" if tool in _OF_COMFYUI else "webui",
        emphasis=fields.text("Emphasis") or "Original",
        rng=_rng(fields, tool),
        ensd=fields.whole("ENSD", low=-LARGEST_SEED, high=LARGEST_SEED),
        variation_seed=fields.seed("Variation seed"),
        variation_strength=fields.fraction("Variation seed strength"),
        seed_resize=fields.pair("Seed resize from"),
        sigma_churn=fields.number("Sigma churn", low=0, high=1e6),
        sigma_tmin=fields.number("Sigma tmin", low=0, high=1e6),
        sigma_tmax=fields.number("Sigma tmax", low=0, high=float("inf")),
        sigma_noise=fields.number("Sigma noise", low=0, high=1000),
        schedule_sigma_min=fields.number("Schedule min sigma", low=0, high=1e6),
        schedule_sigma_max=fields.number("Schedule max sigma", low=0, high=1e6),
        schedule_rho=fields.number("Schedule rho", low=0, high=1000),
        discard_penultimate_sigma=_discarded(fields, tool),
        quirks=tuple(dict.fromkeys(quirks)),
        hires=second,
        refiner=part,
        img2img=given if drawn_over else None,
        inpaint=mask,
        controlnets=control,
    )
    return Told(
        tool=tool,
        version=program,
        carrier=carrier,
        settings=settings,
        unknown=fields.left(),
        limits=(*limits, *fields.refused),
    )


def _leave_out_what_says_nothing(fields: Fields, tool: str) -> None:
    fields.drop("Created Date", "Civitai metadata", "User", "Batch", "Pipeline", "Backend")
    fields.drop("Hires Module 1", usual=("Use same choices",))
    fields.drop("Beta schedule alpha", "Beta schedule beta", usual=(0.6,))
    if tool == "SD.Next":
        fields.drop("Operations", usual=("txt2img", "txt2img; hires", "hires"))
    if tool == "stable-diffusion.cpp":
        fields.drop("Sampler RNG", usual=(fields.look("RNG") or "cuda",))


def _schedule(fields: Fields, tool: str) -> str | None:
    said = fields.text("Schedule type", "Scheduler")
    if tool == "SD.Next":
        said = said or fields.text("Sampler sigma")
        return None if said in ("default", "Default") else said
    return said


def _vae(fields: Fields) -> str | None:
    """Its name; Forge lists it among modules, which may be text encoders too."""
    module = fields.look("Module 1")
    if "VAE" not in fields and isinstance(module, str) and "vae" in module.casefold():
        return fields.text("Module 1")
    return fields.text("VAE") or None


def _tool(fields: Fields, program: str | None) -> str:
    said = program or ""
    if str(fields.look("App")).casefold() in ("sd.next", "sdnext"):
        fields.take("App")
        return "SD.Next"
    if "stable-diffusion.cpp" in said:
        return "stable-diffusion.cpp"
    for tool in _TOOLS:
        if tool.casefold() in said[:40].casefold():
            return tool.replace("StableSwarmUI", "SwarmUI")
    if is_forge(said):
        return "Forge"
    civitai = ("Civitai resources", "Civitai metadata")
    return (
        "Civitai"
        if program is None and any(map(fields.__contains__, civitai))
        else ("AUTOMATIC1111")
    )


def _scheduler(
    sampler: str | None, schedule: str | None, tool: str, program: str | None
) -> tuple[str | None, list[str]]:
    if sampler is None:
        return None, []
    if tool in ("ComfyUI", "SwarmUI", "Fooocus"):
        if schedule and sampler.casefold().endswith(f" {schedule.casefold()}"):
            sampler = sampler[: -len(schedule) - 1]  # as Fooocus writes both
        return names.of_comfyui(sampler, schedule) if schedule else names.known([sampler])
    if tool == "stable-diffusion.cpp":
        return names.of_sdcpp(sampler, schedule)
    version = webui_version(program)
    old = tool != "SD.Next" and (version is None or version < WITH_SCHEDULE_TYPES)
    old = old and schedule is None  # versions that had none wrote none
    return names.of_webui(sampler, schedule, old=old)


def _none_given(fields: Fields) -> tuple[int, int] | None:
    """(0, 0) for the `First pass size: 0x0` of old versions."""
    if str(fields.look("First pass size")).replace(" ", "") != "0x0":
        return None
    fields.take("First pass size")
    fields.refused[:] = [each for each in fields.refused if "First pass size" not in each]
    return 0, 0


def _eta(fields: Fields, sampler: str | None) -> float | int | None:
    plain, ddim = fields.number("Eta", low=0, high=10), fields.number("Eta DDIM", low=0, high=10)
    return ddim if sampler == "DDIM" and ddim is not None else plain


def _skipped(fields: Fields) -> int | None:
    """The web UI counts the last layer as 1; 0 is what it reads as 1."""
    layers = fields.whole("Clip skip", low=0, high=100)
    return None if layers is None else max(layers - 1, 0)


def _rng(fields: Fields, tool: str) -> str | None:
    said, other = fields.text("RNG"), fields.text(OWN_RNG)
    own = {
        "ComfyUI": "comfyui",
        "SwarmUI": "comfyui",
        "Fooocus": "fooocus",
        "RuinedFooocus": "fooocus",
        "SD.Next": "diffusers",
    }
    if tool == "stable-diffusion.cpp":
        return f"sdcpp-{(said or 'cuda').casefold().partition('_')[0]}"
    if tool == "kakusan":
        return other if said is None else _RNG.get(said)
    return own.get(tool) or _RNG.get(said, "webui-gpu")


def _discarded(fields: Fields, tool: str) -> bool | None:
    """Whether the last noise level but one was left out; stable-diffusion.cpp never does that."""
    said = fields.flag("Discard penultimate sigma")
    return False if tool == "stable-diffusion.cpp" else said


def _told_quirks(fields: Fields) -> list[str]:
    found = [quirk for name, quirk in _QUIRKS.items() if fields.flag(name)]
    if str(fields.look("Noise Schedule")).casefold() == "zero terminal snr":
        fields.take("Noise Schedule")
        found.append("zero_terminal_snr")
    return found


def _model(fields: Fields, hashes: Mapping[str, str | None]) -> tuple[str | None, str | None]:
    return (
        fields.text("Model", "model"),
        as_hash(fields.take("Model hash")) or hashes.get("model"),
    )
