"""From a request's texts, or embeddings in their place, to what its pictures are conditioned on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

from kakusan.conditioning import Reader, check_clip_skip, encode_texts, reader
from kakusan.engine import Engine, present
from kakusan.errors import ArgumentError
from kakusan.inputs import Inputs, check_shape
from kakusan.models import Conditioning
from kakusan.request import Request
from kakusan.sampling import Prompt, Timeline
from kakusan.text import CLIPTokenizer, pieces


class ReadText(NamedTuple):
    """A text that is read, and what takes it apart.

    Attributes:
        whole: whether all of it is read, however long it is.
    """

    text: str
    tokenizer: CLIPTokenizer
    whole: bool = False


# Which prompts the pictures with these numbers are asked with, and when
Timelines = Callable[[range], Timeline]


class ReadsPrompts(Protocol):
    """The prompts of one request, as one family reads them."""

    @property
    def read(self) -> list[list[ReadText]]:
        """Of each prompt the texts that are read, which are not empty."""
        ...

    def check(self) -> None:
        """Raise RequestError where texts cannot be encoded, or not beside the given embeddings."""
        ...

    def encoded(self) -> tuple[Timelines, list[str]]:
        """What pictures are conditioned on, a row for each, and notes of what was upcast."""
        ...


class ReadsTexts(ReadsPrompts, Protocol):
    """The same, and what their texts are read with where they have a grammar."""

    @property
    def engine(self) -> Engine: ...
    @property
    def request(self) -> Request: ...
    @property
    def guided(self) -> bool:
        """Whether negative prompts are read too."""
        ...

    def embedded(self) -> tuple[Prompt, list[str]]:
        """What all pictures are conditioned on where prompts are plain, and the notes."""
        ...

    def texts(self, *, negative: bool) -> list[tuple[str, ...]]:
        """Of each prompt what each text encoder reads; none where embeddings stand for it."""
        ...

    def given(self, *, negative: bool) -> Conditioning | None:
        """The embeddings that stand for texts, a row for each prompt."""
        ...

    def are_zeros(self) -> list[bool]:
        """Of each negative prompt, whether embeddings of zeros stand for it."""
        ...

    def told(self, rows: Conditioning, *, negative: bool) -> Conditioning:
        """Rows with all that the UNet is told beside the texts."""
        ...

    def tokenizers(self) -> list[CLIPTokenizer]:
        """Of each text encoder."""
        ...

    def readers(self, clip_skip: int | None) -> list[Reader]:
        """The text encoders, as prompts in chunks are read with them."""
        ...


def throughout(prompt: Prompt) -> Timelines:
    """The same rows of a prompt from a picture's beginning to its end."""

    def timeline(pictures: range) -> Timeline:
        rows = slice(pictures.start, pictures.stop)
        negative = None if prompt.negative is None else prompt.negative[rows]
        return Timeline((Prompt(prompt.text[rows], negative),))

    return timeline


@dataclass(frozen=True)
class Prompts:
    """The prompts of one request; of the networks, the text encoder alone is needed.

    Attributes:
        guided: whether negative prompts are encoded too.
    """

    engine: Engine
    tokenizer: CLIPTokenizer | None
    request: Request
    inputs: Inputs
    guided: bool

    @property
    def read(self) -> list[list[ReadText]]:
        request = self.request
        unread = (None,) * len(request.prompt)
        negative = request.negative_prompt if self.reads_negative else unread
        return [
            [ReadText(text, present("tokenizer", self.tokenizer)) for text in pair if text]
            for pair in zip(request.prompt, negative, strict=True)
        ]

    @property
    def reads_negative(self) -> bool:
        """Whether negative prompts are read, and not given as embeddings."""
        return self.guided and self.inputs.negative_prompt_embeds is None

    def check(self) -> None:
        """Raise RequestError where texts cannot be encoded, or not beside the given embeddings."""
        request, given = self.request, self.inputs.prompt_embeds
        is_plain = request.syntax == "plain"
        self.inputs.check_embeds(request, self.engine.text_width)
        tokens = self._tokens() if given is None or self.reads_negative else 0
        if self.engine.has_text_encoder:
            layers = self.engine.text_encoder.config.num_hidden_layers
            check_clip_skip(request.clip_skip, layers)
        if given is not None and self.reads_negative and given.shape[1] != tokens and is_plain:
            raise ArgumentError(
                "{prompt_embeds} have {0} tokens, but an encoded {negative_prompt} has {1}; give "
                "{negative_prompt_embeds} of the same length",
                given.shape[1],
                tokens,
            )

    def encoded(self) -> tuple[Timelines, list[str]]:
        """What pictures are conditioned on, a row for each, and notes of what was upcast."""
        prompt, notes = self.embedded()
        return throughout(prompt), notes

    def embedded(self) -> tuple[Prompt, list[str]]:
        """What all pictures are conditioned on, a row for each, and the notes."""
        request, given, notes = self.request, self.inputs, list[str]()

        def encode(texts: Sequence[str | None], clip_skip: int | None) -> Conditioning:
            known = [text or "" for text in texts]
            tokenizer = present("tokenizer", self.tokenizer)
            found, new = encode_texts(known, tokenizer, self.engine, clip_skip)
            notes.extend(note for note in new if note not in notes)
            return found

        text = _given(given.prompt_embeds)
        negative = _given(given.negative_prompt_embeds) if self.guided else None
        open_negative = self.guided and negative is None
        if open_negative and text is None and request.clip_skip is None:
            # In one go: a text that stands on both sides is encoded once
            both = encode((*request.negative_prompt, *request.prompt), None)
            negative, text = both[: len(request.prompt)], both[len(request.prompt) :]
        if text is None:
            text = encode(request.prompt, request.clip_skip)
        if self.guided and negative is None:
            # The reference does not apply clip_skip here
            negative = encode(request.negative_prompt, None)
        count = request.num_images_per_prompt
        if negative is not None:
            check_shape("negative_prompt_embeds", negative.tokens, text.tokens.shape)
            negative = Conditioning(negative.tokens.to(text.tokens))
            negative = negative.to(self.engine.device).repeated(count)
        return Prompt(text.to(self.engine.device).repeated(count), negative), notes

    def texts(self, *, negative: bool) -> list[tuple[str, ...]]:
        texts = self.request.negative_prompt if negative else self.request.prompt
        return [(text or "",) for text in texts]

    def given(self, *, negative: bool) -> Conditioning | None:
        given = self.inputs
        return _given(given.negative_prompt_embeds if negative else given.prompt_embeds)

    def are_zeros(self) -> list[bool]:
        return [False] * len(self.request.negative_prompt)

    def told(self, rows: Conditioning, *, negative: bool) -> Conditioning:
        del negative
        return rows

    def tokenizers(self) -> list[CLIPTokenizer]:
        return [present("tokenizer", self.tokenizer)]

    def readers(self, clip_skip: int | None) -> list[Reader]:
        found = pieces(self.request.syntax)
        return [reader(self.tokenizers()[0], self.engine, clip_skip, found)]

    def _tokens(self) -> int:
        """How many tokens an encoded text has; raises RequestError where none can be encoded."""
        if self.tokenizer is None or not self.engine.has_text_encoder:
            raise ArgumentError(
                "this pipeline has no {0} and cannot encode texts; give {prompt_embeds}, and "
                "under guidance {negative_prompt_embeds} beside them",
                "text_encoder" if self.tokenizer is not None else "tokenizer",
            )
        return self.tokenizer.model_max_length


def _given(embeds: Tensor | None) -> Conditioning | None:
    return None if embeds is None else Conditioning(embeds)
