"""What scenes are made of: objects, colours, places, relations, styles, and all their names."""

import csv
from dataclasses import dataclass
from importlib.resources import files

from kakusan.builtin.recipe.places import INDOORS as INDOORS
from kakusan.builtin.recipe.places import PAIRS as PAIRS
from kakusan.builtin.recipe.places import PLACES as PLACES
from kakusan.builtin.recipe.places import SURFACES as SURFACES
from kakusan.builtin.recipe.places import settings_of as settings_of
from kakusan.builtin.recipe.places import together as together
from kakusan.builtin.recipe.relations import RELATIONS as RELATIONS


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
        return self.name not in PLURALS and self.name not in UNCOUNTED


@dataclass(frozen=True)
class Colour:
    """A colour: its sRGB value and its names, the usual one first.

    In Japanese a colour is a noun, or `before` one.
    """

    rgb: tuple[int, int, int]
    english: tuple[str, ...]
    japanese: tuple[str, ...]
    before: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.english[0]


UNCOUNTED = {
    *("sushi", "bread", "tea", "coffee", "ice cream", "cheese", "rice", "ramen", "spaghetti"),
    *("curry", "milk", "beer", "wine", "corn", "broccoli", "chocolate", "wheat", "dango", "fire"),
    *("sun", "moon", "earth", "rainbow", "lightning", "table tennis", "badminton", "pudding"),
    *("bow and arrow", "tanabata tree", "Santa Claus"),
}
# Names of what is several things already
PLURALS = {
    *("grapes", "peanuts", "pancakes", "French fries", "fries", "chips", "cherries", "noodles"),
    *("headphones", "scissors", "swords", "crossed swords", "skis", "glasses", "eyeglasses"),
    *("sunglasses", "spectacles", "shoes", "sneakers", "boots", "drums", "leaves", "sweets"),
    *("cherry blossoms", "cattle", "dice"),
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
CORE = 160  # of them: what two cores without a GPU learn

COLOURS: tuple[Colour, ...] = (
    Colour(
        (214, 38, 40),
        ("red", "crimson", "scarlet"),
        ("赤", "赤色", "レッド"),
        ("赤い", "赤の", "赤色の", "真っ赤な", "あかい"),
    ),
    Colour((245, 130, 32), ("orange",), ("オレンジ色", "オレンジ"), ("オレンジ色の", "オレンジの")),
    Colour(
        (250, 212, 50),
        ("yellow", "golden"),
        ("黄色", "金色"),
        ("黄色い", "黄色の", "金色の", "きいろい"),
    ),
    Colour((44, 150, 66), ("green",), ("緑", "緑色", "グリーン"), ("緑の", "緑色の", "みどりの")),
    Colour(
        (38, 78, 200),
        ("blue", "dark blue", "navy blue"),
        ("青", "青色", "ブルー"),
        ("青い", "青の", "青色の", "真っ青な", "あおい"),
    ),
    Colour(
        (135, 202, 242),
        ("light blue", "sky blue", "cyan"),
        ("水色", "空色"),
        ("水色の", "空色の", "みずいろの"),
    ),
    Colour((118, 56, 168), ("purple", "violet"), ("紫", "紫色"), ("紫の", "紫色の", "むらさきの")),
    Colour(
        (246, 152, 190),
        ("pink", "hot pink"),
        ("ピンク", "ピンク色", "桃色"),
        ("ピンクの", "ピンク色の", "桃色の"),
    ),
    Colour(
        (120, 74, 44),
        ("brown", "dark brown"),
        ("茶色", "こげ茶色"),
        ("茶色い", "茶色の", "こげ茶色の"),
    ),
    Colour(
        (20, 20, 22),
        ("black",),
        ("黒", "黒色", "ブラック"),
        ("黒い", "黒の", "黒色の", "真っ黒な", "くろい"),
    ),
    Colour(
        (248, 248, 248),
        ("white", "snow-white"),
        ("白", "白色", "ホワイト"),
        ("白い", "白の", "真っ白な", "白色の", "しろい"),
    ),
    Colour(
        (130, 130, 134),
        ("gray", "grey", "silver"),
        ("灰色", "グレー", "銀色"),
        ("灰色の", "グレーの", "銀色の", "ねずみ色の"),
    ),
    Colour((32, 168, 164), ("teal", "turquoise"), ("青緑", "青緑色"), ("青緑の", "青緑色の")),
    Colour(
        (206, 162, 112),
        ("light brown", "tan", "beige"),
        ("薄茶色", "ベージュ"),
        ("薄茶色の", "ベージュの", "ベージュ色の"),
    ),
)

SIZES: dict[str, tuple[float, tuple[str, ...], tuple[str, ...]]] = {
    "tiny": (
        24 / 128,
        ("tiny", "very small", "teeny tiny", "miniature"),
        ("とても小さな", "ちっちゃな", "とても小さい", "ちっちゃい", "極小の"),
    ),
    "small": (
        40 / 128,
        ("small", "little", "mini"),
        ("小さな", "小さい", "ちいさな", "ちいさい", "ミニサイズの"),
    ),
    "big": (
        96 / 128,
        ("big", "large", "great big"),
        ("大きな", "大きい", "おおきな", "おおきい", "でかい", "大型の"),
    ),
    "huge": (
        118 / 128,
        ("huge", "giant", "enormous", "gigantic", "massive", "very big"),
        ("巨大な", "とても大きな", "とても大きい", "でっかい", "超巨大な"),
    ),
}

NORMAL, PIXEL, LINE = range(3)
STYLES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        (
            *("photograph", "photo", "picture", "image", "illustration", "painting", "emoji"),
            *("drawing", "watercolor", "watercolor painting", "oil painting", "cartoon", "anime"),
            *("digital art", "3D render", "portrait", "close-up", "poster", "icon", "sticker"),
            *("realistic photo", "wallpaper", "concept art", "fantasy art", "clip art", "artwork"),
        ),
        (
            *(
                "写真",
                "絵",
                "イラスト",
                "画像",
                "水彩画",
                "油絵",
                "アニメ",
                "絵画",
                "風景画",
                "壁紙",
            ),
            *("アイコン", "ポスター", "スタンプ", "浮世絵", "絵文字"),
        ),
    ),
    (
        ("pixel art", "8-bit", "pixelated", "pixel", "16-bit", "pixelart", "8bit"),
        ("ドット絵", "ピクセルアート", "ピクセル", "ドット"),
    ),
    (
        (
            *("line drawing", "manga", "sketch", "pencil drawing", "line art", "lineart"),
            *("pencil sketch", "ink drawing", "doodle", "coloring page", "black and white drawing"),
        ),
        ("線画", "漫画", "マンガ", "スケッチ", "鉛筆画", "落書き", "下書き", "白黒の絵", "塗り絵"),
    ),
)
