"""Verbs name objects, kinds and places of the world, and go with what is drawn."""

import numpy as np

from kakusan.builtin.recipe.verbs import DEEDS, VERBS, acts, deed_of, deeds_of, verbs_of
from kakusan.builtin.recipe.world import PLACES, RELATIONS, THINGS

INDEX = {thing.name: index for index, thing in enumerate(THINGS)}
PLACE = {place.name: index for index, place in enumerate(PLACES)}


def test_they_name_what_there_is() -> None:
    among = {thing.kind for thing in THINGS} | set(INDEX)
    for verb in VERBS:
        assert verb.who <= among, verb.who - among
        assert verb.places <= set(PLACE), verb.places
    for deed in DEEDS:
        assert deed.who | deed.what <= among, (deed.who | deed.what) - among
        assert deed.relation in {relation.name for relation in RELATIONS}
    for doing in (*VERBS, *DEEDS):
        assert doing.japanese[-1].endswith(("ている", "でいる", "てある")), doing


def said(thing: str, place: str | None) -> set[str]:
    return {
        verb.english[0] for verb in verbs_of(INDEX[thing], None if place is None else PLACE[place])
    }


def test_who_does_what_where() -> None:
    assert "swimming" in said("dog", "sea")
    assert "swimming" not in said("dog", "city") | said("dog", None) | said("car", "sea")
    assert {"driving", "parked"} <= said("car", "city")
    assert said("boat", "sea") >= {"sailing", "floating"}
    assert "blooming" in said("rose", "meadow")
    assert "sleeping" in said("cat", None)


def test_who_does_what_with_whom() -> None:
    def deeds(relation: str, a: str, b: str) -> set[str]:
        return {deed.english[0] for deed in deeds_of(relation, INDEX[a], INDEX[b])}

    assert "drinking" in deeds("beside", "woman", "coffee")
    assert "chasing" in deeds("beside", "cat", "mouse")
    assert deeds("on", "hat", "snowman") == {"wearing"}
    assert deeds("on", "monkey", "tree") == {"climbing"}
    assert deeds("riding", "dog", "car") == {"driving"}
    assert deeds("left of", "dog", "cat") == deeds("beside", "car", "tree") == set()


def test_what_fits_fewest_things_is_said_sooner() -> None:
    cat, book, rng = INDEX["cat"], INDEX["book"], np.random.default_rng(0)
    said = [deed_of("beside", cat, book, rng) for _ in range(400)]
    done = [deed.english[0] for deed in said if deed is not None]
    assert 180 < len(done) < 300
    assert done.count("reading") > len(done) / 2
    assert {"reading", "holding", "looking at"} <= set(done)
    assert deed_of("beside", INDEX["car"], INDEX["tree"], rng) is None


def test_acts_name_first_what_the_relation_does() -> None:
    for relation, first, second in acts(160):
        fitting = [deeds_of(relation, a, b) for a in first for b in second if a != b]
        assert all(fitting), relation
    assert len(acts(160)) > 20
    assert max(max((*first, *second)) for _, first, second in acts(12)) < 12
