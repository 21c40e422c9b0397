"""Whatever is sent, it is a request or an error with one line."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kakusan.errors import InputError
from kakusan.server.dialects.a1111.errors import ApiError
from kakusan.server.dialects.a1111.extras import enlarged, enlarging
from kakusan.server.dialects.a1111.fields import FIELDS
from kakusan.server.dialects.a1111.options import OPTIONS, changed
from kakusan.server.dialects.a1111.pictures import picture_bytes
from kakusan.server.dialects.a1111.scripts import asked_units, with_fields_of_scripts
from kakusan.server.dialects.a1111.settings import Pictures, drawing
from kakusan.server.dialects.a1111.told import with_infotext
from kakusan.server.dialects.a1111.values import read

USUAL = {name: option.default for name, option in OPTIONS.items()}
NUMBERS = st.integers() | st.floats(allow_nan=False) | st.sampled_from([-1, 0, 1, 2, 8, 64, 1e308])
WORDS = st.text(max_size=20) | st.sampled_from(
    ["", "None", "Euler", "Euler a", "DDIM", "Karras", "true", "20", "Latent", "controlnet"]
)
PLAIN = st.none() | st.booleans() | NUMBERS | WORDS
ANY = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4)
)
UNIT = st.dictionaries(
    st.sampled_from(["enabled", "model", "module", "image", "weight", "control_mode", "mask"]), ANY
)
SCRIPTS = st.dictionaries(
    st.sampled_from(["ControlNet", "Seed", "Sampler", "ADetailer"]),
    ANY | st.fixed_dictionaries({"args": ANY | st.lists(UNIT | ANY, max_size=3)}),
)
SENT = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(FIELDS, ANY), "alwayson_scripts": SCRIPTS | ANY, "foreign": ANY}
)
PICTURE = Image.new("RGB", (64, 48))


def asked(sent: dict[str, Any], *, over: bool) -> None:
    body = read(with_infotext(with_fields_of_scripts(sent)).sent, is_img2img=over)
    units = asked_units(body)
    chosen = {**USUAL, **changed(body["override_settings"], USUAL).values}
    pictures = Pictures([PICTURE] if over else [], PICTURE if over else None, [None] * len(units))
    json.dumps(drawing(body, pictures, units, chosen, is_img2img=over).ignored)


def refusal(call: Callable[[], object]) -> ApiError | InputError | None:
    """What a call is refused with; other errors are raised."""
    try:
        call()
    except (ApiError, InputError) as error:
        return error
    return None


@pytest.mark.parametrize("over", [False, True])
@given(sent=SENT)
@settings(max_examples=150, deadline=None)
def test_calls(over: bool, sent: dict[str, Any]) -> None:
    error = refusal(lambda: asked(sent, over=over))
    assert error is None or 0 < len(str(error)) < 2000
    assert "\n" not in str(error)


@given(name=st.sampled_from(list(FIELDS)), value=ANY)
@settings(max_examples=200, deadline=None)
def test_single_fields(name: str, value: object) -> None:
    refusal(lambda: asked({name: value}, over=True))


@given(sent=st.dictionaries(st.sampled_from(list(OPTIONS)), ANY))
@settings(deadline=None)
def test_options(sent: dict[str, Any]) -> None:
    error = refusal(lambda: changed(sent, USUAL))
    assert error is None or (isinstance(error, ApiError) and error.status == 422)


@given(sent=ANY)
@settings(deadline=None)
def test_pictures(sent: object) -> None:
    error = refusal(lambda: picture_bytes("image", sent))
    assert error is None or (isinstance(error, ApiError) and error.status == 422)


@given(
    sent=st.dictionaries(
        st.sampled_from(["resize_mode", "upscaling_resize", "upscaler_1", "upscaling_resize_w"]),
        ANY | st.just("Lanczos"),
    )
)
@settings(deadline=None)
def test_extras(sent: dict[str, Any]) -> None:
    error = refusal(lambda: enlarged(PICTURE, enlarging(sent)))
    assert error is None or (isinstance(error, ApiError) and error.status == 422)
