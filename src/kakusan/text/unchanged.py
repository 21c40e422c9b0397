"""Arguments that the reference's tokenizer takes too, and that change nothing here."""

from collections.abc import Mapping, Sequence
from typing import Literal

from kakusan.errors import NotYetError, check_no_unknown, shown

Truncation = bool | Literal["longest_first", "only_first", "do_not_truncate"]
# With the values that change nothing
UNCHANGED: Mapping[str, Sequence[object]] = {
    "is_split_into_words": (False,),
    "pad_to_multiple_of": (None,),
    "padding_side": (None, "right"),
    "return_offsets_mapping": (False,),
    "return_overflowing_tokens": (False,),
    "return_special_tokens_mask": (False,),
    "return_token_type_ids": (None, False),
    "stride": (0,),
    "text_pair": (None,),
    "verbose": (True, False),
}
_ACTING = (
    *("add_special_tokens", "max_length", "padding", "return_attention_mask", "return_length"),
    *("return_tensors", "truncation"),
)


def check_unchanged(arguments: Mapping[str, object]) -> None:
    """Raise for arguments of the reference's call that are unknown or would act."""
    unknown = arguments.keys() - UNCHANGED.keys()
    check_no_unknown("the tokenizer", sorted(unknown), {*UNCHANGED, *_ACTING})
    for name, value in arguments.items():
        if value not in UNCHANGED[name]:
            raise NotYetError(f"{name}={shown(value)} is not there yet; leave it out")
