"""What may be asked of a caption, and the answers: what its scene shows."""

from dataclasses import dataclass

from kakusan.builtin.recipe.scenes import LOCATIONS, NAMES, Item, Scene, arranged, location
from kakusan.builtin.recipe.world import COLOURS, PAIRS, PLACES, SIZES, STYLES

ITEMS, MOST = 3, 4  # objects of a relation, and how many alike there may be
WORDS = list(SIZES)


@dataclass(frozen=True)
class Question:
    """What is asked of a caption, and how many answers there are."""

    name: str
    answers: int


def questions(things: int) -> list[Question]:
    """Object, colour and size of each item, their number, relation, location, style."""
    each = [("object", things + 1), ("colour", len(COLOURS) + 1), ("size", len(SIZES) + 1)]
    whole = [
        ("count", MOST + 1),
        ("relation", len(NAMES) + 1),
        ("location", LOCATIONS),
        ("style", len(STYLES)),
    ]
    items = [Question(f"{name} {i + 1}", n) for i in range(ITEMS) for name, n in each]
    return items + [Question(name, n) for name, n in whole]


def answers(scene: Scene, things: int) -> list[int]:
    """The answer to each question; for objects the last one means that there is nothing to say."""
    different = scene.items if scene.relation is not None else scene.items[:1]
    found: list[int] = []
    for i in range(ITEMS):
        item = different[i] if i < len(different) else None
        colour, word = (None, None) if item is None else (item.colour, item.word)
        found += [
            things if item is None else item.thing,
            len(COLOURS) if colour is None else colour,
            len(WORDS) if word is None else WORDS.index(word),
        ]
    relation = len(NAMES) if scene.relation is None else NAMES.index(scene.relation)
    return [*found, len(scene.items), relation, location(scene), scene.style]


def scene_of(found: list[int], things: int) -> Scene:
    """The scene that answers describe, laid out as the training pictures are."""
    items: list[Item] = []
    for i in range(ITEMS):
        thing, colour, size = found[3 * i : 3 * i + 3]
        if thing < things:
            items.append(
                Item(
                    thing,
                    colour if colour < len(COLOURS) else None,
                    word=WORDS[size] if size < len(WORDS) else None,
                )
            )
    count, relation, where, style = found[3 * ITEMS :]
    plain = where - len(PLACES)
    place, setting = where if plain < 0 else None, None
    if plain >= len(COLOURS):
        place, setting = PAIRS[plain - len(COLOURS)]
    return arranged(
        items,
        count=count,
        relation=NAMES[relation] if relation < len(NAMES) else None,
        place=place,
        colour=plain if place is None else 0,
        style=style,
        setting=setting,
    )
