"""What a picture of another tool tells: one value, the same for every tool.

Nothing in it is trusted: names are texts and no more, numbers are finite and within bounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

JSON = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Lora:
    """An adapter that was on: its name, how much of it, and its file's hash where it is told."""

    name: str
    text_weight: float = 1.0
    unet_weight: float = 1.0
    hash: str | None = None


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """A textual inversion that the prompt used."""

    name: str
    hash: str | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings under a `Request`'s names, and what only other tools have.

    None is what the file does not tell.

    Attributes:
        num_inference_steps: as the tool counts them.
        scheduler: what `kakusan.samplers.meaning_of` knows, sampler and schedule in one name.
        sampler: the sampler as it stands in the file.
        schedule_type: the schedule as it stands in the file.
        clip_skip: how many layers are left out; the tools' own countings are translated.
        strength: how much of a given picture was replaced, or of the first pass by the second.
        model: a name, never a file to be opened; `vae` too.
        model_hash: of the file's SHA-256 the first digits, as many as the tool writes, or
            AUTOMATIC1111's older eight; hashes of other kinds are in `Told.unknown`.
        vae_hash: the same of the VAE's file.
        loras: those that were on, and those that the prompt's own tags name. Their hashes are of
            the tensors' bytes, as AUTOMATIC1111 and SwarmUI have them, or of the file.
        prompt_syntax: "webui", "comfy", "compel", "novelai" or "plain": how the tool reads prompts.
        emphasis: AUTOMATIC1111's mode: "Original", "No norm", "Ignore" or "None".
        rng: whose rule of randomness: "webui-gpu", "webui-cpu", "webui-nv", "comfyui", "invokeai",
            "fooocus", "novelai", "sdcpp-cuda", "sdcpp-cpu", "sdcpp-std", "diffusers" or
            "drawthings"; of kakusan's own text any of `kakusan.request.randomness.RNGS`.
        ensd: AUTOMATIC1111's "eta noise seed delta".
        seed_resize: (width, height) of the picture that the seed was found with.
        sigma_churn: Euler's, Heun's and DPM2's churn; with it `sigma_tmin`, `sigma_tmax` and
            `sigma_noise`.
        schedule_sigma_min: where the schedule was made to end; likewise `_max` and `_rho`.
        original_size: of SDXL's sizes, (height, width) as `Request` has them; with it
            `crops_coords_top_left` and `target_size`.
        quirks: what an old version did otherwise: "old_prompt_timelines", "pad_conds",
            "pad_conds_v0", "downcast_alphas_cumprod", "refiner_by_sampling_steps",
            "zero_terminal_snr", "sgm_noise_multiplier".
        hires: the second pass; `refiner` the second model; `img2img` and `inpaint` what is told
            of a given picture and its mask; `controlnets` one object each.
    """

    prompt: str | None = None
    negative_prompt: str | None = None
    prompt_2: str | None = None
    negative_prompt_2: str | None = None
    seed: int | None = None
    width: int | None = None
    height: int | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    guidance_rescale: float | None = None
    scheduler: str | None = None
    sampler: str | None = None
    schedule_type: str | None = None
    eta: float | None = None
    clip_skip: int | None = None
    strength: float | None = None
    model: str | None = None
    model_hash: str | None = None
    vae: str | None = None
    vae_hash: str | None = None
    loras: tuple[Lora, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    prompt_syntax: str | None = None
    emphasis: str | None = None
    rng: str | None = None
    ensd: int | None = None
    variation_seed: int | None = None
    variation_strength: float | None = None
    seed_resize: tuple[int, int] | None = None
    sigma_churn: float | None = None
    sigma_tmin: float | None = None
    sigma_tmax: float | None = None
    sigma_noise: float | None = None
    schedule_sigma_min: float | None = None
    schedule_sigma_max: float | None = None
    schedule_rho: float | None = None
    discard_penultimate_sigma: bool | None = None
    original_size: tuple[int, int] | None = None
    crops_coords_top_left: tuple[int, int] | None = None
    target_size: tuple[int, int] | None = None
    quirks: tuple[str, ...] = ()
    hires: Mapping[str, object] | None = None
    refiner: Mapping[str, object] | None = None
    img2img: Mapping[str, object] | None = None
    inpaint: Mapping[str, object] | None = None
    controlnets: tuple[Mapping[str, object], ...] = ()

    def to_record(self) -> JSON:
        """What is told, as plain JSON; what is not told is left out."""
        told = {each.name: _plain(getattr(self, each.name)) for each in fields(self)}
        return {name: value for name, value in told.items() if value is not None and value != []}


@dataclass(frozen=True, kw_only=True)
class Told:
    """What one file tells.

    Attributes:
        tool: who made it, such as "AUTOMATIC1111" or "ComfyUI".
        version: of the tool, as it says it.
        carrier: where in the file it stood.
        unknown: what was there and is not understood, under the tool's own names.
        limits: in whole sentences what cannot be made again from the file, and why.
        texts: everything that was read, under the place where it stood, as it stood there.
    """

    tool: str
    carrier: str
    settings: Settings
    version: str | None = None
    unknown: Mapping[str, object] = field(default_factory=dict[str, object])
    limits: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict[str, str])

    def to_record(self) -> JSON:
        """Plain JSON: `tool`, `version`, `carrier`, the settings, `unknown` and `limits`."""
        record: JSON = {"tool": self.tool, "version": self.version, "carrier": self.carrier}
        record |= self.settings.to_record()
        record |= {"unknown": dict(self.unknown), "limits": list(self.limits)}
        return {name: value for name, value in record.items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, Lora | Embedding):
        found = {each.name: getattr(value, each.name) for each in fields(value)}
        return {name: each for name, each in found.items() if each is not None}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    return dict(value) if isinstance(value, Mapping) else value  # pyright: ignore[reportUnknownArgumentType]
