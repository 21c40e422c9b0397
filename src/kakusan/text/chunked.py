"""The tokens of a prompt whose grammar is read: each chunk, with weights, without torch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kakusan.errors import RequestError
from kakusan.prompts import Chunk, ParsedPrompt, Piece, Segment, Timed, chunks_of
from kakusan.text.lexicon import spelt_pieces, words_of
from kakusan.text.tokenizer import CLIPTokenizer
from kakusan.text.understanding import Understanding

COMMA = ",</w>"
_MOST = 2_000_000  # tokens of all texts of a schedule together


class WeighedToken(NamedTuple):
    """A token: its id, the words that it stands for, and what they weigh."""

    id: int
    text: str
    weight: float


TokenChunks = list[list[WeighedToken]]
CutText = Callable[[Timed], Sequence[Chunk]]


class ReadText(NamedTuple):
    """What one side of a prompt is up to a denoiser call, as the text encoder gets it."""

    part: int
    until: int
    chunks: TokenChunks


@dataclass(frozen=True)
class ReadPrompt:
    """The tokens of a prompt.

    Attributes:
        room: how many tokens a chunk holds.
        texts: of each side of the prompt, in the order of time.
        cut: the tokens for which there is no room, in a plain prompt, which is one chunk.
        understanding: what of it the model was never taught.
    """

    prompt: ParsedPrompt
    room: int
    texts: list[ReadText]
    cut: list[WeighedToken]
    understanding: Understanding


def read_tokens(
    prompt: ParsedPrompt, tokenizer: CLIPTokenizer, cut_by: CutText | None = None
) -> ReadPrompt:
    """Cut every text of a prompt into chunks.

    Args:
        cut_by: the rules; where not given, AUTOMATIC1111's, and for a plain prompt none.

    Raises:
        RequestError: There are too many tokens.
    """
    plain, room = prompt.syntax == "plain", tokenizer.model_max_length - 2
    known: dict[tuple[Segment, ...], TokenChunks] = {}
    texts: list[ReadText] = []
    cut: list[WeighedToken] = []
    for number, part in enumerate(prompt.parts):
        for timed in part.schedule:
            if timed.segments not in known:
                if cut_by is not None:
                    known[timed.segments] = _named(cut_by(timed), tokenizer)
                else:
                    tokens = list(_tokens(timed, tokenizer, prompt.syntax))
                    known[timed.segments] = _cut(tokens, tokenizer, room, plain=plain)
                    cut += _each(tokens)[room:] if plain else []
            texts.append(ReadText(number, timed.until, known[timed.segments]))
            if sum(len(chunk) for chunks in known.values() for chunk in chunks) > _MOST:
                raise RequestError(f"the prompt is more than {_MOST} tokens; make it shorter")
    return ReadPrompt(prompt, room, texts, cut, _understanding(prompt, tokenizer))


# Tokens that stay together, most often one alone; None is BREAK
Together = tuple[WeighedToken, ...] | None


def _tokens(timed: Timed, tokenizer: CLIPTokenizer, syntax: str) -> Iterator[Together]:
    """The tokens of a text."""
    for segment in timed.segments:
        if segment.is_break:
            yield None
            continue
        for ids, text in spelt_pieces(tokenizer, segment.text, syntax):
            yield tuple(WeighedToken(index, text, segment.weight) for index in ids)


def _each(tokens: Sequence[Together]) -> list[WeighedToken]:
    return [token for several in tokens for token in several or ()]


def _cut(
    tokens: Sequence[Together], tokenizer: CLIPTokenizer, room: int, *, plain: bool
) -> TokenChunks:
    words = _each(tokens)
    if plain:
        return [words[:room]]
    pieces = [
        Piece(tuple(token.id for token in each), each[0].weight) if each else Piece(())
        for each in tokens
    ]
    cut = chunks_of(pieces, tokenizer.get_vocab().get(COMMA), size=room)
    left = iter(words)
    return [[next(left) for _ in chunk.ids] for chunk in cut]


def _named(chunks: Sequence[Chunk], tokenizer: CLIPTokenizer) -> TokenChunks:
    named = {index: word.token for word in words_of(tokenizer) for index in word.ids}
    for index in {index for chunk in chunks for index in chunk.ids} - named.keys():
        named[index] = tokenizer.decode(index)
    return [
        [WeighedToken(index, named[index], weight) for index, weight in zip(*both, strict=True)]
        for both in ((chunk.ids, chunk.weights) for chunk in chunks)
    ]


def _understanding(prompt: ParsedPrompt, tokenizer: CLIPTokenizer) -> Understanding:
    texts = dict.fromkeys(
        timed.text if prompt.syntax == "plain" else segment.text
        for part in prompt.parts
        for timed in part.schedule
        for segment in timed.segments
        if not segment.is_break
    )
    whole = prompt.syntax != "plain"
    return Understanding.of_all(Understanding.of(each, tokenizer, whole=whole) for each in texts)
