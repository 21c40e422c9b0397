"""The small grammar that captions a scene."""

import numpy as np

from kakusan.training.scenes import Scene
from kakusan.training.world import COLOURS, THINGS

_MEDIA = (
    "a photo of",
    "a photograph of",
    "a picture of",
    "an image of",
    "a drawing of",
    "an illustration of",
    "a painting of",
    "an emoji of",
    "an icon of",
)
_BOTH = (
    "{thing} on {a_colour} background",
    "{thing} on {a_colour} background",
    "{thing}, {colour} background",
    "{thing} with {a_colour} background",
    "{thing} against {a_colour} background",
    "{thing} in front of {a_colour} wall",
    "{thing} on {colour}",
)
_COLOUR_FIRST = (
    "{a_colour} background with {thing}",
    "{colour} background with {thing}",
    "{colour} background, {thing}",
)
_PLAIN = ("{a_colour} background", "{colour} background", "plain {colour}", "{colour}")


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """Describe a scene in one of many wordings; now and then without its background's colour."""
    colour = str(rng.choice(COLOURS[scene.colour].names))
    words = {"colour": colour, "a_colour": f"{article(colour)} {colour}"}
    if scene.thing is None:
        return str(rng.choice(_PLAIN)).format(**words)
    name = _usual_first(THINGS[scene.thing].names, rng)
    kind = rng.random()
    if kind < 0.12:
        return f"{name}, {colour}"
    thing = name if rng.random() < 0.2 else f"{article(name)} {name}"
    if kind < 0.24:
        return str(rng.choice(_COLOUR_FIRST)).format(thing=thing, **words)
    if rng.random() < 0.3:
        thing = f"{rng.choice(_MEDIA)} {thing}"
    if kind < 0.32:
        return thing
    return str(rng.choice(_BOTH)).format(thing=thing, **words)


def article(words: str) -> str:
    """Return "a" or "an", whichever goes before these words."""
    return "an" if words[0] in "aeiou" and not words.startswith("uni") else "a"


def _usual_first(names: tuple[str, ...], rng: np.random.Generator) -> str:
    """Draw a name: the usual one most of the time."""
    return names[0] if rng.random() < 0.7 else str(rng.choice(names))
