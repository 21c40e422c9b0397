"""The noise that schedulers take away, and the timesteps at which they do."""

import importlib.util
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kakusan.errors import RequestError, shown
from kakusan.images import open_picture
from kakusan.inspect.sheet import font_file
from kakusan.inspect.shown import Shown
from kakusan.inspect.wording import Language, worded
from kakusan.pipeline import LatentDiffusionPipeline
from kakusan.schedulers import SHORT_NAMES, named_scheduler, short_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ON_THE_WAY = "Where each scheduler stops on the way"
ON_LEVELS = "Noise levels on the way"
INK, LINE, SIGNAL, NOISE = "#1f2328", "#d1d9e0", "#0072b2", "#d55e00"


@dataclass(frozen=True)
class Schedules(Shown):
    """`signal[t]` and `noise[t]` are what latents and noise are multiplied with at timestep t.

    `timesteps` are those that each scheduler picks, by its short name. A model on EDM's noise
    levels has no timesteps of training: `signal[i]` and `noise[i]` are then those at `levels[i]`,
    and a timestep is a quarter of the logarithm of a level.
    """

    signal: tuple[float, ...]
    noise: tuple[float, ...]
    timesteps: dict[str, tuple[float, ...]]
    language: Language = "en"
    levels: tuple[float, ...] = ()

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
        places = self.levels or range(len(self.signal))
        axes.plot(places, self.signal, color=SIGNAL, label=self._worded("signal"))
        axes.plot(places, self.noise, color=NOISE, label=self._worded("noise"))
        axes.set_ylabel(self._worded("factor"))
        axes.set_title(self._worded("How much is noise"))
        axes.legend(frameon=False)
        self._rule(axes)

    def _draw_stops(self, axes: "Axes") -> None:
        for row, picked in enumerate(self.timesteps.values()):
            places = [math.exp(4 * each) for each in picked] if self.levels else picked
            axes.plot(places, [row] * len(picked), "|", color=SIGNAL, markersize=12)
        axes.set_yticks(range(len(self.timesteps)), list(self.timesteps))
        axes.set_title(self._worded(ON_LEVELS if self.levels else ON_THE_WAY))
        axes.invert_xaxis()  # from noise to picture
        axes.invert_yaxis()
        self._rule(axes)

    def _rule(self, axes: "Axes") -> None:
        axes.set_xlabel(self._worded("noise level" if self.levels else "timestep"))
        if self.levels:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
        axes.grid(color=LINE)
        axes.set_axisbelow(True)

    def _worded(self, text: str) -> str:
        return worded(text, self.language)

    def picture(self, columns: int = 2) -> Image.Image:
        buffer = io.BytesIO()
        self.figure(columns).savefig(buffer, format="png", dpi=100)
        return open_picture(buffer.getvalue()).convert("RGB")


def schedules(
    pipe: LatentDiffusionPipeline,
    names: Sequence[str] | None = None,
    *,
    steps: int = 25,
    language: Language = "en",
) -> Schedules:
    """Compare schedulers on a model's noise schedule; needs matplotlib (the extra `inspect`).

    Args:
        pipe: whose schedule it is.
        names: of the schedulers, short ("euler-a") or of their classes; None for all that the model
            can be drawn with.
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
    names = _possible(pipe) if names is None else names
    picked: dict[str, tuple[float, ...]] = {}
    for name in names:
        scheduler: Any = named_scheduler(name, pipe.scheduler).fresh()
        scheduler.set_timesteps(steps)
        picked[name] = tuple(scheduler.timesteps.tolist())
    edm = pipe.scheduler.config.edm
    if edm is not None:
        levels = edm.known(pipe.scheduler.num_train_timesteps)
        total = np.hypot(levels, edm.sigma_data)
        signal, noise = (edm.sigma_data / total).tolist(), (levels / total).tolist()
        return Schedules(tuple(signal), tuple(noise), picked, language, tuple(levels.tolist()))
    kept = pipe.scheduler.alphas_cumprod.double()
    signal, noise = kept.sqrt().tolist(), (1 - kept).sqrt().tolist()
    return Schedules(tuple(signal), tuple(noise), picked, language)


def _possible(pipe: LatentDiffusionPipeline) -> list[str]:
    """The schedulers that a model can be drawn with, its own among them."""
    found: list[str] = []
    for name in SHORT_NAMES:
        try:
            named_scheduler(name, pipe.scheduler)
        except RequestError:  # for other noise levels
            continue
        found.append(name)
    own = short_name(pipe.scheduler)
    return found if pipe.scheduler.config.edm is None or own in found else [own, *found]
