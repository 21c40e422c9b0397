"""A quantised tensor stands for the tensor of its values, in blocks as long as it can."""

import copy
import io
import math

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kakusan.errors import RequestError
from kakusan.quantized.formats import BLOCKS, Q4_0, Q8_0, Format
from kakusan.quantized.packing import pack
from kakusan.quantized.tensor import QuantizedTensor
from tests.quantized import inputs

MODES = (torch.enable_grad, torch.no_grad, torch.inference_mode)


def quantized(
    *shape: int, kind: Format = Q8_0, dtype: torch.dtype = torch.float32
) -> QuantizedTensor:
    torch.manual_seed(math.prod(shape))
    return QuantizedTensor(pack(torch.randn(shape), kind), kind, shape, dtype)


def layer() -> nn.Linear:
    made = nn.Linear(96, 64)
    made.load_state_dict({"weight": quantized(64, 96), "bias": torch.zeros(64)}, assign=True)
    return made


@pytest.mark.parametrize("mode", MODES)
def test_what_keeps_the_order_keeps_the_blocks(mode: type) -> None:
    x = quantized(64, 96)
    plain = x.dequantize()
    with mode():
        for changed, expected in (
            (x.reshape(96, 64), plain.reshape(96, 64)),
            (x.view(64, 96, 1, 1), plain.view(64, 96, 1, 1)),
            (x.view(64, 96, 1, 1).squeeze(), plain),
            (x.view(64, 96, 1, 1).squeeze(-1), plain[..., None]),
            (x[..., None], plain[..., None]),
            (x.view(2, -1), plain.view(2, -1)),
            (x[16:40], plain[16:40]),
            (x.chunk(3)[1], plain.chunk(3)[1]),
            (x.detach(), plain),
            (x.clone(), plain),
            (x.contiguous(), plain),
            (x.half(), plain.half()),
            (x.to("cpu", torch.bfloat16), plain.bfloat16()),
            (x.view(8, 8, 8, 12).to(memory_format=torch.channels_last), plain.view(8, 8, 8, 12)),
        ):
            assert isinstance(changed, QuantizedTensor)
            assert changed.dtype == expected.dtype
            assert changed.shape == expected.shape
            assert torch.equal(changed.dequantize(), expected)


@pytest.mark.parametrize("mode", MODES)
def test_everything_else_computes_with_the_values(mode: type) -> None:
    x = quantized(64, 96)
    plain = x.dequantize()
    other = torch.randn(3, 96)
    with mode():
        assert torch.equal(nn.functional.linear(other, x), nn.functional.linear(other, plain))
        assert torch.equal(x.t(), plain.t())
        assert torch.equal(x[:, 8:], plain[:, 8:])
        assert torch.equal(x + 1, plain + 1)
        assert torch.equal(torch.cat([x, x]), torch.cat([plain, plain]))
        assert torch.equal(torch.stack(torch.aminmax(x)), torch.stack(torch.aminmax(plain)))
        assert torch.equal(torch.zeros(64, 96).copy_(x), plain)
        assert torch.equal(x.to(torch.int32), plain.to(torch.int32))
        assert torch.equal(quantized(3, 8, 4)[1], quantized(3, 8, 4).dequantize()[1])


def test_rows_that_split_blocks_are_unpacked() -> None:
    x = quantized(4, 8)
    assert type(x[:2]) is Tensor
    assert torch.equal(x[:2], x.dequantize()[:2])
    assert all(type(part) is Tensor for part in x.chunk(2))


@pytest.mark.parametrize("mode", MODES)
def test_blocks_are_never_changed(mode: type) -> None:
    x = quantized(64, 96)
    before = x.dequantize()
    with mode():
        for change in (lambda: x.add_(1), lambda: x.copy_(before * 2), lambda: x.zero_()):
            with pytest.raises(RequestError, match=r"changed in place; dequantize\(\)"):
                change()
        with pytest.raises(RequestError, match="changed in place"):
            x[0] = 3
    assert torch.equal(x.dequantize(), before)


def test_a_layer_is_cast_copied_and_moved_in_blocks() -> None:
    own = layer()
    copied = copy.deepcopy(own).half()
    for each, dtype in ((own, torch.float32), (copied, torch.float16)):
        assert isinstance(each.weight, QuantizedTensor)
        assert isinstance(each.weight, nn.Parameter)
        assert each.weight.dtype == dtype
    assert isinstance(own.weight, QuantizedTensor)
    assert isinstance(copied.weight, QuantizedTensor)
    assert copied.weight.blocks is own.weight.blocks
    assert isinstance(own.weight.data, QuantizedTensor)
    assert own.weight.nbytes == 64 * 96 // 32 * 34
    back = copied.float()
    x = torch.randn(2, 96)
    assert torch.equal(back(x), own(x))
    own(x).sum().backward()
    assert own.weight.grad is not None
    assert own.weight.grad.shape == (64, 96)


def test_state_is_loaded_into_plain_layers_and_pickled() -> None:
    state = layer().state_dict()
    plain = nn.Linear(96, 64)
    plain.load_state_dict(state)
    assert torch.equal(plain.weight, state["weight"].dequantize())
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    read = torch.load(file, weights_only=False)["weight"]
    assert isinstance(read, QuantizedTensor)
    assert torch.equal(read.dequantize(), plain.weight)


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_what_would_read_its_memory_is_told(tmp_path: object) -> None:
    with pytest.raises(RequestError, match="has no memory of its dtype"):
        save_file(layer().state_dict(), f"{tmp_path}/x.safetensors")
    with pytest.raises(RequestError, match="has no memory"):
        quantized(32).data_ptr()


@pytest.mark.parametrize("kind", BLOCKS, ids=lambda kind: kind.name)
def test_scales_tell_whether_all_is_finite(kind: Format) -> None:
    blocks = torch.from_numpy(inputs.blocks(kind))
    assert QuantizedTensor(blocks.flatten(), kind, (300, kind.values), torch.half).all_finite()
    for at in kind.scales:
        broken = blocks.clone()
        broken[123, at : at + 2] = torch.tensor([0, 0x7E], dtype=torch.uint8)  # NaN
        made = QuantizedTensor(broken.flatten(), kind, (300, kind.values), torch.half)
        assert not made.all_finite()
        assert not made.dequantize().isfinite().all()


def test_it_says_what_it_is() -> None:
    assert repr(quantized(2, 32, kind=Q4_0)) == "QuantizedTensor(Q4_0, (2, 32), torch.float32)"
    assert str(layer().weight).startswith("QuantizedTensor(Q8_0, (64, 96)")
