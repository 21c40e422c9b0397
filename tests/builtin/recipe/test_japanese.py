"""What scenes are called in Japanese, as people write prompts."""

import re

import numpy as np

from kakusan.builtin.recipe.japanese import compounds, counters_of, is_open, japanese
from kakusan.builtin.recipe.scenes import Item, Scene, random_scene
from kakusan.builtin.recipe.world import COLOURS, PLACES, RELATIONS, THINGS

INDEX = {thing.name: index for index, thing in enumerate(THINGS)}
PLACE = {place.name: index for index, place in enumerate(PLACES)}


def several(scene: Scene, count: int = 60, *, whole: bool = True) -> list[str]:
    return [japanese(scene, np.random.default_rng(seed), whole=whole) for seed in range(count)]


def names(thing: str) -> str:
    return f"({'|'.join(THINGS[INDEX[thing]].japanese)})"


def test_whole_captions_name_every_object_and_the_place() -> None:
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        scene = random_scene(rng)
        text = japanese(scene, rng, whole=True)
        assert "{" not in text
        for item in scene.items:
            assert any(name in text for name in THINGS[item.thing].japanese), text
        colour = COLOURS[scene.colour]
        said = (*colour.japanese, *colour.before)
        if scene.place is not None:
            said = PLACES[scene.place].japanese
        assert any(words in text for words in said), text
        if scene.setting is not None:
            assert any(words in text for words in PLACES[scene.setting].japanese), text


def test_relations_say_who_is_where() -> None:
    items = (Item(INDEX["dog"]), Item(INDEX["house"]))
    for relation in RELATIONS:
        if relation.name in ("between", "flying in"):
            continue
        forms = relation.forms["japanese", False]
        patterns = [form.format(a=names("dog"), b=names("house")) for form in forms]
        said = several(Scene(items, None, 10, relation.name))
        assert all(any(re.search(p, text) for p in patterns) for text in said), relation.name
        assert len(set(said)) > 5


def test_counts_are_numbers_with_a_counter() -> None:
    assert all(
        re.search("三(匹|つ)|3(匹|つ)|みっつ", text)
        for text in several(Scene((Item(INDEX["cat"]),) * 3, None, 0))
    )
    assert counters_of(INDEX["bird"]) == ("匹", "羽")
    assert counters_of(INDEX["ship"]) == ("隻",)
    assert counters_of(INDEX["book"]) == ("冊",)
    assert counters_of(INDEX["apple"]) == ("個",)
    few = several(Scene((Item(INDEX["mountain"]),) * 3, None, 0), 200, whole=False)
    assert "数つ" not in " ".join(few)
    assert any("いくつかの" in text for text in few)


def test_a_colour_stands_before_the_name_or_is_one_word_with_it() -> None:
    scene = Scene((Item(INDEX["cat"], colour=9, word="tiny"),), 4)
    said = several(scene, 100)
    assert all(re.search("(黒い|黒の|黒色の|真っ黒な|くろい|黒猫)", text) for text in said)
    assert any("黒猫" in text for text in said)
    assert compounds(INDEX["cat"], 9) == ("黒猫",)
    assert compounds(INDEX["elephant"], 0) == compounds(INDEX["man"], 10) == ()
    assert compounds(INDEX["bird"], 10) == ()  # a swan is another bird
    assert compounds(INDEX["car"], 0) == compounds(INDEX["cat"], 4 + 2) == ()


def test_verbs_stand_before_the_noun_and_end_sentences() -> None:
    car = " ".join(several(Scene((Item(INDEX["car"]),), PLACE["city"]), 600, whole=False))
    assert "街を走る車" in car
    assert re.search("車が[街町]を走っている|街を車が走っている", car)
    fish = " ".join(several(Scene((Item(INDEX["fish"]),), PLACE["sea"]), 1500, whole=False))
    assert "海を泳ぐ" in fish
    assert not re.search("[上中]の[上中][のにで]", fish)
    assert "泳いで" in fish
    bird = Scene((Item(INDEX["bird"]),), PLACE["sky"], relation="flying in")
    assert re.search("空を飛ぶ(鳥|とり|小鳥)", " ".join(several(bird, 300)))


def test_deeds_join_both() -> None:
    book = Scene((Item(INDEX["cat"]), Item(INDEX["book"])), None, 3, "beside")
    assert re.search("本を読(む|んでいる)[猫ね]", " ".join(several(book, 300, whole=False)))
    drum = Scene((Item(INDEX["robot"]), Item(INDEX["drum"])), None, 3, "beside")
    assert re.search("を叩", " ".join(several(drum, 300, whole=False)))
    assert not re.search("を弾", " ".join(several(drum, 300, whole=False)))


def test_one_can_sleep_on_a_sofa() -> None:
    sofa = Scene((Item(INDEX["cat"]), Item(INDEX["sofa"])), PLACE["room"], relation="on")
    assert re.search("ソファー?で(寝|眠)(る|ている)", " ".join(several(sofa, 600, whole=False)))


def test_what_living_things_look_like_is_said_of_them_alone() -> None:
    girl, car = (
        " ".join(several(Scene((Item(INDEX[name]),), 4), 3000, whole=False))
        for name in ("girl", "car")
    )
    assert re.search(r"(青い|緑の|大きな|赤い)目の", girl)
    assert "目の" not in car


def test_sentences_stand_in_a_place_as_sentences_do() -> None:
    book = Scene((Item(INDEX["cat"]), Item(INDEX["book"])), PLACE["room"], relation="beside")
    said = several(book, 600, whole=False)
    assert any(re.search("[猫ねネ].*が.*を読", text) for text in said)
    assert not any(re.search("る(が|を背景にした)", text) for text in said)


def test_times_and_weather_have_particles_of_their_own() -> None:
    night, rain = (
        " ".join(several(Scene((Item(INDEX["dog"]),), PLACE[place]), 600, whole=False))
        for place in ("night", "rain")
    )
    assert not re.search("(夜|夜中|月夜)(の中)?を[走歩]", night)
    assert re.search("夜(中)?に(走|歩|眠|寝)", night)
    around = [len(re.findall(f"雨{words}を(?:走|歩)", rain)) for words in ("の中", "")]
    assert around[0] > 2 * around[1]


def test_nouns_that_end_as_verbs_do_are_nouns() -> None:
    for noun in ("わに", "赤いさる", "かえる", "ばす"):
        assert not is_open(noun), noun
    for text in ("わにがいる", "海で", "左に", "猫が寝ています"):
        assert is_open(text), text


def test_a_time_and_a_weather_may_be_at_a_place() -> None:
    car = (Item(INDEX["car"]),)
    night = " ".join(several(Scene(car, PLACE["night"], setting=PLACE["city"]), 900, whole=False))
    assert re.search("夜の街", night)
    assert not re.search("街の夜", night)
    empty = several(Scene((), PLACE["night"], setting=PLACE["city"]), 300, whole=False)
    assert any("街の夜景" in text for text in empty)
    sunset = several(Scene((), PLACE["sunset"], setting=PLACE["sea"]), 300, whole=False)
    assert any("海に沈む夕日" in text for text in sunset)
    assert any("夕焼けの海" in text for text in sunset)
    assert "街" not in " ".join(several(Scene(car, PLACE["night"]), 300, whole=False))
    for surface in ("table", "lunar surface"):
        said = " ".join(several(Scene((Item(0),), PLACE[surface]), 300, whole=False))
        assert "の中" not in said
        assert "の上" in said
    assert "夜" not in " ".join(several(Scene((Item(0),), PLACE["city"]), 300, whole=False))


def test_a_request_and_praise_stand_around_some() -> None:
    said = several(Scene((Item(INDEX["cat"]),), 4), 800, whole=False)
    for words in ("高画質", "描いて", "かわいい", "の写真"):
        assert 0 < sum(words in text for text in said) < 160, words
    assert not re.search("高画質|描いて|かわいい", " ".join(several(Scene((Item(0),), 4), 300)))
