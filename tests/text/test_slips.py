"""Slips of the pen and synonyms are read as what was meant; no word that others know is a slip."""

import pytest

from kakusan.text import CLIPTokenizer, KnownWords, LearntWord
from kakusan.text.slips import distance, is_slip, read_as
from kakusan.text.standing import put_right

KNOWN = KnownWords(
    frozenset(
        {
            *(
                "a",
                "the",
                "cat",
                "dog",
                "rabbit",
                "mouse",
                "boat",
                "horse",
                "helicopter",
                "bicycle",
            ),
            *("astronaut", "castle", "dinosaur", "flowers", "sun"),
            *("elephant", "elegant", "dolphin", "duck"),
            *("猫", "ネコ", "ペンギン", "ライオン", "ヘリコプター", "トラック", "2匹", "の", "と"),
        }
    ),
    {
        "dalmatian": "dog",
        "dalmatians": "dogs",
        "sea horse": "fish",
        "bay": "brown horse",
        "sun dog": "sun",
        "ペルシャ": "猫",
        "三毛猫": "猫",
        "にゃんにゃん": "猫",
    },
)


def as_read(text: str, known: KnownWords | None) -> str:
    return put_right(text, read_as(text, known))


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("catt", "cat"),
        ("dgo", "dog"),
        ("rabit", "rabbit"),
        ("helicoptor", "helicopter"),
        ("bycicle", "bicycle"),
        ("asternaut", "astronaut"),
        ("castel", "castle"),
        ("dinasour", "dinosaur"),
        ("elefant", "elephant"),  # heard alike, though "elegant" has fewer other letters
        ("dolfin", "dolphin"),
        ("duckk", "duck"),
        ("ｃａｔ", "cat"),
        ("ﾈｺ", "ネコ"),
        ("ねこ", "ネコ"),
        ("ぺんぎん", "ペンギン"),
        ("ライオソ", "ライオン"),
        ("ヘリコプタ", "ヘリコプター"),
        ("ヘリコブター", "ヘリコプター"),
        ("２匹", "2匹"),
    ],
)
def test_slips_are_read_as_what_was_meant(word: str, meant: str) -> None:
    assert read_as(word, KNOWN) == {word: meant}
    assert as_read(f"{word}, {word}", KNOWN) == f"{meant}, {meant}"


@pytest.mark.parametrize(
    "word",
    [
        *(
            "moose",
            "hose",
            "coat",
            "goat",
            "flower",
            "sunny",
            "horde",
            "house",
            "can",
            "do",
            "catalog",
        ),
        *("кошка", "トランク", "金魚", "blue-eyed", "don't", "8bit", "zork"),
    ],
)
def test_words_of_their_own_are_left_as_they_are(word: str) -> None:
    assert read_as(word, KNOWN) == {}
    assert as_read(word, KNOWN) == word


def test_only_whole_words_are_put_right() -> None:
    text = "A Catt (catt:1.2), catts on concatt. 猫catt ｃａｔ"
    assert as_read(text, KNOWN) == "A cat (cat:1.2), catts on concatt. 猫cat cat"
    assert as_read("ねこ、ぺんぎんとﾈｺ", KNOWN) == "ネコ、ペンギンとネコ"
    assert as_read("no slip İ", KNOWN) == "no slip İ"


@pytest.mark.parametrize(
    ("text", "read", "said"),
    [
        ("A Dalmatian, (dalmatian:1.2)", "A dog, (dog:1.2)", {"dalmatian": "dog"}),
        ("two dalmatians", "two dogs", {"dalmatians": "dogs"}),
        ("a dalmatian's bicycle", "a dog's bicycle", {"dalmatian": "dog"}),
        ("dalmation", "dog", {"dalmation": "dog"}),  # a slip for a synonym
        ("dalmetion", "dalmetion", {}),  # which has one letter wrong at most
        ("a sea horse and a bay", "a fish and a brown horse", None),
        ("the sun dog", "the sun", {"sun dog": "sun"}),  # both words are known, and mean another
        ("三毛猫とペルシャ", "猫と猫", {"ペルシャ": "猫", "三毛猫": "猫"}),
        ("大三毛猫、ペルシャン", "大三毛猫、ペルシャン", {}),  # longer words
        ("かわいいにゃんにゃんの", "かわいい猫の", {"にゃんにゃん": "猫"}),
        ("a bayou", "a bayou", {}),
    ],
)
def test_synonyms_are_read_as_what_they_mean(
    text: str, read: str, said: dict[str, str] | None
) -> None:
    assert as_read(text, KNOWN) == read
    assert said is None or read_as(text, KNOWN) == said


def test_a_synonym_that_is_taught_means_itself() -> None:
    taught = KNOWN.taught(["a Dalmatian and a sea horse"])
    assert as_read("a dalmatian, two dalmatians", taught) == "a dalmatian, two dogs"
    assert as_read("a sea horse", taught) == "a sea horse"
    assert as_read("a dalmatian", KNOWN) == "a dog"


def test_without_known_words_nothing_is_a_slip() -> None:
    assert read_as("catt", None) == {}
    assert as_read("catt", None) == "catt"


@pytest.mark.parametrize(
    ("one", "other", "wrong"),
    [("", "", 0), ("cat", "", 3), ("cat", "act", 1), ("kitten", "sitting", 3), ("abc", "cab", 2)],
)
def test_distances(one: str, other: str, wrong: int) -> None:
    assert distance(one, other) == distance(other, one) == wrong


def test_short_words_have_no_slips_but_swapped_letters() -> None:
    assert is_slip("dgo", "dog")
    assert not is_slip("dxg", "dog")
    assert not is_slip("dg", "dog")


def test_of_a_long_text_only_so_many_words_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    monkeypatch.setattr(KnownWords, "nearest", lambda _self, word: compared.append(word))
    read_as(" ".join(f"{chr(97 + i % 26)}x{'y' * (i // 26)}" for i in range(5000)), KNOWN)
    assert len(set(compared)) == 100


def test_a_learnt_word_is_no_slip() -> None:
    plain = CLIPTokenizer.from_pretrained("builtin", subfolder="tokenizer")
    taught = plain.learning({"catt": LearntWord(1)})
    assert plain.as_read("a catt and a dgo") == "a cat and a dog"
    assert taught.as_read("a catt and a dgo") == "a catt and a dog"
