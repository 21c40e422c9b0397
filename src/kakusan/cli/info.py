"""`kakusan info`: how pictures were made, by kakusan or by other tools."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kakusan.cli.console import complain, describe, say, say_json
from kakusan.cli.exits import DONE, PARTLY, USAGE
from kakusan.errors import InputError, shown_path

if TYPE_CHECKING:
    from kakusan.images.carriers import Texts

# Without these no picture can be made again, as people call them
_NEEDED = {
    "prompt": "prompt",
    "seed": "seed",
    "num_inference_steps": "steps",
    "width": "size",
    "guidance_scale": "guidance",
    "scheduler": "sampler",
    "model": "model",
}


def load_record(path: Path) -> dict[str, object]:
    """The record in a picture's file.

    Raises:
        InputError: The file is no picture that can be read, or has no record.
    """
    from kakusan.images import read_record
    from kakusan.images.carriers import texts_of

    record = read_record(path)
    if record is None:
        raise InputError(
            f"'{path}' has no record of how it was made; kakusan and other tools write one into "
            f"PNG, JPEG and WebP, but editing or uploading often removes it"
            f"{_not_understood(texts_of(path))}"
        )
    return record


def _not_understood(texts: "Texts") -> str:
    """Where something stands that could be a record."""
    broken = [f"{where} {why}" for where, why in texts.broken.items()]
    objects = [where for where, text in texts.found if text.lstrip().startswith(("{", "["))]
    strange = [f"{where} holds no settings that are known" for where in dict.fromkeys(objects)]
    return "".join(f"; {said}" for said in [*broken, *strange][:3])


def _line(name: str, value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{name}: {text}".replace("\n", "\n    ")


def info(
    pictures: Annotated[
        list[Path],
        typer.Argument(
            metavar="PICTURE",
            help="One or more PNG, JPEG, WebP, GIF or AVIF files, of kakusan or of other tools, "
            "or latents of kakusan.",
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the record as JSON; of several files a list.")
    ] = False,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Print the texts in the files as they stand there instead."),
    ] = False,
) -> int:
    """Show how PICTURE was made: prompt, seed, model and the rest.

    Of another tool's picture it shows the settings in kakusan's words, what can be made again and
    what not, and what is not understood. Nothing that a picture names is opened.
    """
    read = _texts_of if raw else _record_of
    if len(pictures) == 1:
        record = read(pictures[0])
        say_json(record) if as_json else _show(record)
        return DONE
    found: list[dict[str, object]] = []
    for path in pictures:
        try:
            record = read(path)
        except InputError as error:
            complain(describe(error))
            continue
        if not as_json:
            say(f"{path}:" if not found else f"\n{path}:")
            _show(record)
        found.append({"path": str(path), **record})
    if as_json and found:
        say_json(found)
    return DONE if len(found) == len(pictures) else PARTLY if found else USAGE


def _record_of(path: Path) -> dict[str, object]:
    if path.suffix.casefold() != ".safetensors":
        return load_record(path)
    from kakusan.images.latents import latents_record

    return latents_record(path)


def _texts_of(path: Path) -> dict[str, object]:
    """Every text that is found, under where it stands."""
    from kakusan.images.carriers import add_stealth, texts_of

    texts = texts_of(path)
    if not texts.found:
        add_stealth(path, texts)
    if not texts.found:
        raise InputError(f"{shown_path(path)} holds no text beside its pixels")
    return dict(texts.by_place())


def _show(record: Mapping[str, object]) -> None:
    """One line a setting; of other tools' pictures then what they are good for."""
    foreign = "kakusan" not in record and "tool" in record
    told = {name: value for name, value in record.items() if not (foreign and name in _APART)}
    for name, value in told.items():
        if value is not None and value != []:
            say(_line(name, value))
    if foreign:
        _show_use(record)


_APART = ("unknown", "limits")


def _show_use(record: Mapping[str, object]) -> None:
    known = [word for name, word in _NEEDED.items() if record.get(name) is not None]
    missing = [word for name, word in _NEEDED.items() if record.get(name) is None]
    say(_line("reproduce can use", ", ".join(known) or "nothing"))
    if missing:
        say(_line("is not told", ", ".join(missing)))
    limits, unknown = record.get("limits"), record.get("unknown")
    for sentence in limits if isinstance(limits, list) else ():  # pyright: ignore[reportUnknownVariableType]
        say(_line("limit", str(sentence)))  # pyright: ignore[reportUnknownArgumentType]
    for name, value in unknown.items() if isinstance(unknown, dict) else ():  # pyright: ignore[reportUnknownVariableType]
        say(_line(f"not understood: {name}", value))
