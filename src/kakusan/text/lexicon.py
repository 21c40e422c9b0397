"""The learnt words of a tokenizer in texts: which of its tokens stand for them, and where."""

from collections.abc import Callable

from kakusan.prompts.learnt import Learnt, Lexicon
from kakusan.text.tokenizer import CLIPTokenizer


def words_of(tokenizer: CLIPTokenizer) -> list[Learnt]:
    """The learnt words of a tokenizer, with the tokens that stand for them."""
    words: list[Learnt] = []
    first = len(tokenizer.without_learnt)
    for name, word in tokenizer.learnt.items():
        words.append(Learnt(name, tuple(range(first, first + word.vectors)), word.file))
        first += word.vectors
    return words


def lexicon_of(tokenizer: CLIPTokenizer) -> Lexicon:
    """What finds them in texts."""
    plain = tokenizer.without_learnt
    return Lexicon(words_of(tokenizer), lambda text: [index for index, _ in plain.pieces(text)])


def pieces(syntax: str) -> Callable[[CLIPTokenizer, str], list[tuple[int, ...]]]:
    """How texts of a syntax are taken apart: a learnt word's tokens are not to be parted.

    Slips of the pen are read as what was meant.
    """

    def find(tokenizer: CLIPTokenizer, text: str) -> list[tuple[int, ...]]:
        text = tokenizer.as_read(text)
        if not tokenizer.learnt:
            return [(index,) for index, _ in tokenizer.pieces(text)]
        items = lexicon_of(tokenizer).read(text, syntax)
        return [(item,) if isinstance(item, int) else item.ids for item in items]

    return find


def spelt_pieces(
    tokenizer: CLIPTokenizer, text: str, syntax: str
) -> list[tuple[tuple[int, ...], str]]:
    """The same of one text, each piece with what people read in its place."""
    text = tokenizer.as_read(text)
    if not tokenizer.learnt or syntax == "plain":  # which names words by their tokens
        text = tokenizer.with_learnt(text)
        return [((index,), text[a:b].strip()) for index, (a, b) in tokenizer.pieces(text)]
    return [
        ((item,), tokenizer.decode(item)) if isinstance(item, int) else (item.ids, item.token)
        for item in lexicon_of(tokenizer).read(text, syntax)
    ]
