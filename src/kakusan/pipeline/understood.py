"""What of a request's prompts its model does not understand."""

import logging

from kakusan.checkpoints.source import BUILTIN
from kakusan.pipeline.prompts import ReadsPrompts
from kakusan.request import Request
from kakusan.sampling import Guidance
from kakusan.text import Understanding, not_said

logger = logging.getLogger(__name__)


def understood(prompts: ReadsPrompts) -> list[Understanding]:
    """What of each prompt is not understood, and of its negative one where that is read."""
    read = prompts.read
    texts = {(each.text, id(each.tokenizer)): each for several in read for each in several}
    found = {
        key: Understanding.of(each.text, each.tokenizer, whole=each.whole)
        for key, each in texts.items()
    }
    return [
        Understanding.of_all(found[each.text, id(each.tokenizer)] for each in several)
        for several in read
    ]


def say_negative(request: Request, guidance: Guidance) -> None:
    """Say that negative prompts do nothing, where the UNet is not asked about them."""
    if guidance.on or not any(request.negative_prompt):
        return
    why = (
        "this model takes guidance itself"
        if guidance.embedded
        else f"guidance is {guidance.scale:g}, which is off at 1 and below"
    )
    for told in not_said([f"the negative prompt has no effect: {why}"]):
        logger.warning("%s", told)


def say_understood(
    found: list[Understanding], model: str | None, syntax: str | None = None
) -> None:
    """Say all of it, of a model of this name, before the work begins.

    Args:
        syntax: that was asked for.
    """
    Understanding.of_all(found).say(builtin=model == BUILTIN, is_open=syntax is None)
