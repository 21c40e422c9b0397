"""`kakusan generate`: a prompt to pictures in files."""

import re
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kakusan.cli.console import complain, describe, progress, say_json, say_path
from kakusan.cli.exits import DONE, INTERRUPTED, PARTLY
from kakusan.cli.place import Place
from kakusan.cli.process import hold_memory
from kakusan.errors import OutputError, RequestError, shown
from kakusan.quality import FAST
from kakusan.request import Request
from kakusan.vocabulary import COMMAND_LINE

if TYPE_CHECKING:
    from kakusan.pipeline import Picture


@dataclass
class Saver:
    """Saves each picture as soon as it is finished; those of a grid once all are.

    Attributes:
        saved: One JSON object a file: its path, whether it was flagged, its record.
    """

    place: Place
    count: int
    grid: tuple[int, int] | None
    show: Callable[[Path], None]
    saved: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    held: list["Picture"] = field(default_factory=list["Picture"])

    def __call__(self, picture: "Picture") -> None:
        if picture.flagged:
            seed = picture.record.get("seed")
            complain(f"the picture of seed {seed} was flagged by the safety checker and is black")
        if self.grid is None:
            index = len(self.saved)
            path = self.place.save(picture.image, picture.record, index=index, count=self.count)
            self._note(path, picture.flagged, picture.record)
            return
        if not self.held:
            self._check_grid_fits(picture, *self.grid)
        self.held.append(picture)

    def _check_grid_fits(self, first: "Picture", rows: int, cols: int) -> None:
        """Say now, not after the last picture, that the format cannot hold the grid."""
        from kakusan.images import check_fits

        width, height = first.image.size
        name = Path(f"{self.place.stem or 'grid'}{self.place.suffix}")
        check_fits(self.place.folder / name, width * cols, height * rows)

    def finish(self) -> None:
        """Save the grid, if one was asked for."""
        from kakusan.images import grid_record, image_grid

        if self.grid is None:
            return
        image = image_grid([picture.image for picture in self.held], *self.grid)
        record = grid_record([picture.record for picture in self.held], *self.grid)
        path = self.place.save(image, record)
        self._note(path, any(picture.flagged for picture in self.held), record)
        self.held.clear()

    def rescue(self) -> None:
        """Save each finished picture of a grid that will not be completed, if that can be done."""
        for index, picture in enumerate(self.held):
            try:
                path = self.place.save(picture.image, picture.record, index=index, count=self.count)
            except OutputError as error:
                complain(f"{len(self.held) - index} finished pictures are lost: {describe(error)}")
                break
            self._note(path, picture.flagged, picture.record)
        self.held.clear()

    def _note(self, path: Path, flagged: bool, record: dict[str, object]) -> None:
        self.saved.append({"path": str(path), "flagged": flagged, "record": record})
        self.show(path)


def parse_grid(text: str | None, count: int | None) -> tuple[tuple[int, int] | None, int]:
    """The rows and columns of `--grid`, and how many pictures to draw.

    Raises:
        RequestError: Not RxC, or not as many pictures as `--count` says.
    """
    if text is None:
        return None, 1 if count is None else count
    match = re.fullmatch(r"\s*(\d{1,4})\s*[x×*]\s*(\d{1,4})\s*", text, re.IGNORECASE)
    rows, cols = (int(match[1]), int(match[2])) if match else (0, 0)
    if rows < 1 or cols < 1:
        raise RequestError(f"--grid must be ROWSxCOLUMNS, such as 2x3, not {shown(text)}")
    if count not in (None, rows * cols):
        raise RequestError(
            f"--grid {rows}x{cols} holds {rows * cols} pictures, but --count is {count}; "
            "leave out --count, or let them agree"
        )
    return (rows, cols), rows * cols


def read_prompt(text: str) -> str:
    """`text`, or what stands on stdin where it is "-".

    Raises:
        RequestError: What stands there is not UTF-8.
    """
    if text != "-":
        return text
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  closed by the caller
        raise RequestError('the prompt "-" is read from stdin, but stdin is closed')
    try:
        given = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(f"the prompt on stdin is not UTF-8 text: byte {error.start}") from None
    return given.removesuffix("\n").removesuffix("\r")


def generate(
    prompt: Annotated[
        str, typer.Argument(metavar="PROMPT", help='What to draw; "-" reads it from stdin.')
    ],
    negative: Annotated[str, typer.Option("-n", "--negative", help="What not to draw.")] = "",
    model: Annotated[str, typer.Option(help="builtin, a folder, or a Hub id.")] = "builtin",
    steps: Annotated[int | None, typer.Option(help="Else as many as the model likes.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How strictly to follow PROMPT.")] = None,
    seed: Annotated[int | None, typer.Option(help="Picture i has SEED+i; else random.")] = None,
    width: Annotated[int | None, typer.Option(help="In pixels, a multiple of 8.")] = None,
    height: Annotated[int | None, typer.Option(help="In pixels, a multiple of 8.")] = None,
    count: Annotated[int | None, typer.Option(help="How many pictures.")] = None,
    grid: Annotated[str | None, typer.Option(metavar="RxC", help="One file of R*C.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Such as euler-a, dpmpp-2m.")] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Nearly the same picture, sooner if steps allow it.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, float16 or bfloat16.")] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="FILE.png, .jpg, .webp, or FOLDER/.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")] = False,
) -> int:
    """Draw pictures of PROMPT and print their paths."""
    text = read_prompt(prompt)
    shape, pictures = parse_grid(grid, count)
    with COMMAND_LINE.spoken():
        request = Request.of(
            text,
            negative_prompt=negative,
            model=model,
            seed=secrets.randbelow(2**32) if seed is None else seed,
            num_images_per_prompt=pictures,
            width=width,
            height=height,
            num_inference_steps=steps,
            guidance_scale=guidance,
            scheduler=scheduler,
            quality_budget=FAST if fast else None,
            device=device,
            dtype=dtype,
        )
    place = Place.of(output)
    bar = progress(quiet)

    def drawn(saver: Saver) -> None:
        from kakusan.pipeline import draw

        hold_memory()
        draw(request, on_picture=saver, progress=bar)

    return run(drawn, Saver(place, pictures, shape, _silent if as_json else say_path), as_json)


def _silent(_path: Path) -> None:
    """With --json the paths are in the document."""


def run(draw: Callable[[Saver], None], saver: Saver, as_json: bool) -> int:
    """Draw, save and report; the exit code. An error before the first file is raised."""
    code, problem = DONE, None
    try:
        with COMMAND_LINE.spoken():
            draw(saver)
        saver.finish()
    except KeyboardInterrupt:
        saver.rescue()
        code, problem = INTERRUPTED, "interrupted"
    except Exception as error:
        saver.rescue()
        if not saver.saved:
            raise
        code, problem = PARTLY, describe(error)
        complain(f"{problem} ({len(saver.saved)} of {saver.count} pictures were saved)")
    if as_json:
        say_json({"pictures": saver.saved, "error": problem})
    return code
