"""Does the built-in model draw what strangers write? Judges the pictures of 200 prompts.

    python -m benchmarks.strangers [--model FOLDER] [--steps N] [--guidance G] [--seed N]
        [--prompts FILE] [--grid FILE]

The prompts are in `benchmarks/prompts/strangers.tsv`, with what each asks for; nothing learns from
them. The recipe was changed after looking at what failed of these: `fresh.tsv`
beside it has 100 others, written after the last change by somebody who had seen neither. A picture
is right if all of that is there and no other object is. The judge
(`kakusan.builtin.recipe.judge`) says nothing of objects that it was not taught: prompts for those
are left out of the table. `--grid` writes all pictures, to be looked at.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.measure import markdown_table
from kakusan.builtin.recipe.judge import OWN, Judge, Seen, Verdict
from kakusan.builtin.recipe.marking import SEED, stands
from kakusan.builtin.recipe.scenes import NAMES, locations_of
from kakusan.builtin.recipe.world import COLOURS, LINE, PIXEL, PLACES, THINGS
from kakusan.pipeline import StableDiffusionPipeline
from kakusan.training.grids import grid

PROMPTS = Path(__file__).parent / "prompts" / "strangers.tsv"
BATCH = 25

Several = frozenset[int]  # numbers, any of which will do


@dataclass(frozen=True)
class Asked:
    """A prompt, and what of the world it asks for; of each, any of several will do.

    `colours` has one entry for each of `objects`, empty where no colour is asked for.
    """

    prompt: str
    writing: str
    objects: tuple[Several, ...] = ()
    colours: tuple[Several, ...] = ()
    count: int | None = None
    relation: str | None = None
    where: Several = frozenset()
    style: int | None = None


def prompts(path: Path = PROMPTS) -> list[Asked]:
    """The prompts of the file.

    Raises:
        ValueError: A name in it is not of the world.
    """
    things = {thing.name: index for index, thing in enumerate(THINGS)}
    colours = {colour.name: index for index, colour in enumerate(COLOURS)} | {"own": OWN}
    grounds = {each.name: locations_of(each.name) for each in (*PLACES, *COLOURS)}
    relations: dict[str, str | None] = {"": None} | {name: name for name in NAMES}
    styles: dict[str, int | None] = {"": None, "pixel": PIXEL, "line": LINE}

    def read(row: Mapping[str, str]) -> Asked:
        objects = _each(row["objects"], things)
        return Asked(
            row["prompt"],
            row["writing"],
            objects,
            _each(row["colours"], colours) or (frozenset[int](),) * len(objects),
            int(row["count"]) if row["count"] else None,
            relations[row["relation"]],
            frozenset[int]().union(*(grounds[name] for name in row["where"].split("/") if name)),
            styles[row["style"]],
        )

    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    try:
        return [read(row) for row in rows]
    except KeyError as error:
        raise ValueError(f"{path} names {error}, which is not of the world") from None


def _any(text: str, numbers: Mapping[str, int]) -> Several:
    return frozenset(numbers[name] for name in text.split("/") if name)


def _each(text: str, numbers: Mapping[str, int]) -> tuple[Several, ...]:
    return tuple(_any(part, numbers) for part in text.split("|")) if text else ()


def marks(asked: Asked, verdict: Verdict) -> Iterator[tuple[str, bool]]:
    """What is right and wrong in a picture, as far as the prompt asks for it."""
    seen = verdict.objects
    found = _found(asked.objects, seen)
    there = [each for each in found if each is not None]
    if asked.objects:
        wanted = frozenset[int]().union(*asked.objects)
        others = any(each.thing not in wanted for each in seen)
        yield "objects", len(there) == len(found) and not others
    if any(asked.colours):
        pairs = zip(found, asked.colours, strict=True)
        yield "colours", all(e is not None and e.colour in c for e, c in pairs if c)
    if asked.count is not None:
        yield "count", sum(each.thing in asked.objects[0] for each in seen) == asked.count
    if asked.relation is not None:
        yield "relation", len(there) == len(found) and stands(asked.relation, there)
    if asked.where:
        yield "where", verdict.location in asked.where
    if asked.style is not None:
        yield "style", verdict.style == asked.style


def _found(objects: Sequence[Several], seen: Sequence[Seen]) -> list[Seen | None]:
    return [next((each for each in seen if each.thing in wanted), None) for wanted in objects]


def table_of(found: Sequence[tuple[Asked, Verdict]]) -> str:
    """How many pictures are right, by question and by what makes a prompt worth asking."""
    rights: dict[str, list[bool]] = defaultdict(list)
    for asked, verdict in found:
        marked = dict(marks(asked, verdict))
        if marked:
            whole = all(marked.values())
            rights["everything"].append(whole)
            rights[f"everything, in {'English' if asked.prompt.isascii() else 'Japanese'}"].append(
                whole
            )
            rights[f"everything, of kind: {asked.writing}"].append(whole)
        for question, right in marked.items():
            rights[question].append(right)
    rows = [(name, f"{sum(each) / len(each):.0%}", len(each)) for name, each in rights.items()]
    return markdown_table(("right", "share", "of"), rows)


def main() -> None:
    """Draw, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--steps", type=int, help="the model's own unless told")
    parser.add_argument("--guidance", type=float, help="the model's own unless told")
    parser.add_argument("--seed", type=int, default=SEED, help="of the first; others count on")
    parser.add_argument("--prompts", type=Path, default=PROMPTS, help="another table of them")
    parser.add_argument(
        "--grid", type=Path, help="write all pictures as one, in the format of its suffix"
    )
    arguments = parser.parse_args()
    asked = prompts(arguments.prompts)
    pipe = StableDiffusionPipeline.from_pretrained(arguments.model)
    pipe.set_progress_bar_config(disable=None)
    drawn = pipe.pictures(
        [each.prompt for each in asked],
        seed=arguments.seed,
        batch_size=BATCH,
        num_inference_steps=arguments.steps,
        guidance_scale=arguments.guidance,
    )
    pictures = np.stack([np.asarray(each.image) for each in drawn])
    if arguments.grid:
        arguments.grid.parent.mkdir(parents=True, exist_ok=True)
        grid(pictures, columns=10).save(arguments.grid)
        print("\n".join(f"{i}: {each.prompt}" for i, each in enumerate(asked)) + "\n")
    judge = Judge()
    able = [
        i
        for i, each in enumerate(asked)
        if all(min(o) < judge.detector.things for o in each.objects)
    ]
    verdicts = judge.look(pictures[able]) if able else []
    print(f"{len(able)} of {len(asked)} prompts ask for what the judge was taught.\n")
    print(table_of([(asked[i], verdict) for i, verdict in zip(able, verdicts, strict=True)]))


if __name__ == "__main__":
    main()
