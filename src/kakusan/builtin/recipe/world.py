"""What scenes are made of: objects, colours, places, relations, styles, and all their names."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from kakusan.builtin.recipe import backdrops
from kakusan.builtin.recipe.backdrops import Floats, Rng


@dataclass(frozen=True)
class Thing:
    """An object: the emoji that draws it, and its everyday names, the usual one first.

    `kind` is animal, person, food, vehicle, building, plant, weather, sport, tool or thing;
    `recolours` says whether it can be painted in a colour of choice.
    """

    glyph: str
    kind: str
    recolours: bool
    english: tuple[str, ...]
    japanese: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.english[0]

    @property
    def counts(self) -> bool:
        """Whether "two of them" can be said."""
        return not self.name.endswith("s") and self.name not in UNCOUNTED


@dataclass(frozen=True)
class Colour:
    """A colour: its sRGB value and its names; in Japanese a noun, and what stands before one."""

    rgb: tuple[int, int, int]
    english: tuple[str, ...]
    japanese: str
    before: str

    @property
    def name(self) -> str:
        return self.english[0]


@dataclass(frozen=True)
class Place:
    """A setting: its painter, where its ground is, and how it is said.

    `ground` is the height that objects stand on, as a fraction from the top; None where they float.
    `clauses` follow an object ("on the beach"), `tags` stand alone between commas.
    """

    paint: Callable[[Rng, int], Floats]
    ground: float | None
    clauses: tuple[str, ...]
    tags: tuple[str, ...]
    japanese: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.tags[0]


@dataclass(frozen=True)
class Relation:
    """How two objects (a and b, three with c) stand to one another, in both languages."""

    name: str
    english: tuple[str, ...]
    japanese: tuple[str, ...]


UNCOUNTED = {
    "sushi",
    "bread",
    "tea",
    "coffee",
    "ice cream",
    "cheese",
    "rice",
    "ramen",
    "spaghetti",
    "curry",
    "milk",
    "beer",
    "wine",
    "corn",
    "broccoli",
    "chocolate",
    "wheat",
    "fire",
    "sun",
    "moon",
    "earth",
    "rainbow",
    "lightning",
    "dango",
    "table tennis",
    "badminton",
    "sheep",
    "fish",
    "bow and arrow",
    "tanabata tree",
    "Santa Claus",
    "pudding",
}


def _things() -> tuple[Thing, ...]:
    text = (files("kakusan.builtin.recipe") / "things.tsv").read_text(encoding="utf-8")
    return tuple(
        Thing(glyph, kind, recolours == "y", tuple(english.split("|")), tuple(japanese.split("|")))
        for glyph, kind, recolours, english, japanese in csv.reader(
            text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE
        )
    )


THINGS = _things()
CORE = 80  # of them: what two cores without a GPU learn

COLOURS: tuple[Colour, ...] = (
    Colour((214, 38, 40), ("red",), "赤", "赤い"),
    Colour((245, 130, 32), ("orange",), "オレンジ色", "オレンジ色の"),
    Colour((250, 212, 50), ("yellow",), "黄色", "黄色い"),
    Colour((44, 150, 66), ("green",), "緑", "緑の"),
    Colour((38, 78, 200), ("blue",), "青", "青い"),
    Colour((135, 202, 242), ("light blue", "sky blue"), "水色", "水色の"),
    Colour((118, 56, 168), ("purple", "violet"), "紫", "紫の"),
    Colour((246, 152, 190), ("pink",), "ピンク", "ピンクの"),
    Colour((120, 74, 44), ("brown",), "茶色", "茶色い"),
    Colour((20, 20, 22), ("black",), "黒", "黒い"),
    Colour((248, 248, 248), ("white",), "白", "白い"),
    Colour((130, 130, 134), ("gray", "grey"), "灰色", "灰色の"),
    Colour((32, 168, 164), ("teal", "turquoise"), "青緑", "青緑の"),
    Colour((206, 162, 112), ("light brown", "tan", "beige"), "薄茶色", "薄茶色の"),
)

PLACES: tuple[Place, ...] = (
    Place(
        backdrops.paint_sky,
        None,
        ("in the blue sky", "in the sky", "against a blue sky"),
        ("sky", "blue sky", "day sky"),
        ("青空", "空"),
    ),
    Place(
        backdrops.paint_night,
        None,
        ("at night", "under the stars", "in a starry night", "in the night sky"),
        ("night", "starry night", "night sky with stars"),
        ("夜空", "星空", "夜"),
    ),
    Place(
        backdrops.paint_sunset,
        0.88,
        ("at sunset", "in the sunset", "at dusk"),
        ("sunset", "evening glow"),
        ("夕焼け", "夕日", "夕方"),
    ),
    Place(
        backdrops.paint_sea,
        0.86,
        ("in the sea", "on the ocean", "at sea", "in the water"),
        ("sea", "ocean"),
        ("海", "海上"),
    ),
    Place(
        backdrops.paint_beach,
        0.9,
        ("on the beach", "at the beach", "by the seaside"),
        ("beach", "sandy beach"),
        ("砂浜", "浜辺", "ビーチ"),
    ),
    Place(
        backdrops.paint_meadow,
        0.88,
        ("in a meadow", "on the grass", "in a field of flowers", "in a green field"),
        ("meadow", "grassland", "field"),
        ("草原", "野原", "原っぱ"),
    ),
    Place(
        backdrops.paint_forest,
        0.92,
        ("in the forest", "in the woods", "among the trees"),
        ("forest", "woods"),
        ("森", "林"),
    ),
    Place(
        backdrops.paint_snow,
        0.9,
        ("in the snow", "on a snowy day", "in winter"),
        ("snow", "winter"),
        ("雪", "雪景色", "冬"),
    ),
    Place(
        backdrops.paint_desert,
        0.9,
        ("in the desert", "on the sand dunes"),
        ("desert", "sand dunes"),
        ("砂漠", "砂丘"),
    ),
    Place(
        backdrops.paint_space,
        None,
        ("in space", "in outer space", "floating in space"),
        ("space", "outer space", "galaxy"),
        ("宇宙", "宇宙空間"),
    ),
    Place(
        backdrops.paint_city,
        0.9,
        ("in the city", "on a street", "in town"),
        ("city", "street", "town"),
        ("街", "町", "都会"),
    ),
    Place(
        backdrops.paint_room,
        0.9,
        ("in a room", "indoors", "in the living room"),
        ("room", "living room"),
        ("部屋", "室内"),
    ),
    Place(
        backdrops.paint_rain,
        0.9,
        ("in the rain", "on a rainy day"),
        ("rain", "rainy day"),
        ("雨", "雨の日"),
    ),
)

RELATIONS: tuple[Relation, ...] = (
    Relation(
        "left of",
        ("{a} to the left of {b}", "{a} left of {b}", "{a} on the left and {b} on the right"),
        ("{b}の左に{a}", "{b}の左にある{a}", "左に{a}、右に{b}"),
    ),
    Relation(
        "right of",
        ("{a} to the right of {b}", "{a} right of {b}", "{a} on the right and {b} on the left"),
        ("{b}の右に{a}", "{b}の右にある{a}", "右に{a}、左に{b}"),
    ),
    Relation(
        "above",
        ("{a} above {b}", "{a} over {b}", "{a} high above {b}"),
        ("{b}の上方に{a}", "{b}の真上に{a}"),
    ),
    Relation(
        "below",
        ("{a} below {b}", "{a} under {b}", "{a} beneath {b}"),
        ("{b}の下に{a}", "{b}の真下に{a}"),
    ),
    Relation(
        "on",
        ("{a} on {b}", "{a} sitting on {b}", "{a} on top of {b}", "{a} standing on {b}"),
        ("{b}の上に{a}", "{b}の上の{a}", "{b}の上に座る{a}"),
    ),
    Relation(
        "riding",
        ("{a} riding {b}", "{a} rides {b}", "{a} riding on {b}"),
        ("{b}に乗る{a}", "{b}に乗った{a}", "{a}が{b}に乗っている", "{b}に乗っている{a}"),
    ),
    Relation(
        "inside",
        ("{a} inside {b}", "{a} in {b}"),
        ("{b}の中の{a}", "{b}の中に{a}", "{b}の中にいる{a}"),
    ),
    Relation(
        "beside",
        ("{a} beside {b}", "{a} next to {b}", "{a} and {b}", "{a} with {b}", "{a}, {b}"),
        ("{b}の隣の{a}", "{b}のそばの{a}", "{a}と{b}", "{b}の横に{a}", "{a}、{b}"),
    ),
    Relation(
        "between",
        ("{a} between {b} and {c}", "{a} in between {b} and {c}"),
        ("{b}と{c}の間に{a}", "{b}と{c}の間の{a}"),
    ),
    Relation(
        "flying in",
        ("{a} flying", "flying {a}"),
        ("飛んでいる{a}", "飛ぶ{a}", "{a}が飛んでいる"),
    ),
)

SIZES: dict[str, tuple[float, tuple[str, ...], tuple[str, ...]]] = {
    "tiny": (24 / 128, ("tiny", "very small"), ("とても小さな", "ちっちゃな")),
    "small": (40 / 128, ("small", "little"), ("小さな", "小さい")),
    "big": (96 / 128, ("big", "large"), ("大きな", "大きい")),
    "huge": (118 / 128, ("huge", "giant", "enormous"), ("巨大な", "とても大きな")),
}

NORMAL, PIXEL, LINE = range(3)
STYLES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("photograph", "photo", "picture", "image", "illustration", "painting", "emoji"),
        ("写真", "絵", "イラスト", "画像"),
    ),
    (("pixel art", "8-bit", "pixelated"), ("ドット絵", "ピクセルアート")),
    (("line drawing", "manga", "sketch", "pencil drawing"), ("線画", "漫画", "マンガ", "スケッチ")),
)
