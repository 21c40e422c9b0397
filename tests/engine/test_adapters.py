"""Adapters on networks: beside weights and in them, to the bit off, and never passed by."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kakusan.checkpoints.adapters.adapter import Adapter
from kakusan.checkpoints.adapters.changes import Product, Replacement
from kakusan.engine import Engine
from kakusan.models import (
    Conditioning,
    DeepFeature,
    TextContext,
    UNet2DConditionModel,
    UNetCall,
    Worn,
)
from kakusan.models.adapting import MOST_COPIES, MOST_MERGED, changes_of
from kakusan.models.layers.adapted import AdaptedGEGLU, AdaptedLinear
from kakusan.quantized.formats import Q8_0
from kakusan.quantized.packing import pack
from kakusan.quantized.tensor import QuantizedTensor
from tests.oracle.adapters import by_hand, of_every_layer

ROOM = 1e-4


@pytest.fixture(params=["kernels", "torch"])
def unet(request: pytest.FixtureRequest, tiny_v1: Path) -> UNet2DConditionModel:
    if request.param == "torch":
        request.getfixturevalue("torch_only")
    return UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="unet")


@pytest.fixture
def asked(tiny_v1: Path) -> tuple[Tensor, Tensor]:
    config = UNet2DConditionModel.load_config(tiny_v1, subfolder="unet")
    generator = torch.Generator().manual_seed(5)
    width: Any = config["cross_attention_dim"]
    return (
        torch.randn(2, 4, 16, 16, generator=generator),
        torch.randn(2, 7, width, generator=generator),
    )


@torch.no_grad()
def says(unet: Any, asked: tuple[Tensor, Tensor]) -> Tensor:
    return unet(asked[0], 5, asked[1])[0]


def merged_by_hand(unet: UNet2DConditionModel, *worn: Worn) -> UNet2DConditionModel:
    made = copy.deepcopy(unet)
    made.adapters.forget_all()
    by_hand(made, {name: list(each) for name, each in changes_of(worn).items()})
    return made


def near(ours: Tensor, theirs: Tensor, room: float = ROOM) -> bool:
    return bool((ours - theirs).abs().max() < room * theirs.abs().max())


@pytest.mark.parametrize("merge", [False, True])
def test_it_is_what_merging_by_hand_gives(unet: Any, asked: Any, merge: bool) -> None:
    first, second = (of_every_layer(unet, "unet", seed) for seed in (1, 2))
    worn = (Worn(first, "unet", 0.7), Worn(second, "unet", -0.4))
    plain, wanted = says(unet, asked), says(merged_by_hand(unet, *worn), asked)
    assert not near(plain, wanted, 0.05)
    assert near(says(unet.wearing(worn, merge=merge), asked), wanted)
    assert torch.equal(says(unet, asked), plain)


def test_every_layer_counts(unet: Any, asked: Any) -> None:
    """No kernel passes an adapted layer by: one of each kind alone changes what it says."""
    plain, whole = says(unet, asked), of_every_layer(unet, "unet", norms=False)
    kinds = {re.sub(r"\d+", "", name): name for name in whole.parts["unet"]}
    for name in kinds.values():
        change = whole.parts["unet"][name]
        worn = (Worn(Adapter("a", {"unet": {name: change}}), "unet", 2.0),)
        alone, by_merging = (unet.wearing(worn, merge=m) for m in (False, True))
        assert not near(says(alone, asked), plain, 1e-6), name
        assert near(says(alone, asked), says(by_merging, asked)), name


def test_low_rank_stands_beside_and_weights_are_shared(unet: Any) -> None:
    worn = (Worn(of_every_layer(unet, "unet", norms=False), "unet"),)
    made = unet.wearing(worn)
    own = {id(each) for each in unet.parameters()}
    assert {id(each) for each in made.parameters()} == own
    kinds = [type(module) for module in made.modules()]
    assert kinds.count(AdaptedLinear) > 10
    assert AdaptedGEGLU in kinds
    assert AdaptedLinear not in [type(module) for module in unet.modules()]
    assert unet.wearing(worn) is made


def test_layers_that_are_not_changed_are_shared(unet: Any) -> None:
    name = next(n for n, m in unet.named_modules() if n.endswith("attn1.to_q"))
    whole = of_every_layer(unet, "unet").parts["unet"][f"{name}.weight"]
    made = unet.wearing((Worn(Adapter("a", {"unet": {f"{name}.weight": whole}}), "unet"),))
    assert made.get_submodule(name) is not unet.get_submodule(name)
    other = name.replace("to_q", "to_k")
    assert made.get_submodule(other) is unet.get_submodule(other)
    assert made.conv_in is unet.conv_in


def test_nothing_on_is_the_network_itself(unet: Any) -> None:
    adapter = of_every_layer(unet, "unet")
    assert unet.wearing(()) is unet
    assert unet.wearing((Worn(adapter, "unet", 0.0),)) is unet
    assert unet.wearing((Worn(adapter, "text_encoder"),)) is unet


def test_a_call_of_the_network_has_on_what_is_on(unet: Any, asked: Any) -> None:
    plain, adapter = says(unet, asked), of_every_layer(unet, "unet")
    unet.adapters.load("a", adapter, "unet")
    unet.adapters.wear({"a": (0.5, ())})
    with_it = says(unet, asked)
    assert near(with_it, says(merged_by_hand(unet, Worn(adapter, "unet", 0.5)), asked))
    assert torch.equal(says(copy.deepcopy(unet), asked), with_it)
    unet.switch_adapters(False)
    assert torch.equal(says(unet, asked), plain)
    unet.switch_adapters(True)
    assert torch.equal(says(unet.wearing(()), asked), plain)
    unet.adapters.forget_all()
    assert torch.equal(says(unet, asked), plain)


def test_fused_and_taken_out_to_the_bit(unet: Any, asked: Any) -> None:
    says(unet, asked)
    before = {name: (id(each), each.clone()) for name, each in unet.named_parameters()}
    plain, adapter = says(unet, asked), of_every_layer(unet, "unet")
    unet.adapters.load("a", adapter, "unet")
    unet.fuse({"a": Worn(adapter, "unet", 0.5)})
    wanted = says(merged_by_hand_of(before, unet, adapter), asked)
    assert near(says(unet, asked), wanted)
    unet.to(torch.float64).to(torch.float32)
    unet.unfuse()
    unet.adapters.forget_all()
    assert torch.equal(says(unet, asked), plain)
    for name, each in unet.named_parameters():
        assert (id(each), torch.equal(each, before[name][1])) == (before[name][0], True)


def merged_by_hand_of(before: Any, unet: Any, adapter: Adapter) -> Any:
    made = copy.deepcopy(unet)
    for name, (_, value) in before.items():
        made.get_parameter(name).data = value.clone()
    return merged_by_hand(made, Worn(adapter, "unet", 0.5))


def test_weights_that_change_are_seen(unet: Any, asked: Any) -> None:
    """A merged copy of weights that were changed, moved or exchanged since is not used again."""
    adapter = of_every_layer(unet, "unet")
    worn = (Worn(adapter, "unet", 0.5),)

    def check() -> None:
        for merge in (False, True):
            wanted = says(merged_by_hand(unet, *worn), asked)
            assert near(says(unet.wearing(worn, merge=merge), asked), wanted)

    check()
    with torch.no_grad():
        unet.conv_in.weight.add_(0.1)
    check()
    unet.mid_block.attentions[0].proj_in.weight = nn.Parameter(
        unet.mid_block.attentions[0].proj_in.weight.detach() * 0.5
    )
    check()
    unet.to(torch.float64).to(torch.float32)
    check()
    unet.mid_block.resnets[0] = copy.deepcopy(unet.mid_block.resnets[0])
    check()


def test_few_copies_are_held(unet: Any) -> None:
    adapter = of_every_layer(unet, "unet")
    for number in range(1, 3 * MOST_COPIES):
        unet.wearing((Worn(adapter, "unet", number / 8),), merge=number % 2 == 0)
    held = unet._copies._made
    assert len(held) <= MOST_COPIES
    assert sum(merge for _, merge in held) <= MOST_MERGED


def test_what_depends_on_the_weight_sees_those_before_it(unet: Any) -> None:
    name = "mid_block.attentions.0.proj_in.weight"
    weight = unet.get_parameter(name).detach().clone()
    down, up = torch.randn(2, weight.shape[1]), torch.randn(weight.shape[0], 2)
    first = Adapter("a", {"unet": {name: Product(down, up, 1.0)}})
    second = Adapter("b", {"unet": {name: Replacement(torch.zeros_like(weight))}})
    made = unet.wearing((Worn(first, "unet"), Worn(second, "unet", 0.5)))
    assert torch.allclose(made.get_parameter(name), 0.5 * (weight + up @ down), atol=1e-5)
    made = unet.wearing((Worn(second, "unet", 0.5), Worn(first, "unet")))
    assert torch.allclose(made.get_parameter(name), 0.5 * weight + up @ down, atol=1e-5)


def engine_of(unet: Any) -> Engine:
    return Engine(unet, None, None)


def call(asked: Any, row: int, **others: Any) -> UNetCall:
    sample, text = (each[row : row + 1] for each in asked)
    return UNetCall(sample, torch.tensor(5), Conditioning(text), **others)


def test_rows_with_other_adapters_are_as_they_are_alone(unet: Any, asked: Any) -> None:
    sets = [(), *((Worn(of_every_layer(unet, "unet", seed), "unet", 0.5),) for seed in (1, 2))]
    calls = [call(asked, row, adapters=sets[i]) for i in (0, 1, 2, 1, 0) for row in (0, 1)]
    alone = [engine_of(unet).predict([each])[0] for each in calls]
    together = engine_of(unet).predict(calls)
    for first, second, each in zip(alone, together, calls, strict=True):
        assert near(first, second, 1e-5)
        made = unet.wearing(each.adapters)
        wanted = made(each.sample, each.timestep, each.conditioning.tokens)[0]
        assert near(first, wanted, 1e-5)
    assert not near(alone[0], alone[2], 0.02)


def test_keys_and_values_are_those_of_the_adapters(unet: Any, asked: Any) -> None:
    """The same text with others on: what was stored of it is not taken."""
    context = TextContext(asked[1])
    worn = (Worn(of_every_layer(unet, "unet"), "unet"),)
    with torch.no_grad():
        plain, made = unet(asked[0], 5, context)[0], unet.wearing(worn)(asked[0], 5, context)[0]
        assert near(plain, says(unet, asked), 1e-6)
        assert near(made, says(unet.wearing(worn), asked), 1e-6)


def test_an_engine_keeps_what_was_on_when_it_was_made(unet: Any, asked: Any) -> None:
    plain = engine_of(unet).predict([call(asked, 0)])[0]
    early = engine_of(unet)
    unet.adapters.load("a", of_every_layer(unet, "unet"), "unet")
    late = engine_of(unet)
    assert torch.equal(early.predict([call(asked, 0)])[0], plain)
    assert not near(late.predict([call(asked, 0)])[0], plain, 0.02)
    none = late.wearing({"unet": ()})
    assert torch.equal(none.predict([call(asked, 0)])[0], plain)


def test_a_deep_feature_is_reused_below_the_same_adapters(unet: Any, asked: Any) -> None:
    worn = (Worn(of_every_layer(unet, "unet"), "unet", 0.3),)
    deep = DeepFeature()
    engine = engine_of(unet)
    whole = engine.predict([call(asked, 0, adapters=worn, deep=deep)])[0]
    assert deep.tensor is not None
    again = engine.predict([call(asked, 0, adapters=worn, deep=deep)])[0]
    assert near(again, whole, 1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_in_sixteen_bits_and_their_float32_twin(unet: Any, asked: Any, dtype: Any) -> None:
    whole = says(merged_by_hand(unet, Worn(of_every_layer(unet, "unet"), "unet", 0.5)), asked)
    unet.to(dtype)
    worn = (Worn(of_every_layer(unet, "unet"), "unet", 0.5),)
    for merge in (False, True):
        assert near(says(unet.wearing(worn, merge=merge), asked), whole, 0.05)
    engine = engine_of(unet).wearing({"unet": worn})
    upcast = engine.predict([call(asked, 0, upcast=True)])[0]
    assert near(upcast, whole[:1], 0.02)
    assert near(engine.predict([call(asked, 0)])[0], upcast, 0.05)


def test_weights_in_blocks(unet: Any, asked: Any) -> None:
    """Beside, or merged into a plain copy, for kinds that cannot stand beside."""
    for module in unet.modules():
        weight = module._parameters.get("weight")
        if isinstance(module, nn.Linear) and weight is not None and weight.numel() % 32 == 0:
            blocks = pack(weight.detach(), Q8_0)
            module.weight = nn.Parameter(
                QuantizedTensor(blocks, Q8_0, weight.shape, torch.float32), requires_grad=False
            )
    worn = (Worn(of_every_layer(unet, "unet"), "unet", 0.5),)
    plain = says(unet, asked)
    beside = unet.wearing(worn, merge=True)
    wanted = copy.deepcopy(unet)
    for module in wanted.modules():
        for name, each in module._parameters.items():
            if isinstance(each, QuantizedTensor):
                module._parameters[name] = nn.Parameter(each.dequantize(), requires_grad=False)
    assert near(says(beside, asked), says(merged_by_hand(wanted, *worn), asked))
    assert not near(says(beside, asked), plain, 0.02)
    assert any(isinstance(each, QuantizedTensor) for each in beside.parameters())
    assert torch.equal(says(unet, asked), plain)


def test_methods_that_were_replaced_in_the_plain_network_alone(unet: Any, asked: Any) -> None:
    """`unet.forward = torch.compile(unet.forward)` computes with the plain one's weights."""
    worn = (Worn(of_every_layer(unet, "unet"), "unet"),)
    wanted, forward = says(unet.wearing(worn), asked), unet.forward
    unet._copies.clear()
    unet.forward = lambda *args, **kwargs: forward(*args, **kwargs)
    unet.adapters.load("a", worn[0].adapter, "unet")
    assert torch.equal(says(unet, asked), wanted)
    engine = engine_of(unet)
    assert near(engine.predict([call(asked, 0)])[0], wanted[:1], 1e-5)


@pytest.mark.parametrize("way", ["wrapped", "in place"])
def test_compiled_networks(tiny_v1: Path, asked: Any, way: str) -> None:
    torch._dynamo.reset()
    unet: Any = UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="unet")
    worn = (Worn(of_every_layer(unet, "unet"), "unet"),)
    wanted = says(unet.wearing(worn), asked)
    compiled = unet
    if way == "wrapped":
        compiled = torch.compile(unet, backend="eager")
    else:
        unet.compile(backend="eager")
    dressed = engine_of(compiled).predict([call(asked, 0, adapters=worn)])[0]
    assert near(dressed, wanted[:1], 1e-4)


def test_an_adapter_that_breaks_off_leaves_nothing(unet: Any, asked: Any) -> None:
    plain, adapter = says(unet, asked), of_every_layer(unet, "unet")
    broken = dict(adapter.parts["unet"])
    last = list(broken)[-1]
    broken[last] = Product(torch.ones(1, 3), torch.ones(2, 1), 1.0)
    with pytest.raises((RuntimeError, ValueError)):
        unet.fuse({"a": Worn(Adapter("a", {"unet": broken}), "unet")})
    assert unet.adapters.fused == ()
    assert torch.equal(says(unet, asked), plain)
