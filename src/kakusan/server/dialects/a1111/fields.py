"""Every field of txt2img and img2img: its type, what it is where not given, and what it does here.

AUTOMATIC1111 makes its fields of a class's arguments, so that clients send all kinds of them, and
drops those that it does not know.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, NamedTuple


class Use(Enum):
    """What becomes of a field."""

    USED = auto()
    SILENT = auto()  # of files on the server, which keeps all by its own rules; of what is not on
    IGNORED = auto()  # named in the answer where it is set to something
    NEUTRAL = auto()  # nothing but its neutral values is taken
    HIRES = auto()  # used where `enable_hr` is set, else of no account
    IMG2IMG = auto()  # used by img2img, else of no account
    MASK = auto()  # used where there is a mask, else of no account


class Field(NamedTuple):
    """One field.

    Attributes:
        kind: the type that it is read as, see `values.READERS`.
        default: where it is absent or null.
        neutral: values beside the default that change nothing.
        why: what is said of others.
    """

    kind: str
    default: Any
    use: Use = Use.USED
    neutral: tuple[Any, ...] = ()
    why: str = ""


_NOT_THERE = "kakusan does not have it"
_NO_CHURN = "noise on the way is the sampler's own here"

FIELDS: Mapping[str, Field] = {
    "prompt": Field("str", ""),
    "negative_prompt": Field("str", ""),
    "styles": Field("list", []),
    "seed": Field("int", -1),
    "subseed": Field("int", -1),
    "subseed_strength": Field("float", 0.0),
    "seed_resize_from_h": Field("int", -1),
    "seed_resize_from_w": Field("int", -1),
    "sampler_name": Field("str", None),
    "sampler_index": Field("str", "Euler"),
    "scheduler": Field("str", None),
    "batch_size": Field("int", 1),
    "n_iter": Field("int", 1),
    "steps": Field("int", 50),
    "cfg_scale": Field("float", 7.0),
    "width": Field("int", None),
    "height": Field("int", None),
    "restore_faces": Field("bool", None, Use.NEUTRAL, (False,), _NOT_THERE),
    "tiling": Field("bool", None, Use.NEUTRAL, (False,), _NOT_THERE),
    "do_not_save_samples": Field("bool", False, Use.SILENT),
    "do_not_save_grid": Field("bool", False, Use.SILENT),
    "eta": Field("float", None),
    "denoising_strength": Field("float", 0.75),
    "s_min_uncond": Field("float", None, Use.NEUTRAL, (0.0,), "every step asks for both prompts"),
    "s_churn": Field("float", None, Use.NEUTRAL, (0.0,), _NO_CHURN),
    "s_tmax": Field("float", None, Use.IGNORED, (0.0, float("inf"))),
    "s_tmin": Field("float", None, Use.IGNORED, (0.0,)),
    "s_noise": Field("float", None, Use.NEUTRAL, (0.0, 1.0), _NO_CHURN),
    "override_settings": Field("dict", {}),
    "override_settings_restore_afterwards": Field("bool", True),
    "refiner_checkpoint": Field("str", None, Use.NEUTRAL, ("", "None"), _NOT_THERE),
    "refiner_switch_at": Field("float", None, Use.SILENT),
    "disable_extra_networks": Field("bool", False),
    "firstpass_image": Field("str", None, Use.NEUTRAL, ("",), _NOT_THERE),
    "comments": Field("dict", None, Use.IGNORED),
    "enable_hr": Field("bool", False),
    "firstphase_width": Field("int", 0, Use.HIRES),
    "firstphase_height": Field("int", 0, Use.HIRES),
    "hr_scale": Field("float", 2.0, Use.HIRES),
    "hr_upscaler": Field("str", None, Use.HIRES),
    "hr_second_pass_steps": Field("int", 0, Use.HIRES),
    "hr_resize_x": Field("int", 0, Use.HIRES),
    "hr_resize_y": Field("int", 0, Use.HIRES),
    "hr_checkpoint_name": Field("str", None, Use.HIRES),
    "hr_sampler_name": Field("str", None, Use.HIRES),
    "hr_scheduler": Field("str", None, Use.HIRES),
    "hr_prompt": Field("str", "", Use.HIRES),
    "hr_negative_prompt": Field("str", "", Use.HIRES),
    "distilled_cfg_scale": Field("float", None, Use.IGNORED, (3.5,)),
    "hr_cfg": Field("float", None, Use.IGNORED, (1.0,)),
    "hr_distilled_cfg": Field("float", None, Use.IGNORED, (3.5,)),
    "hr_additional_modules": Field("list", None, Use.IGNORED, (["Use same choices"],)),
    "force_task_id": Field("str", None),
    "infotext": Field("str", None),
    "script_name": Field("str", None),
    "script_args": Field("list", [], Use.SILENT),
    "send_images": Field("bool", True),
    "save_images": Field("bool", False, Use.SILENT),
    "alwayson_scripts": Field("dict", {}),
    # of img2img
    "init_images": Field("list", None, Use.IMG2IMG),
    "resize_mode": Field("int", 0, Use.IMG2IMG),
    "image_cfg_scale": Field("float", None, Use.IGNORED, (1.0, 1.5)),
    "include_init_images": Field("bool", False, Use.IMG2IMG),
    "initial_noise_multiplier": Field(
        "float", None, Use.NEUTRAL, (1.0,), "noise is as strong as the first step asks for"
    ),
    "latent_mask": Field("str", None, Use.NEUTRAL, ("",), "give mask"),
    "mask": Field("str", None, Use.IMG2IMG),
    "mask_blur": Field("int", None, Use.MASK),
    "mask_blur_x": Field("int", 4, Use.MASK),
    "mask_blur_y": Field("int", 4, Use.MASK),
    "mask_round": Field("bool", True, Use.MASK),
    "inpainting_fill": Field("int", 0, Use.MASK),
    "inpaint_full_res": Field("bool", True, Use.MASK),
    "inpaint_full_res_padding": Field("int", 0, Use.MASK),
    "inpainting_mask_invert": Field("int", 0, Use.MASK),
}
