"""A request's prompts where they have a grammar: what they say, and what it is conditioned on."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kakusan.conditioning import (
    Comfy,
    Compel,
    Dialect,
    Reader,
    Turns,
    Webui,
    empty_chunk,
    encode_parsed,
    takes_any_weight,
)
from kakusan.errors import ArgumentError, NotYetError, RequestError, shown
from kakusan.inputs import Inputs
from kakusan.models import Conditioning
from kakusan.pipeline.prompts import ReadsTexts, ReadText, Timelines
from kakusan.pipeline.side_by_side import side_by_side
from kakusan.prompts import Network, ParsedPrompt, Timed, parse
from kakusan.prompts.networks import network_of, take_out
from kakusan.request import Request
from kakusan.request.loras import MAX_STRENGTH
from kakusan.sampling import Timeline
from kakusan.text import not_said

logger = logging.getLogger(__name__)

MAX_WORK = 32_768  # chunks that are encoded for one request; the longest text is a third of it
MAX_PARTS = 32  # each is another question to the UNet, at every step
MAX_LETTERS = 2_000_000  # of all texts of a schedule together
NEGATIVE = "negative_prompt"
LORAS, HYPERNET = ("lora", "lyco"), "hypernet"


@dataclass(frozen=True)
class Grammar:
    """What the prompts of a request say when their grammar is read; needs no network.

    Attributes:
        calls: of the denoiser, that schedules are counted by.
        before: those of a first pass, where prompts are read for a second one.
        positive, negative: the parsed prompt of each text.
    """

    syntax: str
    emphasis: str
    calls: int
    positive: dict[str, ParsedPrompt] = field(repr=False)
    negative: dict[str, ParsedPrompt] = field(repr=False)
    old_timelines: bool = False
    before: int | None = None

    @classmethod
    def of(
        cls,
        request: Request,
        inputs: Inputs,
        calls: int,
        before: int | None = None,
    ) -> "Grammar | None":
        """None where prompts are plain. Raises `RequestError` for what cannot be read."""
        if request.syntax == "plain":
            return None

        emphasis = request.emphasis or "Original"
        old = bool(request.old_timelines)
        grammar = cls(request.syntax, emphasis, calls, {}, {}, old, before)
        sides = ((inputs.prompt_embeds, "prompt"), (inputs.negative_prompt_embeds, NEGATIVE))
        for embeds, side in sides:
            for name in (side, f"{side}_2") if embeds is None else ():
                for text in getattr(request, name) or ():
                    if text is not None:
                        _check(name, grammar.parsed(text, negative=side == NEGATIVE), emphasis)
        return grammar

    def parsed(self, text: str, *, negative: bool) -> ParsedPrompt:
        """What a text says, which is parsed once for each side."""
        known = self.negative if negative else self.positive
        if text not in known:
            known[text] = parse(
                text,
                self.syntax,
                self.calls if self.before is None else self.before,
                hires_steps=None if self.before is None else self.calls,
                old_timelines=self.old_timelines,
                split=not negative,
            )
        return known[text]

    @property
    def composes(self) -> bool:
        """Whether a prompt is several, so that the UNet is asked about negative ones too."""
        return any(
            each.joined == "guided" and [part.weight for part in each.parts] != [1.0]
            for each in self.positive.values()
        )

    @property
    def most_parts(self) -> int:
        """How many questions to the UNet the prompt is at a step, without the negative one."""
        return max((len(each.parts) for each in self.positive.values()), default=1)

    @property
    def dialect(self) -> Dialect:
        if self.syntax == "webui":
            return Webui(self.emphasis)
        return Comfy() if self.syntax == "comfy" else Compel()

    def loras(self, *texts: str | None) -> tuple[Network, ...]:
        """What `<lora:...>` names in prompts, each with the calls that it holds in."""
        known = [self.positive[text] for text in texts if text in self.positive]
        found = (network for each in known for network in each.networks)
        return tuple(network for network in found if network.kind in LORAS)


def names_in(request: Request) -> list[str]:
    """The names of adapters in a request's prompts, before their grammar is read whole.

    Raises:
        RequestError: One is not as it should be written.
    """
    if request.syntax != "webui":
        return []
    texts = [text for text in (*request.prompt, *(request.prompt_2 or ())) if text]
    tags = [tag for text in texts for tag in take_out(text)[1] if tag.kind in LORAS]
    networks = list(map(network_of, tags))
    if fault := next(filter(None, (each.fault for each in networks)), None):
        raise RequestError(fault)
    return [each.name for each in networks]


class ParsedPrompts:
    """The prompts of one request by their grammar, as a family of models reads texts."""

    def __init__(self, grammar: Grammar, texts: ReadsTexts) -> None:
        self.grammar, self._texts = grammar, texts
        self._dialect = grammar.dialect

    @property
    def read(self) -> list[list[ReadText]]:
        found: list[list[ReadText]] = [[] for _ in self._texts.request.prompt]
        for negative in self._sides_read():
            for read, several in zip(found, self._texts.texts(negative=negative), strict=True):
                known = dict.fromkeys(read)
                for text, tokenizer in zip(several, self._texts.tokenizers(), strict=True):
                    words = self._words(self.grammar.parsed(text, negative=negative))
                    new = [ReadText(each, tokenizer, whole=True) for each in words]
                    known |= dict.fromkeys(each for each in new if not _is_read(each, known))
                read[:] = known
        return found

    def check(self) -> None:
        """Raise RequestError where texts cannot be encoded, or are too long."""
        self._texts.check()
        if not any(True for _ in self._sides_read()):
            return
        self._say_clip_skip()
        readers, chunks = self._texts.readers(None), set[tuple[int, tuple[int, ...]]]()
        for negative in self._sides_read():
            for several in dict.fromkeys(self._texts.texts(negative=negative)):
                parsed = [self.grammar.parsed(text, negative=negative) for text in several]
                _check_parts(parsed)
                for number, (each, reader) in enumerate(zip(parsed, readers, strict=True)):
                    chunks |= {(number, ids) for ids in self._chunks(each, reader)}
        if len(chunks) > MAX_WORK:
            raise ArgumentError(
                "the prompts are {0} chunks of tokens in all; at most {1} are read for one request",
                len(chunks),
                MAX_WORK,
            )

    def encoded(self) -> tuple[Timelines, list[str]]:
        """What pictures are conditioned on, a row for each, and notes of what was upcast."""
        texts = self._texts
        reads = any(True for _ in self._sides_read())
        # AUTOMATIC1111 and ComfyUI leave layers out for negative prompts too
        readers = texts.readers(texts.request.clip_skip) if reads else []
        positive = self._encoded(readers, negative=False)
        like = positive[0][0].each[0]
        negative = self._encoded(readers, negative=True, like=like) if texts.guided else None
        count = texts.request.num_images_per_prompt

        def empty() -> Tensor:
            return empty_chunk(readers or texts.readers(texts.request.clip_skip))

        def timeline(pictures: range) -> Timeline:
            rows = [picture // count for picture in pictures]
            opposite = None if negative is None else [negative[row][0] for row in rows]
            sides = [positive[row] for row in rows]
            return side_by_side(sides, opposite, texts.request.pad_conds, empty)

        notes = dict.fromkeys(note for reader in readers for note in reader.notes)
        return timeline, list(notes)

    def _say_clip_skip(self) -> None:
        """Say that AUTOMATIC1111 passes by what counts here; people set it for v1 and leave it."""
        skips = self.grammar.syntax == "webui" and self._texts.request.clip_skip
        if skips and self._texts.engine.has_text_encoder_2:
            told = (
                "AUTOMATIC1111 passes clip skip by for SDXL, whose text encoders leave out their "
                "last layer anyway; here it leaves out more of them"
            )
            for each in not_said([told]):
                logger.warning("%s", each)

    def _sides_read(self) -> Iterator[bool]:
        """False and True for the prompts and the negative ones, whichever are read."""
        if self._texts.given(negative=False) is None:
            yield False
        if self._texts.guided and self._texts.given(negative=True) is None:
            yield True

    def _words(self, parsed: ParsedPrompt) -> Iterator[str]:
        """The stretches of text that are read as words, each once."""
        literal = self.grammar.emphasis == "None"
        found = dict[str, None]()
        for text in _timed(parsed):
            segments = [text.text] if literal else [s.text for s in text.segments if not s.is_break]
            found |= dict.fromkeys(each for each in segments if each)
        yield from found

    def _chunks(self, parsed: ParsedPrompt, reader: Reader) -> Iterator[tuple[int, ...]]:
        texts = {(each.text, each.segments): each for each in _timed(parsed)}
        letters = sum(len(each.text) for each in texts.values())
        if letters > MAX_LETTERS:
            raise ArgumentError(
                "{prompt} is {0} texts of {1} characters in all as it changes; at most {2} are "
                "read",
                len(texts),
                letters,
                MAX_LETTERS,
            )
        for text in texts.values():
            yield from (chunk.ids for chunk in self._dialect.chunks(text, reader))

    def _encoded(
        self, readers: Sequence[Reader], *, negative: bool, like: Conditioning | None = None
    ) -> list[list[Turns]]:
        """Of each prompt what takes turns on each of its sides."""
        texts = self._texts
        device = texts.engine.device
        dtype = None if like is None else like.tokens.dtype

        def placed(row: Conditioning) -> Conditioning:
            row = row.to(device)
            own = row if dtype is None else row.map(lambda tensor: tensor.to(dtype))
            return texts.told(own, negative=negative)

        def zeros(row: Conditioning) -> Conditioning:
            return placed(row.map(torch.zeros_like))

        given = texts.given(negative=negative)
        if given is not None:
            rows = [given[i : i + 1] for i in range(len(given))]
            return [[Turns(1.0, (self.grammar.calls,), (placed(row),))] for row in rows]
        are_zeros = texts.are_zeros() if negative else [False] * len(texts.request.prompt)
        known = dict[tuple[tuple[str, ...], bool], list[Turns]]()
        found = list[list[Turns]]()
        for several, zero in zip(texts.texts(negative=negative), are_zeros, strict=True):
            if (several, zero) not in known:
                parsed = [self.grammar.parsed(text, negative=negative) for text in several]
                sides = encode_parsed(parsed, several, readers, self._dialect)
                made = [_mapped(side, zeros if zero else placed) for side in sides]
                known[several, zero] = made
            found.append(known[several, zero])
        return found


def _mapped(turns: Turns, function: Callable[[Conditioning], Conditioning]) -> Turns:
    """The same of what a function makes of each conditioning, once of each."""
    made = {id(each): function(each) for each in turns.each}
    return turns._replace(each=tuple(made[id(each)] for each in turns.each))


def _is_read(text: ReadText, known: dict[ReadText, None]) -> bool:
    """Whether another tokenizer reads the same."""
    return any(text.text == each.text for each in known)


def _timed(parsed: ParsedPrompt) -> Iterator[Timed]:
    return (timed for part in parsed.parts for timed in part.schedule)


def _check(name: str, parsed: ParsedPrompt, emphasis: str) -> None:
    """Raise RequestError for what is out of the range of what is drawn."""
    if len(parsed.parts) > MAX_PARTS:
        raise ArgumentError(
            f"{{{name}}} joins {{0}} texts; at most {MAX_PARTS} are drawn at once",
            len(parsed.parts),
        )
    weights = [part.weight for part in parsed.parts]
    if not (parsed.syntax == "webui" and takes_any_weight(emphasis)):
        segments = {segment for timed in _timed(parsed) for segment in timed.segments}
        weights += [segment.weight for segment in segments]
    worst = max(weights, key=lambda weight: math.inf if math.isnan(weight) else abs(weight))
    if not math.isfinite(worst):
        raise ArgumentError(
            f"weights and brackets in {{{name}}} make {{0:g}}, which is no number that states can "
            "be multiplied by; take smaller weights, or fewer brackets around one another",
            worst,
        )
    for network in parsed.networks:
        _check_network(network)


def _check_network(network: Network) -> None:
    """Raise RequestError for what is named in a prompt and not there, or out of its range."""
    if network.fault is not None:
        raise RequestError(network.fault)
    where = f"<{network.kind}:{shown(network.name)[1:-1]}>"
    if network.kind == HYPERNET or network.dyn is not None:
        what = "names a hypernetwork" if network.kind == HYPERNET else "says dyn"
        raise NotYetError(
            f"{where} {what}, which comes later; leave it out of the prompt, or write it in plain "
            "syntax as words"
        )
    worst = max(abs(network.text_weight), abs(network.unet_weight))
    if network.kind in LORAS and not worst <= MAX_STRENGTH:
        raise ArgumentError(
            f"{where} in {{prompt}} has the weight {{0:g}}; at most {MAX_STRENGTH:g} is taken",
            worst,
        )


def _check_parts(parsed: Sequence[ParsedPrompt]) -> None:
    """Raise RequestError where the texts of two encoders do not go side by side."""
    several = [each for each in parsed if len(each.parts) > 1]
    weights = {tuple(part.weight for part in each.parts) for each in several}
    if len(weights) > 1 or len({each.joined for each in several}) > 1:
        raise RequestError(
            "what the two text encoders read is joined by AND in different ways; give both the "
            "same number of parts with the same weights, or one of them a single text"
        )
