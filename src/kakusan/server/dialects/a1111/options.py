"""AUTOMATIC1111's settings: what is served of them, and what they do to a request."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kakusan.errors import shown
from kakusan.request.syntaxes import EMPHASES
from kakusan.server.dialects.a1111.errors import refused
from kakusan.server.dialects.a1111.values import READERS

RNG = {"CPU": "webui-cpu", "GPU": "webui-gpu", "NV": "webui-nv"}
CHECKPOINT, VAE = "sd_model_checkpoint", "sd_vae"
NO_VAE = ("", "Automatic", "None")
FORMATS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}
_MOST_SKIPPED = 64


class Option(NamedTuple):
    """One setting.

    Attributes:
        kind: the type that it is read as.
        allowed: its values; None for all of the type, and where it has one, nothing else is there.
    """

    kind: str
    default: Any
    allowed: tuple[Any, ...] | None = None


# What changes pictures, or what clients read
OPTIONS: Mapping[str, Option] = {
    CHECKPOINT: Option("str", ""),
    "sd_checkpoint_hash": Option("str", ""),
    VAE: Option("str", "Automatic"),
    "CLIP_stop_at_last_layers": Option("int", 1),
    "samples_format": Option("str", "png", tuple(FORMATS)),
    "jpeg_quality": Option("int", 80),
    "eta_noise_seed_delta": Option("int", 0),
    "randn_source": Option("str", "CPU", tuple(RNG)),
    "emphasis": Option("str", "Original", EMPHASES),
    "pad_cond_uncond": Option("bool", False),
    "pad_cond_uncond_v0": Option("bool", False),
    "use_old_scheduling": Option("bool", False),
    "show_progress_every_n_steps": Option("int", 10),
    "live_previews_enable": Option("bool", True),
    "enable_pnginfo": Option("bool", True, (True,)),
    "return_grid": Option("bool", False, (False,)),
    "grid_only_if_multiple": Option("bool", True),
    "inpainting_mask_weight": Option("float", 1.0, (1.0,)),
    "sd_lora": Option("str", "None", ("None", "")),
    "api_enable_requests": Option("bool", False, (False,)),
    # what there is one value of
    "sd_hypernetwork": Option("str", "None", ("None", "")),
    "initial_noise_multiplier": Option("float", 1.0, (1.0,)),
    "img2img_color_correction": Option("bool", False, (False,)),
    "eta_ancestral": Option("float", 1.0, (1.0,)),
    "eta_ddim": Option("float", 0.0, (0.0,)),
    "s_churn": Option("float", 0.0, (0.0,)),
    "s_noise": Option("float", 1.0, (0.0, 1.0)),
    "s_min_uncond": Option("float", 0.0, (0.0,)),
    "token_merging_ratio": Option("float", 0.0, (0.0,)),
    "token_merging_ratio_img2img": Option("float", 0.0, (0.0,)),
    "token_merging_ratio_hr": Option("float", 0.0, (0.0,)),
    "tiling": Option("bool", False, (False,)),
    "face_restoration": Option("bool", False, (False,)),
    "forge_additional_modules": Option("list", [], ([],)),
}
READ_ONLY = ("sd_checkpoint_hash",)


class Changed(NamedTuple):
    """Settings that are others than before, and the names of those that nothing knows."""

    values: Mapping[str, Any]
    unknown: tuple[str, ...]


def changed(sent: Mapping[str, Any], before: Mapping[str, Any]) -> Changed:
    """What of settings is to be set; those that are as before count for nothing, whatever they are.

    Raises:
        ApiError: One has another type, or a value that is not there.
    """
    known: dict[str, Any] = {}
    for name, value in sent.items():
        option = OPTIONS.get(name)
        if option is None or value is None or name in READ_ONLY:
            continue
        if value != before.get(name):
            known[name] = _value(name, option, value)
    return Changed(known, tuple(name for name in sent if name not in OPTIONS))


def _value(name: str, option: Option, sent: object) -> Any:
    try:
        value = READERS[option.kind](sent)
    except (TypeError, ValueError, OverflowError):
        raise refused(f"{name} cannot be {shown(sent)}") from None
    if option.allowed is not None and value not in option.allowed:
        words = ", ".join(shown(each) for each in option.allowed)
        raise refused(f"{name} may be {words} here, not {shown(value)}")
    if name == "CLIP_stop_at_last_layers" and not 0 <= value <= _MOST_SKIPPED:
        raise refused(f"{name} must be from 1 to {_MOST_SKIPPED}, not {value}")
    if name == "jpeg_quality" and not 1 <= value <= 100:
        raise refused(f"{name} must be from 1 to 100, not {value}")
    return value


def served(chosen: Mapping[str, Any], *, title: str, digest: str) -> dict[str, Any]:
    """All settings as they are for a caller.

    Args:
        chosen: what the caller has set.
        title: of the checkpoint.
        digest: its hash, or "".
    """
    plain = {name: option.default for name, option in OPTIONS.items()}
    return {**plain, **chosen, CHECKPOINT: title, "sd_checkpoint_hash": digest}


def settings_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """What settings say of a request, under its names; models are looked up elsewhere."""
    skipped = options["CLIP_stop_at_last_layers"] - 1
    emphasis = options["emphasis"]
    padded = options["pad_cond_uncond"] or None
    found = {
        "clip_skip": skipped if skipped > 0 else None,
        "ensd": options["eta_noise_seed_delta"] or None,
        "rng": RNG[options["randn_source"]],
        "prompt_syntax": "webui",
        "emphasis": None if emphasis == "Original" else emphasis,
        "pad_conds": "v0" if options["pad_cond_uncond_v0"] else padded,
        "old_timelines": options["use_old_scheduling"] or None,
    }
    return {name: value for name, value in found.items() if value is not None}
