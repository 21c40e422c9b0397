"""A file's tensors by the part that they belong to; neighbours that are no part's go by."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kakusan.checkpoints.names import text, unet, vae

# Of a whole model: prefix -> where in the model it belongs
PREFIXES = {
    "model.diffusion_model.": "unet",
    "diffusion_model.": "unet",
    "unet.": "unet",
    "first_stage_model.": "vae",
    "vae.": "vae",
    "cond_stage_model.transformer.": "text",
    "cond_stage_model.model.": "text",
    "cond_stage_model.1.transformer.": "text_2",
    "conditioner.embedders.0.transformer.": "text",
    "conditioner.embedders.0.model.": "text",
    "conditioner.embedders.1.transformer.": "text_2",
    "conditioner.embedders.1.model.": "text_2",
    "text_encoder.": "text",
    "text_encoder_2.": "text_2",
}
# Neighbours of training and of other programs
_SCHEDULE = frozenset(
    {
        *("alphas_cumprod", "alphas_cumprod_prev", "betas", "sqrt_alphas_cumprod", "logvar"),
        *("sqrt_one_minus_alphas_cumprod", "log_one_minus_alphas_cumprod", "scale_factor"),
        *("sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod", "posterior_variance"),
        *("posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2"),
    }
)
_NEIGHBOUR = re.compile(
    r"(model_ema|denoiser|loss|discriminator|optimizer\w*|lr_schedulers?|callbacks)\..+"
    r"|(?:.+\.)?(position_ids|token_type_ids|logit_scale|scaled_fp8|num_batches_tracked)"
    r"|(?:.+\.)?(inv_freq|attn_mask|v_pred|ztsnr|edm_mean|edm_std|edm_vpred\.sigma_(?:max|min))"
    r"|(?:.+\.)?(visual|vision_model|visual_projection)\..+"
)
_OF_TRAINING = ("model_ema.", "loss.", "discriminator.", "optimizer", "lr_scheduler", "callbacks.")
_DIFFUSERS_UNET = frozenset({"down_blocks", "mid_block", "up_blocks"})


@dataclass(frozen=True)
class Group:
    """The tensors under one prefix.

    Attributes:
        slot: where in a model they belong: unet, vae, text or text_2.
        prefix: empty where the file holds this part alone.
        form: how they are named: ldm, diffusers, openclip or hf.
        names: their names after the prefix, and in the file.
    """

    slot: str
    prefix: str
    form: str
    names: Mapping[str, str]


@dataclass(frozen=True)
class Split:
    """A file's names, taken apart.

    Attributes:
        neighbours: names that are no part's weights.
        rest: names that nobody knows.
    """

    groups: tuple[Group, ...]
    neighbours: frozenset[str] = field(default_factory=frozenset[str])
    rest: frozenset[str] = field(default_factory=frozenset[str])

    def of(self, slot: str) -> tuple[Group, ...]:
        """The groups that belong in one place."""
        return tuple(group for group in self.groups if group.slot == slot)


def is_neighbour(name: str) -> bool:
    """Whether a tensor is no part's weight: training state, schedules, numbers of positions.

    A part may bring those of its own training: `first_stage_model.loss.logvar`.
    """
    inner = name.removeprefix(_prefix(name) or "")
    return any(each in _SCHEDULE or _NEIGHBOUR.fullmatch(each) for each in (name, inner))


def is_of_training(name: str) -> bool:
    """Whether a tensor is what a training keeps for itself, of the whole or of a part."""
    return name.removeprefix(_prefix(name) or "").startswith(_OF_TRAINING)


def _prefix(name: str) -> str | None:
    return next((each for each in PREFIXES if name.startswith(each)), None)


def split(names: Iterable[str]) -> Split:
    """Take a file's names apart by their prefixes, or by their form where they have none."""
    by_prefix: dict[str, dict[str, str]] = {}
    neighbours: set[str] = set()
    bare: dict[str, str] = {}
    for name in names:
        prefix = _prefix(name)
        if is_neighbour(name):
            neighbours.add(name)
        elif prefix is None:
            bare[name] = name
        else:
            by_prefix.setdefault(prefix, {})[name.removeprefix(prefix)] = name
    groups = [
        Group(PREFIXES[prefix], prefix, form_of(PREFIXES[prefix], inner), inner)
        for prefix, inner in by_prefix.items()
    ]
    alone = _alone(bare)
    groups += alone
    taken = {name for group in alone for name in group.names}
    return Split(tuple(groups), frozenset(neighbours), frozenset(bare.keys() - taken))


def form_of(slot: str, inner: Iterable[str]) -> str:
    """How the names of a part are made."""
    roots = {name.partition(".")[0] for name in inner}
    if slot == "unet":
        return "diffusers" if roots & _DIFFUSERS_UNET else "ldm"
    if slot == "vae":
        blocks = (".down_blocks.", ".up_blocks.", ".mid_block.")
        return "diffusers" if any(mark in name for name in inner for mark in blocks) else "ldm"
    openclip = {"transformer", "positional_embedding", "token_embedding", "ln_final"}
    return "openclip" if roots & openclip else "hf"


def _alone(bare: Mapping[str, str]) -> list[Group]:
    """The part that a file without prefixes holds."""
    roots = {name.partition(".")[0] for name in bare}
    if roots >= {"input_blocks", "output_blocks"}:
        slot, mine = "unet", unet.ROOTS | {"label_emb"}
    elif "time_embedding" in roots and roots & _DIFFUSERS_UNET:
        slot, mine = "unet", unet.DIFFUSERS_ROOTS
    elif any(name.startswith(("encoder.conv_in.", "decoder.conv_in.")) for name in bare):
        slot, mine = "vae", vae.ROOTS
    elif any(name.startswith("transformer.resblocks.") for name in bare):
        slot = "text"
        mine = {"transformer", "positional_embedding", "token_embedding", "ln_final"}
        mine |= {"text_projection"}
    elif any(text.bare(name).startswith("encoder.layers.") for name in bare):
        slot = "text"
        mine = {"text_model", "embeddings", "encoder", "final_layer_norm", "text_projection"}
    else:
        return []
    inner = {name: name for name in bare if name.partition(".")[0] in mine}
    return [Group(slot, "", form_of(slot, inner), inner)]
