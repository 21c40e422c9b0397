"""The reference's LoRA calls one after the other, in orders that scripts have them in."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import kakusan
from kakusan.errors import RequestError
from tests.oracle.adapters import peft_tensors

# of the reference's Euler under newer numpy, and of what peft says of calls that do nothing
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation"),
    pytest.mark.filterwarnings("ignore:Already"),
    pytest.mark.filterwarnings("ignore:All adapters are already"),
    pytest.mark.filterwarnings("ignore:Adapter"),
]
LEVEL = 1 / 255
Loader = Callable[[str], None]


def draw(pipe: Any) -> Any:
    settings: Any = {"num_inference_steps": 1, "output_type": "np", "height": 64, "width": 64}
    return pipe("a cat", generator=torch.Generator().manual_seed(1), **settings).images


def fused_then_unloaded(pipe: Any, load: Loader) -> Iterator[Any]:
    load("a")
    pipe.fuse_lora()
    yield draw(pipe)
    pipe.unload_lora_weights()
    yield draw(pipe)
    yield pipe.fused_loras, pipe.num_fused_loras, pipe.get_list_adapters()
    load("b")
    yield draw(pipe)
    pipe.unload_lora_weights()
    yield draw(pipe)
    pipe.unfuse_lora()
    yield pipe.fused_loras, pipe.num_fused_loras
    yield draw(pipe)


def one_of_the_same_name_after_unloading(pipe: Any, load: Loader) -> Iterator[Any]:
    load("a")
    pipe.fuse_lora()
    pipe.unload_lora_weights()
    load("a")
    yield draw(pipe)
    pipe.fuse_lora()
    yield draw(pipe)
    pipe.unfuse_lora()
    yield draw(pipe)


def fused_twice(pipe: Any, load: Loader) -> Iterator[Any]:
    load("a")
    pipe.fuse_lora()
    pipe.fuse_lora()
    yield draw(pipe)
    yield pipe.fused_loras
    pipe.unfuse_lora()
    pipe.unfuse_lora()
    yield draw(pipe)


def fused_one_by_one(pipe: Any, load: Loader) -> Iterator[Any]:
    load("a")
    load("b")
    pipe.fuse_lora(adapter_names=["a"])
    pipe.fuse_lora(adapter_names=["b"])
    yield pipe.fused_loras
    yield draw(pipe)
    pipe.unfuse_lora(components=["unet"])
    yield pipe.fused_loras
    yield draw(pipe)
    pipe.unfuse_lora()
    yield draw(pipe)


def fused_at_a_scale(pipe: Any, load: Loader) -> Iterator[Any]:
    load("a")
    pipe.set_adapters("a", 0.8)
    pipe.fuse_lora(lora_scale=0.5)
    yield draw(pipe)
    pipe.unload_lora_weights()
    yield draw(pipe)


def disabled_while_fused(pipe: Any, load: Loader) -> Iterator[Any]:
    load("a")
    pipe.fuse_lora()
    pipe.disable_lora()
    yield draw(pipe)
    pipe.enable_lora()
    yield draw(pipe)
    pipe.unfuse_lora()
    yield draw(pipe)


def disabled_until_enabled(pipe: Any, load: Loader) -> Iterator[Any]:
    load("a")
    pipe.disable_lora()
    yield draw(pipe)
    load("b")
    yield draw(pipe)
    pipe.set_adapters(["a", "b"], [0.5, 0.3])
    yield draw(pipe)
    pipe.fuse_lora()
    yield draw(pipe)
    pipe.enable_lora()
    yield draw(pipe)


def deleted(pipe: Any, load: Loader) -> Iterator[Any]:
    for name in ("a", "b", "c"):
        load(name)
    pipe.set_adapters(["a", "b"], [0.4, 0.3])
    pipe.set_adapters("c")
    pipe.delete_adapters("c")
    yield pipe.get_active_adapters()
    yield draw(pipe)
    pipe.delete_adapters(["a", "b"])
    yield pipe.get_active_adapters(), pipe.get_list_adapters()
    yield draw(pipe)


def deleted_while_fused(pipe: Any, load: Loader) -> Iterator[Any]:
    load("a")
    pipe.fuse_lora()
    pipe.delete_adapters("a")
    yield draw(pipe)
    yield pipe.fused_loras, pipe.get_list_adapters()


def in_the_place_of_another(pipe: Any, load: Loader) -> Iterator[Any]:
    load("a")
    load("b")
    pipe.set_adapters(["b", "a"], 0.3)
    yield pipe.get_active_adapters(), pipe.get_list_adapters()
    pipe.set_adapters(["a"])
    yield draw(pipe)
    pipe.set_lora_device(["a", "b"], "cpu")
    yield draw(pipe)


ORDERS = (
    *(fused_then_unloaded, one_of_the_same_name_after_unloading, fused_twice, fused_one_by_one),
    *(fused_at_a_scale, disabled_while_fused, disabled_until_enabled, deleted),
    *(deleted_while_fused, in_the_place_of_another),
)


@pytest.fixture(scope="module")
def loras(tiny_v1: Path) -> Mapping[str, dict[str, torch.Tensor]]:
    pipe: Any = diffusers.StableDiffusionPipeline.from_pretrained(tiny_v1)
    parts = {part: getattr(pipe, part) for part in ("unet", "text_encoder")}
    return {name: peft_tensors(parts, seed) for seed, name in enumerate("abc")}


def told(library: Any, folder: Path, loras: Mapping[str, Any], order: Any) -> list[Any]:
    pipe: Any = library.StableDiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return list(order(pipe, lambda n: pipe.load_lora_weights(dict(loras[n]), adapter_name=n)))


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
def test_as_the_reference_does(
    order: Any, tiny_v1: Path, loras: Mapping[str, dict[str, torch.Tensor]]
) -> None:
    theirs, ours = (told(library, tiny_v1, loras, order) for library in (diffusers, kakusan))
    for found, wanted in zip(ours, theirs, strict=True):
        if isinstance(wanted, np.ndarray):
            assert np.abs(found - wanted).max() <= LEVEL
        else:
            assert found == wanted


@pytest.fixture
def pipe(tiny_v1: Path, loras: Mapping[str, dict[str, torch.Tensor]]) -> Any:
    made: Any = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    made.set_progress_bar_config(disable=True)
    for name in "ab":
        made.load_lora_weights(loras[name], adapter_name=name)
    return made


def test_others_stay_on_beside_what_is_fused(pipe: Any) -> None:
    pipe.set_adapters(["a", "b"], [0.3, 0.6])
    both = draw(pipe)
    pipe.fuse_lora(adapter_names=["a"])
    assert np.abs(draw(pipe) - both).max() <= LEVEL
    pipe.unfuse_lora()
    assert np.array_equal(draw(pipe), both)


def test_plain_weights_to_the_bit_while_disabled(pipe: Any) -> None:
    pipe.disable_lora()
    plain = draw(pipe)
    before = {name: each.clone() for name, each in pipe.unet.named_parameters()}
    pipe.enable_lora()
    pipe.fuse_lora(adapter_names=["a"])
    pipe.fuse_lora(adapter_names=["b"], components=["unet"])
    fused = draw(pipe)
    merged = {name: each.clone() for name, each in pipe.unet.named_parameters()}
    pipe.disable_lora()
    assert np.array_equal(draw(pipe), plain)
    assert all(torch.equal(each, before[n]) for n, each in pipe.unet.named_parameters())
    pipe.enable_lora()
    assert np.array_equal(draw(pipe), fused)
    assert all(torch.equal(each, merged[n]) for n, each in pipe.unet.named_parameters())


def test_what_cannot_be_taken_apart(pipe: Any) -> None:
    pipe.enable_lora_hotswap(target_rank=8)
    pipe.fuse_lora(adapter_names=["a", "b"])
    with pytest.raises(RequestError, match=r"^a is fused into the weights, together with b; "):
        pipe.delete_adapters("a")
    with pytest.raises(RequestError, match=r"^'a' is fused .* at another strength; "):
        pipe.fuse_lora(adapter_names="a", lora_scale=0.5)
    with pytest.raises(RequestError, match=r"^a is named twice"):
        pipe.set_adapters(["a", "a"], [0.1, 0.2])


def test_records_tell_two_of_one_name_apart(
    tiny_v1: Path, tmp_path: Path, loras: Mapping[str, dict[str, torch.Tensor]]
) -> None:
    from safetensors.torch import save_file

    made: Any = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    for name in "ab":
        save_file(loras[name], tmp_path / f"{name}.safetensors")
    made.load_lora_weights(tmp_path / "a.safetensors", adapter_name="x")
    made.fuse_lora()
    made.unload_lora_weights()
    settings: Any = {"num_inference_steps": 1, "seed": 1, "height": 64, "width": 64}
    picture = next(iter(made.pictures("a cat", **settings)))
    assert [each["name"] for each in picture.record["loras"]] == ["x"]
    made.load_lora_weights(tmp_path / "b.safetensors", adapter_name="x")
    picture = next(iter(made.pictures("a cat", **settings)))
    assert "two adapters that are called 'x'" in str(picture.record)
