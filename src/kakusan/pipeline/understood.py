"""What of a request's prompts its model does not understand."""

from kakusan.checkpoints.source import BUILTIN
from kakusan.engine import present
from kakusan.pipeline.prompts import Prompts
from kakusan.text import Understanding


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


def say_understood(found: list[Understanding], model: str | None) -> None:
    """Say all of it, of a model of this name, before the work begins."""
    Understanding.of_all(found).say(builtin=model == BUILTIN)
