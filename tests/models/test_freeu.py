"""FreeU beside the reference's."""

from typing import Any

import diffusers
import pytest
import torch

from kakusan.engine import Engine
from kakusan.models import Conditioning, DeepFeature, FreeU, UNet2DConditionModel, UNetCall
from tests.models.comparing import assert_near, noise
from tests.models.test_residuals import question
from tests.oracle import tiny

V1 = FreeU(b1=1.5, b2=1.6, s1=0.9, s2=0.2)
ODD = FreeU(b1=1.3, b2=0.5, s1=-0.5, s2=2.5)


@pytest.fixture(params=["tiny_v1", "tiny_v2", "tiny_xl", "tiny_refiner"])
def both(request: pytest.FixtureRequest) -> tuple[UNet2DConditionModel, Any]:
    folder = request.getfixturevalue(request.param) / "unet"
    with tiny.quiet():
        theirs = diffusers.UNet2DConditionModel.from_pretrained(folder)
    return UNet2DConditionModel.from_pretrained(folder), theirs


def float32(given: dict[str, Any]) -> dict[str, Any]:
    """The reference's transform is in float32 alone."""
    as_float = {k: v.float() for k, v in given.items() if isinstance(v, torch.Tensor)}
    added = given.get("added_cond_kwargs")
    if added is not None:
        as_float["added_cond_kwargs"] = {k: v.float() for k, v in added.items()}
    return given | as_float


@pytest.mark.parametrize("size", [(8, 8), (9, 7), (8, 12), (4, 20)])
@pytest.mark.parametrize("freeu", [V1, ODD])
@torch.no_grad()
def test_predictions(both: Any, size: tuple[int, int], freeu: FreeU) -> None:
    ours, theirs = both
    given = float32(question(ours, *size))
    theirs.enable_freeu(**freeu._asdict())
    found, plain = ours(**given, freeu=freeu).sample, ours(**given).sample
    assert_near(found, theirs(**given).sample, limit=2e-5)
    assert (found - plain).abs().max() > 1e-2
    theirs.disable_freeu()
    assert_near(plain, theirs(**given).sample)


@torch.no_grad()
def test_ones_change_nothing(both: Any) -> None:
    ours, _ = both
    given = question(ours)
    ours.double()
    plain = ours(**given).sample
    assert_near(ours(**given, freeu=FreeU(1, 1, 1, 1)).sample, plain, limit=1e-9)


@pytest.mark.parametrize("levels", [1, 2])
@torch.no_grad()
def test_few_levels_and_short_calls(levels: int) -> None:
    changes: dict[str, Any] = {
        "block_out_channels": [16, 32][:levels],
        "down_block_types": ["CrossAttnDownBlock2D"] * levels,
        "up_block_types": ["CrossAttnUpBlock2D"] * levels,
    }
    theirs = tiny.unet(**changes)
    ours = UNet2DConditionModel.from_config({**theirs.config})
    ours.load_state_dict(ours.from_published_tensors(theirs.state_dict()))
    given = float32(question(ours))
    theirs.enable_freeu(**V1._asdict())
    deep = DeepFeature()
    found = ours(**given, freeu=V1, deep=deep).sample
    assert_near(found, theirs(**given).sample, limit=2e-5)
    assert torch.equal(ours(**given, freeu=V1, deep=deep).sample, found)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@torch.no_grad()
def test_half_precision(tiny_v1: Any, dtype: torch.dtype) -> None:
    exact = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet")
    half = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet", torch_dtype=dtype)
    given = float32(question(exact))
    expected = exact(**given, freeu=V1).sample
    assert_near(half(**given, freeu=V1).sample, expected, limit=0.03)


@torch.no_grad()
def test_rows_with_the_same_weights_go_together(tiny_v1: Any) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet")
    engine, asked = Engine(unet, None, None), list[int]()
    calls = [
        UNetCall(
            noise(1, 4, 8, 8, seed=i),
            torch.tensor(500 + i),
            Conditioning(noise(1, 7, 32, seed=9 + i)),
            freeu=freeu,
        )
        for i, freeu in enumerate((None, V1, ODD, FreeU(*V1), None))
    ]
    alone = [engine.predict([call])[0] for call in calls]
    hook = unet.register_forward_pre_hook(lambda *a: asked.append(len(a[1][0])))
    together = engine.predict(calls)
    hook.remove()
    assert sorted(asked) == [1, 2, 2]
    for one, other in zip(alone, together, strict=True):
        assert_near(one, other)
