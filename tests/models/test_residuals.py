"""What ControlNets and T2I-Adapters add within the UNet, beside the reference's."""

from collections.abc import Sequence
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from kakusan.engine import Engine
from kakusan.errors import RequestError
from kakusan.models import (
    AddedConditioning,
    Conditioning,
    DeepFeature,
    Residuals,
    UNet2DConditionModel,
    UNetCall,
)
from tests.models.comparing import assert_near, noise
from tests.oracle import tiny

SIZES = [[64.0, 96, 0, 8, 64, 96], [1024, 999, 16, 32, 512, 4096]]


@pytest.fixture(scope="module", params=["tiny_v1", "tiny_v2", "tiny_xl", "tiny_refiner"])
def both(request: pytest.FixtureRequest) -> tuple[UNet2DConditionModel, Any]:
    """The same UNet in float64, with random weights."""
    folder = request.getfixturevalue(request.param) / "unet"
    with tiny.quiet():
        theirs = diffusers.UNet2DConditionModel.from_pretrained(folder)
    ours = UNet2DConditionModel.from_pretrained(folder)
    return ours.double(), theirs.double()


def question(unet: UNet2DConditionModel, height: int = 8, width: int = 12) -> dict[str, Any]:
    """Two rows, as both libraries take them."""
    given: dict[str, Any] = {
        "sample": noise(2, 4, height, width).double(),
        "timestep": torch.tensor([500, 31]),
        "encoder_hidden_states": noise(2, 77, unet.config.cross_attention_dim, seed=1).double(),
    }
    if unet.config.added_time_dim:
        sizes = torch.tensor(SIZES)
        if unet.config.added_conditioning_dim == 24 + 5 * 8:
            sizes = sizes[:, :5]
        given["added_cond_kwargs"] = {
            "text_embeds": noise(2, 24, seed=2).double(),
            "time_ids": sizes.double(),
        }
    return given


def outputs(unet: UNet2DConditionModel, given: dict[str, Any]) -> list[Tensor]:
    """What the first convolution, each layer on the way down and the middle give."""
    seen: list[Tensor] = []
    hooks = [unet.conv_in.register_forward_hook(lambda *a: seen.append(a[2]))]
    hooks += [each.register_forward_hook(lambda *a: seen.extend(a[2])) for each in unet.down_blocks]
    hooks.append(unet.mid_block.register_forward_hook(lambda *a: seen.append(a[2])))
    with torch.no_grad():
        unet(**given)
    for hook in hooks:
        hook.remove()
    return seen


def controls(unet: UNet2DConditionModel, given: dict[str, Any]) -> list[Tensor]:
    return [noise(*x.shape, seed=i).double() for i, x in enumerate(outputs(unet, given))]


def features(unet: UNet2DConditionModel, given: dict[str, Any], rows: int = 2) -> list[Tensor]:
    """A T2I-Adapter's: before a level's halving where it has attention, else after it."""
    ends: list[Tensor] = []

    def note(down: Any, _: Any, skips: list[Tensor]) -> None:
        halves = len(down.downsamplers) > 0
        ends.append(skips[-2] if halves and len(down.attentions) else skips[-1])

    hooks = [each.register_forward_hook(note) for each in unet.down_blocks]
    with torch.no_grad():
        unet(**given)
    for hook in hooks:
        hook.remove()
    return [noise(rows, *x.shape[1:], seed=20 + i).double() for i, x in enumerate(ends)]


@torch.no_grad()
def compare(both: Any, given: dict[str, Any], **residuals: Any) -> Tensor:
    """Our prediction, after both were found to be the same and not the plain one."""
    ours, theirs = both
    found = ours(**given, **residuals).sample
    # the reference takes features out of the list that it is given
    handed = {k: list(v) if isinstance(v, list) else v for k, v in residuals.items()}
    assert_near(found, theirs(**given, **handed).sample, limit=1e-9)
    assert (found - ours(**given).sample).abs().max() > 1e-2
    return found


@pytest.mark.parametrize("size", [(8, 12), (9, 7)])
def test_a_controlnets(both: Any, size: tuple[int, int]) -> None:
    given = question(both[0], *size)
    *down, middle = controls(both[0], given)
    names = ("down_block_additional_residuals", "mid_block_additional_residual")
    found = compare(both, given, **dict(zip(names, (down, middle), strict=True)))
    with torch.no_grad():
        same = both[0](**given, residuals=Residuals(tuple(down), middle)).sample
    assert torch.equal(same, found)


def test_pooled_ones(both: Any) -> None:
    given = question(both[0])
    *down, middle = [x.mean((2, 3), keepdim=True) for x in controls(both[0], given)]
    compare(both, given, down_block_additional_residuals=down, mid_block_additional_residual=middle)


@pytest.mark.parametrize("size", [(8, 12), (9, 7)])
@pytest.mark.parametrize("rows", [1, 2])
def test_a_t2i_adapters(both: Any, size: tuple[int, int], rows: int) -> None:
    given = question(both[0], *size)
    some = features(both[0], given)
    if rows == 1:  # the reference adds in place, and cannot have rows of one
        some = [x[:1].expand(2, -1, -1, -1) for x in some]
    found = compare(both, given, down_intrablock_additional_residuals=some)
    with torch.no_grad():
        narrow = Residuals(features=tuple(x[:1] if rows == 1 else x for x in some))
        assert torch.equal(both[0](**given, residuals=narrow).sample, found)


def test_each_feature_is_added_at_its_level(both: Any) -> None:
    given = question(both[0])
    some = features(both[0], given)
    for index in range(len(some)):
        one = [x if i == index else torch.zeros_like(x) for i, x in enumerate(some)]
        compare(both, given, down_intrablock_additional_residuals=one)
    compare(both, given, down_intrablock_additional_residuals=some[:1])


def test_one_more_feature_is_the_middles(both: Any) -> None:
    given = question(both[0])
    middle = noise(*outputs(both[0], given)[-1].shape, seed=40).double()
    some = [*(torch.zeros_like(x) for x in features(both[0], given)), middle]
    compare(both, given, down_intrablock_additional_residuals=some)
    with pytest.raises(RequestError, match="features; this UNet takes"), torch.no_grad():
        both[0](**given, down_intrablock_additional_residuals=[*some, middle])


def test_both_kinds_at_once(both: Any) -> None:
    given = question(both[0])
    *down, middle = controls(both[0], given)
    compare(
        both,
        given,
        down_block_additional_residuals=down,
        mid_block_additional_residual=middle,
        down_intrablock_additional_residuals=features(both[0], given),
    )


@torch.no_grad()
def test_two_controlnets_are_summed(both: Any) -> None:
    ours, given = both[0], question(both[0])
    *down, middle = controls(ours, given)
    one = Residuals(tuple(down), middle)
    two = Residuals(features=tuple(features(ours, given)))
    three = one.map(lambda x: 0.5 * x.flip(0))
    summed = one.plus(two).plus(three)
    by_hand = Residuals(
        tuple(x + 0.5 * x.flip(0) for x in down), middle + 0.5 * middle.flip(0), two.features
    )
    assert torch.equal(
        ours(**given, residuals=summed).sample, ours(**given, residuals=by_hand).sample
    )


@torch.no_grad()
def test_zeros_change_nothing_and_the_given_tensors_stay(both: Any) -> None:
    ours, given = both[0], question(both[0])
    *down, middle = [torch.zeros_like(x) for x in controls(ours, given)]
    some = features(ours, given)
    copies = [x.clone() for x in some]
    plain = ours(**given).sample
    assert torch.equal(ours(**given, residuals=Residuals(tuple(down), middle)).sample, plain)
    ours(**given, down_intrablock_additional_residuals=some)
    assert all(torch.equal(*pair) for pair in zip(some, copies, strict=True))


@torch.no_grad()
def test_short_calls_have_the_same(both: Any) -> None:
    ours, given = both[0], question(both[0])
    *down, middle = controls(ours, given)
    residuals = Residuals(tuple(down), middle, tuple(features(ours, given)))
    deep = DeepFeature()
    found = ours(**given, residuals=residuals, deep=deep).sample
    assert deep.tensor is not None
    again = ours(**given, residuals=residuals, deep=deep).sample
    assert torch.equal(again, found), "the first convolution's is added in short calls too"


def test_what_does_not_fit_is_refused_in_one_line(both: Any) -> None:
    ours, given = both[0], question(both[0])
    *down, middle = controls(ours, given)
    some = features(ours, given)
    for residuals, message in (
        (Residuals(tuple(down[:-1]), middle), "for the way down; this UNet takes"),
        (Residuals(tuple(down), middle[:, :3]), r"one has shape \(2, 3, "),
        (Residuals((down[0][0], *down[1:]), middle), r"one has shape \(16, 8, 12\) where this"),
        (Residuals(features=(some[0][..., :3],)), "one has shape"),
    ):
        with pytest.raises(RequestError, match=message) as caught, torch.no_grad():
            ours(**given, residuals=residuals)
        assert "\n" not in str(caught.value)


def call(given: dict[str, Any], row: int, **more: Any) -> UNetCall:
    """One row as a call of its own."""
    added = given.get("added_cond_kwargs")
    added = None if added is None else AddedConditioning(**added)
    one = slice(row, row + 1)
    conditioning = Conditioning(
        given["encoder_hidden_states"][one],
        None if added is None else added.text_embeds[one],
        None if added is None else added.time_ids[one],
    )
    return UNetCall(given["sample"][one], given["timestep"][row], conditioning, **more)


def rows_of(tensors: Sequence[Tensor], row: int) -> tuple[Tensor, ...]:
    return tuple(x[row : row + 1] for x in tensors)


def test_rows_of_different_requests_keep_their_own(both: Any) -> None:
    ours, given = both[0], question(both[0])
    engine, asked = Engine(ours, None, None), list[int]()
    *down, middle = controls(ours, given)
    some = features(ours, given)
    calls = [
        call(
            given,
            row,
            residuals=Residuals(
                rows_of(down, row), middle[row : row + 1], rows_of(some, row) if all_ else ()
            ),
        )
        for row, all_ in ((0, True), (1, True), (1, False))
    ]
    calls.append(call(given, 0))
    alone = [engine.predict([each])[0] for each in calls]
    hook = ours.register_forward_pre_hook(lambda *a: asked.append(len(a[1][0])))
    together = engine.predict(calls)
    hook.remove()
    assert sorted(asked) == [1, 1, 2], "only those that carry the same kinds go together"
    for one, other in zip(alone, together, strict=True):
        assert_near(one, other, limit=1e-12)
    assert (alone[1] - alone[2]).abs().max() > 1e-2


def test_one_row_of_residuals_stands_for_all_of_its_call(both: Any) -> None:
    ours, given = both[0], question(both[0])
    engine = Engine(ours, None, None)
    some = tuple(x[:1] for x in features(ours, given))
    one = Residuals(features=some)
    two_rows = call(given, 0, residuals=one)
    conditioning = two_rows.conditioning.repeated(2)
    two_rows = two_rows._replace(
        sample=given["sample"].clone(), conditioning=conditioning, residuals=one
    )
    other = call(given, 1, residuals=one.map(lambda x: -x))
    joined = engine.predict([two_rows, other])
    for each, call_ in zip(joined, (two_rows, other), strict=True):
        assert_near(each, engine.predict([call_])[0], limit=1e-12)
