"""What `/openapi.json` says of a job's fields is what a `Request` takes."""

from typing import Any

import pytest

pytest.importorskip("fastapi")

from kakusan.errors import RequestError
from kakusan.request import Request
from kakusan.request.freeu import FreeUWeights
from kakusan.request.loras import Lora
from kakusan.request.second_pass import SecondPass
from kakusan.server.api.docs import page_of
from kakusan.server.api.job_fields import FIELDS
from kakusan.server.api.schema import NEW_JOB
from kakusan.server.fields import ALLOWED, CONTROL_FIELDS, IMAGE_PROMPT_FIELDS

# What a field needs beside it
BESIDE: dict[str, dict[str, Any]] = {
    "variation_seed": {"variation_strength": 0.5},
    "variation_strength": {"variation_seed": 1},
    "emphasis": {"prompt_syntax": "webui"},
    "pad_conds": {"prompt_syntax": "webui"},
}
# Where the end of a range leaves nothing to draw
EXCEPT = {("denoising_start", 1)}
RANGES = [(name, each) for name, each in FIELDS.items() if "maximum" in each]
CHOICES = [(name, each) for name, each in FIELDS.items() if "enum" in each]


def made(name: str, value: object) -> Request:
    return Request.of(**{"prompt": "a", "seed": 1, **BESIDE.get(name, {}), name: value})


def test_every_field_is_there_and_described() -> None:
    assert FIELDS.keys() == ALLOWED
    assert NEW_JOB["properties"].keys() == {*ALLOWED, "priority"}
    for name, schema in FIELDS.items():
        assert schema.keys() & {"type", "anyOf", "enum"}, name
        assert 10 < len(schema["description"]) <= 100, name
        assert schema["description"].endswith("."), name


@pytest.mark.parametrize(("name", "schema"), RANGES, ids=[name for name, _ in RANGES])
def test_ranges_are_those_that_are_taken(name: str, schema: dict[str, Any]) -> None:
    step = schema.get("multipleOf", 1)
    least, most = schema.get("minimum", 0), schema["maximum"]
    for value in (least, most) if "minimum" in schema else (most,):
        if (name, value) not in EXCEPT:
            assert made(name, value)
    for value in (least - step, most + step, *(() if "minimum" in schema else (least,))):
        with pytest.raises(RequestError):
            made(name, value)


@pytest.mark.parametrize(("name", "schema"), CHOICES, ids=[name for name, _ in CHOICES])
def test_each_choice_is_taken_and_no_other(name: str, schema: dict[str, Any]) -> None:
    for value in schema["enum"]:
        assert made(name, value)
    with pytest.raises(RequestError):
        made(name, "no such choice")


def properties(name: str) -> set[str]:
    """Of the mapping that a field may be, or have."""
    several = [FIELDS[name]]
    while several:
        schema = several.pop()
        if "properties" in schema:
            return set(schema["properties"])
        several += [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]
    raise AssertionError(name)


def test_mappings_have_the_names_that_are_taken() -> None:
    assert properties("second_pass") == set(SecondPass.__dataclass_fields__)
    assert properties("loras") == set(Lora._fields)
    assert properties("freeu") == set(FreeUWeights._fields)
    assert properties("controls") == set(CONTROL_FIELDS)
    assert properties("image_prompts") == set(IMAGE_PROMPT_FIELDS)


def test_the_page_shows_what_a_field_is() -> None:
    body = {"content": {"application/json": {"schema": NEW_JOB}}}
    page = page_of({"paths": {"/v1/jobs": {"post": {"requestBody": body}}}})
    assert "<code>clip_skip</code> integer 0 to 64: Last layers of the text encoder" in page
    assert "<code>denoising_end</code> number above 0 to 1: SDXL" in page
    assert "&quot;plain&quot; | &quot;webui&quot;" in page
