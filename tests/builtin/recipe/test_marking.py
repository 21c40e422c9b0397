"""The prompts that are scored, and the rules of what is right."""

from dataclasses import replace

from kakusan.builtin.recipe.judge import OWN, Seen, Verdict
from kakusan.builtin.recipe.marking import GOALS, Case, cases, marks, score, stands
from kakusan.builtin.recipe.scenes import Item, Scene, combinations, held_out, location
from kakusan.builtin.recipe.world import NORMAL, RELATIONS


def true_verdict(scene: Scene) -> Verdict:
    """What a perfect judge says of a scene."""
    seen = tuple(
        Seen(item.thing, OWN if item.colour is None else item.colour, item.x, item.y)
        for item in scene.items
    )
    return Verdict(seen, location(scene), scene.style)


def test_half_of_the_prompts_are_held_out_and_languages_share_their_scenes() -> None:
    both = [list(cases(120, language)) for language in ("english", "japanese")]
    for one, other in zip(*both, strict=True):
        assert one.scene == other.scene
        assert one.prompt != other.prompt
        kept = any(held_out(*each) for each in combinations(one.scene))
        assert kept == one.held_out
        assert one.scene.style == NORMAL
    assert sum(case.held_out for case in both[0]) == 60


def test_a_perfect_picture_has_all_marks_and_every_question_is_asked() -> None:
    found = [(case, true_verdict(case.scene)) for case in cases(300)]
    scores = score(found)
    assert scores.keys() == GOALS.keys()
    for splits in scores.values():
        assert all(right == of > 5 for right, of in splits.values())


def test_wrong_pictures_lose_marks() -> None:
    cat = Scene((Item(0, colour=4),), None, 0)
    case = Case("a blue cat", cat, False)
    right = true_verdict(cat)
    assert dict(marks(case, right)) == {
        "background or setting": True,
        "one object": True,
        "colour of the object": True,
    }
    assert not dict(marks(case, replace(right, location=3)))["background or setting"]
    other = replace(right, objects=(Seen(1, 4, 0.5, 0.5),))
    assert not any(list(dict(marks(case, other)).values())[1:])
    both = replace(right, objects=(*right.objects, *other.objects))
    assert not dict(marks(case, both))["one object"]
    three = Case("three cats", Scene((Item(0),) * 3, None, 0), False)
    assert dict(marks(three, right))["count"] is False


def test_relations_need_their_order() -> None:
    a, b = Seen(0, 0, 0.25, 0.5), Seen(1, 0, 0.75, 0.5)
    high, low = Seen(0, 0, 0.5, 0.2), Seen(1, 0, 0.5, 0.7)
    assert stands("left of", [a, b])
    assert not stands("left of", [b, a])
    assert stands("right of", [b, a])
    assert stands("beside", [b, a])
    assert stands("beside", [a, Seen(2, 0, 0.5, 0.5), b])
    assert not stands("beside", [a, Seen(2, 0, 0.3, 0.5), b])
    assert stands("riding", [high, low])
    assert not stands("riding", [low, high])
    assert stands("below", [low, high])
    assert stands("inside", [Seen(0, 0, 0.5, 0.6), low])
    assert stands("between", [low, a, b])
    assert not stands("between", [a, low, b])
    assert len(RELATIONS) == 10
