"""The tokenizer of the tokenizers library, made to read text as CLIP does."""

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers

from kakusan.errors import CheckpointError, shown
from kakusan.text.vocabulary import Vocabulary

WORD_END = "</w>"
# Special tokens, English contractions, runs of letters, single digits, runs of other characters
# (the word pattern published with CLIP, arXiv:2103.00020).
_WORD = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d"
    r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)


def backend_of(vocabulary: Vocabulary) -> tokenizers.Tokenizer:
    """One with these tokens.

    Raises:
        CheckpointError: The vocabulary does not fit its merges, or its added tokens.
    """
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


def scalar_values(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
