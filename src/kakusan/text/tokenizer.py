"""CLIP's tokenizer: lower-cased text, split into words, each a sequence of byte pairs."""

import copy
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kakusan.checkpoints.arguments import WEIGHTLESS_LOADING, check_published, token_of
from kakusan.checkpoints.source import PathLike, locate
from kakusan.checkpoints.upload import Sendable, save_whole, upload_asked
from kakusan.errors import CheckpointError, RequestError, shown
from kakusan.text.backend import backend_of, scalar_values
from kakusan.text.calls import Calls
from kakusan.text.learnt import LearntWord, tokens_of, without_learnt
from kakusan.text.padding import as_tensor
from kakusan.text.slips import read_as
from kakusan.text.standing import put_right
from kakusan.text.vocabulary import Vocabulary
from kakusan.text.words import KnownWords

if TYPE_CHECKING:
    from torch import Tensor

_QUOTED = 200

ARGUMENTS = (
    *("subfolder", "revision", "token", "cache_dir", "local_files_only", "force_download"),
    "model_max_length",
)


class PromptCutWarning(UserWarning):
    """A prompt has more tokens than the text encoder takes; the message quotes what was cut."""


class CLIPTokenizer(Calls, Sendable):
    """Turns text into the token ids that a CLIP text encoder takes, and back.

    It holds no state of a call: one tokenizer serves many threads.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._backend = backend_of(vocabulary)
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

    def read_as(self, text: str) -> dict[str, str]:
        """The synonyms and slips in a text, each with the word that its model reads instead."""
        return read_as(without_learnt(text, self._learnt), self.words)

    def as_read(self, text: str) -> str:
        """The text with these put right: what the text encoder reads of a prompt."""
        return put_right(text, self.read_as(text))

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
                self._warn_cut(scalar_values(prompt)[start:], len(ids))
            row = [self.bos_token_id, *ids[:room], self.eos_token_id]
            rows.append(row + [self.pad_token_id] * (self.model_max_length - len(row)))
        return as_tensor(rows).reshape(len(rows), self.model_max_length)

    def pieces(self, text: str) -> list[tuple[int, tuple[int, int]]]:
        """Each token's id, and where in the text it begins and ends."""
        encoding = self._encode(text)
        return list(zip(encoding.ids, encoding.offsets, strict=True))

    def used(self, text: str) -> str:
        """The part of a text that the text encoder has room for."""
        offsets, room = self._encode(text).offsets, self.model_max_length - 2
        return text if len(offsets) <= room else scalar_values(text)[: offsets[room][0]]

    def _id(self, token: str) -> int:
        index = self._backend.token_to_id(token)
        if index is None:
            raise CheckpointError(f"the vocabulary lacks the special token {shown(token)}.")
        return index

    def _warn_cut(self, cut: str, length: int) -> None:
        room = self.model_max_length - 2
        cut = cut.strip()
        more = f"... ({len(cut) - _QUOTED} more characters)" if len(cut) > _QUOTED else ""
        warnings.warn(
            f"the prompt has {length} tokens, {room} are used; cut off: {cut[:_QUOTED]!r}{more}",
            PromptCutWarning,
            stacklevel=3,
        )
