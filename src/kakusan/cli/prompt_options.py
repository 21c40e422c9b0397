"""Options that say how a prompt is read, and what is said where its grammar counts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import typer

from kakusan.cli.console import remark
from kakusan.cli.folders import read_folders
from kakusan.cli.options import whole_number
from kakusan.errors import RequestError, shown
from kakusan.prompts import (
    SYNTAXES,
    ParsedPrompt,
    differs,
    has_choices,
    left_as_text,
    parse,
    resolve,
)
from kakusan.request import MAX_PICTURES, MAX_SKIPPED, SEEDS
from kakusan.request.checks import MAX_CHARACTERS
from kakusan.request.choices import words_of_left
from kakusan.request.syntaxes import EMPHASES

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
        parser=whole_number(1, MAX_SKIPPED + 1),
        help="As AUTOMATIC1111 counts: 1 leaves no layer of the text encoder out, 2 the last one "
        "(clip_skip=1 in Python).",
        rich_help_panel=PANEL,
    ),
]

Wildcards = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Where the files are that __name__ in PROMPT chooses a line of; {a|b} needs none.",
        rich_help_panel=PANEL,
    ),
]


def layers_skipped(clip_skip: int | None) -> int | None:
    """How many layers are left out, which is how a request counts; None for none."""
    return None if clip_skip in (None, 1) else clip_skip - 1


def recorded_syntax(syntax: str | None) -> str | None:
    """What a request says where this was typed; where nothing was, it would be plain."""
    return USUAL if syntax is None else syntax


class Asked(NamedTuple):
    """The prompts of all pictures, and what was written in their place.

    Attributes:
        prompt, negative_prompt: one for each picture if the seed chose among several, or one for
            all.
        template, negative_template: what had choices in it; None where nothing had.
        escaped: of each of both whether it had backslashes that take a choice its meaning.
    """

    prompt: Sequence[str]
    negative_prompt: Sequence[str]
    template: str | None = None
    negative_template: str | None = None
    escaped: tuple[bool, bool] = (False, False)

    @property
    def is_chosen(self) -> bool:
        """Whether each picture has a prompt of its own."""
        return self.template is not None or self.negative_template is not None

    @property
    def settings(self) -> dict[str, Any]:
        """As a request has them."""
        return {name: each for name, each in self._asdict().items() if name != "escaped"}


def chosen(
    settings: Mapping[str, Any], pictures: int, wildcards: str | None, *, whole_negative: bool
) -> Asked:
    """Make the choices of prompts, `{a|b}` and `__file__`, by each picture's own seed.

    Args:
        settings: as a request has them.
        pictures: how many are drawn.
        whole_negative: whether the negative prompt has no choices, as that of a picture.

    Raises:
        RequestError: A choice cannot be made, or files are named where nothing is chosen.
    """
    syntax = str(settings.get("prompt_syntax")).casefold()
    folders = read_wildcards(wildcards, syntax)
    texts = (settings["prompt"], settings.get("negative_prompt") or "")
    too_long = any(len(text) > MAX_CHARACTERS for text in texts)
    if syntax == "plain" or too_long or not 1 <= pictures <= MAX_PICTURES:  # the request says it
        return Asked((texts[0],), (texts[1],))
    whole = texts[1] if whole_negative else None
    first = seed if isinstance(seed := settings.get("seed"), int) else 0
    seeds = [(first + index) % SEEDS for index in range(pictures)]
    made = [
        [text if text == whole else resolve(text, each, folders) for each in seeds]
        for text in texts
    ]
    left = [each for text in texts if text != whole for each in left_as_text(text)]
    if left:
        remark(words_of_left(dict.fromkeys(left)))
    templates = [text if text != whole and has_choices(text) else None for text in texts]
    if templates == [None, None]:
        escaped = (made[0][0] != texts[0], made[1][0] != texts[1])
        return Asked(made[0][:1], made[1][:1], escaped=escaped)
    return Asked(made[0], made[1], templates[0], templates[1])


def read_wildcards(folder: str | None, syntax: str) -> list[str]:
    """The folder of wildcards, if one was typed.

    Raises:
        RequestError: It is none, or nothing is chosen in this syntax.
    """
    folders = [] if folder is None else read_folders("--wildcards", [folder])
    if folders and syntax == "plain":
        raise RequestError("--wildcards is for prompts with a grammar, and --syntax is plain")
    return folders


def tell_grammar(asked: Asked, wanted: str | None) -> None:
    """Say once what would be plain words if no grammar were read; not where one was asked for.

    Args:
        wanted: the grammar, or what its weights do, if that was typed.

    Raises:
        RequestError: A text cannot be read.
    """
    if wanted is not None:
        return
    for name, texts, template, escaped in (
        ("prompt", asked.prompt, asked.template, asked.escaped[0]),
        ("negative prompt", asked.negative_prompt, asked.negative_template, asked.escaped[1]),
    ):
        split = name == "prompt"
        parsed = parse(texts[0], USUAL, _ANY, split=split)
        if template is None and not escaped and not differs(texts[0], split=split):
            continue
        said = [] if template is None else ["the seed makes its choices"]
        said += _said(parsed)
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
