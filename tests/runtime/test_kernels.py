"""The package's own kernels beside torch in float64, over odd sizes and every dtype of weights."""

import ctypes
import importlib
import shutil
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.quantized.formats import Q5_0, Format
from kakusan.quantized.packing import pack
from kakusan.quantized.tensor import QuantizedTensor
from kakusan.runtime import kernels
from kakusan.runtime.native import library as native
from kakusan.runtime.native.calls import BLOCK_TYPES
from kakusan.runtime.native.interface import declare

hatch_build = importlib.import_module("hatch_build")
DTYPES = [torch.float32, torch.float16, torch.bfloat16]
# Where the processor lacks them: the 512-bit kernels, lowered by the compiler to what any processor
# with AVX2 has; instructions for bfloat16 and AMX are replaced by C++ of the same meaning. The name
# counts as the level.
EMULATED = {"avx512": [], "avx512_bf16": ["-DKAKUSAN_EMULATE=1"], "amx": ["-DKAKUSAN_EMULATE=2"]}

needs_kernels = pytest.mark.skipif(
    not kernels.available(), reason="no kernels were built for this processor"
)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def assert_near(value: Tensor, expected: Tensor, tolerance: float = 6e-6) -> None:
    assert value.shape == expected.shape
    if value.dtype == torch.bfloat16:  # half of the last bit: of the result, and of the weights
        tolerance = 1.5 * 2**-8
    difference = (value.double() - expected.double()).abs().max()
    assert difference <= tolerance * expected.double().abs().max()


def spy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the kernels that are called from now on."""
    called: list[str] = []
    done = kernels._done  # pyright: ignore[reportPrivateUsage]

    def noting(name: str, call: Any) -> bool:
        called.append(name)
        return done(name, call)

    monkeypatch.setattr(kernels, "_done", noting)
    return called


@pytest.fixture(scope="session", params=["own", *EMULATED])
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, ctypes.CDLL] | None:
    """A level and its library; None for this processor's own."""
    if request.param == "own":
        return None
    if not kernels.available() or shutil.which("g++") is None:
        pytest.skip("needs AVX2 and g++")
    installed = native.library_of(request.param)
    if request.param in native.level_allowed(None) and installed.is_file():
        library = ctypes.CDLL(str(installed))
        assert declare(library)
        return request.param, library
    name, folder = f"emulated_{request.param}", tmp_path_factory.mktemp("emulated")
    flags = [*hatch_build.AVX2, "-DKAKUSAN_LANES=16", "-O1", *EMULATED[request.param]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(hatch_build.LEVELS, name, flags)
        library = ctypes.CDLL(str(hatch_build.compile_level("g++", name, folder)))
    assert declare(library)
    return request.param, library


@pytest.fixture(autouse=True)
def level(built: tuple[str, ctypes.CDLL] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with this processor's kernels, and with those of others."""
    if built is not None:
        monkeypatch.setattr(kernels, "loaded", lambda: built)


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=str)
def flowing(request: pytest.FixtureRequest, built: object) -> torch.dtype:
    """The dtype of activations."""
    if not kernels.available(request.param):
        pytest.skip("these kernels do not compute in bfloat16")
    return request.param


LAYERS = [(5, 6, 3), (154, 768, 320), (33, 2600, 17), (450, 70, 400)]


@needs_kernels
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "depth", "width"), LAYERS)
def test_linear(
    rows: int,
    depth: int,
    width: int,
    dtype: torch.dtype,
    flowing: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called = spy(monkeypatch)
    x, weight = noise(2, rows, depth).to(flowing), noise(width, depth, seed=1).to(dtype)
    bias, residual = noise(width, seed=2).to(dtype), noise(2, rows, width, seed=3).to(flowing)
    expected = F.linear(x.double(), weight.double())
    assert_near(kernels.linear(x, weight, None, None), expected)
    result = kernels.linear(x.transpose(0, 1), weight, bias, residual.transpose(0, 1))
    assert_near(result, (expected + bias + residual).transpose(0, 1))
    assert called == ["linear", "linear"]


@needs_kernels
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("depth", "width"), [(32, 128), (40, 13), (320, 1280), (3000, 24)])
def test_geglu(depth: int, width: int, dtype: torch.dtype, flowing: torch.dtype) -> None:
    x, bias = noise(2, 9, depth).to(flowing), noise(2 * width, seed=2).to(dtype)
    weight = noise(2 * width, depth, seed=1).to(dtype)
    value, gate = F.linear(x.double(), weight.double(), bias.double()).chunk(2, dim=-1)
    assert_near(kernels.geglu(x, weight, bias), value * F.gelu(gate))


@needs_kernels
def test_gelu_far_from_zero() -> None:
    gates = torch.tensor([-1e4, -30.0, -9.0, -3.0, -1e-3, 0.0, 1e-3, 3.0, 9.0, 30.0, 1e4])
    bias = torch.cat([torch.ones(len(gates)), gates])
    result = kernels.geglu(torch.zeros(1, 4), torch.zeros(2 * len(gates), 4), bias)[0]
    expected = F.gelu(gates.double())
    assert ((result - expected).abs() <= 3e-7 * gates.abs().clamp(min=1e-3)).all()


CONVOLUTIONS = [
    # batch, in, height, width, out, side, stride, padding, enlarge
    (2, 3, 5, 7, 5, 3, 1, 1, 1),
    (1, 4, 8, 8, 32, 3, 1, 1, 1),
    (2, 40, 9, 9, 20, 3, 2, 1, 1),
    (2, 32, 9, 9, 20, 3, 2, 0, 1),
    (2, 100, 6, 6, 48, 1, 1, 0, 1),
    (2, 32, 1, 1, 33, 3, 1, 1, 1),
    (2, 6, 3, 3, 4, 3, 1, 1, 2),
    (2, 64, 13, 9, 37, 3, 1, 1, 1),  # from here on by Winograd's products
    (1, 32, 40, 44, 32, 3, 1, 1, 1),
    (6, 32, 6, 5, 16, 3, 1, 1, 2),
    (1, 336, 21, 16, 16, 3, 1, 1, 1),
]
# To so few channels that vectors lie along those of the input
NARROW = [
    (2, 64, 13, 9, 3, 3, 1, 1, 1),
    (1, 320, 8, 8, 4, 3, 1, 1, 1),
    (2, 32, 9, 9, 3, 3, 2, 0, 1),
    (3, 96, 5, 5, 4, 1, 1, 0, 1),
    (1, 64, 4, 6, 3, 3, 1, 1, 2),
    (1, 32, 1, 1, 4, 3, 1, 1, 1),
    (1, 3648, 3, 5, 3, 3, 1, 1, 1),
]


@needs_kernels
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", [*CONVOLUTIONS, *NARROW], ids=str)
def test_convolution(
    case: tuple[int, ...],
    dtype: torch.dtype,
    flowing: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch, channels, height, width, count, side, stride, padding, enlarge = case
    if channels % 2 and flowing == torch.bfloat16:
        pytest.skip("bfloat16 is multiplied in pairs")
    called = spy(monkeypatch)
    x, bias = noise(batch, channels, height, width).to(flowing), noise(count, seed=2).to(dtype)
    weight = noise(count, channels, side, side, seed=1).to(dtype)
    sample = noise(batch, count, seed=3).to(flowing)
    large = x.double().repeat_interleave(enlarge, 2).repeat_interleave(enlarge, 3)
    expected = F.conv2d(large, weight.double(), None, stride, padding)
    residual = noise(*expected.shape, seed=4).to(flowing)
    options = {"stride": stride, "padding": padding, "enlarge": enlarge}
    assert_near(kernels.convolution(x, weight, None, **options), expected)
    result = kernels.convolution(x, weight, bias, residual=residual, **options)
    assert_near(result, expected + bias[:, None, None] + residual)
    result = kernels.convolution(
        x.contiguous(memory_format=torch.channels_last),
        weight,
        bias,
        sample=sample,
        residual=residual,
        **options,
    )
    assert_near(result, expected + (bias + sample)[:, :, None, None] + residual)
    level, _ = kernels.loaded() or ("", None)
    tiles = flowing == torch.bfloat16 and level == "amx"
    fewer = case in CONVOLUTIONS[7:] and not tiles
    assert set(called) == {"winograd" if fewer else "convolution"}


def in_blocks(kind: Format, *shape: int) -> QuantizedTensor:
    values = noise(*shape, seed=1)
    plain = kind.dtype and values.to(kind.dtype).flatten().view(torch.uint8)
    return QuantizedTensor(pack(values, kind) if plain is None else plain, kind, shape, torch.half)


@needs_kernels
@pytest.mark.parametrize("kind", BLOCK_TYPES, ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    ("rows", "depth", "width"), [*LAYERS[1:2], *LAYERS[3:], (5, 6, 16), (33, 2600, 20)]
)
def test_linear_of_blocks(
    rows: int,
    depth: int,
    width: int,
    kind: Format,
    flowing: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called = spy(monkeypatch)
    x, bias = noise(2, rows, depth).to(flowing), noise(width, seed=2).half()
    weight = in_blocks(kind, width, depth)
    expected = F.linear(x.double(), weight.double().dequantize(), bias.double())
    assert_near(kernels.linear(x, weight, bias, None), expected)
    gated = bias.repeat(2)
    both = in_blocks(kind, 2 * width, depth)
    value, gate = F.linear(x.double(), both.double().dequantize(), gated.double()).chunk(2, -1)
    assert_near(kernels.geglu(x, both, gated), value * F.gelu(gate))
    assert called == ["linear", "geglu"]


@needs_kernels
@pytest.mark.parametrize("kind", BLOCK_TYPES, ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    "case", [*(CONVOLUTIONS[i] for i in (1, 2, 4, 8, 10)), *NARROW[:4]], ids=str
)
def test_convolution_of_blocks(
    case: tuple[int, ...], kind: Format, flowing: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = spy(monkeypatch)
    batch, channels, height, width, count, side, stride, padding, _ = case
    x = noise(batch, channels, height, width).to(flowing)
    weight = in_blocks(kind, count, channels, side, side)
    expected = F.conv2d(x.double(), weight.double().dequantize(), None, stride, padding)
    result = kernels.convolution(x, weight, None, stride=stride, padding=padding)
    assert_near(result, expected)
    assert len(called) == 1


@needs_kernels
def test_what_the_kernels_cannot_read_torch_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    called = spy(monkeypatch)
    x, weight = noise(2, 64), in_blocks(Q5_0, 8, 64)
    expected = F.linear(x, weight.float().dequantize())
    assert_near(kernels.linear(x, weight, None, None), expected)
    assert called == []


@needs_kernels
@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize(
    ("channels", "groups", "offset"), [(64, 32, 0.0), (30, 3, 0.0), (32, 4, 9)]
)
def test_group_norm(
    channels: int, groups: int, offset: float, silu: bool, flowing: torch.dtype
) -> None:
    x = 3 * noise(2, channels, 9, 11) + offset * noise(1, channels, 1, 1, seed=1)
    x, weight, bias = x.to(flowing), noise(channels, seed=2).half(), noise(channels, seed=3)
    expected = F.group_norm(x.double(), groups, weight.double(), bias.double(), 1e-5)
    expected = F.silu(expected) if silu else expected
    assert_near(kernels.group_norm(x, groups, weight, bias, 1e-5, silu=silu), expected)


@needs_kernels
@pytest.mark.parametrize("width", [7, 40, 320])
def test_layer_norm(width: int, flowing: torch.dtype) -> None:
    x = (3 * noise(2, 5, width) + 9).to(flowing)
    weight, bias = noise(width, seed=2).half(), noise(width, seed=3)
    expected = F.layer_norm(x.double(), [width], weight.double(), bias.double())
    assert_near(kernels.layer_norm(x, weight, bias, 1e-5), expected)
    transposed = kernels.layer_norm(x.transpose(0, 1), weight, bias, 1e-5)
    assert_near(transposed, expected.transpose(0, 1))


@needs_kernels
def test_concatenate(flowing: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    called = spy(monkeypatch)
    first, second = noise(2, 5, 40, 40).to(flowing), noise(2, 32, 40, 40, seed=1).to(flowing)
    expected = torch.cat([first, second], dim=1)
    assert torch.equal(kernels.concatenate(first, second), expected)
    first, second = (x.contiguous(memory_format=torch.channels_last) for x in (first, second))
    result = kernels.concatenate(first, second)
    assert torch.equal(result, expected)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert called == ["concatenate"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_all_finite(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    called = spy(monkeypatch) if kernels.available() else None
    largest = torch.finfo(dtype).max
    x = noise(3 * 2**16 + 5).to(dtype)
    x[:2] = torch.tensor([largest, -largest]).to(dtype)
    assert kernels.all_finite(x)
    for place in (0, 1, 2**16 - 1, 2**17, len(x) - 1):
        for value in (float("nan"), -float("nan"), float("inf"), -float("inf")):
            spoilt = x.clone()
            spoilt[place] = value
            assert not kernels.all_finite(spoilt)
            assert not kernels.all_finite(spoilt[place])
            assert not kernels.all_finite(spoilt[place:].unflatten(0, (1, -1)).mT)
    assert kernels.all_finite(x[:0])
    assert called is None or set(called) == {"finite"}


@needs_kernels
@pytest.mark.parametrize(("keys", "head_dim"), [(77, 40), (64, 80), (130, 160), (5, 24)])
def test_attention(keys: int, head_dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    called = spy(monkeypatch)
    q, k, v = noise(2, 64, 2 * head_dim), noise(2, keys, 2 * head_dim), noise(2, keys, 2 * head_dim)
    heads = [x.double().unflatten(-1, (2, -1)).transpose(1, 2) for x in (q, k, v)]
    expected = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
    assert_near(kernels.attention(q, k, v, 2), expected)
    halves = kernels.attention(q.bfloat16(), k.bfloat16(), v.bfloat16(), 2)
    assert halves.dtype == torch.bfloat16
    assert (halves.double() - expected).abs().max() <= 0.02 * expected.abs().max()
    assert called == ["attention", "attention"]


@needs_kernels
def test_results_do_not_depend_on_threads_or_company(flowing: torch.dtype) -> None:
    x, weight, bias = noise(3, 64, 24, 24).to(flowing), noise(64, 64, 3, 3, seed=1), noise(64)
    options: dict[str, Any] = {"stride": 1, "padding": 1}

    def results(x: Tensor) -> list[Tensor]:
        tokens = x.flatten(2).transpose(1, 2)
        return [
            kernels.convolution(x, weight, bias, **options),
            kernels.convolution(x, weight[:3], bias[:3], **options),
            kernels.convolution(x, weight[:4], None, **options),
            kernels.group_norm(x, 8, bias, bias, 1e-5, silu=True),
            kernels.linear(tokens, weight.flatten(1)[:, :64], bias, None),
            kernels.attention(tokens, tokens, tokens, 2),
            kernels.layer_norm(tokens, bias, bias, 1e-5),
        ]

    together = results(x)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        again = results(x)
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(together, again, strict=True):
        assert torch.equal(one, other)
    for one, other in zip(together, results(x[1:2]), strict=True):
        assert torch.equal(one[1:2], other)


def test_gradients_flow() -> None:
    weight = nn.Parameter(noise(6, 4, 3, 3).half())
    kernels.convolution(noise(1, 4, 5, 5), weight, None, stride=1, padding=1).sum().backward()
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0


def test_torch_does_the_same(torch_only: None) -> None:
    x, weight = noise(1, 4, 5, 5), noise(6, 4, 3, 3, seed=1).half()
    sample, residual = noise(1, 6, seed=2), noise(1, 6, 10, 10, seed=3)
    large = x.double().repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = F.conv2d(large, weight.double(), padding=1) + sample[:, :, None, None] + residual
    options: dict[str, Any] = {"stride": 1, "padding": 1, "enlarge": 2}
    result = kernels.convolution(x, weight, None, sample=sample, residual=residual, **options)
    assert_near(result, expected)


def test_wrong_shapes_are_torchs_errors() -> None:
    x, picture = noise(2, 3, 8), noise(1, 4, 5, 5)
    with pytest.raises(RuntimeError):
        kernels.linear(x, noise(6, 7), None, None)
    with pytest.raises(RuntimeError):
        kernels.geglu(x, noise(6, 7), noise(6))
    with pytest.raises(RuntimeError):
        kernels.convolution(picture, noise(6, 5, 3, 3), None, stride=1, padding=1)
    with pytest.raises(RuntimeError):
        kernels.group_norm(picture, 1, noise(5), noise(5), 1e-5, silu=False)
    with pytest.raises(RuntimeError):
        kernels.layer_norm(x, noise(6), noise(6), 1e-5)
    with pytest.raises(RuntimeError):
        kernels.concatenate(picture, noise(1, 4, 5, 6))
    with pytest.raises(RuntimeError):
        kernels.attention(x, noise(2, 5, 6), noise(2, 5, 6), 2)


def test_what_torch_broadcasts_is_broadcast() -> None:
    q, k = noise(2, 3, 8), noise(1, 5, 8, seed=1)
    both = kernels.attention(q, k.repeat(2, 1, 1), k.repeat(2, 1, 1), 2)
    torch.testing.assert_close(kernels.attention(q, k, k, 2), both)
    weight, residual = noise(6, 8, seed=2), noise(6, seed=3)
    torch.testing.assert_close(
        kernels.linear(q, weight, None, residual),
        kernels.linear(q, weight, None, residual.expand(2, 3, 6)),
    )


def test_few_tiles_of_many_channels() -> None:
    x, weight = noise(1, 3648, 24, 32), noise(5, 3648, 3, 3, seed=1)
    expected = F.conv2d(x.double(), weight.double(), padding=1)
    assert_near(kernels.convolution(x, weight, None, stride=1, padding=1), expected)


@needs_kernels
@pytest.mark.parametrize("width", [8, 40, 128, 192, 320, 768, 1280])
def test_layer_norm_rounds_as_torch_does(width: int, flowing: torch.dtype) -> None:
    """With the version that this was written beside; others may sum in another order."""
    if not torch.__version__.startswith("2.13."):
        pytest.skip("another version of torch")
    x, weight, bias = noise(50, width) * 3 + 1, noise(width, seed=1), noise(width, seed=2)
    given = [each.to(flowing) for each in (x, weight, bias)]
    expected = F.layer_norm(given[0], [width], *given[1:], 1e-5)
    with torch.no_grad():
        assert torch.equal(kernels.layer_norm(*given, 1e-5), expected)
