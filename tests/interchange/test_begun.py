"""How far tools go back from a picture: the same number of steps by `int(steps * strength)`."""

import pytest

from kakusan.errors import InputError
from kakusan.images.foreign import Settings, Told
from kakusan.interchange import check_can_be_made, translated
from kakusan.interchange.begun import share


def told(tool: str, **settings: object) -> Told:
    base = {"prompt": "a", "seed": 1, "scheduler": "Euler", "img2img": {}}
    return Told(tool=tool, carrier="parameters", settings=Settings(**{**base, **settings}))  # pyright: ignore


@pytest.mark.parametrize(
    ("tool", "strength", "steps", "taken", "of"),
    [
        ("AUTOMATIC1111", 0.75, 20, 16, 20),
        ("AUTOMATIC1111", 0.6, 25, 16, 25),
        ("AUTOMATIC1111", 1.0, 20, 20, 20),
        ("AUTOMATIC1111", 0.01, 20, 1, 20),
        ("stable-diffusion.cpp", 0.75, 20, 16, 20),
        ("ComfyUI", 0.5, 20, 20, 40),
        ("ComfyUI", 0.87, 20, 20, 22),
        ("ComfyUI", 1.0, 20, 20, 20),
        ("InvokeAI", 0.75, 20, 15, 20),
    ],
)
def test_as_many_steps(tool: str, strength: float, steps: int, taken: int, of: int) -> None:
    found = translated(told(tool, strength=strength, num_inference_steps=steps), over=True)
    assert found.settings["num_inference_steps"] == of
    assert int(of * found.settings["strength"]) == taken


def test_samplers_that_walk_down_timesteps_take_one_less() -> None:
    said = told("AUTOMATIC1111", strength=0.75, num_inference_steps=20, scheduler="DDIM")
    assert int(20 * translated(said, over=True).settings["strength"]) == 15


def test_every_share_of_steps_can_be_said() -> None:
    for steps in (*range(1, 60), 100, 150, 999):
        for taken in range(1, steps + 1):
            assert int(steps * share(taken, steps)) == taken


def test_without_the_other_picture_nothing_is_said_of_it() -> None:
    said = told("AUTOMATIC1111", strength=0.75, num_inference_steps=20)
    assert "strength" not in translated(said).settings
    with pytest.raises(InputError, match="give that one with --input"):
        check_can_be_made(said)
    check_can_be_made(said, over=True)
    with pytest.raises(InputError, match="over no other picture; leave --input out"):
        check_can_be_made(told("AUTOMATIC1111", img2img=None), over=True)
