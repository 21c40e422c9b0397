"""The native attention against torch's in float64: every instruction set, emulated where absent."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from kakusan.runtime.native import library as native
from kakusan.runtime.native.interface import AttentionCall

FOLDER = Path(native.__file__).parent
SOURCES = [FOLDER / "attention.cpp", FOLDER / "parallel.cpp"]
FLAGS = ["-std=c++17", "-pthread", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast", "-w"]
AVX2 = ["-mavx2", "-mfma", "-mf16c"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
WIDE = [*AVX2, "-O1", "-DKAKUSAN_LANES=16"]  # the 512-bit code on any processor
STANDS_FOR = {  # where the processor has the latter, that one is tested itself
    "16 lanes": "avx512",
    "avx512_bf16 emulated": "avx512_bf16",
    "amx emulated": "amx",
}
VARIANTS = {
    "avx2": [*AVX2, "-O2"],
    "16 lanes": WIDE,
    "avx512_bf16 emulated": [*WIDE, "-DKAKUSAN_EMULATE=1"],
    "amx emulated": [*WIDE, "-DKAKUSAN_EMULATE=2"],
    "avx512": [*AVX512, "-O2"],
    "avx512_bf16": [*AVX512, "-O2", "-mavx512bf16"],
    "amx": [*AVX512, "-O2", "-mavx512bf16", "-mamx-tile", "-mamx-bf16"],
}
DTYPES = [torch.float32, torch.bfloat16]
SIZES = [(1, 1), (1, 257), (5, 77), (77, 5), (100, 257), (257, 100), (257, 1)]  # queries, keys

Attention = Callable[..., torch.Tensor]


def bind(library: ctypes.CDLL) -> Attention:
    """The library's function on tensors (batch, tokens, heads * head_dim)."""

    def attention(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int, scale: float | None = None
    ) -> torch.Tensor:
        batch, queries, width = q.shape
        head_dim = width // heads
        # what is written outside of the result would show in the margin
        memory = torch.full((q.numel() + 128,), 7.0, dtype=q.dtype)
        out = memory[64:-64].view(q.shape)
        call = AttentionCall(
            threads=torch.get_num_threads(),
            x_type=0 if q.dtype == torch.float32 else 2,
            q=q.data_ptr(),
            k=k.data_ptr(),
            v=v.data_ptr(),
            q_batch_stride=q.stride(0),
            q_row_stride=q.stride(1),
            k_batch_stride=k.stride(0),
            k_row_stride=k.stride(1),
            v_batch_stride=v.stride(0),
            v_row_stride=v.stride(1),
            batch=batch,
            heads=heads,
            queries=queries,
            keys=k.shape[1],
            head_dim=head_dim,
            scale=head_dim**-0.5 if scale is None else scale,
            out=out.data_ptr(),
        )
        code = library.kakusan_attention(ctypes.byref(call))
        assert (memory[:64] == 7).all()
        assert (memory[-64:] == 7).all()
        if code:
            assert (out == 7).all()
            raise ValueError(f"refused: {code}")
        return out

    return attention


@pytest.fixture(scope="session", params=VARIANTS)
def attention(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Attention:
    able = native.level_allowed(None)
    needs = request.param if request.param in native.LEVELS else "avx2"
    compiler = shutil.which("g++")
    if needs not in able or compiler is None:
        pytest.skip(f"needs g++ and a processor with {needs}")
    if STANDS_FOR.get(request.param) in able:
        pytest.skip(f"this processor has {STANDS_FOR[request.param]}")
    built = tmp_path_factory.mktemp("attention") / "attention.so"
    options = [*FLAGS, *VARIANTS[request.param]]
    sources = [str(source) for source in SOURCES]
    subprocess.run([compiler, *options, "-shared", *sources, "-o", str(built)], check=True)
    return bind(ctypes.CDLL(str(built)))


def reference(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int) -> torch.Tensor:
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def normal(batch: int, tokens: int, width: int, seed: int, dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, tokens, width, generator=generator).to(dtype)


def tokens(
    queries: int, keys: int, width: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return (
        normal(2, queries, width, 1, dtype),
        normal(2, keys, width, 2, dtype),
        normal(2, keys, width, 3, dtype),
    )


def error(value: torch.Tensor, exact: torch.Tensor) -> float:
    return float((value.double() - exact).norm() / exact.norm())


def check(
    attention: Attention, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int
) -> None:
    """No further from float64 than torch's attention in the same precision, times 1.2."""
    exact = reference(q.double(), k.double(), v.double(), heads)
    torchs = error(reference(q, k, v, heads), exact)
    # what either rounds alike where there is little to sum, so that torch may be exact by luck
    slack = 1e-6 if q.dtype == torch.float32 else 4e-4
    assert error(attention(q, k, v, heads), exact) <= 1.2 * torchs + slack


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("head_dim", [1, 7, 33, 40, 64, 80, 160, 512])
def test_any_shape(attention: Attention, head_dim: int, dtype: torch.dtype) -> None:
    for queries, keys in SIZES:
        check(attention, *tokens(queries, keys, 2 * head_dim, dtype), heads=2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_several_blocks_of_keys_and_queries(attention: Attention, dtype: torch.dtype) -> None:
    check(attention, *tokens(500, 1030, 3 * 40, dtype), heads=3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("head_dim", [40, 64])
def test_strided_tokens(attention: Attention, head_dim: int, dtype: torch.dtype) -> None:
    q, k, v = normal(2, 77, 6 * head_dim + 5, 1, dtype)[..., 5:].chunk(3, dim=-1)
    k, v = k[:, ::2], v[:, ::2]
    assert not k.is_contiguous()
    check(attention, q, k, v, heads=2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reach", [100.0, 1000.0])
def test_large_scores(attention: Attention, reach: float, dtype: torch.dtype) -> None:
    q, k, v = tokens(77, 300, 2 * 40, dtype)
    scores = (q.double()[..., :40] @ k.double()[..., :40].mT).abs().max() * 40**-0.5
    check(attention, (q * (reach / scores)).to(dtype), k, v, heads=2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ends", [(-1000.0, 1000.0), (1000.0, -1000.0), (-1000.0, -999.0)])
def test_scores_that_rise_or_fall_over_the_keys(
    attention: Attention, ends: tuple[float, float], dtype: torch.dtype
) -> None:
    q = torch.ones(1, 33, 16, dtype=dtype)
    k = torch.linspace(*ends, 331)[None, :, None].expand(1, -1, 16).to(dtype) / 4
    check(attention, q, k, normal(1, 331, 16, 3, dtype), heads=1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_scores_give_the_mean(attention: Attention, dtype: torch.dtype) -> None:
    q, k = torch.zeros(1, 3, 40, dtype=dtype), normal(1, 99, 40, 2, dtype)
    v = torch.full((1, 99, 40), 1.5, dtype=dtype)
    torch.testing.assert_close(attention(q, k, v, 1), v[:, :3])


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_stays_in_its_head(attention: Attention, dtype: torch.dtype) -> None:
    q, k, v = tokens(5, 77, 2 * 40, dtype)
    k[0, 70, 3] = torch.nan
    out = attention(q, k, v, 2)
    assert out[0, :, :40].isnan().all()
    assert out[0, :, 40:].isfinite().all()
    assert out[1].isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_change_nothing(attention: Attention, dtype: torch.dtype) -> None:
    q, k, v = tokens(300, 200, 2 * 40, dtype)
    before = torch.get_num_threads()
    results: list[torch.Tensor] = []
    try:
        for threads in (1, 2, 3, 7):
            torch.set_num_threads(threads)
            results.append(attention(q, k, v, 2))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(result, results[0]) for result in results)


@pytest.mark.parametrize("dtype", DTYPES)
def test_calls_at_the_same_time(attention: Attention, dtype: torch.dtype) -> None:
    cases = [tokens(60 + 30 * i, 300 - 40 * i, 40 + 40 * i, dtype) for i in range(4)]
    alone = [attention(*case, heads=1) for case in cases]
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(attention, *case, heads=1) for case in cases * 6]
    together = [call.result() for call in running]
    assert all(map(torch.equal, together, alone * 6))


@pytest.mark.parametrize("dtype", DTYPES)
def test_refuses_what_it_cannot_do(attention: Attention, dtype: torch.dtype) -> None:
    q, k, v = tokens(5, 7, 40, dtype)
    for scale in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="refused"):
            attention(q, k, v, 1, scale)
    with pytest.raises(ValueError, match="refused"):
        attention(q, k[:, :0], v[:, :0], 1)
