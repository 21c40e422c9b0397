"""What a tokenizer makes of texts, called as scripts call it, and of token ids again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast, overload

from tokenizers import Encoding

from kakusan.errors import RequestError, shown
from kakusan.text.backend import WORD_END, scalar_values
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

if TYPE_CHECKING:
    from torch import Tensor

Lists = list[int] | list[list[int]]


class Calls(Tokens):
    """Calls of a tokenizer: texts to token ids, and back."""

    model_max_length: int
    bos_token_id: int
    eos_token_id: int
    pad_token_id: int

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

    def _limit(self, max_length: int | None) -> int:
        limit = self.model_max_length if max_length is None else max_length
        if not 2 <= limit <= 1_000_000:
            raise RequestError(f"max_length is {limit}; it must be from 2 to 1000000.")
        return limit

    def _encode(self, text: object) -> Encoding:
        if not isinstance(text, str):
            raise RequestError(f"a text must be a string, not {type(text).__name__}.")
        return self._backend.encode(scalar_values(text), add_special_tokens=False)
