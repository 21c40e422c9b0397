"""The figure of docs/scale.md: what workers on one database give, and what they lose."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from benchmarks.plots import COLOURS, PALE, PHONE, STYLE
from benchmarks.scale_paces import PACES, Pace, whole
from benchmarks.scale_tables import with_workers

WORKERS = (1, 4, 16, 64, 256)
SHOWN = ("h100", "h100-8")
KINDS = {"starting": "starting", "waiting": "waiting for rows", "queue": "in the queue's calls"}
Points = Sequence[tuple[int, float, dict[str, float]]]


def points(pace: Pace) -> Points:
    """For each number of workers the pictures a second, and the shares of time not drawn in."""
    found = list[tuple[int, float, dict[str, float]]]()
    for count in WORKERS:
        outcome = with_workers(pace, count)
        found.append((count, outcome.rate, {name: outcome.share(name) for name in KINDS}))
    return found


def figure(by_pace: dict[Pace, Points], *, phone: bool = False) -> Figure:
    """Throughput above, losses below; beside each other where there is room."""
    shown = Figure(figsize=(PHONE, 8.6) if phone else (9.6, 4.4), layout="constrained")
    rows, columns = (len(by_pace) + 1, 1) if phone else (1, len(by_pace) + 1)
    panels = shown.subplots(rows, columns)
    for index, (pace, found) in enumerate(by_pace.items()):
        counts = [count for count, *_ in found]
        ideal = [count / pace.seconds for count in counts]
        panels[0].plot(counts, ideal, "--", color=PALE, label=None if index else "nothing lost")
        rates = [rate for _, rate, _ in found]
        panels[0].plot(counts, rates, "o-", color=COLOURS[index], label=_short(pace))
    panels[0].set(xscale="log", yscale="log", xlabel="workers", ylabel="pictures a second")
    panels[0].set_title("throughput", fontsize=11)
    panels[0].legend(frameon=False)
    for axes, (pace, found) in zip(panels[1:], by_pace.items(), strict=True):
        counts = [count for count, *_ in found]
        shares = [[share[name] for _, _, share in found] for name in KINDS]
        axes.stackplot(counts, shares, labels=KINDS.values(), colors=COLOURS[2:])
        axes.set(xscale="log", xlabel="workers", ylim=(0, 1), xlim=(counts[0], counts[-1]))
        axes.set_title(f"time not drawn in, {_short(pace)}", fontsize=11)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    panels[-1].legend(frameon=False, loc="upper left")
    for axes in panels:
        axes.set_xticks([1, 4, 16, 64, 256], ["1", "4", "16", "64", "256"])
        axes.minorticks_off()
    shown.suptitle("Workers on one database, simulated")
    return shown


def _short(pace: Pace) -> str:
    return f"{pace.seconds:.2g} s a picture"


def draw(out: Path) -> list[Path]:
    """Draw it, and again for phones."""
    by_pace = {pace: points(pace) for pace in (whole(PACES[name]()) for name in SHOWN)}
    paths = [out / "scale.png", out / "scale-phone.png"]
    with mpl.rc_context(STYLE):
        for path, phone in zip(paths, (False, True), strict=True):
            figure(by_pace, phone=phone).savefig(path, dpi=160)
    return paths
