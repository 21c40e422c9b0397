"""From ten pictures to 10^9: what machines, storage and a queue do, measured and simulated.

    python -m benchmarks.scale check            measures this machine; runs two processes, and says
                                                what the simulation makes of the same
    python -m benchmarks.scale pace             seconds of a picture that are known, and its cost
    python -m benchmarks.scale machines         how many for a day, a week, a month
    python -m benchmarks.scale tables           what it takes to read a table, whole and in parts
    python -m benchmarks.scale storage          bytes, files, and requests to list them
    python -m benchmarks.scale workers          on one database: pictures a second, queue, database
    python -m benchmarks.scale failures         what ends of workers cost
    python -m benchmarks.scale figure           docs/images/scale.png

All but `check` take what it left under benchmarks/results/, and numbers of yours: `--help` of each.
Needs the extras `benchmarks`, `server` and `postgres`, and `check` a Postgres that is installed.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import scale_tables
from benchmarks.scale_paces import PACES

PRICE = "of a machine's hour, in whatever money"


def asked(words: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description="tables of prompts on many machines"
    )
    commands = parser.add_subparsers(dest="command", required=True)

    check = commands.add_parser("check", help="measure this machine, and two processes on it")
    check.add_argument("--rows", type=int, default=48, help="that two processes draw")
    check.add_argument("--read", type=int, default=10**6, help="rows of the table that is read")
    check.add_argument("--runs", action="store_true", help="only that; the rest as it was kept")
    check.add_argument("--database", metavar="URL", help="an empty one; else a throw-away Postgres")
    check.add_argument("--out", type=Path, help="a folder for the results; else the usual one")

    pace = commands.add_parser("pace", help="seconds and cost of a picture")
    pace.add_argument("--price", type=float, default=1.0, help=PRICE)

    machines = commands.add_parser("machines", help="how many are needed")
    _given(machines)
    machines.add_argument("--days", type=float, nargs="+", default=[1, 7, 30], help="to draw in")
    share = "of their time that machines draw; `workers` and `failures` say what is usual"
    machines.add_argument("--use", type=float, default=0.95, help=share)
    machines.add_argument("--price", type=float, help=PRICE)

    tables = commands.add_parser("tables", help="what reading a table takes")
    tables.add_argument("--part", type=int, default=10**5, help="rows of a part of it")

    storage = commands.add_parser("storage", help="bytes, files and requests")
    storage.add_argument("--bytes", type=float, help="of a picture; else of the one measured")
    storage.add_argument("--each", type=int, default=1000, help="pictures of a tar file")
    storage.add_argument("--listed", type=int, default=1000, help="names in an answer to a listing")

    workers = commands.add_parser("workers", help="workers on one database")
    _given(workers)
    workers.add_argument("--workers", type=int, nargs="+", default=[1, 8, 32, 128])
    workers.add_argument("--drivers", type=int, default=1, help="that hand rows in")
    workers.add_argument("--window", type=int, default=4096, help="rows of a driver in the queue")
    workers.add_argument("--rows", type=int, default=96, help="of each worker")

    failures = commands.add_parser("failures", help="what ends of workers cost")
    _given(failures)
    failures.add_argument("--workers", type=int, default=8)
    failures.add_argument("--hours", type=float, nargs="+", default=[math.inf, 24, 4, 1])
    failures.add_argument("--away", type=float, default=120.0, help="seconds until one is back")
    failures.add_argument("--poison", type=float, default=1e-4, help="share of rows that kill")
    failures.add_argument("--rows", type=int, default=4000, help="of each worker")

    figure = commands.add_parser("figure", help="throughput and losses against workers")
    figure.add_argument("--out", type=Path, default=scale_tables.IMAGES)
    return parser.parse_args(words)


def _given(parser: argparse.ArgumentParser) -> None:
    """What a picture takes: a known pace, or the reader's own."""
    parser.add_argument("--pace", choices=list(PACES), default="h100-8", help="one of `pace`")
    parser.add_argument("--picture", type=float, metavar="SECONDS", help="of your own machine")
    parser.add_argument("--seed", type=int, default=0, help="of the simulation")


def main(words: Sequence[str] | None = None) -> int:
    """Measure or simulate, and print."""
    options = asked(words)
    if options.command == "check":
        from benchmarks.scale_check import check

        with tempfile.TemporaryDirectory() as folder:
            check(options, Path(folder))
    elif options.command == "figure":
        from benchmarks.scale_figure import draw

        for path in draw(options.out):
            print(path)
    else:
        print(scale_tables.TABLES[options.command](options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
