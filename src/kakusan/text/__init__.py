"""From text to tokens."""

from kakusan.text.tokenized import TokenizedText
from kakusan.text.tokenizer import CLIPTokenizer, PromptCutWarning

__all__ = ["CLIPTokenizer", "PromptCutWarning", "TokenizedText"]
