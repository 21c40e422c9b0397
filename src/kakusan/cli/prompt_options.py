"""Options that say how a prompt is read, and what is said where its grammar counts."""

from collections.abc import Iterator
from typing import Annotated

import typer

from kakusan.cli.console import remark
from kakusan.cli.options import whole_number
from kakusan.errors import shown
from kakusan.prompts import SYNTAXES, ParsedPrompt, differs, parse
from kakusan.syntaxes import EMPHASES

PANEL = "How PROMPT is read"
USUAL = "webui"
_MOST = 3  # things that are told of one prompt
_ANY = 20  # steps; what is grammar does not depend on them


def complete_syntax(incomplete: str) -> list[str]:
    return [name for name in SYNTAXES if name.startswith(incomplete)]


def complete_emphasis(incomplete: str) -> list[str]:
    return [name for name in EMPHASES if name.casefold().startswith(incomplete.casefold())]


Syntax = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Whose grammar: webui (AUTOMATIC1111's, the default), comfy, compel, or plain for "
        "none.",
        autocompletion=complete_syntax,
        rich_help_panel=PANEL,
    ),
]
Emphasis = Annotated[
    str | None,
    typer.Option(
        metavar="MODE",
        help="What weights do: Original, 'No norm', Ignore or None, as AUTOMATIC1111 calls them.",
        autocompletion=complete_emphasis,
        rich_help_panel=PANEL,
    ),
]
ClipSkip = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=whole_number(1),
        help="As AUTOMATIC1111 counts: 1 leaves no layer of the text encoder out, 2 the last one "
        "(clip_skip=1 in Python).",
        rich_help_panel=PANEL,
    ),
]


def layers_skipped(clip_skip: int | None) -> int | None:
    """How many layers are left out, which is how a request counts; None for none."""
    return None if clip_skip in (None, 1) else clip_skip - 1


def recorded_syntax(syntax: str | None) -> str | None:
    """What a request says where this was typed; where nothing was, it would be plain."""
    return syntax or USUAL


def tell_grammar(texts: dict[str, str], syntax: str | None) -> None:
    """Say once what would be plain words if no grammar were read; not where one was asked for.

    Args:
        texts: by what they are to people.

    Raises:
        RequestError: A text cannot be read.
    """
    for name, text in texts.items():
        if syntax is None and differs(text):
            parsed = parse(text, USUAL, _ANY, split=name == "prompt")
            said = list(_said(parsed))
            more = f" and {len(said) - _MOST} more" if len(said) > _MOST else ""
            listed = ", ".join(said[:_MOST]) or "brackets, backslashes and # are no words"
            remark(
                f"the {name} is read as AUTOMATIC1111 reads it: {listed}{more}; "
                "--syntax plain takes it as it stands"
            )
            return


def _said(parsed: ParsedPrompt) -> Iterator[str]:
    """What the grammar of a prompt says, most telling first."""
    if len(parsed.parts) > 1:
        yield f"AND joins {len(parsed.parts)} texts"
    for part in parsed.parts if len(parsed.parts) == 1 else ():
        if part.weight != 1.0:
            yield f"the number at its end weighs all of it, {part.weight:.4g} times"
    timed = [each for part in parsed.parts for each in part.schedule]
    if any(len(part.schedule) > 1 for part in parsed.parts):
        yield "it changes from step to step"
    segments = dict.fromkeys(segment for each in timed for segment in each.segments)
    if any(segment.is_break for segment in segments):
        yield "BREAK begins a new chunk"
    for network in parsed.networks:
        yield f"<{network.kind}:{shown(network.name)[1:-1]}> names a network"
    for segment in segments:
        if not segment.is_break and segment.weight != 1.0 and segment.text.strip():
            yield f"{shown(segment.text.strip())} weighs {segment.weight:.4g}"
