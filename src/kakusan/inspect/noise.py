"""The noise that schedulers take away, and the timesteps at which they do."""

import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from kakusan.errors import RequestError, shown
from kakusan.images import open_picture
from kakusan.inspect.sheet import font_file
from kakusan.inspect.shown import Shown
from kakusan.inspect.wording import Language, worded
from kakusan.pipeline import LatentDiffusionPipeline
from kakusan.schedulers import SHORT_NAMES, named_scheduler

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, LINE, SIGNAL, NOISE = "#1f2328", "#d1d9e0", "#0072b2", "#d55e00"


@dataclass(frozen=True)
class Schedules(Shown):
    """`signal[t]` and `noise[t]` are what latents and noise are multiplied with at timestep t.

    `timesteps` are those that each scheduler picks, by its short name.
    """

    signal: tuple[float, ...]
    noise: tuple[float, ...]
    timesteps: dict[str, tuple[float, ...]]
    language: Language = "en"

    def figure(self, columns: int = 2) -> "Figure":
        """The plots, for matplotlib: side by side, or one above the other in one column."""
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.font_manager import FontProperties
        from matplotlib.text import Text

        height = max(3.2, 1.2 + 0.3 * len(self.timesteps))
        rows, columns = (1, 2) if columns > 1 else (2, 1)
        with mpl.rc_context({"text.color": INK, "axes.labelcolor": INK}):
            size = (5 * columns, height * rows)
            figure = Figure(figsize=size, layout="constrained", facecolor="white")
            first, second = figure.subplots(rows, columns).ravel()
            self._draw_mixture(first)
            self._draw_stops(second)
        for text in figure.findobj(Text):
            if file := font_file(text.get_text()):
                text.set_fontproperties(FontProperties(fname=file, size=text.get_fontsize()))
        return figure

    def _draw_mixture(self, axes: "Axes") -> None:
        steps = range(len(self.signal))
        axes.plot(steps, self.signal, color=SIGNAL, label=self._worded("signal"))
        axes.plot(steps, self.noise, color=NOISE, label=self._worded("noise"))
        axes.set(xlabel=self._worded("timestep"), ylabel=self._worded("factor"))
        axes.set_title(self._worded("How much is noise"))
        axes.legend(frameon=False)
        _rule(axes)

    def _draw_stops(self, axes: "Axes") -> None:
        for row, picked in enumerate(self.timesteps.values()):
            axes.plot(picked, [row] * len(picked), "|", color=SIGNAL, markersize=12)
        axes.set_yticks(range(len(self.timesteps)), list(self.timesteps))
        axes.set_xlabel(self._worded("timestep"))
        axes.set_title(self._worded("Where each scheduler stops on the way"))
        axes.invert_xaxis()  # from noise to picture
        axes.invert_yaxis()
        _rule(axes)

    def _worded(self, text: str) -> str:
        return worded(text, self.language)

    def picture(self, columns: int = 2) -> Image.Image:
        buffer = io.BytesIO()
        self.figure(columns).savefig(buffer, format="png", dpi=100)
        return open_picture(buffer.getvalue()).convert("RGB")


def _rule(axes: "Axes") -> None:
    axes.grid(color=LINE)
    axes.set_axisbelow(True)


def schedules(
    pipe: LatentDiffusionPipeline,
    names: Sequence[str] = tuple(SHORT_NAMES),
    *,
    steps: int = 25,
    language: Language = "en",
) -> Schedules:
    """Compare schedulers on a model's noise schedule; needs matplotlib (the extra `inspect`).

    Args:
        pipe: whose schedule it is.
        names: of the schedulers, short ("euler-a") or of their classes.
        steps: of each.
        language: of the words in the figure.

    Raises:
        InputError: matplotlib is missing, or there is no such scheduler.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise RequestError('plots need matplotlib; install it with pip install "kakusan[inspect]"')
    worded("noise", language)  # only to be checked
    if isinstance(names, str):
        raise RequestError(f"names must be a list of schedulers, such as [{shown(names)}]")
    picked: dict[str, tuple[float, ...]] = {}
    for name in names:
        scheduler: Any = named_scheduler(name, pipe.scheduler).fresh()
        scheduler.set_timesteps(steps)
        picked[name] = tuple(scheduler.timesteps.tolist())
    kept = pipe.scheduler.alphas_cumprod.double()
    signal, noise = kept.sqrt().tolist(), (1 - kept).sqrt().tolist()
    return Schedules(tuple(signal), tuple(noise), picked, language)
