"""What the built-in model knows: the objects and the background colours, with their names."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thing:
    """One object: the emoji that draws it and its everyday names, the usual one first."""

    glyph: str
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.names[0]


@dataclass(frozen=True)
class Colour:
    """One background colour: its sRGB value and its names, the usual one first."""

    rgb: tuple[int, int, int]
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.names[0]


THINGS: tuple[Thing, ...] = (
    Thing("🐱", ("cat", "kitten", "kitty")),
    Thing("🐶", ("dog", "puppy")),
    Thing("🐴", ("horse", "pony")),
    Thing("🐟", ("fish",)),
    Thing("🐦", ("bird",)),
    Thing("🐰", ("rabbit", "bunny")),
    Thing("🐻", ("bear",)),
    Thing("🐸", ("frog",)),
    Thing("🐘", ("elephant",)),
    Thing("🐢", ("turtle", "tortoise")),
    Thing("🦋", ("butterfly",)),
    Thing("🐝", ("bee",)),
    Thing("🐙", ("octopus",)),
    Thing("🐳", ("whale",)),
    Thing("🐧", ("penguin",)),
    Thing("🐼", ("panda",)),
    Thing("🦊", ("fox",)),
    Thing("🦁", ("lion",)),
    Thing("🐷", ("pig",)),
    Thing("🦉", ("owl",)),
    Thing("🐞", ("ladybug", "ladybird")),
    Thing("🍎", ("apple",)),
    Thing("🍌", ("banana",)),
    Thing("🍓", ("strawberry",)),
    Thing("🍋", ("lemon",)),
    Thing("🍉", ("watermelon",)),
    Thing("🥕", ("carrot",)),
    Thing("🍕", ("pizza", "slice of pizza")),
    Thing("🍔", ("hamburger", "burger")),
    Thing("🎂", ("cake", "birthday cake")),
    Thing("🍦", ("ice cream",)),
    Thing("🍩", ("donut", "doughnut")),
    Thing("🚗", ("car",)),
    Thing("🚌", ("bus",)),
    Thing("🚲", ("bicycle", "bike")),
    Thing("🚀", ("rocket",)),
    Thing("✈️", ("airplane", "plane")),
    Thing("⛵", ("boat", "sailboat")),
    Thing("🚂", ("train", "locomotive")),
    Thing("🏠", ("house",)),
    Thing("🏰", ("castle",)),
    Thing("🌳", ("tree",)),
    Thing("🌵", ("cactus",)),
    Thing("🌻", ("sunflower",)),
    Thing("🌹", ("rose",)),
    Thing("🌷", ("tulip",)),
    Thing("🍄", ("mushroom",)),
    Thing("🌞", ("sun",)),
    Thing("🌙", ("moon",)),
    Thing("⭐", ("star",)),
    Thing("❤️", ("heart",)),
    Thing("☂️", ("umbrella",)),
    Thing("🎸", ("guitar",)),
    Thing("⚽", ("soccer ball", "football")),
    Thing("🎈", ("balloon",)),
    Thing("🎁", ("gift", "present")),
    Thing("🔑", ("key",)),
    Thing("👑", ("crown",)),
    Thing("🤖", ("robot",)),
    Thing("👻", ("ghost",)),
    Thing("⛄", ("snowman",)),
    Thing("🧑‍🚀", ("astronaut",)),
    Thing("⏰", ("clock", "alarm clock")),
    Thing("💎", ("diamond", "gem")),
)

COLOURS: tuple[Colour, ...] = (
    Colour((214, 38, 40), ("red",)),
    Colour((245, 130, 32), ("orange",)),
    Colour((250, 212, 50), ("yellow",)),
    Colour((44, 150, 66), ("green",)),
    Colour((38, 78, 200), ("blue",)),
    Colour((135, 202, 242), ("light blue", "sky blue")),
    Colour((118, 56, 168), ("purple", "violet")),
    Colour((246, 152, 190), ("pink",)),
    Colour((120, 74, 44), ("brown",)),
    Colour((20, 20, 22), ("black",)),
    Colour((248, 248, 248), ("white",)),
    Colour((130, 130, 134), ("gray", "grey")),
    Colour((32, 168, 164), ("teal", "turquoise")),
)
