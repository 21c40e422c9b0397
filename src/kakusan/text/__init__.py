"""From text to tokens, and what of a text is not understood."""

from kakusan.text.learnt import LearntWord, tokens_of
from kakusan.text.tokenized import TokenizedText
from kakusan.text.tokenizer import CLIPTokenizer, PromptCutWarning
from kakusan.text.understanding import Understanding, not_said, said_once
from kakusan.text.words import KnownWords, write_words

__all__ = [
    "CLIPTokenizer",
    "KnownWords",
    "LearntWord",
    "PromptCutWarning",
    "TokenizedText",
    "Understanding",
    "not_said",
    "said_once",
    "tokens_of",
    "write_words",
]
