"""What each way to save time costs: calls, seconds, likeness to the exact run, and what is right.

    python -m benchmarks.quality [--prompts 64] [--repeats 5] [--results FOLDER]

The built-in model draws the first prompts of `benchmarks.scores` exactly and in every other way;
its judge says what is right in a picture. PSNR is of each picture against the exact one of the same
seed; seconds are of one picture by one thread, in turns with the exact one. Prints
markdown and writes it, with the same as JSON.
"""

import argparse
import copy
import functools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import kakusan
from benchmarks.measure import environment, interleaved, markdown_table
from kakusan.builtin.recipe.judge import Judge
from kakusan.builtin.recipe.marking import SEED, Case, cases, marks
from kakusan.sampling import Prompt, Steering, Step
from kakusan.schedulers import SHORT_NAMES, named_scheduler

BATCH = 16
OBJECTS = {"one object", "two objects, both", "count"}
EQUAL = 100.0  # dB, in place of infinity
HEADER = (
    "run",
    "calls in full",
    "calls in part",
    "seconds, ratio",
    "PSNR mean, dB",
    "PSNR min, dB",
    "objects right",
    "background or setting right",
)


@dataclass(frozen=True)
class Way:
    """One way to draw; the default is the exact run of the built-in model.

    Attributes:
        guided: the share of the steps, from the first, that have guidance (arXiv:2404.07724).
    """

    scheduler: str | None = None
    steps: int = 25
    reuse: int = 1
    guided: float = 1.0

    @property
    def name(self) -> str:
        solver = self.scheduler or "the model's DDIM"
        reuse = f", every {self.reuse} in full" if self.reuse > 1 else ""
        guided = f", guidance in the first {self.guided:.0%}" if self.guided < 1 else ""
        return f"{solver}, {self.steps} steps{reuse}{guided}"


@dataclass(frozen=True)
class Row:
    """What was measured of one way."""

    name: str
    full: float
    part: float
    seconds: float | None
    mean: float
    least: float
    thing: int
    background: int

    def cells(self, total: int) -> list[object]:
        return [
            self.name,
            f"{self.full:g}",
            f"{self.part:g}",
            "–" if self.seconds is None else f"{self.seconds:.2f}",
            *("equal" if psnr == EQUAL else f"{psnr:.1f}" for psnr in (self.mean, self.least)),
            f"{self.thing}/{total}",
            f"{self.background}/{total}",
        ]


# On the levels of the model's config, as the presets name it
MULTISTEP = "DPMSolverMultistepScheduler"
OWN = Way()
OF_OWN = (
    *(Way(reuse=interval) for interval in (2, 3, 4)),
    Way(guided=0.8),
    Way(steps=15),
    Way(MULTISTEP, 15),
    Way(steps=15, reuse=2),
    Way(MULTISTEP, 15, 2),
    Way(MULTISTEP, 12, 2),
)
PNDM = Way("pndm", 50)
OF_PNDM = (
    Way("pndm", 50, 3),
    Way(MULTISTEP, 20),
    Way(MULTISTEP, 15, 2),
    Way(MULTISTEP, 12, 2),
)


class Calls:
    """Counts how often a UNet was called, and how often in full."""

    def __init__(self, unet: kakusan.UNet2DConditionModel) -> None:
        self.all, self.full = 0, 0
        unet.conv_in.register_forward_pre_hook(self._began)
        unet.mid_block.register_forward_pre_hook(self._went_deep)

    def _began(self, _part: nn.Module, _inputs: object) -> None:
        self.all += 1

    def _went_deep(self, _part: nn.Module, _inputs: object) -> None:
        self.full += 1


def draw(pipe: kakusan.StableDiffusionPipeline, way: Way, todo: Sequence[Case]) -> np.ndarray:
    """Pictures, uint8 `(n, 128, 128, 3)`."""
    other, prompts = copy.copy(pipe), [case.prompt for case in todo]
    if way.scheduler is not None:
        other.scheduler = named_scheduler(way.scheduler, pipe.scheduler)
    guided = GuidedAtFirst(round(way.guided * way.steps))
    pictures = other.pictures(
        prompts,
        seed=SEED,
        batch_size=BATCH,
        num_inference_steps=way.steps,
        reuse_interval=way.reuse,
        steering=None if way.guided == 1 else lambda _: [guided],
    )
    return np.stack([np.asarray(picture.image) for picture in pictures])


class GuidedAtFirst(Steering):
    """Leaves guidance out after so many steps."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def after(self, step: Step) -> Step:
        late = step.index + 1 >= self._steps and step.prompt.negative is not None
        return replace(step, prompt=Prompt(step.prompt.text)) if late else step


def psnr(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """In dB, one a picture."""
    errors = np.square(found.astype(float) - exact).mean((1, 2, 3))
    return np.minimum(EQUAL, 10 * np.log10(255**2 / np.maximum(errors, 1e-9)))


def ratios(
    pipe: kakusan.StableDiffusionPipeline, ways: Sequence[Way], todo: Sequence[Case], repeats: int
) -> dict[Way, float]:
    """Median seconds of each way over those of the first."""
    calls = {way.name: functools.partial(draw, pipe, way, todo) for way in ways}
    seconds = interleaved(calls, repeats=repeats)
    return {way: seconds[way.name] / seconds[ways[0].name] for way in ways}


def table(
    pipe: kakusan.StableDiffusionPipeline,
    ways: Sequence[Way],
    todo: Sequence[Case],
    repeats: int,
    judge: Judge,
) -> list[Row]:
    """A row for each way; the first is what the others are compared with. 0 repeats: not timed."""
    calls = Calls(pipe.unet)
    print("\n" + markdown_table(HEADER, []), flush=True)
    seconds = ratios(pipe, ways, todo[:1], repeats) if repeats else {}
    rows: list[Row] = []
    exact = np.empty(0)
    batches = -(-len(todo) // BATCH)
    for way in ways:
        calls.all = calls.full = 0
        pictures = draw(pipe, way, todo)
        exact = pictures if way is ways[0] else exact
        likeness = psnr(pictures, exact)
        verdicts = zip(todo, judge.look(pictures), strict=True)
        found = [dict(marks(case, verdict)) for case, verdict in verdicts]
        rows.append(
            Row(
                way.name,
                calls.full / batches,
                (calls.all - calls.full) / batches,
                seconds.get(way),
                float(likeness.mean()),
                float(likeness.min()),
                sum(any(each.get(question) for question in OBJECTS) for each in found),
                sum(each["background or setting"] for each in found),
            )
        )
        print(markdown_table(HEADER, [rows[-1].cells(len(todo))]).splitlines()[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=64, help="8 or more")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    if options.prompts < 8:
        parser.error("--prompts must be 8 or more")
    options.results.mkdir(parents=True, exist_ok=True)
    judge, todo = Judge(), list(cases(options.prompts))
    torch.set_num_threads(1)
    pipe = kakusan.StableDiffusionPipeline.from_pretrained("builtin")
    pipe.set_progress_bar_config(disable=True)
    half, few = todo[: len(todo) // 2], todo[: len(todo) // 8]
    blocks = [environment()]
    results: dict[str, Any] = {"machine": environment(), "prompts": len(todo)}
    tables = {
        "Beside the built-in model's exact run": ([OWN, *OF_OWN], todo, options.repeats),
        "Beside PNDM at 50 steps": ([PNDM, *OF_PNDM], half, options.repeats),
        **{
            f"Reuse with {name}": ([Way(name), Way(name, reuse=2), Way(name, reuse=3)], few, 0)
            for name in SHORT_NAMES
        },
    }
    for title, (ways, some, repeats) in tables.items():
        heading = f"## {title}, {len(some)} pictures"
        print(f"\n{heading}")
        rows = table(pipe, ways, some, repeats, judge)
        results[title] = [asdict(row) for row in rows]
        blocks += [heading, markdown_table(HEADER, [row.cells(len(some)) for row in rows])]
    (options.results / "quality.json").write_text(
        json.dumps(results, indent=1) + "\n", encoding="utf-8"
    )
    (options.results / "quality.md").write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
