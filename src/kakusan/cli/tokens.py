"""`kakusan tokens`: how a prompt is read, without drawing and without torch."""

import math
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from kakusan.cli import embedding_options, options, prompt_options
from kakusan.cli.console import say, say_json
from kakusan.cli.exits import DONE
from kakusan.cli.generate import read_prompt
from kakusan.cli.live import live
from kakusan.errors import RequestError, shown
from kakusan.prompts import (
    SYNTAXES,
    Network,
    ParsedPrompt,
    Segment,
    has_choices,
    parse,
    resolve,
)
from kakusan.request.checks import texts
from kakusan.server.readings import (
    finite,
    reading_json,
    rules_of,
    tokenizer_of,
    without_choices,
)
from kakusan.vocabulary import COMMAND_LINE

if TYPE_CHECKING:
    from kakusan.text import CLIPTokenizer
    from kakusan.text.chunked import ReadPrompt, TokenChunks

_STEPS = 20
_MOST = 12  # stretches of a schedule, segments, chunks and networks that people are shown
_MOST_CUT = 24  # tokens that have no room
_LONGEST = 60  # characters of a segment's text
_LONGEST_PROMPT = 1000
_TEN = 10  # places of a bar at weight 1
_OPEN = "its choices are left open: --seed N makes them as a picture of that seed has them"


def tokens(
    prompt: Annotated[
        str, typer.Argument(metavar="PROMPT", help='What to read; "-" reads it from stdin.')
    ],
    model: options.Model = "builtin",
    syntax: prompt_options.Syntax = None,
    steps: Annotated[
        int,
        typer.Option(
            metavar="N",
            parser=options.whole_number(1, 1000),
            help="In which [from:to:when] and [a|b] are counted.",
        ),
    ] = _STEPS,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=options.whole_number(),
            help="Choose from {a|b} and __file__ as a picture of this seed does.",
        ),
    ] = None,
    wildcards: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Where the files of __file__ are."),
    ] = None,
    embedding: embedding_options.Embedding = None,
    embeddings_dir: embedding_options.Folder = None,
    as_json: options.AsJson = False,
) -> int:
    """Show how PROMPT is read: weights, changes, tokens."""
    written = read_prompt(prompt)
    name = (prompt_options.USUAL if syntax is None else syntax).casefold()
    if name not in SYNTAXES:
        raise RequestError(f"--syntax must be one of {', '.join(SYNTAXES)}, not {shown(syntax)}")
    folders = prompt_options.read_wildcards(wildcards, name)
    text = _taken(written)
    if name != "plain" and (seed is not None or folders):
        with COMMAND_LINE.spoken():
            text = _taken(resolve(text, seed or 0, folders))
    parsed = parse(text, name, steps)
    with live(quiet=False) as line:
        line.wait("loading the tokenizer")
        from kakusan.text.chunked import read_tokens

        tokenizer = tokenizer_of(model)
        files = embedding_options.read(embedding, embeddings_dir)
        if files is not None:
            tokenizer = _with_words(tokenizer, parsed, files)
        reading = read_tokens(parsed, tokenizer, rules_of(name, tokenizer))
    is_open = text == written and name != "plain" and has_choices(text)
    if is_open:
        reading = without_choices(reading)
    if as_json:
        chosen = {"open_choices": True} if is_open else {}
        chosen |= {} if text == written else {"template": written}
        say_json(finite({"prompt": text, **chosen, **reading_json(reading)}))
    else:
        told = [] if text == written else [f"chosen: {_cut(text, _LONGEST_PROMPT)}"]
        say("\n".join([*told, *_lines(reading), *([_OPEN] if is_open else [])]))
    return DONE


def _taken(text: str) -> str:
    """A prompt that is no longer than `generate` takes."""
    with COMMAND_LINE.spoken():
        texts("prompt", text)
    return text


def _with_words(
    tokenizer: "CLIPTokenizer", prompt: ParsedPrompt, files: Sequence[str]
) -> "CLIPTokenizer":
    """The tokenizer with the learnt words that a prompt names, whatever model they are for."""
    from kakusan.conditioning.taught import reading_tokenizer

    timed = [each for part in prompt.parts for each in part.schedule]
    plain = prompt.syntax == "plain"
    texts = [s.text for each in timed for s in each.segments] if not plain else [timed[0].text]
    entries = [{"file": each} for each in files]
    with COMMAND_LINE.spoken():
        return reading_tokenizer(tokenizer, entries, list(dict.fromkeys(texts)), prompt.syntax)


def _lines(reading: "ReadPrompt") -> Iterator[str]:
    prompt = reading.prompt
    simple = len(reading.texts) == 1 and not prompt.networks and prompt.parts[0].weight == 1
    segments = prompt.parts[0].schedule[0].segments
    if simple and len(segments) == 1 and segments[0].weight == 1:
        yield from _chunk_lines(reading.texts[0].chunks, reading.room, "")
    else:
        yield from _schedule_lines(reading)
    if reading.cut:
        cut, more = reading.cut[:_MOST_CUT], len(reading.cut) - _MOST_CUT
        rest = f" ... and {more} more" if more > 0 else ""
        yield f"cut off ({len(reading.cut)}): {' '.join(token.text for token in cut)}{rest}"
    for network in prompt.networks[:_MOST]:
        yield _network_line(network, prompt.boundaries[-1])
    yield from _more(len(prompt.networks), "networks", "")
    yield from reading.understanding.notes()


def _schedule_lines(reading: "ReadPrompt") -> Iterator[str]:
    prompt = reading.prompt
    chunks = {(text.part, text.until): text.chunks for text in reading.texts}
    first = 0
    for until in prompt.boundaries[:_MOST]:
        changes = len(prompt.boundaries) > 1
        if changes:
            yield _when(first, until, prompt.boundaries[-1])
        margin = "  " if changes else ""
        for number, (weight, timed) in enumerate(prompt.at(until)[:_MOST]):
            if len(prompt.parts) > 1 or weight != 1:
                yield f"{margin}part {number + 1}, weight {weight:.4g}"
            yield from _segment_lines(timed.segments, margin)
            yield from _chunk_lines(chunks[number, timed.until], reading.room, margin)
        yield from _more(len(prompt.parts), "parts", margin)
        first = until + 1
    yield from _more(len(prompt.boundaries), "texts", "")


def _when(first: int, until: int, steps: int) -> str:
    """Steps as people count them, from 1, of denoiser calls, which are counted from 0."""
    if first >= steps:
        return f"after step {steps}, the last: never"
    last = min(until + 1, steps)
    which = f"step {last}" if first + 1 == last else f"steps {first + 1} to {last}"
    return f"{which} of {steps}"


def _segment_lines(segments: Sequence[Segment], margin: str) -> Iterator[str]:
    """A bar for each weight, ten places long at 1."""
    block = _block()
    for segment in segments[:_MOST]:
        if segment.is_break:
            yield f"{margin}BREAK"
            continue
        if not segment.text.strip():
            continue
        weight = segment.weight
        length = round(min(abs(weight), 2) * _TEN) if math.isfinite(weight) else 2 * _TEN
        bar = (block if weight >= 0 else "-") * length
        text = _cut(segment.text, _LONGEST)
        yield f"{margin}{weight:6.3g} {bar:<{2 * _TEN}} {text}".rstrip()
    yield from _more(len(segments), "segments", margin)


def _chunk_lines(chunks: "TokenChunks", room: int, margin: str) -> Iterator[str]:
    for number, chunk in enumerate(chunks[:_MOST], 1):
        which = f" (chunk {number} of {len(chunks)})" if len(chunks) > 1 else ""
        yield margin + " | ".join(f"{token.text} {token.id}" for token in chunk)
        count = f"{len(chunk)} token{'s' if len(chunk) != 1 else ''}"
        yield f"{margin}{count}, room for {room}{which}"
    yield from _more(len(chunks), "chunks", margin)


def _network_line(network: Network, steps: int) -> str:
    if network.fault is not None:
        return f"not taken, and refused by `kakusan generate`: {network.fault}"
    weights = f"{network.text_weight:g}"
    if network.unet_weight != network.text_weight:
        weights = f"text encoder {network.text_weight:g}, UNet {network.unet_weight:g}"
    spans = [(first, last) for first, last in network.spans or () if first < steps]
    held = ", ".join(_when(*span, steps) for span in spans[:_MOST]) or "never"
    when = "" if network.spans is None else f", {held}"
    return f"<{network.kind}:{shown(network.name)[1:-1]}> {weights}{when}"


def _cut(text: str, length: int) -> str:
    """A text on one line."""
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _more(count: int, what: str, margin: str) -> Iterator[str]:
    if count > _MOST:
        yield f"{margin}... and {count - _MOST} more {what}"


def _block() -> str:
    try:
        "█".encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return "#"
    return "█"
