"""Does the built-in model draw what prompts say? Scores 1,000 prompts, English and Japanese.

    python -m benchmarks.scores [--model FOLDER] [--prompts N] [--steps N] [--sweep] [--grid FILE]

Half of the prompts are combinations that training may draw, half are held out from it by rule
(`kakusan.builtin.recipe.scenes.held_out`). What a picture shows is said by the judge
(`kakusan.builtin.recipe.judge`), whose own accuracy on true scenes is the first table. `--sweep`
scores fewer prompts, 100 unless told, against steps, guidance and schedulers.
"""

import argparse
import copy
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.measure import environment, markdown_table
from benchmarks.results import RESULTS
from kakusan.builtin.recipe.judge import Judge, Verdict
from kakusan.builtin.recipe.marking import GOALS, SEED, Case, cases, score
from kakusan.builtin.recipe.painter import Painter
from kakusan.pipeline import StableDiffusionPipeline
from kakusan.schedulers import named_scheduler
from kakusan.training.grids import grid

BATCH = 25
SWEEP: dict[str, tuple[Any, ...]] = {
    "steps": (4, 6, 8, 15, 25, 50),
    "guidance": (1.0, 3.0, 5.0, 7.5, 12.0),
    "scheduler": ("ddim", "dpmpp-2m", "pndm", "lms", "heun", "euler", "euler-a", "ddpm"),
}


def judge_accuracy(judge: Judge, count: int = 600) -> str:
    """The table of the judge's own accuracy, on the scenes of the prompts as they are drawn."""
    painter, todo = Painter(), list(cases(count))
    verdicts: list[Verdict] = []
    for start in range(0, len(todo), BATCH):
        several = todo[start : start + BATCH]
        verdicts += judge.look(np.stack([painter.draw(case.scene) for case in several]))
    return table_of(score(list(zip(todo, verdicts, strict=True))))


def table_of(scores: dict[str, dict[str, tuple[int, int]]]) -> str:
    """A markdown table with the goals beside what was reached."""

    def cell(question: str, split: str) -> str:
        right, of = scores.get(question, {}).get(split, (0, 0))
        return f"{right / of:.1%} ({right}/{of})" if of else "–"

    rows = [
        (question, cell(question, "seen"), cell(question, "held out"), *(f"{g:.0%}" for g in goals))
        for question, goals in GOALS.items()
    ]
    return markdown_table(("right", "seen", "held out", "goal", "goal, held out"), rows)


def draw(
    pipe: StableDiffusionPipeline,
    todo: Sequence[Case],
    *,
    steps: int | None = None,
    guidance: float | None = None,
    scheduler: str | None = None,
) -> npt.NDArray[np.uint8]:
    """The model's pictures of the prompts; its own settings where none are given."""
    drawing = copy.copy(pipe)
    if scheduler is not None:
        drawing.scheduler = named_scheduler(scheduler, pipe.scheduler)
    pictures = drawing.pictures(
        [case.prompt for case in todo],
        seed=SEED,
        batch_size=BATCH,
        num_inference_steps=steps,
        guidance_scale=guidance,
    )
    return np.stack([np.asarray(each.image) for each in pictures])


def judged(
    judge: Judge, pipe: StableDiffusionPipeline, todo: Sequence[Case], **options: Any
) -> dict[str, Any]:
    """Scores, and the seconds a picture took; the options are those of `draw`."""
    began = time.monotonic()
    pictures = draw(pipe, todo, **options)
    seconds = (time.monotonic() - began) / len(todo)
    return {"scores": score(list(zip(todo, judge.look(pictures), strict=True))), "seconds": seconds}


def main() -> None:
    """Score, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--prompts", type=int, help="1000; with --sweep 100")
    parser.add_argument("--steps", type=int, help="the model's own unless told")
    parser.add_argument("--sweep", action="store_true", help="against steps, guidance, scheduler")
    parser.add_argument("--grid", type=Path, help="write the first 100 pictures as one PNG")
    arguments = parser.parse_args()
    prompts = arguments.prompts or (100 if arguments.sweep else 1000)
    pipe = StableDiffusionPipeline.from_pretrained(arguments.model)
    pipe.set_progress_bar_config(disable=None)
    if arguments.grid:
        arguments.grid.parent.mkdir(parents=True, exist_ok=True)
    judge = Judge()
    print("The judge on true scenes:\n\n" + judge_accuracy(judge))
    results: dict[str, Any] = {
        "machine": environment(),
        "model": arguments.model,
        "prompts": prompts,
    }
    if arguments.sweep:
        todo = list(cases(prompts))
        for knob, values in SWEEP.items():
            of_knob = results.setdefault("sweep", {}).setdefault(knob, {})
            for value in values:
                of_knob[value] = found = judged(judge, pipe, todo, **{knob: value})
                print(f"\n{knob} {value}, {found['seconds']:.2f} s\n\n{table_of(found['scores'])}")
    else:
        for language in ("english", "japanese"):
            todo = list(cases(prompts, language))
            results[language] = found = judged(judge, pipe, todo, steps=arguments.steps)
            print(f"\n{language}, {found['seconds']:.2f} s\n\n{table_of(found['scores'])}")
    steps = "" if arguments.steps is None else f"-{arguments.steps}-steps"
    name = "sweep" if arguments.sweep else f"scores{steps}"
    (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if arguments.grid:
        todo = list(cases(100))
        grid(draw(pipe, todo), columns=10).save(arguments.grid)
        print("\n".join(f"{i}: {case.prompt}" for i, case in enumerate(todo)))


if __name__ == "__main__":
    main()
