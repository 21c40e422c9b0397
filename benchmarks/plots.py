"""Draws what `benchmarks.peers`, `benchmarks.growth` and `benchmarks.scores --sweep` wrote as JSON.

    python -m benchmarks.plots [FILE.json ...] [--out docs/images]

Without files, every JSON of these under benchmarks/results/. Each is drawn again, narrow, as
NAME-phone.png for the site on a phone. Needs matplotlib: the extra `benchmarks`. The ground is
light in every mode, so that the pictures read on a dark page too.
"""

import argparse
import json
import math
import statistics
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from benchmarks.report import ratio, title
from benchmarks.results import RESULTS

IMAGES = Path(__file__).parents[1] / "docs" / "images"
# Okabe and Ito's colours, which are told apart without red and green
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
INK, PALE, GROUND = "#1f2328", "#59636e", "#f6f8fa"
STYLE = {
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": GROUND,
    "figure.facecolor": GROUND,
    "axes.edgecolor": PALE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#d1d9e0",
}
PHONE = 4.4  # inches: about what a phone shows, in which 11 points stay 11 points
AXIS_TITLES = {
    "size": "size, pixels a side",
    "batch": "pictures in a batch",
    "steps": "steps",
    "prompts": "prompts",
}


def ratios(results: dict[str, Any]) -> dict[str, dict[str, float]]:
    """For each peer, the slowest first, kakusan's share of its time in each part."""
    found: dict[str, dict[str, float]] = {}
    for part, rows in results["parts"].items():
        for row in rows:
            share = ratio(row)
            if share is not None and row["library"] != "kakusan":
                found.setdefault(row["name"], {})[part] = share
    return dict(sorted(found.items(), key=lambda item: min(item[1].values()), reverse=True))


def peers_figure(results: dict[str, Any], *, phone: bool = False) -> Figure:
    """Bars of kakusan's time over each peer's; shorter is better, 1 is the peer's own time."""
    found, parts = ratios(results), list(results["parts"])
    width, height = (PHONE, 2.4 + 0.95 * len(found)) if phone else (9, 1.6 + 0.75 * len(found))
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    thickness = 0.8 / len(parts)
    longest = max((share for each in found.values() for share in each.values()), default=1.0)
    for index, part in enumerate(parts):
        for place, shares in enumerate(found.values()):
            if part in shares:
                y = place + ((len(parts) - 1) / 2 - index) * thickness
                axes.barh(y, shares[part], thickness * 0.92, color=COLOURS[index])
                axes.text(shares[part], y, f" {shares[part]:.2f}", va="center", fontsize=10)
        axes.barh(0, 0, color=COLOURS[index], label=title(part, results))
    axes.axvline(1, color=INK, linewidth=1.5, linestyle="--")
    axes.text(1, len(found) - 0.45, "as long as the peer ", ha="right", va="bottom", fontsize=10)
    axes.set(xlim=(0, max(1.25, longest * 1.12)), ylim=(-0.6, len(found) - 0.1))
    if phone:  # names stand above their bars
        axes.set_yticks([])
        for place, name in enumerate(found):
            axes.text(0, place + 0.44, name, va="bottom", fontsize=10)
    else:
        axes.set_yticks(range(len(found)), [_folded(name) for name in found])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    share = "kakusan's time as a share of the peer's"
    axes.set_xlabel(f"{share}{_break(phone)}(shorter is faster)")
    figure.suptitle(f"kakusan beside its peers\n{results['machine'].partition(',')[0]}")
    columns = 1 if phone else len(parts)
    figure.legend(loc="outside lower center", ncols=columns, frameon=False)
    return figure


def _folded(name: str) -> str:
    """A name over two lines where it has settings."""
    library, _, settings = name.partition(", ")
    return f"{library}\n{settings}" if settings else library


def growth_figure(results: dict[str, Any], *, phone: bool = False) -> Figure:
    """Time a picture and peak memory over each axis."""
    axes_of = results["axes"]
    count = len(axes_of)
    size = (PHONE, 2.6 * count) if phone else (3.1 * count + 0.6, 5.2)
    figure = Figure(figsize=size, layout="constrained")
    shape = (count, 2) if phone else (2, count)
    panels = figure.subplots(*shape, squeeze=False)
    for pair, (axis, rows) in zip(panels if phone else panels.T, axes_of.items(), strict=True):
        known = [row for row in rows if "failure" not in row]
        xs = [row[axis] for row in known]
        seconds = [statistics.median(row["seconds"]) / row["pictures"] for row in known]
        peaks = [row["peak"] / 1e9 for row in known]
        _line(pair[0], xs, seconds, COLOURS[0], "s a picture")
        _line(pair[1], xs, peaks, COLOURS[1], "peak memory, GB")
        for axes in pair if phone else pair[1:]:
            axes.set_xlabel(AXIS_TITLES[axis])
    machine = results["machine"].partition(",")[0]
    figure.suptitle(f"What more work costs:{_break(phone)}{machine}, {results['dtype']}")
    return figure


def _line(axes: Axes, xs: list[int], ys: list[float], colour: str, name: str) -> None:
    axes.plot(xs, ys, color=colour, marker="o", linewidth=2)
    axes.set(ylabel=name, ylim=(0, max(ys, default=1) * 1.15))
    axes.set_xticks(xs, [str(x) for x in xs], rotation=45 if max(xs, default=0) > 99 else 0)


def sweep_figure(results: dict[str, Any], *, phone: bool = False) -> Figure:
    """How much of what prompts ask for is right, over each knob."""
    knobs = results["sweep"]
    count = len(knobs)
    size = (PHONE, 3.4 * count + 1) if phone else (4.2 * count + 0.6, 5)
    figure = Figure(figsize=size, layout="constrained")
    rows, columns = (count, 1) if phone else (1, count)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes, (knob, found) in zip(panels, knobs.items(), strict=True):
        names = list(found)
        for index, (question, shares) in enumerate(shares_of(found).items()):
            colour = COLOURS[index % len(COLOURS)]
            joined = "" if knob == "scheduler" else "-"
            axes.plot(names, shares, joined + "o", color=colour, linewidth=2, label=question)
        axes.set(xlabel=knob, ylim=(0, 1.03))
        axes.tick_params(axis="x", rotation=45 if knob == "scheduler" else 0)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    panels[0].set_ylabel("right")
    asked = f"the built-in model, {results['prompts']} prompts each"
    figure.suptitle(f"What the knobs do:{_break(phone)}{asked}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=2 if phone else 3, frameon=False
    )
    return figure


def _break(phone: bool) -> str:
    return "\n" if phone else " "


def shares_of(found: dict[str, Any]) -> dict[str, list[float]]:
    """For each question, the share that is right at each value, seen and held out together."""
    questions = sorted({name for each in found.values() for name in each["scores"]})
    shares: dict[str, list[float]] = {}
    for question in questions:
        pairs = [each["scores"].get(question, {}).values() for each in found.values()]
        sums = [[sum(column) for column in zip(*pair, strict=True)] or [0, 0] for pair in pairs]
        shares[question] = [right / of if of else math.nan for right, of in sums]
    return shares


def draw(file: Path, out: Path) -> Path:
    """Draw one file of results, and again for phones; gives the path of the first picture."""
    results = json.loads(file.read_text(encoding="utf-8"))
    with mpl.rc_context(STYLE):
        kinds = {"axes": growth_figure, "sweep": sweep_figure, "parts": peers_figure}
        kind = next((kind for name, kind in kinds.items() if name in results), None)
        if kind is None:
            raise SystemExit(f"{file} has nothing to draw: it is of none of these benchmarks")
        path = out / f"{file.stem}.png"
        kind(results).savefig(path, dpi=160)
        kind(results, phone=True).savefig(out / f"{file.stem}-phone.png", dpi=160)
    return path


def main() -> None:
    """Draw the files of the command line, or all there are."""
    parser = argparse.ArgumentParser(description="plots of benchmark results")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=IMAGES)
    arguments = parser.parse_args()
    kinds = ("cpu-", "growth-", "sweep")
    every = [file for kind in kinds for file in sorted(RESULTS.glob(f"{kind}*.json"))]
    for file in arguments.files or every:
        print(draw(file, arguments.out))


if __name__ == "__main__":
    main()
