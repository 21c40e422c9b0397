"""The package's own attention beside torch's, on the shapes of v1.4 and v2 at 512x512.

    python -m benchmarks.attention [--dtype float32 bfloat16] [--repeats 7] [--threads N]

Both take turns on the same tokens; milliseconds are medians. Errors are relative, of the first
head, against torch's attention in float64. `KAKUSAN_NATIVE` chooses the kernels' instruction set.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.measure import (
    DTYPES,
    environment,
    interleaved,
    markdown_table,
    matrix_peak,
    relative_error,
)
from kakusan.runtime import kernels
from kakusan.runtime.native import library

HEADER = (
    "attention",
    "head size",
    "dtype",
    "torch, ms",
    "kakusan, ms",
    "ratio",
    "kakusan, GFLOP/s",
    "error: torch",
    "error: kakusan",
)


@dataclass(frozen=True)
class Shape:
    """One layer's attention, batch 2 where guidance doubles it."""

    name: str
    batch: int
    heads: int
    queries: int
    keys: int
    head_dim: int

    @property
    def flop(self) -> float:
        """Operations of the two products."""
        return 4.0 * self.batch * self.heads * self.queries * self.keys * self.head_dim

    def tokens(self, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        """Normal queries, keys and values, (batch, tokens, heads * head_dim)."""
        generator = torch.Generator().manual_seed(0)
        width = self.heads * self.head_dim
        return tuple(
            torch.randn(self.batch, count, width, generator=generator).to(dtype)
            for count in (self.queries, self.keys, self.keys)
        )


def shapes() -> Iterator[Shape]:
    """v1.4's UNet from 64x64 to 8x8, its VAE, and v2's head size."""
    for side, head_dim in ((64, 40), (32, 80), (16, 160), (8, 160)):
        positions = side * side
        yield Shape(f"v1.4 {side}x{side}, self", 2, 8, positions, positions, head_dim)
        yield Shape(f"v1.4 {side}x{side}, text", 2, 8, positions, 77, head_dim)
    yield Shape("VAE 64x64", 1, 1, 4096, 4096, 512)
    yield Shape("v2 64x64, self", 2, 5, 4096, 4096, 64)
    yield Shape("v2 32x32, self", 2, 10, 1024, 1024, 64)
    yield Shape("v2 32x32, text", 2, 10, 1024, 77, 64)


def with_torch(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, num_heads: int) -> torch.Tensor:
    """What `kernels.attention` does without kernels of its own."""
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (q, k, v))
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    return out.transpose(1, 2).flatten(2)


def first_head(x: torch.Tensor, head_dim: int) -> torch.Tensor:
    """The first sample's first head, which float64 has memory for."""
    return x[:1, :, :head_dim]


def measure(shape: Shape, dtype: torch.dtype, repeats: int) -> tuple[object, ...]:
    """One row of the table."""
    tokens = shape.tokens(dtype)
    ways = {"torch": with_torch, "kakusan": kernels.attention}
    calls = {name: partial(way, *tokens, num_heads=shape.heads) for name, way in ways.items()}
    seconds = interleaved(calls, repeats=repeats)
    exact = with_torch(*(first_head(x, shape.head_dim).double() for x in tokens), num_heads=1)
    errors = [relative_error(first_head(call(), shape.head_dim), exact) for call in calls.values()]
    return (
        f"{shape.name}: {shape.batch}x{shape.heads}x{shape.queries}x{shape.keys}",
        shape.head_dim,
        str(dtype).removeprefix("torch."),
        *(f"{1e3 * seconds[name]:.2f}" for name in calls),
        f"{seconds['kakusan'] / seconds['torch']:.2f}",
        f"{shape.flop / seconds['kakusan'] / 1e9:.0f}",
        *(f"{error:.1e}" for error in errors),
    )


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dtype", nargs="+", choices=["float32", "bfloat16"], default=["float32"])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args(given)


@torch.inference_mode()
def main() -> None:
    """Print the table."""
    asked = arguments()
    torch.set_num_threads(asked.threads)
    if library.loaded() is None:
        raise SystemExit(f"nothing to measure; kernels: {library.explain()}")
    print(f"{environment()}\nkernels: {library.explain()}\n")
    for name in asked.dtype:
        peak = matrix_peak(DTYPES[name], torch.device("cpu"))
        print(f"matrix peak in {name}: {peak / 1e9:.0f} GFLOP/s\n")
        rows = [measure(shape, DTYPES[name], asked.repeats) for shape in shapes()]
        print(markdown_table(HEADER, rows) + "\n", flush=True)


if __name__ == "__main__":
    main()
