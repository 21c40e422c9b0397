"""The nodes of ComfyUI that are served: what each takes, and what it gives."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kakusan.request import MAX_PICTURES, MAX_SIZE, MAX_STEPS, SEEDS

# Lists that depend on what is here
CHECKPOINTS, LORAS, VAES, IMAGES = "checkpoints", "loras", "vae", "images"
SAMPLERS, SCHEDULERS = "samplers", "schedulers"
# Of parts of models, of which none is offered; clients look for their nodes, and fail without
PARTS = "parts"
LISTS = (CHECKPOINTS, LORAS, VAES, IMAGES, SAMPLERS, SCHEDULERS, PARTS)

Value = str | int | float | bool


class Input(NamedTuple):
    """One input of a node.

    Attributes:
        kind: "INT", "FLOAT" or "STRING"; one of `LISTS`; or what a link has to bring.
        words: the values that it may have, where those are few words.
        more: further words of ComfyUI's about it.
        ignored: why a value of it changes nothing here; None where it counts.
    """

    kind: str
    default: Value | None = None
    low: float | None = None
    high: float | None = None
    step: float | None = None
    words: Sequence[str] = ()
    required: bool = True
    more: Mapping[str, Value] = {}
    ignored: str | None = None

    @property
    def is_choice(self) -> bool:
        """Whether it is one of a list."""
        return self.kind in LISTS or bool(self.words)

    @property
    def is_value(self) -> bool:
        """Whether it may stand in the graph itself, and need not be a link."""
        return self.is_choice or self.kind in ("INT", "FLOAT", "STRING")


class Kind(NamedTuple):
    """One class of nodes.

    Attributes:
        outputs: what each output brings.
        names: of the outputs, where they are others.
        is_end: whether pictures come out there.
    """

    title: str
    category: str
    inputs: Mapping[str, Input]
    outputs: Sequence[str] = ()
    names: Sequence[str] = ()
    description: str = ""
    is_end: bool = False


def _whole(default: int, low: int, high: int, step: int | None = None) -> Input:
    return Input("INT", default, low, high, step)


def _words(*words: str) -> Input:
    return Input("COMBO", words[0], words=words)


_MODEL, _CLIP, _VAE, _LATENT = Input("MODEL"), Input("CLIP"), Input("VAE"), Input("LATENT")
_IMAGE, _MASK, _COND = Input("IMAGE"), Input("MASK"), Input("CONDITIONING")
_SEED = Input("INT", 0, 0, SEEDS - 1, more={"control_after_generate": True})
# Below 1, kakusan has no guidance, and ComfyUI leads away from the prompt
_CFG = Input("FLOAT", 8.0, 1.0, 100.0, 0.1, more={"round": 0.01})
_STRENGTH = Input("FLOAT", 1.0, -100.0, 100.0, 0.01)
_SAMPLED = {
    "steps": _whole(20, 1, MAX_STEPS),
    "cfg": _CFG,
    "sampler_name": Input(SAMPLERS),
    "scheduler": Input(SCHEDULERS),
    "positive": _COND,
    "negative": _COND,
    "latent_image": _LATENT,
}
_SIZE = _whole(512, 16, MAX_SIZE, 8)
_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
_UPLOADED = Input(IMAGES, more={"image_upload": True})
_WHOLE = "pictures are taken whole as long as there is memory for it"


def _tiled(default: int, low: int, high: int, step: int, *, required: bool = False) -> Input:
    return Input("INT", default, low, high, step, required=required, ignored=_WHOLE)


_TILES = {
    "tile_size": _tiled(512, 64, 4096, 64, required=True),
    "overlap": _tiled(64, 0, 4096, 32),
    "temporal_size": _tiled(64, 8, 4096, 4),
    "temporal_overlap": _tiled(8, 4, 4096, 4),
}

KINDS: Mapping[str, Kind] = {
    "CheckpointLoaderSimple": Kind(
        "Load Checkpoint", "loaders", {"ckpt_name": Input(CHECKPOINTS)}, ("MODEL", "CLIP", "VAE")
    ),
    "UNETLoader": Kind(
        "Load Diffusion Model", "advanced/loaders", {"unet_name": Input(PARTS)}, ("MODEL",)
    ),
    "CLIPLoader": Kind("Load CLIP", "advanced/loaders", {"clip_name": Input(PARTS)}, ("CLIP",)),
    "VAELoader": Kind("Load VAE", "loaders", {"vae_name": Input(VAES)}, ("VAE",)),
    "LoraLoader": Kind(
        "Load LoRA",
        "loaders",
        {
            "model": _MODEL,
            "clip": _CLIP,
            "lora_name": Input(LORAS),
            "strength_model": _STRENGTH,
            "strength_clip": _STRENGTH,
        },
        ("MODEL", "CLIP"),
    ),
    "LoraLoaderModelOnly": Kind(
        "LoraLoaderModelOnly",
        "loaders",
        {"model": _MODEL, "lora_name": Input(LORAS), "strength_model": _STRENGTH},
        ("MODEL",),
    ),
    "CLIPTextEncode": Kind(
        "CLIP Text Encode (Prompt)",
        "conditioning",
        {
            "text": Input("STRING", more={"multiline": True, "dynamicPrompts": True}),
            "clip": _CLIP,
        },
        ("CONDITIONING",),
    ),
    "CLIPSetLastLayer": Kind(
        "CLIP Set Last Layer",
        "conditioning",
        {"clip": _CLIP, "stop_at_clip_layer": _whole(-1, -24, -1, 1)},
        ("CLIP",),
    ),
    "EmptyLatentImage": Kind(
        "Empty Latent Image",
        "latent",
        {"width": _SIZE, "height": _SIZE, "batch_size": _whole(1, 1, MAX_PICTURES)},
        ("LATENT",),
    ),
    "KSampler": Kind(
        "KSampler",
        "sampling",
        {
            "model": _MODEL,
            "seed": _SEED,
            **_SAMPLED,
            "denoise": Input("FLOAT", 1.0, 0.0, 1.0, 0.01),
        },
        ("LATENT",),
        description="Draws latents with the model, by the positive and the negative conditioning.",
    ),
    "KSamplerAdvanced": Kind(
        "KSampler (Advanced)",
        "sampling",
        {
            "model": _MODEL,
            "add_noise": _words("enable", "disable"),
            "noise_seed": _SEED,
            **_SAMPLED,
            "start_at_step": _whole(0, 0, 10_000),
            "end_at_step": _whole(10_000, 0, 10_000),
            "return_with_leftover_noise": _words("disable", "enable"),
        },
        ("LATENT",),
    ),
    "RepeatLatentBatch": Kind(
        "Repeat Latent Batch",
        "latent/batch",
        {"samples": _LATENT, "amount": _whole(1, 1, 64)},
        ("LATENT",),
    ),
    "SetLatentNoiseMask": Kind(
        "Set Latent Noise Mask", "latent/inpaint", {"samples": _LATENT, "mask": _MASK}, ("LATENT",)
    ),
    "VAEEncode": Kind("VAE Encode", "latent", {"pixels": _IMAGE, "vae": _VAE}, ("LATENT",)),
    "VAEEncodeTiled": Kind(
        "VAE Encode (Tiled)", "latent", {"pixels": _IMAGE, "vae": _VAE, **_TILES}, ("LATENT",)
    ),
    "VAEEncodeForInpaint": Kind(
        "VAE Encode (for Inpainting)",
        "latent/inpaint",
        {"pixels": _IMAGE, "vae": _VAE, "mask": _MASK, "grow_mask_by": _whole(6, 0, 64, 1)},
        ("LATENT",),
    ),
    "VAEDecode": Kind("VAE Decode", "latent", {"samples": _LATENT, "vae": _VAE}, ("IMAGE",)),
    "VAEDecodeTiled": Kind(
        "VAE Decode (Tiled)", "latent", {"samples": _LATENT, "vae": _VAE, **_TILES}, ("IMAGE",)
    ),
    "LoadImage": Kind("Load Image", "image", {"image": _UPLOADED}, ("IMAGE", "MASK")),
    "LoadImageMask": Kind(
        "Load Image (as Mask)",
        "mask",
        {"image": _UPLOADED, "channel": _words("alpha", "red", "green", "blue")},
        ("MASK",),
    ),
    "ImageScale": Kind(
        "Upscale Image",
        "image/upscaling",
        {
            "image": _IMAGE,
            "upscale_method": _words(*_METHODS),
            "width": _whole(512, 0, MAX_SIZE, 1),
            "height": _whole(512, 0, MAX_SIZE, 1),
            "crop": _words("disabled", "center"),
        },
        ("IMAGE",),
    ),
    "ImageScaleBy": Kind(
        "Upscale Image By",
        "image/upscaling",
        {
            "image": _IMAGE,
            "upscale_method": _words(*_METHODS),
            "scale_by": Input("FLOAT", 1.0, 0.01, 8.0, 0.01),
        },
        ("IMAGE",),
    ),
    "SaveImage": Kind(
        "Save Image",
        "image",
        {"images": _IMAGE, "filename_prefix": Input("STRING", "ComfyUI")},
        description="Keeps the pictures; the prefix is how their names begin.",
        is_end=True,
    ),
    "PreviewImage": Kind("Preview Image", "image", {"images": _IMAGE}, is_end=True),
    **{
        name: Kind(title, "utils/primitive", {"value": value}, (value.kind,))
        for name, title, value in (
            ("PrimitiveInt", "Int", Input("INT", 0, -(2**63), 2**64 - 1)),
            ("PrimitiveFloat", "Float", Input("FLOAT", 0.0, -1e12, 1e12, 0.1)),
            ("PrimitiveString", "String", Input("STRING", "")),
            (
                "PrimitiveStringMultiline",
                "String (Multiline)",
                Input("STRING", "", more={"multiline": True}),
            ),
        )
    },
}
