"""What a picture takes on the machines that were measured, and what `check` measured last."""

import argparse
import json
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.results import RESULTS

Found = Mapping[str, Any]


@dataclass(frozen=True)
class Pace:
    """What a picture takes on a machine.

    Attributes:
        title: on what, and how it is drawn.
        seconds: until it is drawn.
        together: pictures that are drawn at a time.
        encoded: whether the seconds are those until its PNG file is there.
    """

    title: str
    seconds: float
    together: int = 1
    encoded: bool = False


def results(name: str) -> Any:
    """What a benchmark kept."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def measured() -> Found:
    """What `check` kept last."""
    files = sorted(RESULTS.glob("scale-*.json"))
    if not files:
        raise SystemExit("benchmarks.scale: nothing was measured; run it with `check` first")
    return results(files[0].stem)


def _gpu(job: str, together: int) -> Callable[[], Pace]:
    def read() -> Pace:
        rows = results("gpu-nvidia-h100-80gb-hbm3-intel-r-xeon-r-processor-amx-bf16")["rows"]
        (row,) = [each for each in rows if (each["job"], each["contender"]) == (job, "kakusan")]
        seconds = statistics.median(row["seconds"]) / together
        return Pace(
            f"one H100, v1.4's size, 512×512, 50 steps, {_alone(together)}", seconds, together
        )

    return read


def _alone(together: int) -> str:
    return "one at a time" if together == 1 else f"{together} together"


def _cpu() -> Pace:
    rows = results("cpu-amd-epyc-avx512-bf16")["parts"]["picture"]
    (row,) = [each for each in rows if each["name"] == "kakusan bfloat16"]
    title = "two cores (Zen 5), v1.4's size, 512×512, 10 steps"
    return Pace(title, statistics.median(row["seconds"]))


def _lcm() -> Pace:
    rows = results("few-steps-amd-epyc-avx512-bf16")["rows"]
    (row,) = [each for each in rows if each["library"] == "kakusan"]
    title = "two cores (Zen 5), v1.4's size, 512×512, LCM in 4 steps"
    return Pace(title, statistics.median(row["warm"]))


def _builtin() -> Pace:
    found = measured()
    title = f"one core (Zen 5), the built-in model, 128×128, {found['steps']} steps"
    return Pace(title, found["drawing"]["picture"], encoded=True)


PACES: Mapping[str, Callable[[], Pace]] = {
    "h100-8": _gpu("8 pictures, 50 steps", 8),
    "h100": _gpu("1 picture, 50 steps", 1),
    "cpu": _cpu,
    "cpu-lcm": _lcm,
    "builtin": _builtin,
}


def chosen(options: argparse.Namespace) -> Pace:
    """That of the options, until a picture's file is there."""
    pace = PACES[options.pace]()
    if options.picture is not None:
        return replace(pace, title="a machine of yours", seconds=options.picture, encoded=True)
    return whole(pace)


def whole(pace: Pace) -> Pace:
    """With the time to encode, where it is not in it."""
    seconds = pace.seconds + (0.0 if pace.encoded else measured()["large"]["encode"])
    return replace(pace, seconds=seconds, encoded=True)
