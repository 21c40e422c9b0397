"""The tables of `benchmarks.scale`: arithmetic and simulations over what was measured."""

import argparse
import math
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from benchmarks.measure import markdown_table
from benchmarks.scale_model import TAKEN, Fleet, Outcome, Times
from benchmarks.scale_paces import PACES, Found, Pace, chosen, measured, whole
from benchmarks.scale_simulation import simulate

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZES = [10**n for n in range(3, 10)]
HOUR, DAY = 3600.0, 86400.0
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def times_of(
    found: Found, *, kind: str = "small", picture: float | None = None, shards: bool = False
) -> Times:
    """What to simulate with.

    Args:
        kind: of pictures: `small` are the built-in model's, `large` of 512x512 pixels.
        picture: seconds to draw and encode one; else those of the built-in model.
        shards: whether what begins is a shard, which draws by itself.
    """
    starting, queue = found["starting"], found[f"queue_{kind}"]
    by_depth, sweep = queue["by_depth"], queue["sweep"]
    waiting = [each["waiting"] for each in by_depth]

    def line(name: str) -> tuple[float, float]:
        """What one more row that waits adds, and the time with none."""
        slope, base = np.polyfit(waiting, [each[name] for each in by_depth], 1)
        return max(0.0, float(slope)), max(0.0, float(base))

    def usual(name: str) -> float:
        return statistics.median(each[name] for each in by_depth)

    (queued, claim), (handed_in, hand_in) = line("claim"), line("hand_in")
    less, more = sweep
    running = (more["sweep"] - less["sweep"]) / (more["drawn"] - less["drawn"])
    return Times(
        picture=found["drawing"]["picture"] if picture is None else picture,
        load=found["drawing"]["load"],
        begin=starting["start_shard" if shards else "begin"],
        start=starting["start"],
        keep=found[f"keeping_{kind}"]["folder" if kind == "small" else "webdataset"],
        hand_in=hand_in,
        claim=claim,
        renew=usual("renew"),
        finish=usual("finish"),
        take=usual("take"),
        forget=usual("forget"),
        sweep=less["sweep"],
        queued=queued,
        handed_in=handed_in,
        running=max(0.0, running),
        **{name: queue[name] for name in ("ask", "look", "commit", "served")},
    )


def pace_table(options: argparse.Namespace) -> str:
    """What a picture takes and costs, on what was measured."""
    header = ("`--pace`", "on", "seconds a picture", "pictures an hour", "hours for 10⁶", "cost")
    rows = list[list[str]]()
    for name, read in PACES.items():
        pace = whole(read())
        each = pace.seconds / HOUR
        told = (f"{pace.seconds:.3g}", f"{1 / each:,.0f}", f"{1e6 * each:,.0f}")
        rows.append([f"`{name}`", pace.title, *told, f"{options.price * each:.2e}"])
    return markdown_table(header, rows)


def machines_table(options: argparse.Namespace) -> str:
    """How many machines draw so many pictures in so many days, and their hours."""
    pace = chosen(options)
    spans = [f"in {days:g} {'day' if days == 1 else 'days'}" for days in options.days]
    rows = list[list[str]]()
    for size in SIZES:
        seconds = size * pace.seconds / options.use
        needed = [f"{math.ceil(seconds / (days * DAY)):,}" for days in options.days]
        hours = seconds / HOUR
        cost = [] if options.price is None else [f"{options.price * hours:,.2f}"]
        rows.append([power(size), f"{hours:,.1f}", *needed, *cost])
    header = ("pictures", "hours", *spans, *(() if options.price is None else ("cost",)))
    title = f"{pace.title}: {pace.seconds:.3g} s a picture, {options.use:.0%} of the time used"
    return f"{title}\n\n" + markdown_table(header, rows)


def reading_table(options: argparse.Namespace) -> str:
    """What a shard spends on its table before it draws, whole and in parts; and one process."""
    found = measured()
    read, keep = found["reading"], found["keeping_large"]["webdataset"]
    each = read["survey"] + read["name"]
    header = ("rows", "read whole", "names, GB", "read a part", "parts", "kept by one process in")
    rows = list[list[str]]()
    for size in SIZES:
        part = min(size, options.part)
        gigabytes = f"{size * read['names_bytes'] / 1e9:,.2f}"
        parts = f"{math.ceil(size / part):,}"
        spans = (span(size * each), gigabytes, span(part * each), parts, span(size * keep))
        rows.append([power(size), *spans])
    return markdown_table(header, rows)


def storage_table(options: argparse.Namespace) -> str:
    """Bytes, files and requests to list them."""
    found = measured()
    size = found["large"]["bytes"] if options.bytes is None else options.bytes
    line = found["keeping_large"]["line_bytes"]
    header = ("pictures", "pictures, TB", "manifest, GB", "PNG files", "requests to list them")
    rows = list[list[str]]()
    for count in SIZES:
        tars = math.ceil(count / options.each)
        requests = [f"{math.ceil(each / options.listed):,}" for each in (count, tars)]
        sizes = (f"{count * size / 1e12:,.3g}", f"{count * line / 1e9:,.3g}")
        rows.append([power(count), *sizes, f"{count:,}", requests[0], f"{tars:,}", requests[1]])
    title = f"{size:,.0f} bytes a picture, {options.each:,} in a tar file ("
    title += f"{options.each * size / 1e9:.1f} GB), {options.listed:,} names an answer"
    return f"{title}\n\n" + markdown_table((*header, "tar files", "requests to list them"), rows)


def workers_table(options: argparse.Namespace) -> str:
    """Workers on one database: what they do, and what the database does."""
    pace = chosen(options)
    header = ("workers", "pictures a second", "drawing", "starting", "waiting")
    header += ("in the queue's calls", "database busy", "calls a second", "rows that wait: mean")
    rows = list[list[str]]()
    for count in options.workers:
        outcome = with_workers(
            pace,
            count,
            rows=options.rows,
            drivers=options.drivers,
            window=options.window,
            kind=kind_of(options.pace),
            seed=options.seed,
        )
        busy = outcome.busy / (outcome.wall * PROCESSORS)
        calls = outcome.calls.total() / outcome.wall
        mean, most = outcome.depth
        rows.append(
            [f"{count}", f"{outcome.rate:,.1f}"]
            + [f"{outcome.share(name):.0%}" for name in ("drawing", "starting", "waiting", "queue")]
            + [f"{busy:.0%}", f"{calls:,.0f}", f"{mean:,.0f}", f"{most:,.0f}"]
        )
    title = f"{pace.title}: {pace.seconds:.3g} s a picture; {options.drivers} driver(s), "
    title += f"windows of {options.window}, {options.rows} rows a worker"
    table = markdown_table((*header, "p99"), rows)
    times = times_of(measured(), kind=kind_of(options.pace), picture=pace.seconds)
    each = times.hand_in + times.take / TAKEN + times.keep + times.forget / TAKEN
    bound = f"A driver alone takes {ms(each)} ms for each picture: at most {1 / each:.0f} a second."
    return f"{title}\n\n{table}\n\n{bound}"


def kind_of(pace: str) -> str:
    """Which pictures are drawn at a pace."""
    return "small" if pace == "builtin" else "large"


PROCESSORS = 2  # of the machine whose database was measured


def with_workers(
    pace: Pace,
    count: int,
    *,
    rows: int = 96,
    drivers: int = 1,
    window: int = 4096,
    kind: str = "large",
    seed: int = 0,
) -> Outcome:
    """So many workers on one database, and so many rows for each."""
    fleet = Fleet(
        rows=rows * count,
        workers=count,
        drivers=drivers,
        window=window,
        together=pace.together,
        processors=PROCESSORS,
        ready=True,
    )
    return simulate(times_of(measured(), kind=kind, picture=pace.seconds), fleet, seed)


def failures_table(options: argparse.Namespace) -> str:
    """What ends of workers cost, in shards and on one database."""
    pace = chosen(options)
    header = ("a worker ends every", "way", "of the time: drawing", "lost", "starting", "waiting")
    header += ("drawn twice, of a million", "put aside, of a million")
    rows = list[list[str]]()
    for hours in options.hours:
        for way in ("shards", "workers"):
            fleet = Fleet(
                rows=options.rows * options.workers,
                workers=options.workers,
                drivers=0 if way == "shards" else 1,
                together=pace.together,
                processors=PROCESSORS,
                mtbf=hours * HOUR,
                away=options.away,
                poison=options.poison,
            )
            times = times_of(measured(), kind="large", picture=pace.seconds, shards=way == "shards")
            outcome = simulate(times, fleet, options.seed)
            named = ("drawing", "lost", "starting", "waiting")
            rows.append(
                ["never" if math.isinf(hours) else f"{hours:g} h", way]
                + [f"{outcome.share(name):.1%}" for name in named]
                + [f"{1e6 * n / fleet.rows:,.0f}" for n in (outcome.again, outcome.failed)]
            )
    title = f"{pace.title}: {pace.seconds:.3g} s a picture; {options.workers} workers, "
    title += f"{options.rows} rows each, {options.away:g} s until one is back, "
    title += f"{options.poison:.2%} of rows kill what draws them"
    return f"{title}\n\n" + markdown_table(header, rows)


def report(found: Found) -> str:
    """What was measured, and beside it what was simulated."""
    drawing, read, large = found["drawing"], found["reading"], found["large"]
    starting = found["starting"]
    rows = [
        (f"draw and encode a picture, {found['steps']} steps, 128×128", ms(drawing["picture"])),
        ("the same where another process draws, too", ms(drawing["beside"])),
        ("begin a process that draws, with its model", ms(drawing["load"])),
        ("encode a picture of 512×512", ms(large["encode"])),
        ("begin a worker", ms(starting["begin"])),
        ("begin and end a driver that has nothing to draw", ms(starting["start"])),
        ("the same of a shard", ms(starting["start_shard"])),
        ("read a row of a table through", ms(read["survey"])),
        ("name a row", ms(read["name"])),
    ]
    for kind, side in (("small", 128), ("large", 512)):
        for layout, words in (("folder", "as a file"), ("webdataset", "in a tar file")):
            seconds = found[f"keeping_{kind}"][layout]
            rows.append((f"keep a picture of {side}×{side} {words}", ms(seconds)))
    blocks = [found["machine"], markdown_table(("what", "ms"), rows)]
    for kind, side in (("small", 128), ("large", 512)):
        blocks += [f"## The queue, pictures of {side}×{side}, ms", queue_table(found, kind)]
    blocks += ["## Two processes on this machine", check_table(found)]
    return "\n\n".join(blocks) + "\n"


def queue_table(found: Found, kind: str) -> str:
    """Milliseconds of transactions, by how many rows wait."""
    queue = found[f"queue_{kind}"]
    names = ("hand_in", "claim", "renew", "finish", "take", "forget")
    header = ("rows that wait", "hand one in", "claim one", "renew", "finish", "read 8", "delete 8")
    rows = [[f"{each['waiting']:,}", *(ms(each[n]) for n in names)] for each in queue["by_depth"]]
    told = [f"a sweep with {each['drawn']} drawn {ms(each['sweep'])}" for each in queue["sweep"]]
    told.append(f"a claim where no row waits {ms(queue['ask'])}")
    told.append(f"reading results where there are none {ms(queue['look'])}")
    told.append(f"a commit {ms(queue['commit'])}")
    share = f"The database computed in {queue['served']:.0%} of the time of its calls."
    return f"{markdown_table(header, rows)}\n\nIn ms: {', '.join(told)}. {share}"


def compared(found: Found) -> list[tuple[str, int, float, float]]:
    """Of each run its name, pictures, seconds as measured, and as simulated."""
    rows = list[tuple[str, int, float, float]]()
    for run in found["runs"]:
        fleet = Fleet(**run["fleet"])
        picture = found["drawing"]["picture" if fleet.workers == 1 else "beside"]
        times = times_of(found, picture=picture, shards=fleet.drivers == 0)
        rows.append((run["name"], fleet.rows, run["seconds"], simulate(times, fleet).wall))
    return rows


def check_table(found: Found) -> str:
    """What was measured of two processes, and what is simulated."""
    header = ("run", "pictures", "measured, s", "simulated, s", "simulated / measured")
    rows = [
        (name, pictures, f"{real:.1f}", f"{simulated:.1f}", f"{simulated / real:.2f}")
        for name, pictures, real, simulated in compared(found)
    ]
    return markdown_table(header, rows)


def power(count: int) -> str:
    """A power of ten as people write it."""
    digits = str(round(math.log10(count)))
    return "10" + digits.translate(_SUPERSCRIPT)


def ms(seconds: float) -> str:
    """Milliseconds, with three digits that mean something."""
    return f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:,.0f}"


def span(seconds: float) -> str:
    """A time in the unit that people take."""
    for unit, length in (("days", DAY), ("h", HOUR), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


TABLES: Mapping[str, Callable[[argparse.Namespace], str]] = {
    "pace": pace_table,
    "machines": machines_table,
    "tables": reading_table,
    "storage": storage_table,
    "workers": workers_table,
    "failures": failures_table,
}
