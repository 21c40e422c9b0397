"""The tensors that callbacks are shown: their names, and the halves that guidance asks with."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.models import UNet2DConditionModel, guidance_embedding
from kakusan.sampling import Halves, Prompt, Step

# Of each, the field of a conditioning; the second is of the negative prompt, the first of both
BOTH = {
    "prompt_embeds": ("negative_prompt_embeds", "tokens"),
    "add_text_embeds": ("negative_pooled_prompt_embeds", "pooled"),
    "add_time_ids": ("negative_add_time_ids", "sizes"),
}
# What pictures are steered by, as `Watched` calls it
STEERED_BY = ("control_image", "mask", "masked_image_latents")
# Other names that some of the reference's calls have for the same
_SAME = {"image": "control_image", "add_neg_time_ids": "negative_add_time_ids"}

TENSORS = ("latents", "prompt_embeds", "negative_prompt_embeds")
XL_TENSORS = ("latents", *(name for both, (one, _) in BOTH.items() for name in (both, one)))
# Those of calls that begin at pictures
XL_BEGUN_TENSORS = (*XL_TENSORS[:-1], "add_neg_time_ids")
MASKS = ("mask", "masked_image_latents")
# What calls of models that were distilled under guidance show besides
DISTILLED = ("denoised", "w_embedding")


def own_name(name: str) -> str:
    """What is called so by a call, as it is called here."""
    return _SAME.get(name, name)


def together(half: Halves, step: Step) -> Tensor:
    """What a way is steered by, a row for each picture; under guidance the negative half first."""
    of_all = (len(step.latents), -1, -1, -1)
    text = half.text.expand(of_all)
    if half.negative is None or step.prompt.negative is None:
        return text
    return torch.cat([half.negative.expand(of_all), text])


def parted(name: str, value: Tensor, before: Halves, step: Step) -> Halves:
    """What was changed, in halves; one half may stand for both, and a row for all."""
    count = len(step.latents)
    if len(value) == 2 * count:
        negative, text = value.chunk(2)
    elif len(value) in (1, count):
        negative, text = value, value
    else:
        raise RequestError(
            f"{name} of callback_on_step_end has {len(value)} rows; for {count} picture(s) there "
            f"are {2 * count} with the negative half first, or {count}"
        )
    return Halves(text, None if before.negative is None else negative)


def of_guidance(unet: UNet2DConditionModel, step: Step) -> Tensor:
    """What a UNet that was distilled under guidance is told of it, (b, dim)."""
    dim = unet.config.guidance_dim
    if not dim:
        raise RequestError(
            "w_embedding of callback_on_step_end_tensor_inputs is what UNets read that were "
            "distilled under guidance, and this one was not; leave it out"
        )
    scales = torch.full((len(step.latents),), step.guidance.scale - 1.0)
    return guidance_embedding(scales, dim).to(step.latents)


def check_distilled(changed: Mapping[str, Tensor], step: Step) -> None:
    """Raise RequestError where what was changed would have no effect."""
    if "w_embedding" in changed:
        raise RequestError(
            "w_embedding of callback_on_step_end follows from the guidance; leave it as it is, and "
            "set pipe._guidance_scale"
        )
    if "denoised" in changed and not step.is_last:
        raise RequestError(
            "denoised of callback_on_step_end is the picture at the last step, and is computed "
            "anew at each; change latents before the last one"
        )


def of_prompt(name: str, prompt: Prompt) -> Tensor:
    """Of a prompt what is called so; under guidance both halves, the negative one first."""
    own = own_name(name)
    both = next(both for both, (one, _) in BOTH.items() if own in (both, one))
    field = BOTH[both][1]
    text: Tensor = getattr(prompt.text, field)
    of_negative = text[:0] if prompt.negative is None else getattr(prompt.negative, field)
    if name == both and of_negative.shape[1:] != text.shape[1:]:
        raise RequestError(
            f"{name} of the prompt have {text.shape[1]} tokens and those of the negative "
            f"prompt {of_negative.shape[1]}, which make no one tensor for "
            "callback_on_step_end; give texts of one length, in chunks of 75 tokens, or "
            "pad_conds=True under webui"
        )
    return torch.cat([of_negative, text]) if name == both else of_negative


def changed_prompt(prompt: Prompt, changed: Mapping[str, Tensor]) -> Prompt:
    """The prompt with those of its tensors that were changed."""
    text, negative = prompt.text, prompt.negative
    halves: dict[str, Tensor | None] = {}
    for both, (_, field) in BOTH.items():
        if both in changed:
            halves[field], own = _halves(both, changed[both], len(text))
            text = replace(text, **{field: own})
    if halves and all(half is None for half in halves.values()):
        negative = None
    elif halves:
        if any(half is None for half in halves.values()):
            raise RequestError(
                f"of {' and '.join(name for name in BOTH if name in changed)}, either all have "
                "the negative half or none"
            )
        negative = replace(negative or text, **halves)
    for one, field in BOTH.values():
        if one in changed and negative is not None:
            negative = replace(negative, **{field: changed[one]})
    if (text, negative) == (prompt.text, prompt.negative):
        return prompt
    return prompt._replace(text=text, negative=negative)


def _halves(name: str, both: Tensor, pictures: int) -> tuple[Tensor | None, Tensor]:
    """The negative half, if there is one, and the text's: a row for each picture."""
    if len(both) == pictures:
        return None, both
    if len(both) != 2 * pictures:
        raise RequestError(
            f"{name} of callback_on_step_end have {len(both)} rows; for {pictures} "
            f"picture(s) there are {2 * pictures} with the negative half first, or {pictures} "
            "where pipe._guidance_scale is at most 1"
        )
    return both[:pictures], both[pictures:]
