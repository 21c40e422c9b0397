"""What a request says of a second pass, and what sizes come of it."""

import json
import math

import pytest

from kakusan.errors import RequestError
from kakusan.request import Request, SecondPass
from kakusan.request.upscalers import UPSCALERS, upscaler_called


@pytest.mark.parametrize(
    ("first", "settings", "made", "size"),
    [
        # AUTOMATIC1111's arithmetic: int(512 * 1.1) is 563, of which 70 latents are whole
        ((512, 512), {"scale": 2}, (1024, 1024), (1024, 1024)),
        ((512, 768), {"scale": 1.1}, (563, 844), (560, 840)),
        ((512, 768), {"width": 1024}, (1024, 1536), (1024, 1536)),
        ((512, 768), {"height": 1000}, (666, 1000), (664, 1000)),
        # covers, then 128 and 256 pixels are cut off
        ((512, 768), {"width": 1024, "height": 1408}, (1024, 1536), (1024, 1408)),
        ((768, 512), {"width": 1024, "height": 1024}, (1536, 1024), (1024, 1024)),
        ((512, 768), {"width": 768, "height": 512}, (768, 1152), (768, 512)),
        ((640, 448), {"width": 1000, "height": 1000}, (1428, 1000), (1000, 1000)),
    ],
)
def test_sizes_are_those_of_the_tool(
    first: tuple[int, int], settings: dict[str, float], made: tuple[int, int], size: tuple[int, int]
) -> None:
    found = SecondPass(**settings).enlargement(*first)  # pyright: ignore[reportArgumentType]
    assert (found.width, found.height) == made
    assert found.size == size
    rows, columns = found.kept
    assert (columns.stop - columns.start) * 8 == size[0]
    assert (rows.stop - rows.start) * 8 == size[1]


def test_of_an_odd_rest_more_is_cut_off_at_the_end() -> None:
    # 53 latents are too many: 26 at the left, 27 at the right
    found = SecondPass(width=1000, height=1000).enlargement(640, 448)
    assert found.columns == 53
    assert found.kept == (slice(0, 125), slice(26, 151))


def test_steps_are_the_last_of_a_longer_ladder() -> None:
    assert SecondPass(strength=0.7).ladder(10) == 14
    assert SecondPass(strength=0.5).ladder(20) == 40
    assert SecondPass(strength=1.0).ladder(20) == 20
    assert SecondPass(strength=1.0).ladder(2000) == 2002


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (0, "above 1, not 0"),
        (1, "above 1, not 1"),
        (math.nan, "finite number from 0 to 16, not nan"),
        ("2x", "mapping such as"),
        (True, "mapping such as"),
        ({"scale": 2, "width": 1024}, "give one of them"),
        ({"width": 40_000}, "the width of second_pass must be a whole number from 8 to 4096"),
        ({"width": 1001}, "multiple of 8"),
        ({"strength": 0}, "above 0"),
        ({"strength": 1.5}, "the strength of second_pass must be a finite number from 0 to 1"),
        ({"steps": 0}, "the steps of second_pass must be a whole number from 1"),
        ({"upscaler": "Latnet"}, "Did you mean 'Latent'"),
        ({"upscaler": "R-ESRGAN 4x+"}, "is a model of its own"),
        ({"upscaler": "4x-UltraSharp"}, "is a model of its own"),
        ({"upscaler": 4}, "must be a name"),
        ({"scheduler": 3}, "the scheduler of second_pass must be"),
        ({"denoise": 0.5}, "a second pass has no argument"),
        ({"prompt": ["a", "b", "c"]}, "is 3 texts, and prompt is 2"),
        ({"prompt": [None, "a"]}, "must be a text"),
    ],
)
def test_bad_settings_are_one_line(given: object, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        Request(prompt=("a", "b"), second_pass=given)  # pyright: ignore[reportArgumentType]
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"width": 256}, "256x256 pixels, which is not larger than the first pass of 512x512"),
        ({"width": 512, "height": 512}, "not larger"),
        ({"scale": 9}, "at most 4096"),
    ],
)
def test_a_size_has_to_be_larger_and_possible(settings: dict[str, float], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        SecondPass(**settings).enlargement(512, 512)  # pyright: ignore[reportArgumentType]


def test_two_passes_have_no_budget() -> None:
    with pytest.raises(RequestError, match="not measured for two passes"):
        Request(prompt=("a",), second_pass=2, quality_budget=25.0)  # pyright: ignore[reportArgumentType]


def test_records_bring_it_back_and_tell_nothing_of_none() -> None:
    assert "second_pass" not in Request(prompt=("a",)).to_record()
    told = {"width": 1024, "height": 768, "upscaler": "latent (nearest-exact)", "steps": 3}
    told |= {"prompt": ["c", "d"], "scheduler": "euler", "guidance_scale": 3.0}
    request = Request(prompt=("a", "b"), seed=3, second_pass=told)  # pyright: ignore[reportArgumentType]
    record = json.loads(json.dumps(request.to_record()))
    assert record["second_pass"]["upscaler"] == "Latent (nearest-exact)"
    assert Request.from_record(record) == request
    alone = request.picture(1).to_record()
    assert alone["second_pass"]["prompt"] == "d"


def test_names_are_read_as_people_write_them() -> None:
    for name in UPSCALERS:
        assert upscaler_called(name) == name
        assert upscaler_called(name.lower().replace(" ", "-").replace("(", "")) == name
