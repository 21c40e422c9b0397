"""The tables of `benchmarks.peers`, made from its numbers."""

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.measure import markdown_table
from benchmarks.parts import PARTS, TITLES

Row = dict[str, Any]
NONE = "–"
# What the project holds itself to
FLOAT32_ERROR = 1e-5
BFLOAT16_ERROR = 1.2  # of the reference's own


def report(results: dict[str, Any]) -> str:
    """All tables, under the machine's name."""
    blocks = [heading(results), markdown_table(*overview(results))]
    blocks += ["\n".join(f"- {line}" for line in fastest(results))]
    for part, rows in results["parts"].items():
        blocks += [f"## {title(part, results)}", markdown_table(*details(part, rows, results))]
        blocks += ["\n".join(f"- {line}" for line in verdicts(rows))]
    if "first" in results:
        blocks += ["## From the command to the first picture, 10 steps", first(results["first"])]
    return "\n\n".join(block for block in blocks if block) + "\n"


def heading(results: dict[str, Any]) -> str:
    """The machine, what it can give at most, and how busy it was."""
    peaks = ", ".join(f"{dtype} {value / 1e12:.3f}" for dtype, value in results["peaks"].items())
    masked = f"; instructions above {results['isa']} masked" if results["isa"] else ""
    size = "; tiny networks, times mean nothing" if results["size"] == "tiny" else ""
    return (
        f"{results['machine']}{masked}{size}\n\n"
        f"Matrix peak, TFLOP/s: {peaks}. One-minute load before and after: "
        f"{results['load_before']:.2f}, {results['load_after']:.2f}."
    )


def title(part: str, results: dict[str, Any]) -> str:
    """What a part is called in a table."""
    return TITLES[part] if part in TITLES else f"picture, {results['steps']} steps"


def median(values: list[float]) -> float | None:
    """None of nothing."""
    return statistics.median(values) if values else None


def ratio(row: Row) -> float | None:
    """kakusan's median over this row's, from calls of the same rounds."""
    theirs, ours = median(row["seconds"]), median(row["beside"])
    return ours / theirs if ours and theirs else None


def overview(results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """One row for each contender, one column for each part: seconds and kakusan's ratio."""
    parts = results["parts"]
    names = list(dict.fromkeys(row["name"] for rows in parts.values() for row in rows))
    table: list[list[str]] = []
    for name in names:
        found = [next(row for row in rows if row["name"] == name) for rows in parts.values()]
        table.append([name, *(short(row) for row in found)])
    header = ["median seconds (kakusan's share)", *(title(part, results) for part in parts)]
    return header, table


def fastest(results: dict[str, Any]) -> Iterator[str]:
    """Who is the fastest peer in each part, and kakusan's share of its time."""
    for part, rows in results["parts"].items():
        peers = [row for row in rows if row["library"] != "kakusan" and ratio(row) is not None]
        if peers:
            best = min(peers, key=lambda row: statistics.median(row["seconds"]))
            yield (
                f"{title(part, results)}: the fastest peer is {best['name']}; "
                f"kakusan takes {ratio(best):.3f} of its time"
            )


def short(row: Row) -> str:
    """A cell of the overview."""
    seconds, share = median(row["seconds"]), ratio(row)
    if row["failure"] or seconds is None:
        return NONE
    return f"{seconds:.3f}" + (f" ({share:.3f})" if share else "")


def details(part: str, rows: list[Row], results: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """Everything known of one part's rows."""
    header = [
        "",
        "median, s",
        "least, s",
        "most, s",
        "calls",
        "kakusan's share",
        "TFLOP/s",
        "of the peak",
        "load, s",
        "warm-up, s",
        "error",
        "cores used while waiting",
        "note",
    ]
    flop = PARTS[part].flop if part in PARTS and results["size"] != "tiny" else None
    return header, [detail(row, flop, results["peaks"]) for row in rows]


def detail(row: Row, flop: float | None, peaks: dict[str, float]) -> list[str]:
    """One line; a failed contender has its reason in place of numbers."""
    seconds, share = median(row["seconds"]), ratio(row)
    if row["failure"] or seconds is None:
        return [row["name"], row["failure"] or "not measured", *[NONE] * 11]
    speed = flop / seconds if flop else None
    return [
        row["name"],
        f"{seconds:.3f}",
        f"{min(row['seconds']):.3f}",
        f"{max(row['seconds']):.3f}",
        str(len(row["seconds"])),
        f"{share:.3f}" if share else NONE,
        f"{speed / 1e12:.3f}" if speed else NONE,
        f"{speed / peaks[row['dtype']]:.0%}" if speed else NONE,
        f"{row['load']:.1f}",
        f"{row['first'] - seconds:.2f}",
        NONE if row["error"] is None else f"{row['error']:.2e}",
        f"{row['waiting']:.2f}",
        row["note"],
    ]


def verdicts(rows: list[Row]) -> Iterator[str]:
    """Whether kakusan's outputs are as near to the reference as they must be."""
    by_name = {row["name"]: row for row in rows}
    for row in rows:
        if row["library"] != "kakusan" or row["error"] is None:
            continue
        reference = by_name.get(f"diffusers {row['dtype']}", {}).get("error")
        if row["dtype"] == "float32":
            limit = FLOAT32_ERROR
        elif reference is None:
            continue
        else:
            limit = BFLOAT16_ERROR * reference
        word = "within" if row["error"] <= limit else "ABOVE"
        yield f"error of {row['name']}: {row['error']:.2e}, {word} {limit:.2e}"


def first(rows: list[Row]) -> str:
    """Seconds and gigabytes of fresh processes."""
    table: list[list[str]] = []
    for row in rows:
        if row["failure"]:
            table.append([row["name"], row["failure"], *[NONE] * 4])
            continue
        seconds = row["seconds"]
        share = statistics.median(rows[0]["seconds"] or [0]) / statistics.median(seconds)
        three = (statistics.median(seconds), min(seconds), max(seconds))
        spread = [f"{value:.2f}" for value in three]
        peak = f"{statistics.median(row['peak']) / 1e9:.2f}"
        table.append([row["name"], *spread, f"{share:.3f}", peak])
    header = ("", "median, s", "least, s", "most, s", "kakusan's share", "peak memory, GB")
    return markdown_table(header, table)
