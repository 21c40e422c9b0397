"""What a model was never taught is found, word by word, and its nearest known word by spelling."""

import json
from pathlib import Path

import pytest

from kakusan.checkpoints.source import locate
from kakusan.errors import CheckpointError
from kakusan.text import CLIPTokenizer, KnownWords, write_words


@pytest.fixture(scope="module")
def known() -> KnownWords:
    words = KnownWords.read(locate("builtin").folder / "tokenizer")
    assert words is not None
    return words


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "A CAT on the Red background.",
        "two CATS' house, the cat’s  ball",
        "8-bit, light-brown blue_cat; (a dog) & 3 frogs!",
        "an astronaut riding a horse",
        "赤い猫、青空",
        "猫二匹と4匹の犬が飛んでいる",
        "青緑背景のロボット",
        "ねこのそばにうま",
        "8-bitの猫",
        "2cats",
        "飛んでいる赤い傘が海上にある",
        "猫か\u3099二匹",
    ],
)
def test_what_was_taught_is_known(known: KnownWords, text: str) -> None:
    assert known.unknown(text) == {}


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a red griffin", {"griffin": None}),
        ("a Catt and a dgo, rabit", {"catt": "cat", "dgo": "dog", "rabit": "rabbit"}),
        ("helicoptor bycicle asternaut", "helicopter bicycle astronaut"),
        ("roket castel girafe", "rocket castle giraffe"),
        ("goat boat pear mouse", {"goat": None, "pear": None}),
        ("one cat, 5 dogs, 12 birds", {"5": None, "12": None}),
        ("8 bit 8bit", {"8": None}),
        ("1.5 of 12:30", {"1.5": None, "12:30": None}),
        ("don't", {"don't": None}),
        ("the griffin's griffin", {"griffin": None}),
        ("blue-eyed cat", {"blue-eyed": None}),
        ("ｃａｔ", {"ｃａｔ": "cat"}),
        ("🐱 on 🟥", {"🐱": None, "🟥": None}),
        ("кошка, 고양이", {"кошка": None, "고양이": None}),
        ("e\u0301toile étoile", {"étoile": None}),
        ("赤い河童", {"河童": None}),
        ("河童と雷の夜", {"河童": None, "雷": None}),
        ("夜空を飛ぶケルベロス", {"ケルベロス": None}),
        ("よぼよぼねこ", {"よぼよぼ": None}),
        ("ねこのてがみ", {"てがみ": None}),
        ("らっこ、青い海", {"らっこ": None}),
        ("はしるいぬ", {"はしる": None}),
        ("叱られた犬", {"叱られた": None}),
        ("黒猫、日本", {"日本": "日本刀"}),
        ("緑色の金魚", {"金魚": "魚"}),
        ("五匹の猫、2匹、２匹", {"五匹": None, "２匹": "2匹"}),
        ("ﾈｺ", {"ﾈｺ": "ネコ"}),
        ("カメラとバス", {"カメラ": "カメ"}),
        ("猫catalog", {"catalog": None}),
    ],
)
def test_what_was_not_taught_is_told(
    known: KnownWords, text: str, unknown: dict[str, str | None] | str
) -> None:
    if isinstance(unknown, str):
        unknown = dict(zip(text.split(), unknown.split(), strict=True))
    assert known.unknown(text) == unknown


def test_long_texts_take_no_long_time(known: KnownWords) -> None:
    assert len(known.unknown("かきくけこ" * 2000)) == 1
    assert list(known.unknown("x" * 100_000).values()) == [None]


def test_new_captions_teach(known: KnownWords) -> None:
    taught = known.taught(["a griffin, night", "赤い河童", "x" * 100])
    assert taught.unknown("two Griffin's 河童の森 griffins") == {"griffins": "griffin"}
    assert taught.words - known.words == {"griffin", "河童"}


def test_a_tokenizer_keeps_its_words(tmp_path: Path, tiny_v1: Path, known: KnownWords) -> None:
    tokenizer = CLIPTokenizer.from_pretrained("builtin", subfolder="tokenizer")
    assert tokenizer.words == known
    tokenizer.save_pretrained(tmp_path)
    assert CLIPTokenizer.from_pretrained(tmp_path).words == known
    published = CLIPTokenizer.from_pretrained(tiny_v1 / "tokenizer")
    assert published.words is None
    published.save_pretrained(tmp_path)  # in the place of the other
    assert CLIPTokenizer.from_pretrained(tmp_path).words is None


def test_only_what_there_is_room_for_is_used() -> None:
    tokenizer = CLIPTokenizer.from_pretrained("builtin", subfolder="tokenizer")
    text = "a cat " * 30
    assert tokenizer.used(text) == "a cat " * 19
    assert tokenizer.used("\ud83d\ude00 cat") == "\ud83d\ude00 cat"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "must hold a JSON object"),
        ({"words": {"cat": 1}}, "it must be a string"),
        ({"words": ["cat", 5]}, "it must be a string"),
        ({"words": ["cat", ""]}, "1 to 60 characters"),
        ({"words": ["x" * 61]}, "1 to 60 characters"),
        ({"words": ["cat"] * 100_001}, "at most 100000 values"),
        ({}, "has no field 'words'"),
        ({"words": ["dog"], "synonyms": ["dog"]}, "it must be an object"),
        ({"words": ["dog"], "synonyms": {"dog": [5]}}, "it must be a string"),
        ({"words": ["dog"], "synonyms": {"dog": [""]}}, "1 to 60 characters"),
        ({"words": ["dog"], "synonyms": {"x" * 61: ["mutt"]}}, "1 to 60 characters"),
    ],
)
def test_a_broken_file_is_told(tmp_path: Path, value: object, said: str) -> None:
    (tmp_path / "words.json").write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(CheckpointError, match=said) as caught:
        KnownWords.read(tmp_path)
    assert len(str(caught.value)) < 400


def test_synonyms_are_kept(tmp_path: Path) -> None:
    words = KnownWords(frozenset({"dog", "bird"}), {"mutt": "dog", "cur": "dog", "crow": "bird"})
    write_words(tmp_path, words)
    said = json.loads((tmp_path / "words.json").read_text(encoding="utf-8"))
    assert said["synonyms"] == {"bird": ["crow"], "dog": ["cur", "mutt"]}
    assert KnownWords.read(tmp_path) == words


def test_there_is_always_room_to_read_what_was_taught(tmp_path: Path) -> None:
    many = KnownWords(frozenset()).taught(f"w{i}x" for i in range(100_010))
    write_words(tmp_path, many)
    assert KnownWords.read(tmp_path) == many
