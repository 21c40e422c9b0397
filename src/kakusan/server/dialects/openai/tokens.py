"""How many tokens texts have, by the vocabulary that Stable Diffusion's text encoders share."""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kakusan.text import CLIPTokenizer


def count_tokens(texts: Iterable[object]) -> int:
    """Of all texts together; what is no text has none."""
    tokenizer = _tokenizer()
    return sum(len(tokenizer.tokenize(text)) for text in texts if isinstance(text, str))


@cache
def _tokenizer() -> "CLIPTokenizer":
    from kakusan.text import CLIPTokenizer
    from kakusan.text.clip_vocabulary import clip_vocabulary

    return CLIPTokenizer(clip_vocabulary())
