"""The fields of a request that say which adapters it is drawn with, and their checks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from os import PathLike, fspath
from typing import Any, NamedTuple, NoReturn, cast

from kakusan.errors import ArgumentError, shown
from kakusan.request import checks

MAX_STRENGTH = 1000.0
MAX_LORAS = 100
_HASH = re.compile("[0-9a-f]{64}")
_SHAPE = (
    'a file or a name, or {"name": ..., "text_weight": ..., "unet_weight": ...}, or several of them'
)


class Lora(NamedTuple):
    """An adapter that a request asks for.

    Attributes:
        name: its file, or a name: of an adapter that the pipeline has loaded, of one in
            `AdaptedRequest.lora_files`, or of a file in a folder of adapters.
        text_weight: its strength in the text encoders.
        unet_weight: its strength in the UNet.
    """

    name: str
    text_weight: float = 1.0
    unet_weight: float = 1.0


class LoraFile(NamedTuple):
    """The file of an adapter: where it is, or was, and the SHA-256 of what is in it."""

    path: str
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class AdaptedRequest:
    """The adapters that pictures are drawn with; all of it is None where nothing was given.

    `loras` are those of every picture; a prompt in AUTOMATIC1111's syntax may name others, for
    itself alone. One that is named twice is added twice. `lora_files` says where those are that are
    named, and is written into records. `lora_scale` multiplies all strengths, those of adapters
    that the pipeline has on included.
    """

    loras: tuple[Lora, ...] | None = None
    lora_files: Mapping[str, LoraFile] | None = None
    lora_scale: float | None = None

    @staticmethod
    def only_adapted() -> list[str]:
        """The names of these fields."""
        return [field.name for field in fields(AdaptedRequest)]

    def checked_loras(self) -> dict[str, Any]:
        """The fields as they are stored.

        Raises:
            ArgumentError: One is not what it should be.
        """
        return {
            "loras": loras_of(self.loras),
            "lora_files": _files_of(self.lora_files),
            "lora_scale": strength("lora_scale", self.lora_scale),
        }

    def adapted_record(self) -> dict[str, Any]:
        """Those that are set, as plain JSON."""
        found: dict[str, Any] = {}
        if self.loras is not None:
            found["loras"] = [each._asdict() for each in self.loras]
        if self.lora_files is not None:
            found["lora_files"] = {name: each._asdict() for name, each in self.lora_files.items()}
        if self.lora_scale is not None:
            found["lora_scale"] = self.lora_scale
        return found


def strength(name: str, value: object) -> float | None:
    """A strength, which may be below 0."""
    return checks.number(name, value, -MAX_STRENGTH, MAX_STRENGTH)


def loras_of(given: object) -> tuple[Lora, ...] | None:
    """Adapters from what users pass for them: one or several; None for nothing given.

    Raises:
        ArgumentError: It is none, or a strength is no finite number.
    """
    if given is None:
        return None
    several = [given] if isinstance(given, str | PathLike | Mapping | Lora) else given
    if not isinstance(several, Sequence):
        raise ArgumentError(f"{{loras}} must be {_escaped(_SHAPE)}, not {{0}}", shown(given))
    found = tuple(_lora_of(each) for each in cast("Sequence[object]", several))
    if len(found) > MAX_LORAS:
        raise ArgumentError(f"{{loras}} has {len(found)} adapters; at most {MAX_LORAS} are taken")
    return found or None


def _lora_of(given: object) -> Lora:
    values: list[object] = []
    if isinstance(given, str | PathLike):
        values = [given]
    elif isinstance(given, Mapping):
        said = cast("Mapping[object, object]", given)
        if said.keys() - set(Lora._fields):
            _refuse(given)
        text = said.get("text_weight", 1.0)
        values = [said.get("name"), text, said.get("unet_weight", text)]
    elif isinstance(given, Sequence):
        values = list(cast("Sequence[object]", given))
    name = values[0] if values else None
    if not 1 <= len(values) <= 3 or not isinstance(name, str | PathLike) or not fspath(name):
        _refuse(given)
    text = _own_strength(values[1] if len(values) > 1 else 1.0)
    unet = _own_strength(values[2] if len(values) > 2 else text)
    where = fspath(cast("str | PathLike[Any]", name))
    if text is None or unet is None or not isinstance(where, str):
        _refuse(given)
    return Lora(where, text, unet)


def _own_strength(value: object) -> float | None:
    try:
        return strength("loras", value)
    except ArgumentError:
        raise ArgumentError(
            f"a strength of {{loras}} must be a finite number from {-MAX_STRENGTH:g} to "
            f"{MAX_STRENGTH:g}, not {{0}}",
            shown(value),
        ) from None


def _refuse(given: object) -> NoReturn:
    raise ArgumentError(f"each of {{loras}} must be {_escaped(_SHAPE)}, not {{0}}", shown(given))


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _files_of(given: object) -> dict[str, LoraFile] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise ArgumentError("{lora_files} must be a mapping of names to files, not {0}", given)
    found = {
        str(name): _file_of(each) for name, each in cast("Mapping[object, object]", given).items()
    }
    if len(found) > MAX_LORAS:
        raise ArgumentError(f"{{lora_files}} has {len(found)} files; at most {MAX_LORAS} are taken")
    return found or None


def _file_of(given: object) -> LoraFile:
    match given:
        case str():
            return LoraFile(given)
        case LoraFile() | {"path": str()} | (str(),) | (str(), _):
            pairs = cast(Any, given)
            path, digest = (
                (pairs["path"], pairs.get("sha256"))
                if isinstance(given, Mapping)
                else (pairs[0], pairs[1] if len(pairs) > 1 else None)
            )
            if digest is None or (isinstance(digest, str) and _HASH.fullmatch(digest)):
                return LoraFile(path, digest)
        case _:
            pass
    raise ArgumentError(
        "each of {lora_files} must be a path, with the SHA-256 of the file if that is known, not "
        "{0}",
        shown(given),
    )


def typed(text: str) -> Lora:
    """An adapter as it is typed: FILE_OR_NAME[:WEIGHT[:UNET_WEIGHT]].

    What stands behind a colon and is no number is part of the name, as in `C:\\x.safetensors`.

    Raises:
        ArgumentError: There is no name, or a strength is not finite.
    """
    pieces, weights = text.strip().split(":"), list[float]()
    while len(pieces) > 1 and len(weights) < 2 and (number := _number(pieces[-1])) is not None:
        weights.insert(0, number)
        pieces.pop()
    name = ":".join(pieces)
    if not name.strip():
        raise ArgumentError(
            "{loras} must be FILE_OR_NAME[:WEIGHT[:UNET_WEIGHT]], not {0}", shown(text)
        )
    return _lora_of([name, *weights])


def _number(text: str) -> float | None:
    """ "nan" and "inf" are numbers too, and refused as such."""
    try:
        return float(text)
    except ValueError:
        return None
