"""Every error that a caller can catch.

KakusanError                        anything kakusan raises on purpose
├── InputError (ValueError)         something handed in cannot be used; exit code 2
│   ├── RequestError                an argument of a generation: size, steps, seed, list lengths
│   │   ├── ArgumentError           one whose message says its name as the user typed it
│   │   │   └── PartError (CheckpointError)   the model that is named is no whole one to draw with
│   │   └── UnknownArgumentError (TypeError)   an argument name that does not exist
│   ├── NotYetError (NotImplementedError)   a well-known name whose time has not come
│   │   ├── NotYetAttributeError (AttributeError)   of a pipeline: `hasattr` says no
│   │   └── NotYetImportError (ImportError)   of the package
│   ├── UnknownNameError            no scheduler, component or model has this name
│   ├── CheckpointError             a model's files are missing or broken
│   │   └── ModelNotFoundError      the model is neither here nor in the cache nor reachable
│   └── OutputError                 a result cannot be written
├── NumericalError                  a stage gave NaN or infinity even in the highest precision
├── DecodeError (RuntimeError)      pictures that are computed could not be decoded; carries them
│   ├── DecodeMemoryError (RequestError)       for lack of memory
│   └── DecodeNumericalError (NumericalError)  the VAE gave NaN or infinity in float32 too
└── GenerationInterrupted (KeyboardInterrupt)   stopped by the user; carries what was finished
"""

import difflib
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

_LONGEST = 1000  # characters of a message, whatever is told in it


class KakusanError(Exception):
    """Anything that kakusan raises on purpose; its message is one line of bounded length."""

    def __str__(self) -> str:
        text = printable(" ".join(super().__str__().split()))
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


class InputError(KakusanError, ValueError):
    """Something handed in cannot be used: the message says what, and what to do."""


class RequestError(InputError):
    """An argument of a generation is out of its range or contradicts another."""


class ArgumentError(RequestError):
    """An argument cannot be used; its message says the argument's name as the user typed it.

    Args:
        template: `{height}` in it is an argument, called as a `Request` calls it; `{0}` is the
            first of `values`.
        values: What is put into the template, whatever characters are in it.
        words: What the user calls each argument, where that is not the `Request`'s name for it.
    """

    def __init__(
        self, template: str, *values: object, words: Mapping[str, str] | None = None
    ) -> None:
        self.template, self.values, self.words = template, values, dict(words or {})
        super().__init__(_Template(self.words).format(template, *values))

    def in_words(self, words: Mapping[str, str]) -> Self:
        """The same error for users who call arguments by `words`."""
        return type(self)(self.template, *self.values, words=words)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.template, self.values, self.words)


def _rebuilt(kind: type[ArgumentError], template: str, values: Any, words: Any) -> ArgumentError:
    return kind(template, *values, words=words)


class _Template(string.Formatter):
    """A name without a word of its own is said as it is."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: object) -> Any:  # noqa: ARG002
        return self._words.get(key, key) if isinstance(key, str) else args[key]

    def convert_field(self, value: object, conversion: str | None) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]
        return shown(value) if conversion == "r" else super().convert_field(value, conversion)  # pyright: ignore[reportArgumentType]


class UnknownArgumentError(RequestError, TypeError):
    """An argument name that does not exist; the message names the nearest ones."""


class NotYetError(InputError, NotImplementedError):
    """Something well known that kakusan does not have yet; the message says what to do instead."""


class NotYetAttributeError(NotYetError, AttributeError):
    """The same for an attribute, which `hasattr` does not find."""


class NotYetImportError(NotYetError, ImportError):
    """The same for a name of the package: `from kakusan import ...` hides an AttributeError."""


class UnknownNameError(InputError):
    """No scheduler, component or model has this name; the message names the nearest ones."""


class CheckpointError(InputError):
    """A model's files are missing, broken, or not what they claim to be."""


class PartError(ArgumentError, CheckpointError):
    """A model that was named lacks parts, or does not draw from a text; says what to name."""


class ModelNotFoundError(CheckpointError):
    """The model is neither a folder here nor in the cache, and could not be fetched."""


class OutputError(InputError):
    """A result cannot be written where it was asked for."""


class NumericalError(KakusanError, ArithmeticError):
    """A stage gave NaN or infinity even in the highest precision."""

    @classmethod
    def of(cls, network: str) -> Self:
        """Of a network, as people call it."""
        return cls(
            f"the {network} gave NaN or infinity, in float32 too; the model's or the prompt's "
            "weights or the given latents or embeddings are at fault"
        )


@dataclass(frozen=True, eq=False)
class Undecoded:
    """Pictures that are computed but for the VAE; `kakusan.save_latents` keeps them.

    Attributes:
        latents: a tensor (pictures, channels, height / 8, width / 8).
        records: what made each of them.
    """

    latents: Any
    records: Sequence[Mapping[str, Any]]


class DecodeError(KakusanError, RuntimeError):
    """Latents are finished, and could not be decoded.

    Attributes:
        undecoded: the latents, with their records.
        finished: the pictures that were complete by then.
    """

    def __init__(self, why: str, undecoded: Undecoded, finished: Sequence[Any] = ()) -> None:
        super().__init__(why)
        self.undecoded, self.finished = undecoded, list(finished)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.undecoded, self.finished)


class DecodeMemoryError(DecodeError, RequestError):
    """There is not enough memory to decode finished latents."""


class DecodeNumericalError(DecodeError, NumericalError):
    """The VAE gives NaN or infinity for finished latents, in float32 too."""


def decode_error(
    cause: Exception, undecoded: Undecoded, finished: Sequence[Any] = ()
) -> DecodeError:
    """The error for what went wrong in a decode."""
    kind = DecodeError
    if isinstance(cause, RequestError | MemoryError):
        kind = DecodeMemoryError
    elif isinstance(cause, NumericalError):
        kind = DecodeNumericalError
    return kind(str(cause) or type(cause).__name__, undecoded, finished)


class GenerationInterrupted(KakusanError, KeyboardInterrupt):  # noqa: N818
    """The user stopped a generation.

    Attributes:
        finished: the pictures that were complete by then.
        undecoded: those that lacked nothing but the decode, if it was then.
    """

    def __init__(self, finished: Sequence[Any] = (), undecoded: Undecoded | None = None) -> None:
        super().__init__(f"interrupted after {len(finished)} finished picture(s)")
        self.finished, self.undecoded = list(finished), undecoded

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.finished, self.undecoded)


def undecoded_of(error: BaseException) -> Undecoded | None:
    """The finished latents that an error carries, if any."""
    return error.undecoded if isinstance(error, DecodeError | GenerationInterrupted) else None


_LONGEST_LIST = 200  # characters of the names that a message lists
_LIKE, _LIKE_WORD = 0.5, 0.75  # of a name, and of one of its words, to be what was meant
_OF_A_WORD = 0.9  # what it counts that only a word is alike


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: ` Did you mean "x"? Known: x, y, z.`"""
    names = sorted(known)
    if not names:
        return " None is known."
    by_folded = {candidate.casefold(): candidate for candidate in names}
    close = _closest(name[:100].casefold(), by_folded)
    guess = (
        f" Did you mean {' or '.join(repr(by_folded[match]) for match in close)}?" if close else ""
    )
    few = names
    while sum(len(each) + 2 for each in few) > _LONGEST_LIST:
        few = few[:-1]
    more = f" and {len(names) - len(few)} more" if len(few) < len(names) else ""
    return f"{guess} Known: {', '.join(few)}{more}."


def _closest(name: str, known: Iterable[str]) -> list[str]:
    """At most three, the closest first: by all of their letters, or by one of their words."""
    matcher = difflib.SequenceMatcher(b=name)

    def likeness(text: str) -> float:
        matcher.set_seq1(text)
        return matcher.ratio() if matcher.quick_ratio() >= _LIKE else 0.0

    found: list[tuple[float, float, str]] = []
    for each in known:
        whole, words = likeness(each), each.split("_")
        word = max(map(likeness, words)) if len(words) > 1 else 0.0
        found.append((max(whole, _OF_A_WORD * word if word > _LIKE_WORD else 0.0), whole, each))
    return [each for like, _, each in sorted(found, reverse=True)[:3] if like >= _LIKE]


def check_no_unknown(where: str, unknown: Iterable[str], known: Iterable[str]) -> None:
    """Raise `UnknownArgumentError` for the first of `unknown`, naming the nearest of `known`."""
    for name in unknown:
        raise UnknownArgumentError(f"{where} has no argument {shown(name)}.{nearest(name, known)}")


def listed(names: Iterable[str]) -> str:
    """Names in a message, sorted, no more than four of them, none longer than 60 characters."""
    known = sorted(names)
    more = f" and {len(known) - 4} more" if len(known) > 4 else ""
    cut = (name if len(name) <= 60 else f"{name[:57]}..." for name in known[:4])
    return f"{', '.join(cut) or 'none'}{more}"


def kind_of(value: object) -> str:
    """What kind of thing a value is, in a message: `a diffusers UNet2DConditionModel`."""
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    name = kind.__qualname__[:60]
    words = name if library in ("builtins", "kakusan") else f"{library} {name}"
    return f"{'an' if words[0] in 'aeioAEIO' else 'a'} {words}"


def shown(value: object) -> str:
    """A value in a message: on one line, and no longer than 60 characters."""
    try:
        text = printable(" ".join(repr(value).split()))
    except (ValueError, RecursionError):  # a whole number of thousands of digits; deep nesting
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def shown_path(path: object) -> str:
    """A path in a message: quoted, on one line, and no longer than 160 characters."""
    text = printable(str(path))
    return f"'{text}'" if len(text) <= 158 else f"'...{text[-155:]}'"


def printable(text: str) -> str:
    """A text with escapes for what would move a cursor or cannot be written."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def reason(error: BaseException) -> str:
    """What another library's error says: on one line, and no longer than 120 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else f"{text[:117]}..."
