"""A tokenizer's published files, of old and new layouts: vocabulary, merges, special tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self, cast

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON, read_json, read_text, write_json, write_text
from kakusan.errors import CheckpointError, RequestError, shown
from kakusan.text.words import KnownWords, write_words

SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "pad_token")
_MODEL_MAX_LENGTH = 77
# Without a limit the files say 1e30; no text encoder of this family has more positions.
_LONGEST = 4096


@dataclass(frozen=True)
class AddedToken:
    """A token that is found in the text before it is split into words.

    `normalized`: looked for after the text is lower-cased, so that its case does not matter.
    """

    content: str
    special: bool = True
    normalized: bool = False
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False


@dataclass(frozen=True)
class Vocabulary:
    """All that a tokenizer needs. `added` maps ids to tokens; `special` has bos, eos, unk, pad.

    `words` are those that the model was taught, where that is known.
    """

    ids: dict[str, int]
    merges: list[tuple[str, str]]
    special: dict[str, str]
    added: dict[int, AddedToken] = field(default_factory=dict[int, AddedToken])
    model_max_length: int = _MODEL_MAX_LENGTH
    words: KnownWords | None = None

    @classmethod
    def read(cls, folder: Path) -> "Vocabulary":
        """Read tokenizer.json, or vocab.json and merges.txt, with the special tokens beside them.

        Raises:
            CheckpointError: Files are missing or broken, or contradict each other.
        """
        config = _config(folder)
        whole = folder / "tokenizer.json"
        if whole.is_file():
            ids, merges, added = _read_whole(whole)
        else:
            ids, merges, added = _read_ids(folder), _read_merges(folder / "merges.txt"), {}
        added |= _declared(config, folder, ids)
        tokens = {name: _special(config, name, str(folder)) for name in SPECIAL_NAMES}
        # Of several special tokens with the same content the last one's way of matching counts.
        by_content = {token.content: token for token in tokens.values()}
        known = {token.content for token in added.values()}
        for content, token in by_content.items():
            if content not in ids and content not in known:
                raise CheckpointError(f"{folder}: the special token {shown(content)} is not in it.")
            if content not in known:
                added[ids[content]] = token
        return cls(
            ids=ids,
            merges=merges,
            special={name: token.content for name, token in tokens.items()},
            added=added,
            model_max_length=_max_length(config, str(folder)),
            words=KnownWords.read(folder),
        )

    @classmethod
    def of_json(cls, value: Mapping[str, JSON], where: str) -> Self:
        """What `to_json` gave.

        Raises:
            CheckpointError: It is something else.
        """
        fields = Fields(value, where)
        path = Path(where)
        merges = fields.json.get("merges")
        pairs = (
            [each.split(" ") for each in merges if isinstance(each, str)]
            if isinstance(merges, list)
            else []
        )
        added: dict[int, AddedToken] = {}
        for token in fields.objects("added"):
            added[Fields(token, where).integer("id", minimum=0)] = _added_token(token, where)
        special = fields.part("special")
        return cls(
            ids=_checked_ids(fields.part("ids").json, path),
            merges=_checked_pairs(pairs, path),
            special={name: special.text(name) for name in SPECIAL_NAMES},
            added=added,
            model_max_length=fields.integer("model_max_length", minimum=2, maximum=_LONGEST),
            words=KnownWords.of_fields(fields.part("words")) if fields.has("words") else None,
        )

    def to_json(self) -> dict[str, JSON]:
        """All of it in one object."""
        return {
            "words": None if self.words is None else self.words.to_json(),
            "ids": dict(self.ids),
            "merges": [f"{left} {right}" for left, right in self.merges],
            "special": dict(self.special),
            "added": [{"id": index, **vars(token)} for index, token in self.added.items()],
            "model_max_length": self.model_max_length,
        }

    def of_length(self, model_max_length: int) -> Self:
        """The same with another length of texts.

        Raises:
            RequestError: It is out of its range.
        """
        if type(model_max_length) is not int or not 2 <= model_max_length <= _LONGEST:
            raise RequestError(
                f"model_max_length is {shown(model_max_length)}; it must be from 2 to {_LONGEST}"
            )
        return replace(self, model_max_length=model_max_length)

    def write(self, folder: Path) -> None:
        """Write the files of the old layout, which every version of the reference reads."""
        lines = ["#version: 0.2", *(f"{left} {right}" for left, right in self.merges)]
        write_json(folder / "vocab.json", dict(self.ids))
        write_text(folder / "merges.txt", "\n".join(lines) + "\n")
        write_json(folder / "special_tokens_map.json", dict(self.special))
        added: dict[str, JSON] = {str(i): dict(vars(token)) for i, token in self.added.items()}
        extra: dict[str, JSON] = {
            token.content: i for i, token in self.added.items() if token.content not in self.ids
        }
        write_words(folder, self.words)
        if extra:
            write_json(folder / "added_tokens.json", extra)
        write_json(
            folder / "tokenizer_config.json",
            {
                **self.special,
                "add_prefix_space": False,
                "added_tokens_decoder": added,
                "do_lower_case": True,
                "errors": "replace",
                "model_max_length": self.model_max_length,
                "tokenizer_class": "CLIPTokenizer",
            },
        )


def _config(folder: Path) -> Mapping[str, JSON]:
    config, special = (
        {key: value for key, value in read_json(path).items() if value} if path.is_file() else {}
        for path in (folder / "tokenizer_config.json", folder / "special_tokens_map.json")
    )
    # A file that lists the tokens with their ids is of newer make, and has the last word.
    return special | config if "added_tokens_decoder" in config else config | special


def _max_length(config: Mapping[str, JSON], where: str) -> int:
    length = Fields(config, where).number("model_max_length", _MODEL_MAX_LENGTH, maximum=1e31)
    if length < 2:
        raise CheckpointError(f"{where}: 'model_max_length' is {length:g}; it must be at least 2.")
    return int(length) if length <= _LONGEST else _MODEL_MAX_LENGTH


def _read_whole(path: Path) -> tuple[dict[str, int], list[tuple[str, str]], dict[int, AddedToken]]:
    fields = Fields(read_json(path), str(path))
    model = fields.part("model")
    merges = model.json.get("merges")
    if not isinstance(merges, list):
        raise CheckpointError(f"{path} has no list of merges.")
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    added: dict[int, AddedToken] = {}
    for value in fields.objects("added_tokens"):
        token = _added_token(value, str(path))
        added[Fields(value, str(path)).integer("id", minimum=0)] = token
    return _checked_ids(model.part("vocab").json, path), _checked_pairs(pairs, path), added


def _read_ids(folder: Path) -> dict[str, int]:
    path = folder / "vocab.json"
    if not path.is_file():
        raise CheckpointError(
            f"{folder} holds no tokenizer: neither tokenizer.json nor vocab.json is in it."
        )
    return _checked_ids(read_json(path), path)


def _checked_ids(values: Mapping[str, JSON], path: Path) -> dict[str, int]:
    ids: dict[str, int] = {}
    for token, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10_000_000:
            raise CheckpointError(f"{path}: the token {shown(token)} has the id {shown(value)}.")
        ids[token] = value
    return ids


def _read_merges(path: Path) -> list[tuple[str, str]]:
    lines = read_text(path).split("\n")
    merges = [line.rstrip("\r") for line in lines if not line.startswith("#version")]
    return _checked_pairs([line.split(" ") for line in merges if line], path)


def _checked_pairs(pairs: Sequence[object], path: Path) -> list[tuple[str, str]]:
    checked: list[tuple[str, str]] = []
    for pair in pairs:  # 48,894 of them: plain tests take a fifth of a match statement's time
        if isinstance(pair, list) and len(cast("list[object]", pair)) == 2:
            left, right = cast("list[object]", pair)
            if isinstance(left, str) and isinstance(right, str) and left and right:
                checked.append((left, right))
                continue
        raise CheckpointError(f"{path}: merge {len(checked) + 1} is not a pair of two tokens.")
    return checked


def _added_token(value: Mapping[str, JSON], where: str) -> AddedToken:
    fields = Fields(value, where)
    return AddedToken(
        content=fields.text("content"),
        special=fields.boolean("special", False),
        normalized=fields.boolean("normalized", True),
        single_word=fields.boolean("single_word", False),
        lstrip=fields.boolean("lstrip", False),
        rstrip=fields.boolean("rstrip", False),
    )


def _declared(
    config: Mapping[str, JSON], folder: Path, ids: Mapping[str, int]
) -> dict[int, AddedToken]:
    """Tokens that tokenizer_config.json lists by id, and those of the older added_tokens.json."""
    added: dict[int, AddedToken] = {}
    path = folder / "added_tokens.json"
    if path.is_file():
        for content, index in _checked_ids(read_json(path), path).items():
            if content not in ids:
                added[index] = AddedToken(content, special=False, normalized=True)
    listed = Fields(config, str(folder)).part("added_tokens_decoder", {})
    for key in listed.json:
        if not key.isascii() or not key.isdigit() or len(key) > 8:
            raise CheckpointError(f"{folder}: added_tokens_decoder has the id {shown(key)}.")
        added[int(key)] = _added_token(listed.part(key).json, listed.where)
    return added


_DEFAULTS = {"bos_token": "<|startoftext|>"}


def _special(config: Mapping[str, JSON], name: str, where: str) -> AddedToken:
    """A special token: plain text, or an object that also says how it is matched."""
    value = config.get(name, _DEFAULTS.get(name, "<|endoftext|>"))
    if isinstance(value, dict):
        token = _added_token(value, f"{where}: {name}")
        return AddedToken(token.content, True, token.normalized, *_strips(token))
    return AddedToken(Fields({name: value}, where).text(name))


def _strips(token: AddedToken) -> tuple[bool, bool, bool]:
    return token.single_word, token.lstrip, token.rstrip
