"""`kakusan.generate(controls=...)`: as typed, as mappings, and made again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kakusan
from kakusan.errors import ArgumentError
from kakusan.models import ControlNetModel
from tests.models.test_controlnet import V1, written
from tests.steering.test_controlnet import picture


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("net"), **V1)


def test_every_way_to_say_it(net: Path, tiny_v1: Path, tmp_path: Path) -> None:
    shown = picture(1, 64, 40)
    shown.save(tmp_path / "a.png")
    settings: dict[str, Any] = {"model": tiny_v1, "steps": 2, "seed": 1, "progress": False}
    settings |= {"device": "cpu", "dtype": "float32"}
    said = {"image": shown, "kind": "canny", "scale": 0.8}
    controls: list[Any] = [
        f"canny:{tmp_path / 'a.png'}@{net}:0.8",
        {**said, "model": net},
        [{**said, "image": np.asarray(shown), "model": ControlNetModel.from_pretrained(net)}],
    ]
    found = [kakusan.generate("a cat", controls=each, **settings)[0] for each in controls]
    assert len({each.image.tobytes() for each in found}) == 1
    again = kakusan.reproduce(
        found[0].record, model=tiny_v1, inputs=[shown], control_models=[net], progress=False
    )
    assert again.image.tobytes() == found[0].image.tobytes()
    with pytest.raises(ArgumentError, match="say with control_models where it is"):
        kakusan.reproduce(found[0].record, model=tiny_v1, inputs=[shown])
    for wrong in (3, {"model": net}, [{**said, "model": net, "sclae": 1}]):
        with pytest.raises(ArgumentError, match="each of controls must be a text"):
            kakusan.generate("a cat", controls=wrong, **settings)
