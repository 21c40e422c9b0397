"""Pictures to attend to in the short call, in records, and in pictures made again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kakusan
from kakusan.errors import InputError
from tests.steering.test_ip_adapter import Places, picture

ASKED = {"seed": 3, "steps": 2, "width": 64, "height": 64, "progress": False, "dtype": "float32"}


@pytest.fixture(scope="module")
def places(tiny_v1: Path, tiny_xl: Path, tmp_path_factory: pytest.TempPathFactory) -> Places:
    return Places({"v1": tiny_v1, "xl": tiny_xl}, tmp_path_factory.mktemp("adapters"))


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    picture(1).save(tmp_path / "seen.png")
    return tmp_path / "seen.png"


def drawn(places: Places, **settings: Any) -> Any:
    (made,) = kakusan.generate("a cat", model=places.models["v1"], **{**ASKED, **settings})
    return made


def test_it_is_what_the_pipeline_draws(places: Places, seen: Path) -> None:
    adapter = places.root / "v1/plus.safetensors"
    made = drawn(places, image_prompt=seen, ip_adapter=adapter, ip_adapter_scale=0.6)
    pipe, _ = places.both("v1", "plus")
    pipe.set_ip_adapter_scale(0.6)
    asked = {"seed": 3, "num_inference_steps": 2, "width": 64, "height": 64}
    expected = pipe("a cat", ip_adapter_image=Image.open(seen), **asked).images[0]
    assert np.array_equal(made.image, expected)
    assert not np.array_equal(made.image, drawn(places).image)


def test_a_record_makes_it_again(places: Places, seen: Path) -> None:
    adapter = places.root / "v1/plain.bin"
    made = drawn(places, image_prompt=[seen, picture(2)], ip_adapter=adapter)
    (told,) = made.record["image_prompts"]
    assert told["model"] == str(adapter)
    assert told["encoder"] == str(places.root / "v1/image_encoder")
    assert told["images"][0]["name"] == "seen.png"
    assert told["images"][0]["width"] == 32
    assert len(told["sha256"]) == len(told["images"][1]["sha256"]) == 64
    assert made.record["seed"] == 3
    handed_in = [picture(2), seen]  # in any order
    again = kakusan.reproduce(made.record, trust_model=True, inputs=handed_in, progress=False)
    assert np.array_equal(again.image, made.image)
    with pytest.raises(InputError, match=r"names the IP-Adapter .*trust_model"):
        kakusan.reproduce(made.record, model=places.models["v1"], inputs=handed_in)
    with pytest.raises(InputError, match=r"was made from .*seen\.png"):
        kakusan.reproduce(made.record, trust_model=True, inputs=[picture(2)])
    assert "image_prompts" not in drawn(places).record


def test_a_file_that_is_another_now(places: Places, seen: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "a.bin"
    adapter.write_bytes((places.root / "v1/plain.bin").read_bytes())
    encoder = places.root / "v1/image_encoder"
    made = drawn(places, image_prompt=seen, ip_adapter=adapter, image_encoder=encoder)
    adapter.write_bytes((places.root / "v1/plus.bin").read_bytes())
    with pytest.raises(InputError, match="is another file than the one that the record tells of"):
        kakusan.reproduce(made.record, trust_model=True, inputs=seen, progress=False)


def test_two_adapters(places: Places, seen: Path) -> None:
    files = [places.root / "v1/plain.bin", places.root / "v1/full.safetensors"]
    made = drawn(
        places,
        image_prompt=[seen, [picture(2), picture(3)]],
        ip_adapter=files,
        ip_adapter_scale=[1, 0.5],
    )
    assert [each["scale"] for each in made.record["image_prompts"]] == [1.0, 0.5]
    assert [len(each["images"]) for each in made.record["image_prompts"]] == [1, 2]


WRONG: dict[str, tuple[Callable[[Path, Path], dict[str, Any]], str]] = {
    "no adapter": (lambda root, seen: {"image_prompt": seen}, "image_prompt needs ip_adapter"),
    "no picture": (
        lambda root, seen: {"ip_adapter": root / "v1/plain.bin"},
        "ip_adapter needs image_prompt",
    ),
    "no file": (
        lambda root, seen: {"image_prompt": seen, "ip_adapter": root / "none.bin"},
        "none.bin",
    ),
    "a model": (
        lambda root, seen: {
            "image_prompt": seen,
            "ip_adapter": root / "v1/image_encoder/model.safetensors",
        },
        "is a CLIP picture encoder, not an IP-Adapter",
    ),
    "SDXL's": (
        lambda root, seen: {"image_prompt": seen, "ip_adapter": root / "xl/plain.bin"},
        "plain.bin.* was made for models whose text is 72 wide",
    ),
    "not a picture": (
        lambda root, seen: {
            "image_prompt": root / "v1/plain.bin",
            "ip_adapter": root / "v1/plain.bin",
        },
        "plain.bin",
    ),
    "no encoder": (
        lambda root, seen: {
            "image_prompt": seen,
            "ip_adapter": root / "v1/plain.bin",
            "image_encoder": root / "enc",
        },
        "there is no image encoder .*enc",
    ),
    "nan": (
        lambda root, seen: {
            "image_prompt": seen,
            "ip_adapter": root / "v1/plain.bin",
            "ip_adapter_scale": float("nan"),
        },
        "scale of an IP-Adapter must be a finite number",
    ),
    "freeu": (lambda root, seen: {"freeu": (1, 2)}, "freeu must be four numbers in the order"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_one_line(places: Places, seen: Path, wrong: str) -> None:
    settings, said = WRONG[wrong]
    with pytest.raises(InputError, match=said) as caught:
        drawn(places, **settings(places.root, seen))
    assert "\n" not in str(caught.value)


def test_no_encoder_beside_it(places: Places, seen: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "alone.bin"
    adapter.write_bytes((places.root / "v1/plain.bin").read_bytes())
    with pytest.raises(InputError, match=r"no image encoder to see the picture.*image_encoder"):
        drawn(places, image_prompt=seen, ip_adapter=adapter)


def test_freeu(places: Places) -> None:
    made = drawn(places, freeu=(1.5, 1.6, 0.9, 0.2))
    assert made.record["freeu"] == {"b1": 1.5, "b2": 1.6, "s1": 0.9, "s2": 0.2}
    assert not np.array_equal(made.image, drawn(places).image)
