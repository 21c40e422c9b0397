"""What scenes are called in English, as people write prompts."""

import re

import numpy as np

from kakusan.builtin.recipe.english import english
from kakusan.builtin.recipe.nouns import plural
from kakusan.builtin.recipe.scenes import Item, Scene, random_scene
from kakusan.builtin.recipe.world import COLOURS, PLACES, RELATIONS, THINGS

INDEX = {thing.name: index for index, thing in enumerate(THINGS)}
PLACE = {place.name: index for index, place in enumerate(PLACES)}


def several(scene: Scene, count: int = 60, *, whole: bool = True) -> list[str]:
    return [english(scene, np.random.default_rng(seed), whole=whole) for seed in range(count)]


def names(thing: str) -> str:
    """A pattern of everything that it is called."""
    return f"({'|'.join(map(re.escape, THINGS[INDEX[thing]].english))})"


def test_whole_captions_name_every_object_and_the_place() -> None:
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        scene = random_scene(rng)
        text = english(scene, rng, whole=True)
        assert "{" not in text
        assert not re.search(r"\ba [aeio](?!ne\b)|\ban [^aeiouU8]", text), text
        for item in scene.items:
            known = THINGS[item.thing].english
            assert any(name in text for name in (*known, *map(plural, known))), text
        place = None if scene.place is None else PLACES[scene.place]
        colours = COLOURS[scene.colour].english
        said = colours if place is None else (*place.clauses, *place.tags)
        assert any(words in text for words in said), text
        if scene.setting is not None:
            setting = PLACES[scene.setting]
            assert any(words in text for words in (*setting.clauses, *setting.tags)), text


def test_relations_say_who_is_where() -> None:
    items = (Item(INDEX["dog"]), Item(INDEX["house"]))
    for relation in RELATIONS:
        if relation.name in ("between", "flying in"):
            continue
        forms = [form.replace("+", r"\+") for form in relation.forms["english", False]]
        patterns = [form.format(a=f".*{names('dog')}", b=f".*{names('house')}") for form in forms]
        for text in several(Scene(items, None, 10, relation.name)):
            assert any(re.search(p, text) for p in patterns), (relation.name, text)


def test_three_different_objects_stand_beside_one_another() -> None:
    items = tuple(Item(INDEX[name]) for name in ("dog", "cat", "bird"))
    for text in several(Scene(items, None, 10, "beside")):
        order = f"{names('dog')}.*{names('cat')}.*{names('bird')}"
        assert re.search(order, text), text


def test_counts_are_numbers_with_a_plural() -> None:
    scene = Scene((Item(INDEX["rocket"]),) * 3, None, 0)
    plurals = "|".join(map(plural, THINGS[INDEX["rocket"]].english))
    assert all(re.search(f"(three|3) ({plurals})", text) for text in several(scene))
    vague = " ".join(several(scene, 300, whole=False))
    assert all(word in vague for word in ("several", "some", "a group of"))
    assert "four" not in vague


def test_a_colour_and_a_size_stand_before_the_name() -> None:
    said = several(Scene((Item(INDEX["cat"], colour=4, word="tiny"),), 4))
    pattern = r"(tiny|very small|teeny tiny|miniature) (blue|dark blue|navy blue) "
    assert all(re.search(pattern, text) for text in said)


def test_verbs_go_with_what_is_drawn() -> None:
    said = {
        place: " ".join(several(Scene((Item(INDEX["fish"]),), PLACE[place]), 400, whole=False))
        for place in ("sea", "room")
    }
    assert "swimming" in said["sea"]
    assert "is swimming" in said["sea"]
    assert "swim" not in said["room"]
    at_sunset = Scene((Item(INDEX["fish"]),), PLACE["sunset"], setting=PLACE["sea"])
    assert "swimming" in " ".join(several(at_sunset, 300, whole=False))
    assert "sleeping" in said["room"]
    car = " ".join(several(Scene((Item(INDEX["car"]),), PLACE["city"]), 300, whole=False))
    assert "driving" in car
    assert "sleeping" not in car


def test_a_mood_is_no_verb_in_the_third_person() -> None:
    said = several(Scene((Item(INDEX["cat"]),), 4), 2000, whole=False)
    doing = re.findall(f"a ([a-z]+) {names('cat')}", " ".join(said))
    assert {"running", "walking"} <= {verb for verb, _ in doing}
    assert not {"runs", "walks"} & {verb for verb, _ in doing}


def test_sizes_of_several_are_said_and_drawn_alike() -> None:
    pair = Scene((Item(INDEX["dog"]), Item(INDEX["cat"])), None, 4, "beside")
    said = several(pair, 600, whole=False)
    assert 0 < sum("tiny" in text for text in said) < 100
    alone = several(Scene((Item(INDEX["dog"]),), None, 4), 600, whole=False)
    assert not [text for text in alone if "tiny" in text]


def test_what_one_has_is_said_in_the_plural_now_and_then() -> None:
    cake = Scene((Item(INDEX["cake"]), Item(INDEX["candle"])), None, 4, "beside")
    said = several(cake, 600, whole=False)
    assert any("cake with candles" in text for text in said)
    assert "candles" not in " ".join(several(cake, 300))


def test_what_living_things_look_like_is_said_of_them_alone() -> None:
    cat, car = (
        " ".join(several(Scene((Item(INDEX[name]),), 4), 1500, whole=False))
        for name in ("cat", "car")
    )
    assert "with blue eyes" in cat
    assert "eyes" not in car


def test_deeds_go_with_how_both_are_drawn() -> None:
    hat = Scene((Item(INDEX["hat"]), Item(INDEX["penguin"])), None, 3, "on")
    worn = [text for text in several(hat, 200, whole=False) if "wear" in text]
    assert worn
    assert all(re.search(f"{names('penguin')} .*wear.* {names('hat')}", text) for text in worn)
    book = Scene((Item(INDEX["cat"]), Item(INDEX["book"])), None, 3, "beside")
    assert "reading" in " ".join(several(book, 200, whole=False))


def test_a_time_and_a_weather_may_be_at_a_place() -> None:
    city = PLACE["city"]
    car = (Item(INDEX["car"]),)
    at_night = several(Scene(car, PLACE["night"], setting=city), 600, whole=False)
    clauses = "|".join(PLACES[city].clauses)
    patterns = (
        f"({clauses}) (at|in|under) .*(night|dark|stars)",
        "in (a|the) (night|dark) city",
        "on (a|the) (night|dark) street",
        "^city at night, ",
        "^(night|moonlit) (city|street), ",
    )
    for pattern in patterns:
        assert any(re.search(pattern, text) for text in at_night), pattern
    sunset = several(Scene((), PLACE["sunset"], setting=PLACE["sea"]), 300, whole=False)
    assert any("sunset over the ocean" in text for text in sunset)
    winter = several(Scene((), PLACE["snow"], setting=PLACE["forest"]), 300, whole=False)
    assert any("snowy forest" in text for text in winter)
    for alone in (Scene(car, city), Scene(car, PLACE["night"])):
        said = " ".join(several(alone, 600, whole=False))
        assert ("night" in said) == (alone.place == PLACE["night"])
        assert bool(re.search("city|street", said)) == (alone.place == city)
        assert " rain" not in said


def test_a_room_may_be_said_at_night() -> None:
    said = several(Scene((Item(INDEX["cat"]),), PLACE["room"]), 600, whole=False)
    assert 5 < sum("night" in text for text in said) < 60


def test_a_request_and_praise_stand_around_some() -> None:
    said = several(Scene((Item(INDEX["cat"]),), 4), 600, whole=False)
    assert len(set(said)) > 300
    for words in ("masterpiece", "draw ", "please", "cute"):
        assert 0 < sum(words in text for text in said) < 120, words
    plain = " ".join(several(Scene((Item(INDEX["cat"]),), 4), 300))
    assert not re.search("masterpiece|draw |please|cute", plain)
