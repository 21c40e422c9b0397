"""What a training run tells while it works: lines on stderr, and logs for TensorBoard."""

import importlib.util
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

WIDTH = 72  # of a line that another one is written over


def say_wait(name: str, words: str) -> None:
    """Say on a terminal what takes a stage a while; the next line is written over it."""
    if _on_a_terminal():
        print(f"\r{f'{name}: {words}':<{WIDTH}}", file=sys.stderr, flush=True, end="")


def clear_line() -> None:
    """Take away what a terminal shows, with the ^C behind it, before something else is said."""
    if _on_a_terminal():
        print(f"\r{'':{WIDTH + 2}}\r", file=sys.stderr, flush=True, end="")


def _on_a_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()  # pyright: ignore[reportUnnecessaryComparison]


class Progress(AbstractContextManager["Progress"]):
    """Lines on stderr: step, mean loss, samples per second, time left.

    A terminal shows them from the first step on, each over the last one.

    Where the package tensorboard is installed (the extra `train`), the same goes to its logs.

    Args:
        name: of the stage.
        step: that the run begins at.
        done: of the whole run at its beginning, from 0 to 1.
        steps: of the whole run; None where it ends by the clock.
        samples: of one step.
        logs: the folder of all stages' logs; None writes none.
        every: so many steps there is a line.
    """

    def __init__(
        self,
        name: str,
        step: int,
        done: float,
        steps: int | None,
        samples: int,
        logs: Path | None,
        every: int = 50,
    ) -> None:
        self.name = name
        self.of = "" if steps is None else f"/{steps}"
        self.samples = samples
        self.every = every
        self.last = step
        self.first = done
        self.losses: list[float] = []
        self.began = self.since = time.monotonic()
        self.terminal = _on_a_terminal()
        self.writer = None if logs is None else _writer(logs / name, step)

    def due(self, step: int) -> bool:
        """Whether there is a line that stays after so many steps."""
        return step % self.every == 0

    def report(self, step: int, done: float, losses: Sequence[float]) -> None:
        """Take note of finished steps; every so often print a line."""
        self.losses += losses
        now = time.monotonic()
        stays = self.due(step) or done >= 1
        if not stays and not self.terminal:
            return
        rate = (step - self.last) / (now - self.since) * self.samples
        left = (1 - done) * (now - self.began) / max(done - self.first, 1e-9) / 60
        mean = float(np.mean(self.losses))
        text = (
            f"{self.name} {step}{self.of}  loss {mean:.4f}  "
            f"{rate:.1f} samples/s  {left:.1f} min left"
        )
        if self.terminal:
            text = f"\r{text:<{WIDTH}}"
        print(text, file=sys.stderr, flush=True, end="\n" if stays else "")
        if not stays:
            return
        if self.writer is not None:
            self.writer.add_scalar("loss", mean, step)
            self.writer.add_scalar("samples per second", rate, step)
        self.losses, self.last, self.since = [], step, now

    def show(self, step: int, grid: Image.Image) -> None:
        """Log a sample grid."""
        if self.writer is not None:
            self.writer.add_image("samples", np.asarray(grid), step, dataformats="HWC")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        clear_line()
        if self.writer is not None:
            self.writer.close()


def _writer(folder: Path, step: int) -> "SummaryWriter | None":
    """What was logged after `step` by a run that was stopped is hidden."""
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)
