"""`kakusan reproduce`: the same pixels again, from a picture's file alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kakusan import __version__
from kakusan.cli import (
    control_options,
    embedding_options,
    lora_options,
    noise_options,
    options,
    picture_options,
)
from kakusan.cli.compared import as_compared, compared_with
from kakusan.cli.console import remark, say, say_json
from kakusan.cli.exits import DONE, PARTLY
from kakusan.cli.info import load_record
from kakusan.cli.live import live
from kakusan.cli.place import Place
from kakusan.cli.process import prepare
from kakusan.cli.recorded import (
    WORDS,
    check_inputs,
    check_nets,
    check_trusted,
    pictures_in,
    with_embeddings,
)
from kakusan.cli.reproduce_foreign import Asked, reproduce_foreign
from kakusan.cli.saver import Saver, run
from kakusan.errors import ArgumentError, InputError, RequestError, shown
from kakusan.request import Request, reproducible
from kakusan.vocabulary import Vocabulary

if TYPE_CHECKING:
    from PIL.Image import Image

    from kakusan.inputs import Given
    from kakusan.interchange import Likeness

QUOTES = "'\""
LOSSLESS = frozenset({".png"})
# whose settings have the names of a Request
OF_A_RECORD = Vocabulary(
    "a record", {name: WORDS[name] for name in ("lora_dirs", "inputs", "control_models")}
)


def chosen_device(record: Mapping[str, object], asked: str | None) -> str:
    """The device asked for, else the record's if this machine has it, else the best here."""
    from kakusan.runtime.device import best_device, parse_device

    if asked is not None:
        return str(parse_device(asked))
    recorded = record.get("device")
    try:
        return str(parse_device(recorded if isinstance(recorded, str) else None))
    except RequestError:
        return str(best_device())


def differences(record: Mapping[str, object], device: str) -> list[str]:
    """What is not as it was when the picture was made, and may change its pixels."""
    now = {"kakusan": __version__, "device": device.partition(":")[0]}
    pairs = ((name, record.get(name), value) for name, value in now.items())
    return [
        f"{name} {shown(then).strip(QUOTES)} then, {value} now"
        for name, then, value in pairs
        if then is not None and then != value
    ]


def draw_again(
    records: Sequence[Mapping[str, object]],
    rows: int,
    cols: int,
    device: str,
    saver: Saver,
    *,
    trusted: bool,
    unet: str | None,
    vae: str | None,
    loras: tuple[list[str] | None, bool] = (None, False),
    inputs: Sequence[Path] = (),
    control_models: Sequence[str] = (),
) -> tuple["Image", dict[str, object]]:
    """The picture, or the grid, that the records tell of, and its new record."""
    name = records[0].get("model")
    prepare(saver.line, name if isinstance(name, str) else None)
    from kakusan.images import grid_record, image_grid
    from kakusan.inputs import given_pictures
    from kakusan.pipeline import reproduce
    from kakusan.text import said_once

    requests = [reproducible(record) for record in records]
    given = given_pictures("inputs", [str(path) for path in inputs] or None, files=True)
    with said_once():
        for index in range(len(records)):
            reproduce(
                records[index],
                unet=unet,
                vae=vae,
                embeddings=_files(records[index]),
                trust_model=trusted,
                lora_dirs=loras[0] or None,
                trust_loras=loras[1],
                inputs=_those_of(requests[index], requests, given),
                control_models=list(control_models) or None,
                device=device,
                on_picture=saver,
                progress=saver.progress_of(index, len(records)),
            )
    drawn = saver.held
    if len(drawn) == 1 and (rows, cols) == (1, 1):
        return drawn[0].image, drawn[0].record
    image = image_grid([picture.image for picture in drawn], rows, cols)
    return image, grid_record([picture.record for picture in drawn], rows, cols)


def _those_of(
    request: Request, requests: Sequence[Request], given: "Given | None"
) -> "Given | None":
    """What one request tells of, and what none does, which is refused where it is drawn."""
    from kakusan.inputs import joined, tells_of

    if given is None:
        return None
    others = [each for each in requests if each is not request]
    kept = [
        part
        for part in given.parts()
        if tells_of(request, part) or not any(tells_of(each, part) for each in others)
    ]
    return joined(kept) if kept else None


def _files(record: Mapping[str, object]) -> list[str]:
    """The files of learnt words that a record names, which the user may have named anew."""
    return [each["file"] for each in reproducible(record).embeddings or ()]


def pixels_of(given: Path) -> "Image | None":
    """What a new picture is compared with; None where the file does not hold it exactly."""
    from kakusan.images import read_picture

    if given.suffix.casefold() not in LOSSLESS:
        return None
    try:
        return read_picture(given)
    except InputError as error:  # its record could be read
        remark(str(error))
        return None


def same_pixels(then: "Image | None", now: "Image") -> bool | None:
    """Whether two pictures are equal; None where there is none to compare with."""
    if then is None:
        return None
    return then.size == now.size and then.tobytes() == now.convert("RGB").tobytes()


VERDICTS = {
    True: "the pixels are identical to the given picture's",
    False: "the pixels differ from the given picture's",
    None: "the pixels cannot be compared: the given file does not keep them exactly",
}


def reproduce(
    picture: Annotated[
        Path,
        typer.Argument(metavar="PICTURE", help="A file that kakusan or another tool wrote."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Where its model is now.",
            autocompletion=options.complete_model,
        ),
    ] = None,
    unet: options.Unet = None,
    vae: options.Vae = None,
    models_dir: noise_options.ModelsDir = None,
    rng: Annotated[
        str | None,
        typer.Option(
            metavar="TOOL",
            help="Whose noise, of another tool's PICTURE; else as it tells.",
            autocompletion=noise_options.complete_rng,
        ),
    ] = None,
    embedding: embedding_options.Embedding = None,
    embeddings_dir: embedding_options.Folder = None,
    lora_dir: lora_options.LoraDirs = None,
    inputs: picture_options.InputFiles = None,
    control_model: control_options.ControlModels = None,
    control: control_options.Controls = None,
    device: options.RecordedDevice = None,
    yes: Annotated[
        bool, typer.Option("-y", "--yes", help="Use the model that PICTURE names, whatever it is.")
    ] = False,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="WHERE",
            help="FILE or FOLDER/; else beside PICTURE. A FILE that is there stays: the new one "
            "gets a number.",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Tell how near the new picture is: its PSNR in dB.")
    ] = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> int:
    """Make PICTURE again from its record, and compare the pixels.

    The exit code is 3 when a picture of kakusan's differs. Of the models that a record may name,
    only the built-in one and those in the Hub's cache are used unasked; say with --model where
    another one is, with --unet or --vae where a part is that it names in place of the model's own,
    with --embedding or --embeddings-dir where files of learnt words are, which are told by their
    hashes, with --lora-dir where adapters are, and with --input what it was made from.

    A picture of another tool is made by that tool's rules, as far as they are known; what is not
    made again is told before. Its model is looked for by hash and name in the Hub's cache and in
    each --models-dir.
    """
    from kakusan.images.metadata import FORMATS

    lora_dirs = lora_options.read_dirs(lora_dir)
    record = load_record(picture)
    suffix = picture.suffix if picture.suffix.casefold() in FORMATS else ".png"
    if "kakusan" not in record:
        files = embedding_options.read(embedding, embeddings_dir) or ()
        asked = Asked(
            *(model, tuple(models_dir or ()), unet, vae, rng, device),
            *(tuple(files), tuple(lora_dirs or ()), tuple(inputs or ())),
            controls=control_options.read(control, None),
        )
        place = Place.of(output, suffix, picture.parent, overwrite=overwrite)
        return reproduce_foreign(
            picture, asked, place, compare=compare, as_json=as_json, quiet=quiet
        )
    if control:
        raise RequestError(
            "--control is for pictures of other tools; say of kakusan's own with --control-model "
            "where the network is"
        )
    if rng is not None:
        raise RequestError("--rng is for pictures of other tools; kakusan's own tell it themselves")
    try:
        records, rows, cols = pictures_in(record, picture, model)
        named = {"model": model, "unet": unet, "vae": vae}
        given = [part for part, where in named.items() if where is not None]
        agreed = check_trusted(records, picture, yes=yes, given=given)
        trusted = agreed or model is not None
        files = embedding_options.read(embedding, embeddings_dir)
        records = [with_embeddings(each, files, trusted=agreed) for each in records]
    except ArgumentError as error:
        raise error.in_words(WORDS) from None
    check_nets(records, control_model, trusted=agreed)
    requests = [reproducible(each) for each in records]
    found = picture_options.found_again(requests, inputs, picture.parent)
    check_inputs(requests, picture, found)
    place = Place.of(output, suffix, picture.parent, overwrite=overwrite)
    compared: list[bool | None] = []
    likenesses: list[Likeness] = []

    def draw() -> None:
        saver.line.wait("loading torch")
        where = chosen_device(record, device)
        if changed := differences(record, where):
            remark(f"the pixels may differ: {', '.join(changed)}")
        then = pixels_of(picture)
        image, new_record = draw_again(
            *(records, rows, cols, where, saver),
            trusted=trusted,
            unet=unet,
            vae=vae,
            loras=(lora_dirs, yes),
            inputs=found,
            control_models=control_model or (),
        )
        compared.append(same_pixels(then, image))
        if compare and (near := compared_with(picture, image)) is not None:
            likenesses.append(near)
        saver.save_together(image, new_record, f"{picture.stem}-reproduced")

    with live(quiet) as line:
        saver = Saver(place, len(records), line, together=True, quiet=quiet, as_json=as_json)
        code = run(draw, saver, OF_A_RECORD)
    same = compared[0] if compared else None
    if as_json and saver.saved:
        path, new_record = (saver.saved[0][name] for name in ("path", "record"))
        told = as_compared(likenesses, asked=compare)
        say_json({"path": path, "identical": same, **told, "record": new_record})
    elif code == DONE:
        for each in likenesses:
            say(str(each))
        remark(VERDICTS[same])
    return PARTLY if code == DONE and same is False else code
