"""From text to tokens, and what of a text is not understood."""

from kakusan.text.learnt import LearntWord, tokens_of
from kakusan.text.lexicon import lexicon_of, pieces, spelt_pieces, words_of
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
    "lexicon_of",
    "not_said",
    "pieces",
    "said_once",
    "spelt_pieces",
    "tokens_of",
    "words_of",
    "write_words",
]
