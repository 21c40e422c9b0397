"""What the text encoders of one call have learnt, and how its prompts name it."""

import functools
import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import torch

from kakusan.checkpoints.embeddings import Embedding
from kakusan.conditioning.embeddings import (
    Where,
    files_in,
    holds_one,
    learnt_by,
    located,
    read,
)
from kakusan.errors import ArgumentError, CheckpointError, shown, shown_path
from kakusan.models import CLIPTextModel, CLIPTextModelWithProjection, LearntTokens
from kakusan.prompts.learnt import Learnt, Lexicon, comfy_names
from kakusan.request.embedded import Entry
from kakusan.text import CLIPTokenizer, LearntWord, lexicon_of, not_said, tokens_of, words_of

logger = logging.getLogger(__name__)
Encoder = CLIPTextModel | CLIPTextModelWithProjection
PLAIN = "plain"
_LETTER = r"[^\W\d_]"


@dataclass(frozen=True)
class Taught:
    """The learnt words of one call.

    Attributes:
        tokenizers: by the name of the text encoder, with the words that it reads.
        learnt: likewise the tokens that it looks up beside its table.
        used: of the words that prompts name, where their files are, as a record has them.
        unnamed: those that prompts name, and that have no file.
    """

    tokenizers: Mapping[str, CLIPTokenizer]
    learnt: Mapping[str, LearntTokens]
    used: tuple[Entry, ...]
    unnamed: tuple[str, ...] = ()


def taught(
    entries: Sequence[Entry],
    texts: Sequence[str],
    syntax: str,
    pairs: Mapping[str, tuple[CLIPTokenizer, Encoder]],
    bundled: Sequence[Embedding] = (),
) -> Taught | None:
    """Read the embeddings of a request, as far as its prompts name them.

    Args:
        entries: as a request has them, see `kakusan.request.embedded`.
        texts: of all prompts, in the stretches that their grammar divides them into.
        syntax: by whose rules they name words.
        pairs: the text encoders with their tokenizers, which may have learnt words already.
        bundled: words that came with adapters; one that is given or learnt besides counts before.

    Returns:
        None where no word was learnt, here or before.

    Raises:
        CheckpointError: A file is missing or broken.
        ArgumentError: It is for another model, or a prompt names a file that is not there.
    """
    known = [word for each, _ in pairs.values() for word in words_of(each)]
    given = embeddings_of(entries, texts, syntax, [*known, *names_of(bundled)])
    there = {each.token for each in [*known, *given]}
    came = {each.token: each for each in bundled if each.token not in there} if pairs else {}
    found = [*(each for each in given if not _is_known(each, pairs.values())), *came.values()]
    if not found and not any(tokenizer.learnt for tokenizer, _ in pairs.values()):
        _say_unused(entries, found, {}, texts, syntax)
        return None
    if syntax == PLAIN:
        found = [_named_apart(each, entries, pairs.values()) for each in found]
    widths = {part: encoder.config.hidden_size for part, (_, encoder) in pairs.items()}
    vectors = [each.for_model(widths) for each in found]
    tokenizers, learnt = dict[str, CLIPTokenizer](), dict[str, LearntTokens]()
    for part, (tokenizer, encoder) in pairs.items():
        check_in_step(tokenizer, encoder)
        words = {
            each.token: LearntWord(len(rows[part]), each.file, each.source, each.hash)
            for each, rows in zip(found, vectors, strict=True)
        }
        already = tokenizer.learnt
        if twice := sorted(words.keys() & already.keys()):
            raise ArgumentError(
                "the pipeline has learnt another word {0}; unload_textual_inversion forgets it",
                shown(twice[0]),
            )
        own = encoder.learnt
        if words:
            rows = torch.cat([each[part] for each in vectors]).to(encoder.stored_dtype)
            own = learnt_by(encoder, len(tokenizer), rows, tuple(tokens_of(words)))
        tokenizers[part] = (
            tokenizer.learning({**already, **words}, as_tokens=syntax == PLAIN)
            if words
            else tokenizer
        )
        if own is not None:
            learnt[part] = own if syntax == PLAIN else replace(own, may_end=False)
    used = _used(tokenizers.values(), texts, syntax)
    asked = len(found) - len(came)
    _say_unused(entries, found[:asked], used, texts, syntax)
    adapters_own = {each.token for each in found[asked:]}
    return Taught(
        tokenizers,
        learnt,
        tuple(_recorded(name, word) for name, word in used.items() if word.source),
        tuple(name for name, word in used.items() if not word.source and name not in adapters_own),
    )


def names_of(bundled: Iterable[Embedding]) -> list[Learnt]:
    """What prompts call words that came with adapters."""
    return [Learnt(each.token, (0,)) for each in bundled]


def reading_tokenizer(
    tokenizer: CLIPTokenizer, entries: Sequence[Entry], texts: Sequence[str], syntax: str
) -> CLIPTokenizer:
    """A tokenizer with the words of embeddings that texts name, whatever model they are for.

    Raises:
        CheckpointError: A file is missing or broken.
        ArgumentError: A text names a file that is not there.
    """
    found = embeddings_of(entries, texts, syntax)
    words = {
        each.token: LearntWord(each.count, each.file, each.source, each.hash) for each in found
    }
    return tokenizer.learning(words, as_tokens=syntax == PLAIN)


def _is_known(embedding: Embedding, pairs: Iterable[tuple[CLIPTokenizer, Encoder]]) -> bool:
    """Whether all of the text encoders have learnt it already."""
    own = [tokenizer.learnt.get(embedding.token) for tokenizer, _ in pairs]
    return all(word is not None and word.hash == embedding.hash for word in own)


def _named_apart(
    embedding: Embedding,
    entries: Sequence[Entry],
    pairs: Iterable[tuple[CLIPTokenizer, Encoder]],
) -> Embedding:
    """Under its name in angle brackets where that is an ordinary token, such as "art"."""
    name = embedding.token
    said = any(entry.get("token") == name for entry in entries)
    if said or all(name not in tokenizer.get_vocab() for tokenizer, _ in pairs):
        return embedding
    return embedding.named(f"<{name}>")


def check_in_step(tokenizer: CLIPTokenizer, encoder: Encoder) -> None:
    """Raise ArgumentError where an encoder has not learnt what its tokenizer reads."""
    tokens, own = tokens_of(tokenizer.learnt), encoder.learnt
    if own is not None and own.first == len(tokenizer.without_learnt):
        known = list(own.tokens[: len(tokens)])
    else:  # in its table
        known = tokens if encoder.config.vocab_size >= len(tokenizer) else []
    if tokens != known:
        raise ArgumentError(
            "the text encoder has not learnt {0}, which its tokenizer reads: another pipeline that "
            "shares it has unloaded it; call load_textual_inversion again",
            shown(next(iter(tokenizer.learnt))),
        )


def embeddings_of(
    entries: Sequence[Entry], texts: Sequence[str], syntax: str, known: Sequence[Learnt] = ()
) -> list[Embedding]:
    """The embeddings that a request names and, of those in folders, that its prompts name.

    Args:
        known: words that prompts may name besides.

    Raises:
        CheckpointError: A file is missing or broken.
        ArgumentError: A file has another hash, or a prompt names a file that is not there.
    """
    found = dict[str, Embedding]()
    for entry in entries:
        for each in _entry(entry, texts, syntax):
            found[each.token] = each
    if syntax == "comfy":
        files = [Learnt(each.token, (0,), each.file) for each in found.values()]
        _check_comfy(entries, [*known, *files], texts)
    return list(found.values())


def _entry(entry: Entry, texts: Sequence[str], syntax: str) -> Iterator[Embedding]:
    folder = _folder(entry["file"])
    if folder is not None:
        for path, name in files_in(folder):
            found = _mentioned(path, name, texts, syntax)
            if found is not None:
                yield found
        return
    found = located(entry["file"], Where())
    wanted = entry.get("hash")
    if wanted is not None and not found.sha256.startswith(wanted.lower()):
        raise ArgumentError(
            "the embedding {0} has the hash {1}, and {2} is wanted; give the file that has it",
            shown_path(entry["file"]),
            found.hash,
            shown(wanted),
        )
    found = replace(found, file=entry.get("name", found.file))
    yield found.named(entry["token"]) if "token" in entry else found


def _folder(name: str) -> Path | None:
    """A folder of embeddings; not one that a training script has written a single one to."""
    try:
        path = Path(name).expanduser()
        return path if path.is_dir() and not holds_one(path) else None
    except (OSError, ValueError, RuntimeError):
        return None


def _mentioned(path: Path, name: str, texts: Sequence[str], syntax: str) -> Embedding | None:
    """A file of a folder if a prompt names it; what is broken is passed by if none does."""
    by_file = any(_names(text, Learnt(path.stem, (0,), name), syntax) for text in texts)
    if not by_file and not any("<" in text or "embedding:" in text for text in texts):
        return None
    try:
        found = read(path, name)
    except CheckpointError:
        if by_file:
            raise
        return None
    word = Learnt(found.token, (0,), name)
    return found if by_file or any(_names(text, word, syntax) for text in texts) else None


def _names(text: str, word: Learnt, syntax: str) -> bool:
    """Whether a text names a word, marked as its syntax has it, or else among its words."""
    if syntax in ("comfy", "compel"):
        return any(isinstance(each, Learnt) for each in Lexicon([word]).cut(text, syntax))
    spelt = unicodedata.normalize("NFC", text).lower()
    return any(_word(each).search(spelt) for each in {word.stem, word.token} if each.strip())


@functools.lru_cache(maxsize=1024)
def _word(name: str) -> re.Pattern[str]:
    """A name where its tokens may stand: not within a longer word, but spaces do not count."""
    runs = re.findall(r"[^\W\d_]+|\S", unicodedata.normalize("NFC", name).lower())
    gap = rf"(?<={_LETTER})\s+(?={_LETTER})|(?<!{_LETTER})\s*|\s*(?!{_LETTER})"
    first = rf"(?<!{_LETTER})" if re.match(_LETTER, runs[0]) else ""
    last = rf"(?!{_LETTER})" if re.match(_LETTER, runs[-1]) else ""
    return re.compile(first + f"(?:{gap})".join(map(re.escape, runs)) + last)


def _used(
    tokenizers: Iterable[CLIPTokenizer], texts: Sequence[str], syntax: str
) -> dict[str, LearntWord]:
    found = dict[str, LearntWord]()
    for tokenizer in tokenizers:
        known = tokenizer.learnt
        for text in texts:
            for name in _names_in(text, syntax, tokenizer):
                found[name] = known[name]
    return found


def _names_in(text: str, syntax: str, tokenizer: CLIPTokenizer) -> list[str]:
    if not tokenizer.learnt:
        return []
    if syntax == PLAIN:
        tokens = set(tokenizer.tokenize(text))
        return [name for name in tokenizer.learnt if name in tokens]
    items = lexicon_of(tokenizer).read(text, syntax)
    return list(dict.fromkeys(item.token for item in items if isinstance(item, Learnt)))


def _check_comfy(entries: Sequence[Entry], words: Sequence[Learnt], texts: Sequence[str]) -> None:
    """Refuse names of files that are not there, which ComfyUI passes by with a warning."""
    lexicon = Lexicon(words)
    for text in texts:
        for name in comfy_names(text):
            if lexicon.named(name, "comfy") is None:
                looked = [shown_path(entry["file"]) for entry in entries[:8]]
                raise ArgumentError(
                    "there is no embedding {0}, which the prompt names{1}; say with {embeddings} "
                    "where it is",
                    shown(name),
                    f", in {', '.join(looked)}" if looked else "",
                )


def _recorded(name: str, word: LearntWord) -> Entry:
    found = {"file": word.source, "token": name, "hash": word.hash}
    # prompts name files by their names, or by their paths below a folder
    named_so = word.file == PurePath(word.source).name
    return found if named_so else {**found, "name": word.file}


def _say_unused(
    entries: Sequence[Entry],
    found: Sequence[Embedding],
    used: Mapping[str, LearntWord],
    texts: Sequence[str],
    syntax: str,
) -> None:
    """Say that a file which was named does nothing; a misspelt name would not be seen else."""
    form = {"comfy": "embedding:{}", "compel": "<{}>"}.get(syntax)
    folders = [folder for entry in entries if (folder := _folder(entry["file"]))]
    files = [name for folder in folders if form for _, name in files_in(folder)]
    drawn = {word.file for word in used.values()}
    names = {PurePath(each).stem: False for each in files if each not in drawn}
    names |= {
        PurePath(each.file).stem or each.token: not folders
        for each in found
        if each.token not in used
    }
    for name, is_alone in names.items():
        meant = form is not None and any(_is_word(name, text) for text in texts)
        if not is_alone and not meant:
            continue
        how = "" if form is None else f"; in this syntax its name is {form.format(name)[:60]}"
        for told in not_said([f"no prompt names the embedding {shown(name)}{how}"]):
            logger.warning("%s", told)


def _is_word(name: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None
