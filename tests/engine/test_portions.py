"""Large pictures are decoded in tiles by themselves where memory is short."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kakusan
from kakusan.engine.portions import Portion, pixel_bytes, portions
from kakusan.errors import RequestError
from kakusan.models import AutoencoderKL

CPU = torch.device("cpu")
FREE = ("kakusan.engine.engine.free_memory", "kakusan.engine.portions.free_memory")
NOTE = "VAE in tiles of 64 pixels"


@pytest.fixture
def pipe(tiny_v1: Path) -> kakusan.StableDiffusionPipeline:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def have(monkeypatch: pytest.MonkeyPatch, free: int | None) -> None:
    for name in FREE:
        monkeypatch.setattr(name, lambda _device: free)


def needed(vae: AutoencoderKL, pixels: int, results: int) -> int:
    """Free bytes with which so many pixels at a time just fit."""
    return int((pixel_bytes(vae, torch.float32, CPU) * pixels + results * 12) / 0.8) + 1


def draw(pipe: Any, **settings: Any) -> tuple[np.ndarray, list[str]]:
    output = pipe("a cat", height=128, width=192, num_inference_steps=2, seed=1, **settings)
    return np.asarray(output.images[0]).astype(int), output.records[0]["notes"]


def test_tiles_where_memory_is_short_and_only_there(
    pipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = 128 * 192
    have(monkeypatch, needed(pipe.vae, pixels, pixels))
    whole, notes = draw(pipe)
    assert notes == []
    have(monkeypatch, None)
    assert (draw(pipe)[0] == whole).all()
    have(monkeypatch, needed(pipe.vae, pixels, pixels) - 100)
    tiled, notes = draw(pipe)
    assert len(notes) == 1
    assert notes[0].startswith(NOTE)
    pipe.enable_vae_tiling()
    have(monkeypatch, None)
    forced, notes = draw(pipe)
    assert (forced == tiled).all()
    assert notes[0].startswith(NOTE)
    assert 0 < np.abs(tiled - whole).mean() < 40, "these random networks know no colour"
    pipe.disable_vae_tiling()
    again, notes = draw(pipe)
    assert notes == []
    assert (again == whole).all()


def test_one_picture_at_a_time_first(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    hook = pipe.vae.decoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    settings: dict[str, Any] = {
        "seed": 1,
        "num_images_per_prompt": 3,
        "batch_size": 3,
        "num_inference_steps": 1,
        "output_type": "np",
    }
    together = pipe("a cat", **settings)
    have(monkeypatch, needed(pipe.vae, 64 * 64, 3 * 64 * 64))
    apart = pipe("a cat", **settings)
    hook.remove()
    assert seen == [3, 1, 1, 1]
    np.testing.assert_allclose(apart.images, together.images, atol=1e-5)
    assert [record["notes"] for record in apart.records] == [r["notes"] for r in together.records]


def test_memory_that_does_for_no_tile_is_one_line(
    pipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    pipe.unet.register_forward_hook(lambda *_: calls.append(1))
    have(monkeypatch, 1_000_000)
    with pytest.raises(
        RequestError, match=r"decoding 192 x 128 pixels takes at least .* MB"
    ) as caught:
        draw(pipe)
    assert "\n" not in str(caught.value)
    pipe.disable_vae_tiling()
    with pytest.raises(RequestError, match=r"pipe.enable_vae_tiling\(\) lets it take tiles"):
        draw(pipe)
    assert not calls


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory.\nTried to"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"
        ),
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_memory_that_runs_out_meanwhile(
    pipe: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    plain = pipe.vae._decode
    most = [64 * 64 // 64]

    def short(z: torch.Tensor) -> torch.Tensor:
        if z[0, 0].numel() > most[0]:
            raise error
        return plain(z)

    monkeypatch.setattr(pipe.vae, "_decode", short)
    _, notes = draw(pipe)
    assert notes[0].startswith(NOTE)
    most[0] = 0
    with pytest.raises(RequestError, match="not enough memory on cpu for 192 x 128") as caught:
        draw(pipe)
    assert "\n" not in str(caught.value)


def test_another_error_is_itself(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(pipe.vae, "_decode", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        draw(pipe)


def test_encoding_is_planned_too(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = torch.rand((1, 3, 128, 192), generator=torch.Generator().manual_seed(1)) * 2 - 1
    whole = pipe.engine.encode_picture(pixels)
    have(monkeypatch, needed(pipe.vae, 64 * 64, 128 * 192))
    tiled = pipe.engine.encode_picture(pixels)
    assert whole.tiled is None
    assert tiled.tiled is not None
    assert tiled.result.shape == whole.result.shape
    assert not torch.equal(tiled.result, whole.result)


def test_the_largest_tiles_that_fit(pipe: Any) -> None:
    config = dict(pipe.vae.config.to_published()) | {"sample_size": 512}
    vae = AutoencoderKL.from_config(config)
    size = (2, 2048, 1024)
    pixels = 2 * 2048 * 1024

    def plan(at_a_time: int) -> list[Portion]:
        return portions(vae, size, torch.float32, CPU, needed(vae, at_a_time, pixels))

    rest = [Portion(1, 512), Portion(1, 256), Portion(1, 128)]
    assert plan(pixels) == [Portion(2, None), Portion(1, None), *rest]
    assert plan(pixels // 2) == [Portion(1, None), *rest]
    assert plan(512 * 512) == rest
    assert plan(256 * 256) == rest[1:]
    assert plan(128 * 128) == rest[2:]
    assert plan(128 * 128 - 1) == []
