"""The noise that schedulers take away, and the timesteps at which they do."""

import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from kakusan.errors import RequestError
from kakusan.images import open_picture
from kakusan.inspect.shown import Shown
from kakusan.pipeline import StableDiffusionPipeline
from kakusan.schedulers import SHORT_NAMES, named_scheduler

if TYPE_CHECKING:
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

    def figure(self) -> "Figure":
        """The plots, for matplotlib."""
        import matplotlib as mpl
        from matplotlib.figure import Figure

        height = max(3.2, 1.2 + 0.3 * len(self.timesteps))
        with mpl.rc_context({"text.color": INK, "axes.labelcolor": INK}):
            figure = Figure(figsize=(10, height), layout="constrained", facecolor="white")
            left, right = figure.subplots(1, 2)
            steps = range(len(self.signal))
            left.plot(steps, self.signal, color=SIGNAL, label="signal")
            left.plot(steps, self.noise, color=NOISE, label="noise")
            left.set(xlabel="timestep", ylabel="factor", title="How much is noise")
            left.legend(frameon=False)
            for row, picked in enumerate(self.timesteps.values()):
                right.plot(picked, [row] * len(picked), "|", color=SIGNAL, markersize=12)
            right.set_yticks(range(len(self.timesteps)), list(self.timesteps))
            right.set(xlabel="timestep", title="Where each scheduler stops on the way")
            right.invert_xaxis()  # from noise to picture
            right.invert_yaxis()
            for axes in (left, right):
                axes.grid(color=LINE)
                axes.set_axisbelow(True)
        return figure

    def picture(self) -> Image.Image:
        buffer = io.BytesIO()
        self.figure().savefig(buffer, format="png", dpi=100)
        return open_picture(buffer.getvalue()).convert("RGB")


def schedules(
    pipe: StableDiffusionPipeline, names: Sequence[str] = tuple(SHORT_NAMES), *, steps: int = 25
) -> Schedules:
    """Compare schedulers on a model's noise schedule; needs matplotlib (the extra `inspect`).

    Args:
        pipe: whose schedule it is.
        names: of the schedulers, short ("euler-a") or of their classes.
        steps: of each.

    Raises:
        InputError: matplotlib is missing, or there is no such scheduler.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise RequestError('plots need matplotlib; install it with pip install "kakusan[inspect]"')
    if isinstance(names, str):
        raise RequestError(f"names must be a list of schedulers, such as [{names!r}]")
    picked: dict[str, tuple[float, ...]] = {}
    for name in names:
        scheduler: Any = named_scheduler(name, pipe.scheduler).fresh()
        scheduler.set_timesteps(steps)
        picked[name] = tuple(scheduler.timesteps.tolist())
    kept = pipe.scheduler.alphas_cumprod.double()
    signal, noise = kept.sqrt().tolist(), (1 - kept).sqrt().tolist()
    return Schedules(tuple(signal), tuple(noise), picked)
