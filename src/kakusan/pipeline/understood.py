"""What of a request's prompts its model does not understand."""

import logging

from kakusan.checkpoints.source import BUILTIN
from kakusan.engine import present
from kakusan.pipeline.prompts import Prompts
from kakusan.request import Request
from kakusan.sampling import Guidance
from kakusan.text import Understanding

logger = logging.getLogger(__name__)


def understood(prompts: Prompts) -> list[Understanding]:
    """What of each prompt is not understood, and of its negative one where that is read."""
    request = prompts.request
    unread = (None,) * len(request.prompt)
    negative = request.negative_prompt if prompts.reads_negative else unread
    texts = {text for text in (*request.prompt, *negative) if text}
    found = {
        text: Understanding.of(text, present("tokenizer", prompts.tokenizer)) for text in texts
    }
    pairs = zip(request.prompt, negative, strict=True)
    return [Understanding.of_all(found[text] for text in pair if text) for pair in pairs]


def say_negative(request: Request, guidance: Guidance) -> None:
    """Say that negative prompts do nothing, where the UNet is not asked about them."""
    if guidance.on or not any(request.negative_prompt):
        return
    why = (
        "this model takes guidance itself"
        if guidance.embedded
        else f"guidance is {guidance.scale:g}, which is off at 1 and below"
    )
    logger.warning("the negative prompt has no effect: %s", why)


def say_understood(found: list[Understanding], model: str | None) -> None:
    """Say all of it, of a model of this name, before the work begins."""
    Understanding.of_all(found).say(builtin=model == BUILTIN)
