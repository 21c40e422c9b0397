"""The places that scenes happen in, and everything that they are called."""

from collections.abc import Callable
from dataclasses import dataclass

from kakusan.builtin.recipe import backdrops
from kakusan.builtin.recipe.backdrops import Floats, Rng


@dataclass(frozen=True)
class Place:
    """A place: its painter, where its ground is, and how it is said.

    `ground` is the height that objects stand on, as a fraction from the top; None where they float.
    `clauses` follow an object ("on the beach"), `tags` stand alone between commas; the usual ones
    come first. A time or a weather has a `light`, which shows another place as it is then: the
    city at night.
    """

    paint: Callable[[Rng, int], Floats]
    ground: float | None
    clauses: tuple[str, ...]
    tags: tuple[str, ...]
    japanese: tuple[str, ...]
    light: Callable[[Floats, Rng], Floats] | None = None

    @property
    def name(self) -> str:
        return self.tags[0]


PLACES: tuple[Place, ...] = (
    Place(
        backdrops.paint_sky,
        None,
        (
            *("in the blue sky", "in the sky", "against a blue sky", "in the clouds", "in the air"),
            *("under a blue sky", "on a sunny day", "high in the sky", "on a clear day"),
        ),
        ("sky", "blue sky", "day sky", "clear sky", "sunny day"),
        ("青空", "空", "青い空", "大空", "空中", "晴れた空", "晴れた日", "晴天", "雲の上"),
    ),
    Place(
        backdrops.paint_night,
        None,
        (
            *("at night", "under the stars", "in a starry night", "in the night sky"),
            *("at midnight", "in the moonlight", "in the dark", "under the night sky"),
        ),
        ("night", "starry night", "night sky with stars", "night sky", "midnight", "moonlight"),
        ("夜空", "星空", "夜", "真夜中", "夜中", "夜景", "満天の星", "月夜", "月明かり", "暗闇"),
        light=backdrops.light_night,
    ),
    Place(
        backdrops.paint_sunset,
        0.88,
        (
            *("at sunset", "in the sunset", "at dusk", "at dawn", "at sunrise", "in the evening"),
            *("in the evening light", "at golden hour"),
        ),
        ("sunset", "evening glow", "sunrise", "dusk", "dawn", "evening", "golden hour"),
        ("夕焼け", "夕日", "夕方", "夕暮れ", "夕焼け空", "日没", "朝焼け", "日の出", "朝日"),
        light=backdrops.light_sunset,
    ),
    Place(
        backdrops.paint_sea,
        0.86,
        (
            *("in the sea", "on the ocean", "at sea", "in the water", "in the ocean", "underwater"),
            *(
                "on the water",
                "on the sea",
                "on a lake",
                "in a lake",
                "in the river",
                "under the sea",
            ),
            *("on the open sea", "over the sea", "over the ocean"),
        ),
        ("sea", "ocean", "water", "lake", "river", "open sea"),
        ("海", "海上", "海中", "水中", "水", "湖", "川", "大海原", "水面", "青い海", "海の上"),
    ),
    Place(
        backdrops.paint_beach,
        0.9,
        (
            *("on the beach", "at the beach", "by the seaside", "by the sea", "on the shore"),
            *("on the sand", "on a tropical beach", "on the coast"),
        ),
        ("beach", "sandy beach", "seaside", "shore", "tropical beach", "coast"),
        ("砂浜", "浜辺", "ビーチ", "海辺", "海岸", "海水浴場", "波打ち際", "浜"),
    ),
    Place(
        backdrops.paint_meadow,
        0.88,
        (
            *("in a meadow", "on the grass", "in a field of flowers", "in a green field"),
            *("in the park", "in a garden", "in the garden", "in a field", "across a field"),
            *("on the lawn", "on a hill", "on a farm", "in the countryside", "outside", "outdoors"),
            *("in nature", "in spring"),
        ),
        ("meadow", "grassland", "field", "park", "garden", "flower field", "countryside", "nature"),
        (
            *(
                "草原",
                "野原",
                "原っぱ",
                "公園",
                "庭",
                "花畑",
                "お花畑",
                "牧場",
                "芝生",
                "丘",
                "草むら",
            ),
            *("田舎", "春", "野外", "畑", "自然"),
        ),
    ),
    Place(
        backdrops.paint_forest,
        0.92,
        (
            *("in the forest", "in the woods", "among the trees", "in the jungle"),
            *("in a deep forest", "in a magical forest", "through the forest", "in a dark forest"),
            "in the rainforest",
        ),
        ("forest", "woods", "jungle", "deep forest", "rainforest", "autumn forest"),
        ("森", "林", "ジャングル", "深い森", "森林", "密林", "山奥", "樹海", "雑木林"),
    ),
    Place(
        backdrops.paint_snow,
        0.9,
        (
            *(
                "in the snow",
                "on a snowy day",
                "in winter",
                "on the ice",
                "on ice",
                "in a blizzard",
            ),
            *("on a snowy field", "at the north pole", "in the falling snow"),
        ),
        ("snow", "winter", "ice", "snowy day", "snowy landscape", "blizzard"),
        ("雪", "雪景色", "冬", "雪原", "雪の日", "氷の上", "南極", "北極", "吹雪", "雪国"),
        light=backdrops.light_snow,
    ),
    Place(
        backdrops.paint_desert,
        0.9,
        (
            *("in the desert", "on the sand dunes", "through the desert", "in the hot desert"),
            "in the savanna",
        ),
        ("desert", "sand dunes", "savanna", "wasteland"),
        ("砂漠", "砂丘", "サバンナ", "荒野", "サハラ砂漠"),
    ),
    Place(
        backdrops.paint_space,
        None,
        (
            *("in space", "in outer space", "floating in space", "in the universe"),
            *("among the stars", "in deep space", "in the galaxy", "in the cosmos"),
        ),
        ("space", "outer space", "galaxy", "universe", "deep space", "cosmos", "nebula"),
        ("宇宙", "宇宙空間", "銀河", "大宇宙", "銀河系", "無重力", "星雲"),
    ),
    Place(
        backdrops.paint_city,
        0.9,
        (
            *("in the city", "on a street", "in town", "on the street", "on the road", "downtown"),
            *("in the streets", "on a road", "in a village", "in a big city", "in Tokyo"),
            *("in New York", "on a city street", "in Paris", "over the city", "above the city"),
        ),
        ("city", "street", "town", "road", "city street", "village", "cityscape", "Tokyo"),
        (
            *(
                "街",
                "町",
                "都会",
                "道",
                "道路",
                "街中",
                "街角",
                "都市",
                "通り",
                "東京",
                "町中",
                "村",
            ),
            *("市街地", "ビル街", "街の上"),
        ),
    ),
    Place(
        backdrops.paint_room,
        0.9,
        (
            *("in a room", "indoors", "in the living room", "at home", "in the kitchen"),
            *("in the bedroom", "on the floor", "in a cafe", "in the library", "in the classroom"),
            *("in an office", "in a restaurant", "in a shop"),
        ),
        ("room", "living room", "kitchen", "bedroom", "indoors", "cafe", "library", "classroom"),
        (
            *(
                "部屋",
                "室内",
                "居間",
                "リビング",
                "キッチン",
                "台所",
                "教室",
                "カフェ",
                "床",
                "寝室",
            ),
            *("屋内", "図書館", "店", "喫茶店"),
        ),
    ),
    Place(
        backdrops.paint_rain,
        0.9,
        (
            *("in the rain", "on a rainy day", "in the pouring rain", "under the rain"),
            *("in a storm", "on a cloudy day"),
        ),
        ("rain", "rainy day", "heavy rain", "storm", "rainy weather", "cloudy day"),
        ("雨", "雨の日", "大雨", "雨天", "梅雨", "嵐", "土砂降り", "曇り空", "小雨"),
        light=backdrops.light_rain,
    ),
    Place(
        backdrops.paint_table,
        0.8,
        (
            *("on a table", "on the table", "on a wooden table", "on a desk", "on the desk"),
            *("on the kitchen table", "on the dining table"),
        ),
        ("table", "desk", "wooden table", "tabletop", "kitchen table"),
        ("テーブル", "机", "机の上", "テーブルの上", "食卓", "木のテーブル", "デスク", "食卓の上"),
    ),
    Place(
        backdrops.paint_moon,
        0.88,
        (
            *("on the moon", "on the surface of the moon", "on the lunar surface"),
            *("on Mars", "on another planet", "on an alien planet"),
        ),
        ("lunar surface", "moon surface", "planet surface", "alien planet", "Mars"),
        ("月面", "月の表面", "火星"),
    ),
)
# What has a look of its own at a time or in a weather, by the names of both
SETTINGS = {
    "night": ("city", "forest", "sea", "beach", "meadow", "desert"),
    "sunset": ("sea", "beach", "city", "meadow", "desert", "forest"),
    "snow": ("forest", "city", "meadow"),
    "rain": ("city", "forest", "meadow", "sea", "beach"),
}
_NAMES = [each.name for each in PLACES]
# All of them, as indices of places
PAIRS = tuple(
    (_NAMES.index(light), _NAMES.index(at)) for light, places in SETTINGS.items() for at in places
)
# Names that speak of another time, weather or place, and so are not said of both together
_ELSEWHERE = {
    *("in the night sky", "in a starry night", "under the night sky", "on the ice", "on ice"),
    *("on a snowy field", "at the north pole", "in spring", "in a dark forest", "underwater"),
    *("under the sea", "in the jungle", "in the rainforest", "jungle", "rainforest"),
    *("autumn forest", "Tokyo", "nature", "water", "cityscape"),
    *("春", "自然", "野外", "海中", "水中", "水", "海の上", "街の上", "ジャングル", "密林"),
}
# Where a time is not seen, and what nothing is inside of
INDOORS = frozenset({"room", "table"})
SURFACES = frozenset({"table", "lunar surface"})


def settings_of(place: int) -> tuple[int, ...]:
    """The places that a time or a weather may be at; none of what is neither."""
    return tuple(at for light, at in PAIRS if light == place)


def together(names: tuple[str, ...]) -> tuple[str, ...]:
    """Of the names of a place, a time or a weather, those that are said of two together."""
    return tuple(name for name in names if name not in _ELSEWHERE)
