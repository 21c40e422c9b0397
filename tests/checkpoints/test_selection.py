"""Which of a folder's files are its weights."""

import pytest

from kakusan.checkpoints.selection import WeightsName, choose, variant_of


def test_published_names() -> None:
    plain, half = WeightsName("model", None, True), WeightsName("model", "fp16", True)
    pickled = WeightsName("model", "fp16", False)
    assert (plain.single, plain.index) == ("model.safetensors", "model.safetensors.index.json")
    assert (half.single, half.index) == (
        "model.fp16.safetensors",
        "model.safetensors.index.fp16.json",
    )
    assert (pickled.single, pickled.index) == (
        "pytorch_model.fp16.bin",
        "pytorch_model.bin.index.fp16.json",
    )
    assert half.shard(1, 2) == "model.fp16-00001-of-00002.safetensors"
    assert half.is_shard("model.fp16-00001-of-00002.safetensors")
    assert half.is_shard("model-00001-of-00002.fp16.safetensors")
    assert not half.is_shard("model-00001-of-00002.safetensors")
    assert not plain.is_shard("model.fp16-00001-of-00002.safetensors")


@pytest.mark.parametrize(
    ("names", "variant", "use_safetensors", "expected"),
    [
        (["model.safetensors", "pytorch_model.bin"], None, None, "model.safetensors"),
        (["model.safetensors", "pytorch_model.bin"], None, False, "pytorch_model.bin"),
        (["pytorch_model.bin"], None, None, "pytorch_model.bin"),
        (["pytorch_model.bin"], None, True, None),
        (["model.safetensors", "model.fp16.safetensors"], "fp16", None, "model.fp16.safetensors"),
        (["model.safetensors"], "fp16", None, "model.safetensors"),
        (["model.fp16.safetensors"], None, None, None),
        (["model.safetensors", "pytorch_model.fp16.bin"], "fp16", None, "pytorch_model.fp16.bin"),
        (["model.safetensors", "pytorch_model.fp16.bin"], "fp16", True, "model.safetensors"),
        (["diffusion_pytorch_model.safetensors"], None, None, None),
    ],
)
def test_choice(
    names: list[str], variant: str | None, use_safetensors: bool | None, expected: str | None
) -> None:
    chosen = choose(names, "model", variant=variant, use_safetensors=use_safetensors)
    assert (chosen.single if chosen else None) == expected


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("model.safetensors", None),
        ("model.safetensors.index.json", None),
        ("model-00001-of-00002.safetensors", None),
        ("model.fp16.safetensors", "fp16"),
        ("diffusion_pytorch_model.non_ema.bin", "non_ema"),
        ("pytorch_model.fp16-00001-of-00002.bin", "fp16"),
        ("model-00001-of-00002.fp16.safetensors", "fp16"),
        ("model.safetensors.index.fp16.json", "fp16"),
        ("config.json", None),
        ("tf_model.h5", None),
    ],
)
def test_the_variant_in_a_name(name: str, variant: str | None) -> None:
    assert variant_of(name) == variant
