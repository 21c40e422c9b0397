"""Finished pictures into files, each as soon as it can be, whatever happens to the others."""

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kakusan.cli.console import complain, describe, remark, say_json, say_saved
from kakusan.cli.exits import DONE, INTERRUPTED, PARTLY
from kakusan.cli.live import Live, span
from kakusan.cli.place import Place, kept, rescued
from kakusan.cli.process import memory_told
from kakusan.cli.streams import ReaderLeft
from kakusan.errors import DecodeNumericalError, OutputError, undecoded_of
from kakusan.vocabulary import Vocabulary

if TYPE_CHECKING:
    from PIL.Image import Image

    from kakusan.pipeline import Picture


@dataclass
class Saver:
    """Takes finished pictures.

    Attributes:
        place: Where they go.
        count: How many are to come.
        line: Where progress is shown.
        together: Whether they are to make one file; they are held until then.
        as_json: Whether paths are told in one document at the end.
        quiet: Whether only paths are told.
        saved: One JSON object a file: its path, whether it was flagged, its record.
        held: Finished pictures that are not in files yet.
        pictures_saved: How many are.
        latents: Where finished latents were saved that could not be decoded.
        problem: What went wrong.
        mute: Whether paths could not be told on stdout.
        began: When the picture that is drawn was begun.
    """

    place: Place
    count: int
    line: Live
    together: bool = False
    as_json: bool = False
    quiet: bool = False
    saved: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    held: list["Picture"] = field(default_factory=list["Picture"])
    pictures_saved: int = 0
    latents: Path | None = None
    problem: str | None = None
    mute: bool = False
    began: float | None = None

    @property
    def progress(self) -> Callable[[float, str], None] | Literal[False]:
        """What `draw` is to tell."""
        return self._step if self.line.on else False

    def progress_of(self, index: int, count: int) -> Callable[[float, str], None] | Literal[False]:
        """The same of picture `index` of `count`, which are drawn by themselves."""
        if count == 1 or not self.line.on:
            return self.progress
        name = f"picture {index + 1} of {count}, "
        return lambda fraction, words: self._step((index + fraction) / count, name + words)

    def _step(self, fraction: float, words: str) -> None:
        if self.began is None:
            self.began = time.monotonic()
        self.line.step(fraction, words)

    def __call__(self, picture: "Picture") -> None:
        if picture.flagged:
            seed = picture.record.get("seed")
            remark(f"the picture of seed {seed} was flagged by the safety checker and is black")
        if self.together:
            self.held.append(picture)
        else:
            self._save_one(picture, len(self.saved))

    def _save_one(self, picture: "Picture", index: int) -> None:
        image, record = picture.image, picture.record
        try:
            path = self.place.save(image, record, index=index, count=self.count)
        except OutputError:
            if path := rescued(self.place, image, record, index=index, count=self.count):
                remark(f"'{path}' was saved instead")
                self._note(path, picture.flagged, record, 1)
            raise
        self._note(path, picture.flagged, record, 1)

    def save_together(
        self, image: "Image", record: Mapping[str, object], stem: str | None = None
    ) -> None:
        """Save the one file that all held pictures make; `stem` where the user named none.

        Raises:
            OutputError: It cannot be written where it was to go.
        """
        flagged, pictures = any(each.flagged for each in self.held), len(self.held)
        try:
            path = self.place.save(image, record, stem=stem)
        except OutputError:
            if path := rescued(self.place, image, record, stem=stem):
                self.held.clear()
                remark(f"'{path}' was saved instead")
                self._note(path, flagged, record, pictures)
            raise
        self.held.clear()
        self._note(path, flagged, record, pictures)

    def rescue(self) -> None:
        """Save each held picture alone, in whatever place works."""
        for index, picture in enumerate(self.held):
            image, record = picture.image, picture.record
            path = rescued(self.place, image, record, index=index, count=self.count)
            if path is None:
                complain(f"{len(self.held) - index} finished pictures are lost: no place to write")
                break
            self._note(path, picture.flagged, record, 1)
        self.held.clear()

    def keep(self, error: BaseException) -> str:
        """Save finished latents that an error carries; words that say how to go on."""
        undecoded = undecoded_of(error)
        if undecoded is None or not len(undecoded.latents):
            return ""
        index = min(self.pictures_saved, self.count - 1)
        self.latents = kept(self.place, undecoded, index=index, count=self.count)
        if self.latents is None:
            return "; the finished latents are lost: no place to write"
        from kakusan.checkpoints.recorded import why_not_at_hand

        record, more = undecoded.records[0], list[str]()
        if record.get("model") is not None and why_not_at_hand(record) is not None:
            more = ["--model", str(record["model"])]
        another = isinstance(error, DecodeNumericalError)  # this one would fail again
        if record.get("vae") is not None and not another:
            more += ["--vae", str(record["vae"])]
        command = shlex.join(["kakusan", "decode", str(self.latents), *more])
        if another:
            command += " --vae ANOTHER"
        return f"; the finished latents are saved, and `{command}` goes on from there"

    def _note(self, path: Path, flagged: bool, record: Mapping[str, object], count: int) -> None:
        self.saved.append({"path": str(path), "flagged": flagged, "record": dict(record)})
        self.pictures_saved += count
        if self.as_json:
            return
        try:
            say_saved(path, self._facts(record, count), self.quiet)
        except OutputError as error:
            self.mute = True
            complain(f"{error}; the picture is in '{path}'")

    def _facts(self, record: Mapping[str, object], count: int) -> str:
        seed, steps = record.get("seed"), record.get("num_inference_steps")
        facts = [f"{count} pictures"] if count > 1 else []
        facts += [] if seed is None else [f"seed {seed}"]
        each = [] if steps is None else [f"{steps} steps"]
        if self.began is not None:
            now = time.monotonic()
            each += [f"in {span(now - self.began)}"]
            self.began = now
        return ", ".join([*facts, " ".join(each)]).strip(", ")


def run(draw: Callable[[], None], saver: Saver, words: Vocabulary) -> int:
    """Draw and save; the exit code. An error before the first file is raised."""
    try:
        with words.spoken(), memory_told(saver.quiet):
            draw()
    except ReaderLeft:
        raise
    except KeyboardInterrupt as error:
        saver.rescue()
        if goes_on := saver.keep(error):
            remark(f"stopped in the decode{goes_on}")
        saver.problem = "interrupted"
        return INTERRUPTED
    except Exception as error:
        saver.rescue()
        goes_on = saver.keep(error)
        if not saver.saved and saver.latents is None:
            raise
        saver.problem = describe(error)
        told = f" ({saver.pictures_saved} of {saver.count} pictures were saved)"
        complain(f"{saver.problem}{goes_on}{told if saver.count > 1 else ''}")
        return PARTLY
    return PARTLY if saver.mute else DONE


def run_and_report(draw: Callable[[], None], saver: Saver, words: Vocabulary) -> int:
    """The same, and with `--json` the document at the end."""
    code = run(draw, saver, words)
    if not saver.as_json:
        return code
    try:
        latents = {} if saver.latents is None else {"latents": str(saver.latents)}
        say_json({"pictures": saver.saved, "error": saver.problem, **latents})
    except OutputError as error:
        complain(f"{error}; pictures are in {', '.join(str(each['path']) for each in saver.saved)}")
        return PARTLY
    return code
