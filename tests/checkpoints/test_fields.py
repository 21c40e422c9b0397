"""Every field of published JSON is checked where it is read."""

from collections.abc import Callable

import pytest

from kakusan.checkpoints.fields import Fields
from kakusan.errors import CheckpointError

FIELDS = Fields(
    {
        "width": 320,
        "scale": 0.5,
        "flag": True,
        "name": "gelu",
        "nothing": None,
        "widths": [320, 640],
        "negative": -1,
        "huge": 10**12,
        "nan": float("nan"),
        "words": ["a", "b"],
        "inner": {"depth": 2},
        "mixed": [1, "a"],
        "objects": [{"a": 1}],
    },
    "unet/config.json",
)


def test_values_and_defaults() -> None:
    assert FIELDS.integer("width") == 320
    assert FIELDS.integer("absent", 7) == 7
    assert FIELDS.integer("nothing", 7) == 7
    assert FIELDS.number("scale") == 0.5
    assert FIELDS.number("width") == 320.0
    assert FIELDS.boolean("flag", False) is True
    assert FIELDS.boolean("absent", False) is False
    assert FIELDS.choice("name", None, ["gelu", "silu"]) == "gelu"
    assert FIELDS.integers("widths") == (320, 640)
    assert FIELDS.integers("width", length=3) == (320, 320, 320)
    assert FIELDS.integers("absent", 8, length=2) == (8, 8)
    assert FIELDS.numbers("widths") == (320.0, 640.0)
    assert FIELDS.texts("words", length=2) == ("a", "b")
    assert FIELDS.part("inner").integer("depth") == 2
    assert FIELDS.part("absent", {}).json == {}
    assert FIELDS.objects("objects") == [{"a": 1}]
    assert FIELDS.objects("absent") == []
    assert FIELDS.has("width")
    assert not FIELDS.has("nothing")


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (lambda: FIELDS.integer("absent"), "has no field 'absent'"),
        (lambda: FIELDS.integer("nothing"), "has no field 'nothing'"),
        (lambda: FIELDS.integer("flag"), "'flag' is true; it must be an integer"),
        (lambda: FIELDS.integer("scale"), "'scale' is 0.5; it must be an integer"),
        (lambda: FIELDS.integer("negative"), "from 1 to"),
        (lambda: FIELDS.integer("huge"), "'huge' is 1000000000000"),
        (lambda: FIELDS.integer("width", maximum=64), "from 1 to 64"),
        (lambda: FIELDS.number("nan"), "'nan' is NaN"),
        (lambda: FIELDS.number("name"), "must be a number"),
        (lambda: FIELDS.number("flag"), "must be a number"),
        (lambda: FIELDS.boolean("width"), "must be true or false"),
        (lambda: FIELDS.text("width"), "must be a string"),
        (lambda: FIELDS.choice("name", None, ["silu"]), "must be one of silu"),
        (lambda: FIELDS.integers("widths", length=3), "must be a list of 3 values"),
        (lambda: FIELDS.integers("mixed"), "must be an integer"),
        (lambda: FIELDS.integers("name"), "must be an integer"),
        (lambda: FIELDS.texts("mixed"), "must be a string"),
        (lambda: FIELDS.part("width"), "must be an object"),
        (lambda: FIELDS.part("inner").integer("width"), "unet/config.json: inner has no field"),
        (lambda: FIELDS.objects("widths"), "must be a list of objects"),
        (lambda: FIELDS.objects("width"), "must be a list of objects"),
        (lambda: Fields({"x": [1] * 200_000}, "f").integers("x"), "at most 100000 values"),
    ],
)
def test_a_wrong_value_is_named(read: Callable[[], object], says: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        read()
    assert says in str(caught.value)
    assert len(str(caught.value)) < 200
