"""The one line on a terminal that says what is going on, and goes when there is something to say.

It stands from the first moment, so that the seconds in which torch is imported are not silent.
"""

import math
import os
import sys
import threading
import time
import unicodedata
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field

from kakusan.cli.streams import is_terminal

TICK = 0.2  # seconds
LONGEST_BAR = 40
BLOCKS = " ▏▎▍▌▋▊▉█"


@dataclass
class Live:
    """A line on stderr, or none at all where `on` is false.

    Attributes:
        words: What is going on; empty where the line is not to be seen.
        fraction: How much of it is done; None where nobody knows.
        begun: How much was done when it was first said.
    """

    on: bool
    words: str = ""
    fraction: float | None = None
    begun: float = 0.0
    since: float = 0.0
    width: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    ended: threading.Event = field(default_factory=threading.Event)

    def wait(self, words: str) -> None:
        """Say what is going on for a while that nobody knows."""
        self._show(words, None)

    def step(self, fraction: float, words: str) -> None:
        """Say how far it has come, from 0 to 1."""
        self._show(words, fraction)

    def leave(self, words: str) -> None:
        """Write a line that stays, and leave the terminal to others until the next word."""
        if self.on:
            with self.aside():
                self.words = ""
                _write(f"{words}\n")

    def _show(self, words: str, fraction: float | None) -> None:
        if not self.on:
            return
        with self.lock:
            if (fraction is None) != (self.fraction is None) or not self.words:
                self.since, self.begun = time.monotonic(), fraction or 0.0
            known = fraction is not None and self.words == words
            self.words, self.fraction = words, fraction
            if not known:
                self.paint()

    def paint(self) -> None:
        with self.lock:
            if not self.words:
                return
            elapsed = time.monotonic() - self.since
            look = columns(), can_draw_blocks()
            text = line(self.words, self.fraction, elapsed, *look, begun=self.begun)
            before, self.width = self.width, cells(text)  # first: Ctrl-C may come in between
            _write("\r" + text + " " * (before - self.width))

    @contextmanager
    def aside(self) -> Generator[None]:
        """Within, the line is gone, and others may write."""
        with self.lock:
            if self.width:  # two more for the ^C that a terminal shows
                _write("\r" + " " * (self.width + 2) + "\r")
                self.width = 0
            yield
            if not self.ended.is_set():
                self.paint()

    def close(self) -> None:
        self.ended.set()
        with self.aside():
            self.words = ""


_current = Live(on=False)


@contextmanager
def live(quiet: bool) -> Generator[Live]:
    """Within, there is a line to say things in: on a terminal, unless `quiet`.

    Downloads follow the same rule; huggingface_hub reads it when it is imported, or is told.
    """
    global _current
    shown = Live(on=not quiet and is_terminal(sys.stderr))
    if not shown.on:
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        if (utils := sys.modules.get("huggingface_hub.utils")) is not None:
            utils.disable_progress_bars()
        yield shown
        return
    _current = shown
    threading.Thread(target=_tick, args=(shown,), daemon=True).start()
    try:
        yield shown
    finally:
        shown.close()
        _current = Live(on=False)


def aside() -> AbstractContextManager[None]:
    """Within, nothing stands in the way of what is written to the terminal."""
    return _current.aside()


def _tick(shown: Live) -> None:
    while not shown.ended.wait(TICK):
        shown.paint()


def _write(text: str) -> None:
    with suppress(OSError, UnicodeError):
        sys.stderr.write(text)
        sys.stderr.flush()


def columns() -> int:
    """Of the terminal; 80 where it does not say."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def can_draw_blocks() -> bool:
    encoding = (sys.stderr.encoding or "ascii").replace("-", "").casefold()
    return encoding.startswith("utf")


def line(
    words: str,
    fraction: float | None,
    elapsed: float,
    columns: int,
    blocks: bool,
    *,
    begun: float = 0.0,
) -> str:
    """What stands in the line, three cells shorter than the terminal at most.

    Args:
        begun: how much was done at its beginning.
    """
    room = max(10, columns - 3)
    if fraction is None:
        return _cut(f"{words}  {span(int(elapsed))}" if elapsed >= 1 else words, room)
    end = f" {fraction:4.0%}"
    if fraction > begun and elapsed >= 1:
        left = elapsed * (1 - fraction) / (fraction - begun)
        end += f"  {span(math.ceil(left))} left"
    bar = min(LONGEST_BAR, room - cells(words) - 2 - max(len(end), 18))
    if bar < 5:
        return _cut(words, room - len(end)) + end
    return f"{words}  {_bar(fraction, bar, blocks)}{end}"


def _bar(fraction: float, length: int, blocks: bool) -> str:
    if not blocks:
        return f"[{'#' * int(fraction * (length - 2)):{length - 2}}]"
    eighths = int(fraction * length * 8)
    part = BLOCKS[eighths % 8] if eighths % 8 else ""
    return f"{BLOCKS[-1] * (eighths // 8)}{part}".ljust(length)


def span(seconds: float) -> str:
    """A time as people read it: "42 s", "2 min 5 s", "1.5 h"; of floats below ten also tenths."""
    if isinstance(seconds, float) and seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole / 3600:.1f} h"


def cells(text: str) -> int:
    """How many columns a terminal gives to `text`."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _cut(text: str, room: int) -> str:
    while text and cells(text) > room:
        text = text[:-1]
    return text
