"""CLIP's tokenizer: lower-cased text, split into words, each a sequence of byte pairs."""

import copy
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import tokenizers
from tokenizers import Encoding, Regex, decoders, models, normalizers, pre_tokenizers

from kakusan.checkpoints.arguments import WEIGHTLESS_LOADING, check_published, token_of
from kakusan.checkpoints.source import PathLike, locate
from kakusan.checkpoints.upload import Sendable, save_whole, upload_asked
from kakusan.errors import CheckpointError, RequestError, shown
from kakusan.text.learnt import LearntWord, tokens_of
from kakusan.text.padding import (
    Encoded,
    Padding,
    as_tensor,
    filled,
    length_of,
    numbers_of,
    rows_of,
)
from kakusan.text.tokenized import TokenizedText
from kakusan.text.tokens import Tokens
from kakusan.text.unchanged import Truncation, check_unchanged
from kakusan.text.vocabulary import Vocabulary
from kakusan.text.words import KnownWords

if TYPE_CHECKING:
    from torch import Tensor

WORD_END = "</w>"
# Special tokens, English contractions, runs of letters, single digits, runs of other characters
# (the word pattern published with CLIP, arXiv:2103.00020).
_WORD = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d"
    r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)
_QUOTED = 200

ARGUMENTS = (
    *("subfolder", "revision", "token", "cache_dir", "local_files_only", "force_download"),
    "model_max_length",
)
Lists = list[int] | list[list[int]]


class PromptCutWarning(UserWarning):
    """A prompt has more tokens than the text encoder takes; the message quotes what was cut."""


class CLIPTokenizer(Tokens, Sendable):
    """Turns text into the token ids that a CLIP text encoder takes, and back.

    It holds no state of a call: one tokenizer serves many threads.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._backend = _backend(vocabulary)
        self.model_max_length = vocabulary.model_max_length
        self.bos_token = vocabulary.special["bos_token"]
        self.eos_token = vocabulary.special["eos_token"]
        self.unk_token = vocabulary.special["unk_token"]
        self.pad_token = vocabulary.special["pad_token"]
        self.bos_token_id = self._id(self.bos_token)
        self.eos_token_id = self._id(self.eos_token)
        self.unk_token_id = self._id(self.unk_token)
        self.pad_token_id = self._id(self.pad_token)
        self._plain: CLIPTokenizer | None = None
        self._learnt = dict[str, LearntWord]()

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: PathLike,
        *,
        subfolder: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: PathLike | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        model_max_length: int | None = None,
        **published: object,
    ) -> "CLIPTokenizer":
        """Load from "builtin", a folder or the hub; the arguments are those of `locate`.

        Args:
            model_max_length: In place of what the files say.
            published: What the reference takes and changes nothing here.

        Raises:
            CheckpointError: The model is not found, or its tokenizer files are broken.
            UnknownArgumentError: An argument that does not exist.
            RequestError: `model_max_length` is out of its range.
        """
        check_published(f"{cls.__name__}.from_pretrained", published, WEIGHTLESS_LOADING, ARGUMENTS)
        source = locate(
            pretrained_model_name_or_path,
            subfolder=subfolder,
            revision=revision,
            token=token_of(token, published),
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
        )
        vocabulary = Vocabulary.read(source.folder)
        if model_max_length is None:
            return cls(vocabulary)
        return cls(vocabulary.of_length(model_max_length))

    def save_pretrained(
        self, save_directory: PathLike, *, push_to_hub: bool = False, **options: Any
    ) -> None:
        """Write vocab.json, merges.txt and the configuration.

        Args:
            push_to_hub: sends the files to the Hugging Face Hub too; `options` are then those of
                `push_to_hub`, with `repo_id`.

        Raises:
            OutputError: The folder cannot be written.
        """
        what, folder = type(self).__name__, Path(save_directory)
        upload = upload_asked(f"{what}.save_pretrained", push_to_hub, folder, options)
        save_whole(folder, "vocab.json", self._vocabulary.write, upload, what)

    @property
    def learnt(self) -> dict[str, LearntWord]:
        """The words of textual inversion that it was given, in the order of their tokens."""
        return dict(self._learnt)

    @property
    def without_learnt(self) -> "CLIPTokenizer":
        """The tokenizer that these words were added to; itself where there are none."""
        return self if self._plain is None else self._plain

    def learning(
        self, words: Mapping[str, LearntWord], *, as_tokens: bool = True
    ) -> "CLIPTokenizer":
        """Another one, which has these learnt words and no others; their tokens come last.

        This one stays as it is, for whoever else reads with it.

        Args:
            as_tokens: whether texts name words by their tokens; else `kakusan.text.pieces` alone
                finds them, whatever they are called.

        Raises:
            RequestError: A token is there already, or is no text.
        """
        plain, wanted = self.without_learnt, tokens_of(words)
        if not words:
            return plain
        made = copy.copy(plain)
        if as_tokens:
            known = plain.get_vocab()
            for token in wanted:
                if token in known or wanted.count(token) > 1:
                    raise RequestError(
                        f"there is a token {shown(token)} already; give another name"
                    )
            made = CLIPTokenizer(plain._vocabulary)
            made.model_max_length = self.model_max_length
            made.add_tokens(wanted)
        made._plain, made._learnt = plain, dict(words)
        return made

    def with_learnt(self, text: str) -> str:
        """The text with all tokens of each learnt word in the place of its first one."""
        several = [name for name, word in self._learnt.items() if word.vectors > 1]
        tokens = set(self.tokenize(text)) if several else set[str]()
        for name in several:
            if name in tokens:
                whole = " ".join(tokens_of({name: self._learnt[name]}))
                own = re.escape(name)
                text = re.sub(f"{own}(?!_[0-9]| {own}_1)", lambda _, whole=whole: whole, text)
        return text

    @property
    def words(self) -> KnownWords | None:
        """Those that its model was taught; None where nobody knows, as of published models."""
        return self._vocabulary.words

    @words.setter
    def words(self, words: KnownWords | None) -> None:
        self._vocabulary = replace(self._vocabulary, words=words)

    @overload
    def __call__(
        self,
        text: str | Sequence[str],
        *,
        padding: Padding = ...,
        max_length: int | None = ...,
        truncation: Truncation = ...,
        add_special_tokens: bool = ...,
        return_tensors: Literal["pt"],
        return_length: bool = ...,
        return_attention_mask: bool | None = ...,
        **unchanged: object,
    ) -> "TokenizedText[Tensor]": ...

    @overload
    def __call__(
        self,
        text: str | Sequence[str],
        *,
        padding: Padding = ...,
        max_length: int | None = ...,
        truncation: Truncation = ...,
        add_special_tokens: bool = ...,
        return_tensors: None = ...,
        return_length: bool = ...,
        return_attention_mask: bool | None = ...,
        **unchanged: object,
    ) -> TokenizedText[Lists]: ...

    def __call__(
        self,
        text: str | Sequence[str],
        *,
        padding: Padding = False,
        max_length: int | None = None,
        truncation: Truncation = False,
        add_special_tokens: bool = True,
        return_tensors: Literal["pt"] | None = None,
        return_length: bool = False,
        return_attention_mask: bool | None = None,
        **unchanged: object,
    ) -> "TokenizedText[Tensor] | TokenizedText[Lists]":
        """Token ids of one or several texts, each between the begin and the end token.

        Args:
            text: One text or a list.
            padding: "max_length" fills up to `max_length`; True up to the longest text.
            max_length: None means `model_max_length`.
            truncation: Cut to `max_length`, in silence; `encode_prompts` warns.
            add_special_tokens: False leaves the begin and the end token away.
            return_tensors: "pt" for tensors of shape (texts, tokens).
            return_length: Also give the number of tokens of each text, as `length`.
            return_attention_mask: False leaves the mask away.
            unchanged: What the reference takes too, as long as it changes nothing.

        Raises:
            RequestError: An argument is out of its range, or tensors are wanted of texts that
                differ in length.
            UnknownArgumentError: An argument that does not exist.
            NotYetError: One that would change the tokens.
        """
        check_unchanged(unchanged)
        limit = self._limit(max_length)
        if return_tensors not in (None, "pt"):
            raise RequestError(
                f"return_tensors is {shown(return_tensors)}; it must be None or 'pt'."
            )
        texts = text if isinstance(text, list | tuple) else [text]
        rows = [self._encode(one).ids for one in texts]
        ends = 2 if add_special_tokens else 0
        cuts = truncation not in (False, "do_not_truncate")
        rows = [row[: limit - ends] if cuts else row for row in rows]
        if add_special_tokens:
            rows = [[self.bos_token_id, *row, self.eos_token_id] for row in rows]
        made = self._padded(rows, [[1] * len(row) for row in rows], padding, limit)
        chosen = made if return_attention_mask in (None, True) else {"input_ids": made["input_ids"]}
        lengths = [len(row) for row in made["input_ids"]] if return_length else None
        if return_tensors == "pt":
            length = None if lengths is None else as_tensor([lengths])[0]
            return TokenizedText({key: as_tensor(each) for key, each in chosen.items()}, length)
        if isinstance(text, str):
            return TokenizedText[Lists]({key: each[0] for key, each in chosen.items()}, lengths)
        return TokenizedText[Lists]({**chosen}, lengths)

    def pad(
        self,
        encoded_inputs: Encoded,
        padding: Padding = True,
        max_length: int | None = None,
        *,
        return_tensors: Literal["pt"] | None = None,
    ) -> "TokenizedText[Tensor] | TokenizedText[Lists]":
        """Fill up what this tokenizer gave for several texts, together or one by one.

        Raises:
            RequestError: It is something else, or an argument is out of its range.
        """
        rows, limit = rows_of(encoded_inputs), self._limit(max_length)
        made = self._padded(rows["input_ids"], rows["attention_mask"], padding, limit)
        if return_tensors == "pt":
            return TokenizedText({key: as_tensor(each) for key, each in made.items()})
        return TokenizedText[Lists]({**made})

    def _padded(
        self, rows: list[list[int]], masks: list[list[int]], padding: Padding, limit: int
    ) -> dict[str, list[list[int]]]:
        length = length_of(padding, max(map(len, rows), default=0), limit)
        return {
            "input_ids": filled(rows, length, self.pad_token_id),
            "attention_mask": filled(masks, length, 0),
        }

    def encode_prompts(self, prompts: Sequence[str]) -> "Tensor":
        """Token ids (prompts, `model_max_length`) for the text encoder.

        A longer prompt is cut, with a `PromptCutWarning` that quotes what was cut.
        """
        rows: list[list[int]] = []
        room = self.model_max_length - 2
        for prompt in map(self.with_learnt, prompts):
            encoding = self._encode(prompt)
            ids = encoding.ids
            if len(ids) > room:
                start, _ = encoding.offsets[room]
                self._warn_cut(_scalar_values(prompt)[start:], len(ids))
            row = [self.bos_token_id, *ids[:room], self.eos_token_id]
            rows.append(row + [self.pad_token_id] * (self.model_max_length - len(row)))
        return as_tensor(rows).reshape(len(rows), self.model_max_length)

    @overload
    def encode(
        self,
        text: str,
        *,
        add_special_tokens: bool = ...,
        padding: Padding = ...,
        max_length: int | None = ...,
        truncation: Truncation = ...,
        return_tensors: Literal["pt"],
    ) -> "Tensor": ...

    @overload
    def encode(
        self,
        text: str,
        *,
        add_special_tokens: bool = ...,
        padding: Padding = ...,
        max_length: int | None = ...,
        truncation: Truncation = ...,
        return_tensors: None = ...,
    ) -> list[int]: ...

    def encode(
        self,
        text: str,
        *,
        add_special_tokens: bool = True,
        padding: Padding = False,
        max_length: int | None = None,
        truncation: Truncation = False,
        return_tensors: Literal["pt"] | None = None,
    ) -> "list[int] | Tensor":
        """Token ids of one text: what a call with the same arguments has as `input_ids`."""
        made = self(
            text,
            add_special_tokens=add_special_tokens,
            padding=padding,
            max_length=max_length,
            truncation=truncation,
            return_tensors=return_tensors,
        )
        return cast("list[int] | Tensor", made.input_ids)

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text, without the begin and the end token."""
        return self._encode(text).tokens

    def pieces(self, text: str) -> list[tuple[int, tuple[int, int]]]:
        """Each token's id, and where in the text it begins and ends."""
        encoding = self._encode(text)
        return list(zip(encoding.ids, encoding.offsets, strict=True))

    def used(self, text: str) -> str:
        """The part of a text that the text encoder has room for."""
        offsets, room = self._encode(text).offsets, self.model_max_length - 2
        return text if len(offsets) <= room else _scalar_values(text)[: offsets[room][0]]

    def decode(
        self, ids: "int | Sequence[int] | Tensor", *, skip_special_tokens: bool = False
    ) -> str:
        """The text of token ids, or of one, lower-cased, with a space after each word."""
        numbers = numbers_of(ids)
        numbers = [numbers] if isinstance(numbers, int) else list(numbers)
        text = self._backend.decode(numbers, skip_special_tokens=skip_special_tokens)
        return text.replace(WORD_END, " ").strip()

    def batch_decode(
        self, rows: "Sequence[Sequence[int]] | Tensor", *, skip_special_tokens: bool = False
    ) -> list[str]:
        """The texts of several rows of token ids."""
        return [self.decode(row, skip_special_tokens=skip_special_tokens) for row in rows]

    def _id(self, token: str) -> int:
        index = self._backend.token_to_id(token)
        if index is None:
            raise CheckpointError(f"the vocabulary lacks the special token {shown(token)}.")
        return index

    def _limit(self, max_length: int | None) -> int:
        limit = self.model_max_length if max_length is None else max_length
        if not 2 <= limit <= 1_000_000:
            raise RequestError(f"max_length is {limit}; it must be from 2 to 1000000.")
        return limit

    def _encode(self, text: object) -> Encoding:
        if not isinstance(text, str):
            raise RequestError(f"a text must be a string, not {type(text).__name__}.")
        return self._backend.encode(_scalar_values(text), add_special_tokens=False)

    def _warn_cut(self, cut: str, length: int) -> None:
        room = self.model_max_length - 2
        cut = cut.strip()
        more = f"... ({len(cut) - _QUOTED} more characters)" if len(cut) > _QUOTED else ""
        warnings.warn(
            f"the prompt has {length} tokens, {room} are used; cut off: {cut[:_QUOTED]!r}{more}",
            PromptCutWarning,
            stacklevel=3,
        )


def split_words(backend: tokenizers.Tokenizer) -> None:
    """Have a tokenizer of the library read text as CLIP does: lower case, word by word."""
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )


def _backend(vocabulary: Vocabulary) -> tokenizers.Tokenizer:
    try:
        backend = tokenizers.Tokenizer(
            models.BPE(
                vocab=vocabulary.ids,
                merges=vocabulary.merges,
                unk_token=vocabulary.special["unk_token"],
                end_of_word_suffix=WORD_END,
            )
        )
    except Exception as error:  # the library raises Exception itself
        detail = shown(str(error))
        raise CheckpointError(f"the vocabulary and its merges do not fit: {detail}.") from None
    split_words(backend)
    backend.decoder = decoders.ByteLevel()
    for index, token in sorted(vocabulary.added.items()):
        options = {key: value for key, value in vars(token).items() if key != "content"}
        backend.add_tokens([tokenizers.AddedToken(token.content, **options)])
        if backend.token_to_id(token.content) != index:
            raise CheckpointError(
                f"the added token {shown(token.content)} has the id {index}; "
                f"the vocabulary has {backend.token_to_id(token.content)} for it."
            )
    return backend


def _scalar_values(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
