"""The tokens of a vocabulary by name and by number, as scripts ask a tokenizer for them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, overload

import tokenizers

from kakusan.errors import NotYetError, RequestError, shown
from kakusan.text.padding import numbers_of
from kakusan.text.vocabulary import SPECIAL_NAMES, AddedToken, Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

NewToken = str | tokenizers.AddedToken


class Tokens:
    """What a tokenizer says of its tokens, and how it is given more of them.

    Attributes:
        padding_side, truncation_side: always the right.
        model_input_names: what it gives, under the names that a text encoder takes.
    """

    padding_side = "right"
    truncation_side = "right"
    model_input_names = ("input_ids", "attention_mask")
    is_fast = True

    unk_token_id: int
    _vocabulary: Vocabulary
    _backend: tokenizers.Tokenizer

    @property
    def vocab_size(self) -> int:
        """The number of tokens without those added later."""
        return len(self._vocabulary.ids)

    def __len__(self) -> int:
        return self._backend.get_vocab_size(with_added_tokens=True)

    def get_vocab(self) -> dict[str, int]:
        """All tokens with their ids."""
        return self._backend.get_vocab(with_added_tokens=True)

    @property
    def encoder(self) -> dict[str, int]:
        """All tokens with their ids."""
        return self.get_vocab()

    @property
    def decoder(self) -> dict[int, str]:
        """All ids with their tokens."""
        return {number: token for token, number in self.get_vocab().items()}

    def get_added_vocab(self) -> dict[str, int]:
        """The tokens that are found before text is split into words, with their ids."""
        added = sorted(self._vocabulary.added.items())
        return {token.content: index for index, token in added}

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The special tokens by what they are for: `bos_token`, `eos_token`, ..."""
        return {name: self._vocabulary.special[name] for name in SPECIAL_NAMES}

    @property
    def all_special_tokens(self) -> list[str]:
        """Each special token once."""
        added = sorted(self._vocabulary.added.items())
        more = [token.content for _, token in added if token.special]
        return list(dict.fromkeys([*self._vocabulary.special.values(), *more]))

    @property
    def all_special_ids(self) -> list[int]:
        """Their ids."""
        return self.convert_tokens_to_ids(self.all_special_tokens)

    def num_special_tokens_to_add(self) -> int:
        """How many tokens stand round a text: its begin and its end."""
        return 2

    @overload
    def convert_tokens_to_ids(self, tokens: str) -> int: ...

    @overload
    def convert_tokens_to_ids(self, tokens: list[str] | tuple[str, ...]) -> list[int]: ...

    def convert_tokens_to_ids(self, tokens: str | list[str] | tuple[str, ...]) -> int | list[int]:
        """The id of a token, or of each; the one of `unk_token` for what is none."""
        if not isinstance(tokens, str):
            return [self.convert_tokens_to_ids(token) for token in tokens]
        index = self._backend.token_to_id(tokens)
        return self.unk_token_id if index is None else index

    @overload
    def convert_ids_to_tokens(self, ids: int, skip_special_tokens: bool = ...) -> str: ...

    @overload
    def convert_ids_to_tokens(
        self, ids: "Sequence[int] | Tensor", skip_special_tokens: bool = ...
    ) -> list[str]: ...

    def convert_ids_to_tokens(
        self, ids: "int | Sequence[int] | Tensor", skip_special_tokens: bool = False
    ) -> str | list[str]:
        """The token of an id, or of each.

        Raises:
            RequestError: An id is out of range.
        """
        numbers = numbers_of(ids)
        if isinstance(numbers, int):
            return self._token(numbers)
        left_out = self.all_special_ids if skip_special_tokens else ()
        return [self._token(each) for each in numbers if each not in left_out]

    def add_tokens(
        self, new_tokens: NewToken | Sequence[NewToken], special_tokens: bool = False
    ) -> int:
        """Give the next ids to tokens that are not there yet, and say how many they are.

        They are found before text is split into words, ordinary ones in any case of letters. The
        text encoder then needs `resize_token_embeddings(len(tokenizer))`.

        Raises:
            RequestError: A token is empty or no text.
        """
        several = [new_tokens] if isinstance(new_tokens, NewToken) else new_tokens
        known, added = self.get_vocab(), dict(self._vocabulary.added)
        before = len(added)
        for each in several:
            token = _new_token(each, special_tokens)
            if token.content not in known:
                known[token.content] = len(self)
                added[len(self)] = token
                self._backend.add_tokens([tokenizers.AddedToken(**vars(token))])
        self._vocabulary = replace(self._vocabulary, added=added)
        return len(added) - before

    def add_special_tokens(self, special_tokens_dict: Mapping[str, Sequence[NewToken]]) -> int:
        """The same with tokens that are special; they are `additional_special_tokens`.

        Raises:
            NotYetError: Another special token would be exchanged.
        """
        for name in special_tokens_dict:
            if name != "additional_special_tokens":
                raise NotYetError(
                    f"changing {shown(name)} is not there yet; give additional_special_tokens"
                )
        return self.add_tokens([*special_tokens_dict.get("additional_special_tokens", ())], True)

    def _token(self, index: int) -> str:
        token = self._backend.id_to_token(index) if 0 <= index < 2**32 else None
        if token is None:
            raise RequestError(f"token id {shown(index)} is out of range; there are {len(self)}")
        return token


def _new_token(token: object, special: bool) -> AddedToken:
    if isinstance(token, tokenizers.AddedToken):
        return AddedToken(
            token.content,
            token.special or special,
            token.normalized,
            token.single_word,
            token.lstrip,
            token.rstrip,
        )
    if not isinstance(token, str) or not token:
        raise RequestError(f"a new token is {shown(token)}; it must be a text that is not empty")
    return AddedToken(token, special, normalized=not special)
