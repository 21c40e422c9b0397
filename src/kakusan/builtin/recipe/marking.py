"""The prompts that the built-in model is asked for, and what in a picture of one is right.

Half of them are combinations that training may draw, half are held out from it.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kakusan.builtin.recipe.english import english
from kakusan.builtin.recipe.japanese import japanese
from kakusan.builtin.recipe.judge import Seen, Verdict
from kakusan.builtin.recipe.scenes import Scene, is_seen, location, random_scene
from kakusan.builtin.recipe.world import CORE, NORMAL

SEED = 7000
KINDS = ("single", "single", "any relation", "count")
GOALS = {  # of seen and held-out combinations
    "one object": (0.92, 0.88),
    "background or setting": (0.97, 0.95),
    "colour of the object": (0.90, 0.85),
    "two objects, both": (0.80, 0.70),
    "relation, given both": (0.85, 0.80),
    "count": (0.80, 0.75),
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
    pairs = itertools.combinations(seen, 2)  # beside one another, all of them
    return all(abs(one.x - other.x) > 0.15 and abs(one.y - other.y) < 0.2 for one, other in pairs)


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
