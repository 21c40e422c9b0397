"""Every syntax that a prompt can be written in, by its name."""

from kakusan.errors import RequestError, shown
from kakusan.prompts.comfy import parse_comfy
from kakusan.prompts.compel import parse_compel
from kakusan.prompts.parsed import ParsedPrompt
from kakusan.prompts.plain import parse_plain
from kakusan.prompts.webui import parse_webui

SYNTAXES = ("plain", "webui", "compel", "comfy")


def parse(
    text: str,
    syntax: str,
    steps: int,
    *,
    hires_steps: int | None = None,
    old_timelines: bool = False,
    split: bool = True,
) -> ParsedPrompt:
    """Read a prompt in one of `SYNTAXES`.

    Args:
        steps: the denoiser calls that a change of the prompt is counted in.
        hires_steps: those of a second pass, if the prompt is read for that one (webui).
        old_timelines: count changes as AUTOMATIC1111 before 1.6 (webui).
        split: False for a negative prompt, which is not split at AND (webui).

    Raises:
        RequestError: Nothing is called `syntax`, or the prompt says something impossible.
    """
    if syntax == "webui":
        return parse_webui(
            text, steps, hires_steps=hires_steps, old_timelines=old_timelines, split=split
        )
    if syntax == "comfy":
        return parse_comfy(text, steps)
    if syntax == "compel":
        return parse_compel(text, steps)
    if syntax == "plain":
        return parse_plain(text, steps)
    raise RequestError(
        f"no prompt syntax is called {shown(syntax)}; there are {', '.join(SYNTAXES)}"
    )
