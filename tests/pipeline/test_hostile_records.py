"""Records by strangers: whatever a field holds, drawing ends in one bounded line, or may begin."""

import importlib
import json
import math
from typing import Any

import pytest

import kakusan
from kakusan.errors import InputError
from kakusan.pipeline.scheduling import requested_scheduler
from kakusan.request import Request
from kakusan.schedulers import SCHEDULERS

MOST = 500  # characters of a message: one that lists all schedulers has 450


class MayBegin(Exception):  # noqa: N818
    """All that is checked before a network computes has been."""


def nested(depth: int, kind: str) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "negative": -1,
    "one": 1,
    "large": 10**9,
    "larger": 10**30,
    "enormous": 10**4000,
    "half": 0.5,
    "tiny": 1e-320,
    "huge": 1e308,
    "nan": math.nan,
    "infinite": math.inf,
    "minus infinite": -math.inf,
    "empty text": "",
    "text": "x",
    "lines": "a\nb\r\n\u2028c\x1b[31m\0",
    "surrogate": "\ud800",
    "number as text": "7",
    "long text": "x" * 100_000,
    "long lines": "x\n" * 10_000,
    "empty list": [],
    "list": [1, 2],
    "falling": [2, 1],
    "long list": list(range(20_000)),
    "falling list": list(range(2000, 0, -1)),
    "list of texts": ["a", "b"],
    "list of lists": [[1], {}],
    "list of null": [None],
    "list of nan": [math.nan, 1.0],
    "list of enormous": [10**4000, 1],
    "empty object": {},
    "object": {"a": 1},
    "object of long names": {"x" * 100_000: 1},
    "class": {"_class_name": "EulerDiscreteScheduler"},
    "class of lines": {"_class_name": "a\nb" * 10_000},
    "class of no text": {"_class_name": {}},
    "unknown class": {"_class_name": "os.system"},
    "deep list": nested(900, "list"),
    "deep object": nested(900, "object"),
}


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    (picture,) = kakusan.generate("a cat", steps=1, seed=3, progress=False)
    return json.loads(json.dumps(picture.record))


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained("builtin")

    def begin(*_: object, **__: object) -> None:
        raise MayBegin

    module = importlib.import_module("kakusan.pipeline.draw")
    monkeypatch.setattr(module, "loaded", lambda *_, **__: pipe)
    monkeypatch.setattr(kakusan.StableDiffusionPipeline, "drawn", begin)


def check_message(error: InputError) -> None:
    message = str(error)
    assert len(message) <= MOST, message[:1000]
    assert len(message.splitlines()) == 1, message
    assert message.isprintable(), message


def checked(record: Any) -> None:
    """See that the record is refused in one line, or that drawing may begin."""
    try:
        kakusan.reproduce(record, progress=False)
    except MayBegin:
        return
    except InputError as error:
        check_message(error)
    else:
        raise AssertionError("nothing was checked")


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_any_value_in_any_field_ends_in_one_line(record: dict[str, Any], value: Any) -> None:
    for field in record:
        checked({**record, field: value})
    for setting in record["scheduler"]:
        checked({**record, "scheduler": {**record["scheduler"], setting: value}})
    for setting in ("x", "_use_default_values", "trained_betas"):
        checked({**record, "scheduler": {**record["scheduler"], setting: value}})


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_any_setting_of_any_scheduler_ends_in_one_line(value: Any) -> None:
    base = SCHEDULERS["PNDMScheduler"]()
    for kind in SCHEDULERS.values():
        config = dict(kind().config)
        for setting in [*config, "x"]:
            try:
                scheduler = requested_scheduler({**config, setting: value}, base)
                scheduler.set_timesteps(3)
            except InputError as error:
                check_message(error)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_any_value_is_no_record(value: Any) -> None:
    reads = (
        (kakusan.reproduce,)
        if isinstance(value, dict)
        else (kakusan.reproduce, Request.from_record)
    )
    for read in reads:
        with pytest.raises(InputError) as told:
            read(value)
        check_message(told.value)
