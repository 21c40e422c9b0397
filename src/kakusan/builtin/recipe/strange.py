"""What the model cannot know, mixed into captions: strange words, and slips of the pen.

The scene stays the same, so that the text encoder learns to pass such words by. They are things of
every day that the model has no picture of, words of CLIP's vocabulary that no caption has, and
made-up ones.
"""

import functools
import re

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.nouns import article
from kakusan.builtin.recipe.phrases import one
from kakusan.builtin.recipe.words import known_words
from kakusan.builtin.recipe.world import PLURALS, THINGS, UNCOUNTED
from kakusan.text.clip_vocabulary import clip_vocabulary

_ONSETS = (
    *("b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v"),
    *("w", "z", "br", "cl", "dr", "fl", "gr", "kr", "pl", "sh", "sk", "st", "th", "tr"),
    "qu",
)
_VOWELS = ("a", "e", "i", "o", "u", "a", "e", "i", "o", "ai", "ee", "oo", "ou", "ia")
_CODAS = ("n", "r", "l", "s", "t", "m", "k", "d", "x", "ck", "nd", "st", "th", "ng", "sh")
_MORAE = (
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメ"
    "モヤユヨラリルレロガギグゴザジダデバビブボパピプポ"
)
_LARGE = ("シュ", "チョ", "ジャ", "リョ", "ッ", "ー", "ン")
_KANJI = (
    "愛安以位委医域運影映益駅央応恩化価果河過解会害各格覚額完官管関観岸期規技義客究急級給許共協"
    "鏡極具係型形計警欠決件健検権限個護功効候構港告根査再採際在罪策雑蚕至志私姿視詞資飼児識質舎謝"
    "授修術準順序除将傷招承証条状織職制性政勢精製税責績接設舌絶銭祖素総造像増則測属率損退貸態団断築"
)
_EVERYDAY = (
    *("sunglasses", "scarf", "jacket", "shirt", "shoes", "boots", "ribbon", "necklace", "backpack"),
    *("table", "desk", "bed", "shelf", "lamp", "window", "door", "wall", "mirror", "blanket"),
    *("plate", "bowl", "spoon", "knife", "bottle", "basket", "box", "bag", "letter", "newspaper"),
    *("park", "school", "factory", "kitchen", "garden", "library", "station", "street", "bridge"),
    *(
        "river",
        "lake",
        "waterfall",
        "island",
        "cave",
        "farm",
        "zoo",
        "museum",
        "hospital",
        "market",
    ),
    *("cheese", "honey", "nut", "acorn", "bone", "grass", "rock", "sand", "smoke", "feather"),
    *("wheel", "engine", "ladder", "rope", "flag", "sign", "bench", "fence", "roof", "stairs"),
    *("hair", "beard", "tail", "wings", "horns", "armor", "cape", "mask", "gloves", "dress"),
)
_EVERYDAY_JA = (
    *("サングラス", "メガネ", "眼鏡", "マフラー", "リボン", "シャツ", "靴", "かばん", "リュック"),
    *("机", "テーブル", "ベッド", "棚", "窓", "ドア", "壁", "鏡", "毛布", "布団", "カーテン"),
    *("お皿", "スプーン", "ナイフ", "びん", "かご", "箱", "袋", "手紙", "新聞", "おもちゃ"),
    *("公園", "学校", "工場", "台所", "庭", "図書館", "駅", "道路", "橋", "水族館", "動物園"),
    *("川", "湖", "滝", "島", "洞窟", "牧場", "畑", "病院", "市場", "お店", "教室", "神社"),
    *("チーズ", "はちみつ", "どんぐり", "骨", "草", "岩", "砂", "煙", "羽根", "葉っぱ"),
    *("はしご", "ロープ", "旗", "看板", "ベンチ", "屋根", "階段", "エプロン", "マント", "仮面"),
    *("髪", "ひげ", "しっぽ", "角", "鎧", "手袋", "ドレス", "着ぐるみ", "浴衣", "プール"),
)
_WITH_ANOTHER = (
    *("a {w} fighting {x}", "a {w} holding {x}", "{w} and {x}", "a {w} with {x}", "{w} of {x}"),
    *("{w} riding {x}", "a {w} looking at {x}", "{w}'s {x}"),
)
_BESIDE = (
    *("{x}, {w}", "{x}, {w}", "{x}, {w} {v}", "{x} by {w} {v}", "{w}, {x}", "{w} {x}", "{x} {w}"),
    *("{x} in the {w}", "{x} at the {w}"),
    *("{x} with a {w}", "{x} on a {w}", "{x} and a {w}", "{x} near the {w}", "{x} {w} a {v}"),
    *("{x}, {w} style", "{x} in the style of {w}", "{x}, {w}, {v}"),
)
_BESIDE_JA = (
    *(
        "{w}な{x}",
        "{w}の{x}",
        "{w}の{x}",
        "{x}、{w}",
        "{x}、{w}",
        "{x}、{w}風",
        "{w}、{x}",
        "{w}と{x}",
        "{x}の{w}",
    ),
    *("{x}に乗った{w}", "{x}を持つ{w}", "{w}が{x}と戦っている", "{x}が{w}を持っている"),
    *(
        "{w}の上の{x}",
        "{w}を持った{x}",
        "{w}と戦う{x}",
        "{x}と{w}",
        "{w}する{x}",
        "{x} {w}",
        "{w}で{x}",
    ),
    *("{w}にいる{x}", "{w}の前の{x}", "{w}の中の{x}"),
)
_WITHOUT_ARTICLE = (
    PLURALS
    | UNCOUNTED
    | {
        *("sunglasses", "shoes", "boots", "stairs", "hair", "wings", "horns", "armor", "gloves"),
        *("cheese", "honey", "grass", "sand", "smoke"),
    }
)
_ARTICLE = re.compile(r"(?<![\w'])an? (?=([\w-]+))")
_KANA = re.compile("[ぁ-ゖァ-ヺー]+")
_BEFORE = re.compile(r"(?<![\w'])(a|an|the) (?=[a-z])")


@functools.cache
def real_words(things: int) -> tuple[str, ...]:
    """English words, and some of other languages, that no caption has."""
    known = known_words(things).words
    words = (
        token.removesuffix("</w>") for token in clip_vocabulary().ids if token.endswith("</w>")
    )
    return tuple(w for w in words if re.fullmatch("[a-z]{4,12}", w) and w not in known)


@functools.cache
def everyday_words(things: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """English and Japanese names of what people ask for besides, and no caption has.

    None has a word in it that captions have, as 松の木 has a tree; more kana about one that is
    written in kana, as in さくらんぼ, is another word.
    """
    known = known_words(things).words
    others = THINGS[things:]
    english = [*_EVERYDAY, *(name for thing in others for name in thing.english)]
    japanese = [*_EVERYDAY_JA, *(name for thing in others for name in thing.japanese)]
    seen = [word for word in known if not _KANA.fullmatch(word)]
    return (
        tuple(
            name
            for name in dict.fromkeys(english)
            if " " not in name and known.isdisjoint(name.lower().split("-"))
        ),
        tuple(
            name
            for name in dict.fromkeys(japanese)
            if known.isdisjoint(name.split("の")) and not any(word in name for word in seen)
        ),
    )


def strange_word(rng: Rng, things: int) -> str:
    """A word in Latin letters that means nothing to a model of the first `things` objects."""
    kind = rng.random()
    if kind < 0.3:
        return one(rng, everyday_words(things)[0])
    if kind < 0.6:
        return one(rng, real_words(things))
    syllables = 2 + int(rng.random() * 2)
    return "".join(one(rng, _ONSETS) + one(rng, _VOWELS) for _ in range(syllables)) + (
        one(rng, _CODAS) if rng.random() < 0.5 else ""
    )


def strange_word_ja(rng: Rng, things: int) -> str:
    """The same in katakana, hiragana or kanji."""
    if rng.random() < 0.4:
        return one(rng, everyday_words(things)[1])
    kind = rng.random()
    if kind < 0.35:
        return "".join(one(rng, _KANJI) for _ in range(2))
    length = 2 + int(rng.random() * 3)
    word = "".join([one(rng, _MORAE), *(one(rng, (*_MORAE, *_LARGE)) for _ in range(length))])
    if kind < 0.85:
        return word
    return word.translate({code: code - 0x60 for code in range(0x30A1, 0x30F7)})


def with_strangers(text: str, rng: Rng, things: int) -> str:
    """An English caption with strange words: before a noun, or beside all others."""
    word, kind = strange_word(rng, things), rng.random()
    places = [match.end() for match in _BEFORE.finditer(text)]
    if kind < 0.4 and places:
        at = one(rng, places)
        return _with_articles(f"{text[:at]}{word} {text[at:]}", word, article(word))
    if kind < 0.6 and text.startswith(("a ", "an ")):
        found = one(rng, _WITH_ANOTHER).format(w=word, x=text)
    else:
        found = one(rng, _BESIDE).format(w=word, v=strange_word(rng, things), x=text)
    return _with_articles(found, word, _article_of(word))


def with_strangers_ja(text: str, rng: Rng, things: int) -> str:
    """A Japanese caption with a strange word before or behind it."""
    return one(rng, _BESIDE_JA).format(w=strange_word_ja(rng, things), x=text)


def nothing_known(rng: Rng, where: str, things: int) -> str:
    """A caption that asks for nothing that can be drawn, but where it is to be."""
    word = strange_word(rng, things)
    forms = ("{w} {p}", "a {w} {p}", "{w}", "a {w} {v} {p}", "the {w} {p}")
    text = one(rng, forms).format(w=word, v=strange_word(rng, things), p=where)
    return _with_articles(text, word, _article_of(word))


def _article_of(word: str) -> str:
    """The article of a noun, or nothing where it has none."""
    return "" if word in _WITHOUT_ARTICLE else article(word)


def _with_articles(text: str, word: str, its: str) -> str:
    """The text with this article before a word, or none, wherever it stands after one."""
    before = f"{its} " if its else ""
    return _ARTICLE.sub(lambda found: before if found[1] == word else found[0], text)


def slipped(text: str, rng: Rng) -> str:
    """An English caption with a slip of the pen: a letter too few, or two that are swapped."""
    if len(text) < 9:
        return text
    i = 1 + int(rng.random() * (len(text) - 3))
    swapped = text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    return swapped if rng.random() < 0.5 else text[:i] + text[i + 1 :]
