"""The table of `benchmarks.gpu`, made from its numbers."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.gpu_contenders import CONTENDERS
from benchmarks.measure import markdown_table

NONE = "–"
HEADER = (
    *("what", "who", "median, s", "least", "most", "kakusan's best / this", "TFLOP/s"),
    *("of the peak", "memory, GiB", "first call, s", "error"),
)


@dataclass
class Row:
    """What came of one contender in one job."""

    job: str
    contender: str
    flop: float
    seconds: list[float] = field(default_factory=list[float])
    first: float | None = None
    memory: int | None = None
    error: float | None = None
    failure: str | None = None


def cells(row: Row, best: float | None, peak: float, *, tiny: bool) -> list[str]:
    """A line of the table; a contender that failed has its reason in place of numbers."""
    if row.failure is not None or not row.seconds:
        return [row.job, row.contender, row.failure or "not measured", *[NONE] * 8]
    seconds = statistics.median(row.seconds)
    speed = None if tiny else row.flop / seconds
    return [
        row.job,
        row.contender,
        *(f"{value:.4f}" for value in (seconds, min(row.seconds), max(row.seconds))),
        NONE if best is None else f"{best / seconds:.3f}",
        NONE if speed is None else f"{speed / 1e12:.1f}",
        NONE if speed is None else f"{speed / peak:.0%}",
        NONE if row.memory is None else f"{row.memory / 2**30:.2f}",
        NONE if row.first is None else f"{row.first:.1f}",
        NONE if row.error is None else f"{row.error:.1e}",
    ]


def table(rows: list[Row], peaks: Mapping[str, float], dtype: str, *, tiny: bool) -> str:
    """All rows in markdown."""
    bests: dict[str, float] = {}
    for row in rows:
        ours = CONTENDERS[row.contender].library == "kakusan" and row.failure is None
        if ours and row.seconds:
            seconds = statistics.median(row.seconds)
            bests[row.job] = min(seconds, bests.get(row.job, seconds))
    lines = [
        cells(r, bests.get(r.job), peaks[CONTENDERS[r.contender].dtype or dtype], tiny=tiny)
        for r in rows
    ]
    return markdown_table(HEADER, lines)
