"""Does the built-in model draw what prompts say? Scores 1,000 prompts, English and Japanese.

    python -m benchmarks.scores [--model FOLDER] [--prompts N] [--sweep] [--grid FILE.png]

Half of the prompts are combinations that training may draw, half are held out from it by rule
(`kakusan.builtin.recipe.scenes.held_out`). What a picture shows is judged by `benchmarks.judge`,
whose own accuracy on true scenes is the first table. `--sweep` scores fewer prompts, 100 unless
told, against steps, guidance and schedulers.
"""

import argparse
import copy
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.judge import Judge, Seen, Verdict
from benchmarks.measure import environment, markdown_table
from benchmarks.results import RESULTS
from kakusan.builtin.recipe.captions import english, japanese
from kakusan.builtin.recipe.painter import Painter
from kakusan.builtin.recipe.scenes import Scene, is_seen, location, random_scene
from kakusan.builtin.recipe.world import CORE, NORMAL
from kakusan.pipeline import StableDiffusionPipeline
from kakusan.schedulers import named_scheduler
from kakusan.training.grids import grid

SEED = 7000
BATCH = 25
KINDS = ("single", "single", "relation", "count")
GOALS = {  # of seen and held-out combinations
    "one object": (0.92, 0.88),
    "background or setting": (0.97, 0.95),
    "colour of the object": (0.90, 0.85),
    "two objects, both": (0.80, 0.70),
    "relation, given both": (0.85, 0.80),
    "count": (0.80, 0.75),
}
SWEEP: dict[str, tuple[Any, ...]] = {
    "steps": (4, 8, 15, 25, 50),
    "guidance": (1.0, 3.0, 5.0, 7.5, 12.0),
    "scheduler": ("ddim", "dpmpp-2m", "pndm", "lms", "heun", "euler", "euler-a", "ddpm"),
}


@dataclass(frozen=True)
class Case:
    """A prompt, the scene that it describes, and whether that is held out from training."""

    prompt: str
    scene: Scene
    held_out: bool


def cases(count: int, language: str = "english") -> Iterator[Case]:
    """The prompts: seen and held out in turn; the same scenes in either language."""
    say = {"english": english, "japanese": japanese}[language]
    for index in range(count):
        rng = np.random.default_rng([SEED, index])
        kind, wanted = KINDS[index // 2 % len(KINDS)], index % 2 == 1
        while True:
            scene = random_scene(rng, CORE, kind)
            if scene.style == NORMAL and is_seen(scene) != wanted:
                break
        yield Case(say(scene, rng, whole=True), scene, wanted)


def marks(case: Case, verdict: Verdict) -> Iterator[tuple[str, bool]]:
    """What is right and wrong in a picture, as far as the prompt asks for it."""
    scene, seen = case.scene, verdict.objects
    yield "background or setting", verdict.location == location(scene)
    items = scene.items
    if len(items) == 1:
        found = _match(items[0].thing, seen)
        yield "one object", found is not None and len({each.thing for each in seen}) == 1
        if items[0].colour is not None:
            yield "colour of the object", found is not None and found.colour == items[0].colour
    elif scene.relation is None:
        right = [each for each in seen if each.thing == items[0].thing]
        yield "count", len(right) == len(items) == len(seen)
    else:
        matched = [_match(item.thing, seen) for item in items]
        both = [each for each in matched if each is not None]
        yield "two objects, both", len(both) == len(items)
        if len(both) == len(items):
            yield "relation, given both", stands(scene.relation, both)


def _match(thing: int, seen: Sequence[Seen]) -> Seen | None:
    return next((each for each in seen if each.thing == thing), None)


def stands(relation: str, seen: Sequence[Seen]) -> bool:
    """Whether objects (a, b, perhaps c) stand to one another as a relation says."""
    a, b = seen[0], seen[1]
    across, down = a.x - b.x, a.y - b.y
    aligned = abs(across) < 0.2
    if relation == "left of":
        return across < -0.15
    if relation == "right of":
        return across > 0.15
    if relation in ("above", "on", "riding"):
        return down < -0.1 and aligned
    if relation == "below":
        return down > 0.1 and aligned
    if relation == "inside":
        return aligned and abs(down) < 0.25
    if relation == "between":
        return min(b.x, seen[2].x) < a.x < max(b.x, seen[2].x)
    return abs(across) > 0.15 and abs(down) < 0.2


def score(found: Sequence[tuple[Case, Verdict]]) -> dict[str, dict[str, tuple[int, int]]]:
    """For each question and split, how often right, of how many."""
    table: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for case, verdict in found:
        for question, right in marks(case, verdict):
            table[question]["held out" if case.held_out else "seen"].append(right)
    return {
        question: {split: (sum(rights), len(rights)) for split, rights in splits.items()}
        for question, splits in table.items()
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
    twin = copy.copy(pipe)
    if scheduler is not None:
        twin.scheduler = named_scheduler(scheduler, pipe.scheduler)
    pictures = twin.pictures(
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
    """Score, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--prompts", type=int, help="1000; with --sweep 100")
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
            results[language] = found = judged(judge, pipe, todo)
            print(f"\n{language}, {found['seconds']:.2f} s\n\n{table_of(found['scores'])}")
    name = "sweep" if arguments.sweep else "scores"
    (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if arguments.grid:
        todo = list(cases(100))
        grid(draw(pipe, todo), columns=10).save(arguments.grid)
        print("\n".join(f"{i}: {case.prompt}" for i, case in enumerate(todo)))


if __name__ == "__main__":
    main()
