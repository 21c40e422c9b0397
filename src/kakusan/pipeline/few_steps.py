"""What distilled models are drawn with, as their authors say: few steps, little or no guidance.

A UNet that takes guidance says so itself, and a folder by its scheduler. Of the rest the name alone
tells, such as `sdxl_lightning_4step_unet.safetensors`: a file holds nothing but weights.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kakusan.errors import shown
from kakusan.models import UNetConfig
from kakusan.request import Request
from kakusan.schedulers import Scheduler, named_scheduler

TRAILING = {"timestep_spacing": "trailing"}
EULER = frozenset({"EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"})
CONSISTENCY = frozenset({"LCMScheduler", "TCDScheduler"})
# Latents of 512 pixels
SMALL = (64, 64)
# Of SD-Turbo's text encoder
V2_WIDTH = 1024


@dataclass(frozen=True)
class Usual:
    """What a model is drawn with where a request does not say.

    Attributes:
        why: what it was told by, for people.
        scheduler: a published config, in place of the one that the model came with.
        timesteps: in place of a number of steps.
        size: height and width in pixels, in place of the model's own.
    """

    why: str
    steps: int
    guidance: float
    scheduler: Mapping[str, Any] | None = None
    timesteps: tuple[int, ...] | None = None
    size: int | None = None

    def open_settings(self, request: Request, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """What else a request leaves open, beside steps and guidance.

        Args:
            defaults: what the model's folder says is good for it.
        """
        found: dict[str, Any] = {}
        given = (
            request.num_inference_steps,
            request.scheduler,
            defaults.get("num_inference_steps"),
        )
        if self.timesteps is not None and all(each is None for each in given):
            found |= {"timesteps": self.timesteps, "num_inference_steps": len(self.timesteps)}
        return found

    def open_size(self, request: Request) -> int | None:
        """Height and width where a request says neither; None where the model's own are good."""
        return self.size if request.height is None and request.width is None else None

    def taken(self, asked: Request, whole: Request) -> str | None:
        """One line that says what a request left open, as it was completed; None for nothing."""
        words: list[str] = []
        if asked.num_inference_steps is None:
            steps = whole.num_inference_steps
            words.append("1 step" if steps == 1 else f"{steps} steps")
        if asked.guidance_scale is None:
            words.append(f"guidance {whole.guidance_scale:g}")
        if asked.scheduler is None and self.scheduler is not None:
            words.append(str(self.scheduler["_class_name"]))
        if self.open_size(asked) is not None:
            words.append(f"{self.size} x {self.size} pixels")
        return f"{self.why}: drawing with {', '.join(words)}" if words else None


@dataclass(frozen=True)
class Kind:
    """A kind of distilled models, told by what their names have.

    Attributes:
        named: searched for in a name.
        steps: where the name has no number of them.
        scheduler: a name; of a class where the noise levels are the settings' own.
        settings: of the scheduler.
    """

    what: str
    named: str
    steps: int
    guidance: float
    scheduler: str
    settings: Mapping[str, str]


# Not "euler" and "euler-a", which say how noise levels are spaced
_EULER, _ANCESTRAL = "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"
# The first that fits
KINDS = (
    Kind("Lightning", r"lightning", 4, 0.0, _EULER, TRAILING),
    Kind("Hyper-SD", r"hyper[-_ ]?sd|hyper.*\d[-_ ]?steps?", 8, 0.0, "ddim", TRAILING),
    Kind("TCD", r"(?<![a-z])tcd(?![a-z])", 4, 0.0, "tcd", {}),
    Kind("LCM", r"(?<![a-z])lcm(?![a-z])", 4, 1.0, "lcm", {}),
    Kind("Turbo", r"turbo", 4, 0.0, _ANCESTRAL, TRAILING),
)
_STEPS = re.compile(r"(?<!\d)(\d{1,2})[-_ ]?steps?", re.IGNORECASE)
# One step of it is not the first of a schedule
HYPER_ONE_STEP = (800,)
HYPER_GUIDANCE = 5.0
# Its authors' own, and not what others made of it
_SMALL_TURBO = re.compile(r"sd[-_ ]?xl[-_ ]?turbo", re.IGNORECASE)


def usual(
    unet: UNetConfig, scheduler: Scheduler, *, name: str | None, scheduler_fits: bool | None
) -> Usual | None:
    """What a distilled model is drawn with; None for another model.

    Args:
        scheduler: the pipeline's.
        name: where the UNet came from, if that is known: a file, a folder or a Hub id.
        scheduler_fits: whether the scheduler came with the UNet, so that it tells something and
            stays; None where the user chose it, so that it only stays.
    """
    if unet.guidance_dim:
        found = Usual("its UNet takes guidance (LCM)", 4, 8.5)
        if scheduler_fits is False and type(scheduler).__name__ not in CONSISTENCY:
            found = replace(
                found, scheduler=named_scheduler("lcm", scheduler).config.to_published()
            )
        return found
    found = None if name is None else _by_name(name, unet, scheduler)
    if found is not None:
        return found if scheduler_fits is False else replace(found, scheduler=None, timesteps=None)
    return _by_scheduler(unet, scheduler) if scheduler_fits else None


def usual_of_adapters(
    names: Iterable[Sequence[str]], unet: UNetConfig, scheduler: Scheduler, *, chosen: bool
) -> Usual | None:
    """What a model is drawn with that has adapters on, if one of them distils it.

    Args:
        names: what each is called; the first that says its kind counts.
        chosen: whether the user chose the scheduler, so that it stays.
    """
    if unet.guidance_dim:
        return None
    for name in (each for several in names for each in several):
        found = _by_name(name, unet, scheduler)
        if found is not None:
            found = replace(found, why=f"the adapter {shown(name)} is for few steps", size=None)
            return replace(found, scheduler=None, timesteps=None) if chosen else found
    return None


def _by_name(name: str, unet: UNetConfig, scheduler: Scheduler) -> Usual | None:
    plain = _plain(name)
    kind = next((each for each in KINDS if re.search(each.named, plain, re.IGNORECASE)), None)
    if kind is None:
        return None
    said = _STEPS.search(plain)
    steps = kind.steps if said is None else max(int(said[1]), 1)
    base, settings = kind.scheduler, dict(kind.settings)
    found = Usual(f"{kind.what} by its name", steps, kind.guidance)
    if kind.what == "Turbo" and not unet.added_time_dim:
        base = _EULER
    if kind.what == "Turbo" and _SMALL_TURBO.search(plain):
        found = replace(found, size=512)
    if kind.what == "Lightning" and steps == 1 and "x0" in plain.casefold():
        settings["prediction_type"] = "sample"
    if kind.what == "Hyper-SD" and "cfg" in plain.casefold():
        found = replace(found, guidance=HYPER_GUIDANCE)
    if kind.what == "Hyper-SD" and steps == 1:
        base, settings = "lcm", {}
        found = replace(found, timesteps=HYPER_ONE_STEP)
    made = named_scheduler(base, scheduler)
    config = made.from_config(made.config, **settings).config.to_published()
    return replace(found, scheduler=config)


def _plain(name: str) -> str:
    """The last part of a name: of a path the file or folder, of a Hub id what follows the owner."""
    path = Path(name.replace("\\", "/"))
    return (
        path.stem if path.suffix in (".safetensors", ".ckpt", ".pt", ".pth", ".gguf") else path.name
    )


def _by_scheduler(unet: UNetConfig, scheduler: Scheduler) -> Usual | None:
    kind, config = type(scheduler).__name__, scheduler.config
    if kind in CONSISTENCY:
        return Usual(f"its scheduler is {kind}", 4, 1.0 if kind == "LCMScheduler" else 0.0)
    turbo = (
        kind in EULER
        and config.get("timestep_spacing") == "trailing"
        and config.get("prediction_type") == "epsilon"
        and not config.get("rescale_betas_zero_snr")
        and unet.latent_size == SMALL
        and (unet.added_time_dim > 0 or unet.cross_attention_dim == V2_WIDTH)
    )
    return Usual("Turbo by its scheduler and size", 4, 0.0) if turbo else None


def own_steps(defaults: Mapping[str, Any], otherwise: int, *, begun: bool) -> int:
    """The steps of a model's checked defaults.

    Args:
        otherwise: where they say none.
        begun: whether a drawing begins at a picture.
    """
    names = ("img2img_steps", "num_inference_steps")[0 if begun else 1 :]
    found = (defaults[name] for name in names if name in defaults)
    return next(found, otherwise)
