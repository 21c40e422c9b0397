"""What a file is that is no model: a LoRA, an embedding, another architecture."""

import re
from collections.abc import Collection, Mapping

from kakusan.checkpoints.single_file.entries import Entry

_LORA = re.compile(
    r"(?:lora_(?:unet|te\d?|prior)_|lycoris_|bundle_emb\.).*"
    r"|.+[._](?:lora_(?:up|down|mid|A|B|linear_layer)|lora\.(?:up|down))\b.*"
    r"|.+\.(?:hada_w[12]_[ab]|lokr_w[12](?:_[ab])?|oft_blocks|dora_scale|lora_magnitude_vector)"
    r"|.+_lora\.(?:up|down)\.weight"
)
# What stands in a name -> what such a file is; the first that fits counts
_SIGNS: tuple[tuple[str, str], ...] = (
    (
        r"(?:.*\.)?(?:control_model\.|controlnet_cond_embedding\.|input_hint_block\.).+",
        "ControlNet",
    ),
    (r"(?:.*\.)?control_add_embedding\..+", "ControlNet"),
    (r"(?:ip_adapter\.|.*\.to_[kv]_ip\.).+", "IP-Adapter"),
    (r"(?:adapter\.)?body\.\d+\..*(?:block1|in_conv)\..+", "T2I-Adapter"),
    (r".*motion_modules\..+", "AnimateDiff motion module"),
    (
        r"(?:taesd_(?:en|de)coder\.|encoder\.layers\.\d+\.conv\.|decoder\.layers\.\d+\.conv\.).+",
        "TAESD",
    ),
    (r"(?:.*\.)?concept_embeds", "safety checker"),
    (r"(?:.*\.)?(?:distilled_guidance_layer\.).+", "Chroma model"),
    (r"(?:.*\.)?single_stream_modulation\..+", "FLUX.2 model"),
    (r"(?:.*\.)?double_blocks\.\d+\.img_attn\..+", "FLUX model"),
    (r"(?:.*\.)?single_transformer_blocks\.\d+\..+", "FLUX model"),
    (r"(?:.*\.)?(?:joint_blocks\.\d+\.(?:x|context)_block\.).+", "Stable Diffusion 3 model"),
    (r"(?:.*\.)?double_layers\.\d+\.attn\.w1q\..+", "AuraFlow model"),
    (r"(?:.*\.)?clip_txt_mapper\..+", "Stable Cascade model"),
    (r"(?:.*\.)?down_blocks\.\d+\.\d+\.channelwise\..+", "Stable Cascade model"),
    (r"(?:.*\.)?double_stream_blocks\.\d+\..+", "HiDream model"),
    (r"(?:.*\.)?individual_token_refiner\..+", "HunyuanVideo model"),
    (r"(?:.*\.)?cap_embedder\..+", "Lumina or Z-Image model"),
    (r"(?:.*\.)?patchify_proj\..+", "LTX-Video model"),
    (r"(?:.*\.)?head\.modulation", "Wan model"),
    (r"(?:.*\.)?(?:y_embedder|caption_projection)\..+", "PixArt or Sana model"),
    (r"(?:.*\.)?txt_norm\.weight", "Qwen-Image model"),
    (r"(?:.*\.)?(?:label_emb|class_embedding)\.weight", "upscaler of Stable Diffusion 2"),
    (r"cond_stage_model\.roberta\..+", "AltDiffusion model"),
    (r"(?:noise_augmentor\.|embedder\.model\.visual).+", "unCLIP model"),
    (r"(?:.*\.)?encoder\.block\.\d+\.layer\..+", "T5 text encoder"),
    (
        r"(?:model\.\d+\.(?:sub\.|weight|RDB)|conv_first\.|RRDB_trunk\.|params(?:_ema)?\.).*",
        "upscaler",
    ),
)
_COMPILED = [(re.compile(pattern), kind) for pattern, kind in _SIGNS]
_NUMBER = re.compile(r"(?<![A-Za-z_])\d+")
_NUMBERED = re.compile(r"(?:(?:en|de)coder\.)?\d+(?:\.conv\.\d+)?\.(?:weight|bias)")
_EMBEDDING = re.compile(
    r"emb_params|clip_[lg]|text_encoders_[01]|string_to_param(?:\..*)?|<.{1,200}>"
)


def other_kind(entries: Mapping[str, Entry]) -> str | None:
    """What else the tensors are, with its article; None where nothing says so."""
    # one name stands for all layers
    names = {_NUMBER.sub("0", name) for name in entries}
    adapted = sum(_LORA.fullmatch(name) is not None for name in names)
    if adapted and 2 * adapted >= len(names):
        return "a LoRA"
    found = _signed(names)
    if found is not None:
        return f"{'an' if found[0] in 'AIu' else 'a'} {found}"
    if names and all(_NUMBERED.fullmatch(name) for name in names):
        return "a TAESD"
    if _is_embedding(entries):
        return "an embedding (textual inversion)"
    if adapted:
        return "a LoRA"
    towers = ("vision_model.", "visual.", "visual_projection.")
    if names and all(name.startswith(towers) for name in names):
        return "a CLIP picture encoder"
    return None


def _signed(names: Collection[str]) -> str | None:
    for pattern, kind in _COMPILED:
        if any(pattern.fullmatch(name) for name in names):
            return kind
    return None


def _is_embedding(entries: Mapping[str, Entry]) -> bool:
    if not 1 <= len(entries) <= 4 or any(len(entry.shape) > 2 for entry in entries.values()):
        return False
    named = any(_EMBEDDING.fullmatch(name) for name in entries)
    widths = {entry.shape[-1] for entry in entries.values() if entry.shape}
    return named or (len(entries) == 1 and bool(widths & {768, 1024, 1280}))


# What is to be done with each kind of file
INSTEAD = {
    "an IP-Adapter": "it has a model draw like a picture and is none; load_ip_adapter "
    "loads it, and --image-prompt takes it beside a model",
    "an AnimateDiff motion module": "it makes films of a model and is none; kakusan draws pictures",
    "a T2I-Adapter": "it steers a model and is none; T2IAdapter.from_single_file loads it, and "
    "--control takes it beside a model",
    "a CLIP picture encoder": "it sees pictures and does not draw",
    "a safety checker": "it looks at pictures and does not draw",
    "a LoRA": "it changes a model and is none; --lora and load_lora_weights take it beside a model",
    "an embedding (textual inversion)": "it adds a word to a model and is none; "
    "load_textual_inversion loads it, and --embedding takes it beside a model",
    "a ControlNet": "it steers a model and is none; ControlNetModel.from_single_file loads it, and "
    "--control takes it beside a model",
    "a TAESD": "AutoencoderTiny.from_single_file loads it, and --vae takes it beside a model",
    "a T5 text encoder": "Stable Diffusion 1, 2 and XL have CLIP's",
    "an upscaler": "it enlarges pictures and does not draw",
    "an AltDiffusion model": "kakusan has CLIP's text encoders alone",
}
