"""What is given as an adapter: what it was made for, what is wrong with it, what is left out."""

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from kakusan.checkpoints.adapters.reading import adapter_of, read_adapter
from kakusan.errors import CheckpointError
from tests.checkpoints.adapters.networks import full_size, pair, unet_layers
from tests.oracle import single

Q = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
K = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"


def stem(layer: str) -> str:
    return "lora_unet_" + layer.replace(".", "_")


def lora(layer: str, down: tuple[int, ...], up: tuple[int, ...]) -> dict[str, Tensor]:
    return {
        f"{stem(layer)}.lora_down.weight": torch.ones(down),
        f"{stem(layer)}.lora_up.weight": torch.ones(up),
    }


def kohya(family: str, *, original: bool = False) -> dict[str, Tensor]:
    shapes = full_size(family)["unet"]
    tensors: dict[str, Tensor] = {}
    for ours, theirs in unet_layers(family, original=original).items():
        down, up = pair(shapes[f"{ours}.weight"])
        tensors[f"{stem(theirs)}.lora_down.weight"] = down
        tensors[f"{stem(theirs)}.lora_up.weight"] = up
        tensors[f"{stem(theirs)}.alpha"] = torch.tensor(1.0)
    return tensors


def refusal(tensors: Mapping[str, Tensor], family: str = "v1") -> str:
    with pytest.raises(CheckpointError) as caught:
        adapter_of(tensors, {}, full_size(family), name="cat")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(("the adapter 'cat' ", "the adapter 'cat':"))
    return message


NAMES = {"v1": "Stable Diffusion 1", "v2": "Stable Diffusion 2", "sdxl": "SDXL"}


@pytest.mark.parametrize("model", NAMES)
@pytest.mark.parametrize("made", NAMES)
def test_another_family_is_named(made: str, model: str) -> None:
    tensors = kohya(made, original=made == "sdxl")
    if made == model:
        assert len(adapter_of(tensors, {}, full_size(model)).parts["unet"]) in (192, 722)
        return
    message = refusal(tensors, model)
    assert f"was made for {NAMES[made]}, and this model is {NAMES[model]}: give an" in message


@pytest.mark.parametrize("second", [False, True])
def test_a_family_is_told_without_attention_to_the_text(second: bool) -> None:
    tensors = {f"{stem('input_blocks.7.1.transformer_blocks.9.attn1.to_q')}.diff": torch.ones(2, 2)}
    if second:
        tensors = {"lora_te2_text_model_encoder_layers_0_mlp_fc1.diff": torch.ones(2, 2)}
    assert "was made for SDXL, and this model is Stable Diffusion 1" in refusal(tensors)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight", "FLUX"),
        ("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", "FLUX"),
        ("lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight", "SD 3 or FLUX"),
        ("diffusion_model.blocks.0.self_attn.q.lora_A.weight", "another architecture"),
        ("lora_prior_unet_down_blocks_0_1_proj.lora_down.weight", "Stable Cascade"),
    ],
)
def test_other_architectures_are_named(name: str, family: str) -> None:
    up = name.replace("down.w", "up.w").replace("lora_A", "lora_B")
    message = refusal({name: torch.ones(2, 8), up: torch.ones(8, 2)})
    assert f"was made for {family}" in message
    assert "this model is Stable Diffusion 1" in message


def test_names_that_match_nothing_are_listed() -> None:
    tensors = {f"lora_unet_blocks_{n}_x.lora_down.weight": torch.ones(1, 1) for n in range(5)}
    tensors = {name.replace("blocks_", "my_"): each for name, each in tensors.items()}
    tensors |= {name.replace("down", "up"): each for name, each in tensors.items()}
    message = refusal(tensors)
    assert "changes nothing of this model: none of its 10 tensors" in message
    assert "lora_unet_my_0_x.lora_down.weight" in message
    assert "and 7 more" in message


@pytest.mark.parametrize(
    ("down", "up", "said"),
    [
        ((2, 321), (320, 2), "(320, 321)"),
        ((2, 320), (321, 2), "(321, 320)"),
        ((2, 320), (320, 3), "(320, 3) and (2, 320)"),
        ((2, 320, 3, 3), (320, 2), "(320, 320, 3, 3)"),
        ((0, 320), (320, 0), "(320, 0) and (0, 320)"),
        ((320,), (320, 2), "(320, 2) and (320,)"),
    ],
)
def test_a_shape_that_does_not_fit(down: tuple[int, ...], up: tuple[int, ...], said: str) -> None:
    message = refusal(lora(Q, down, up))
    assert "does not fit this model" in message
    assert f"'{stem(Q)}': " in message
    assert said in message
    assert "the model's weight has the shape (320, 320)" in message


@pytest.mark.parametrize("slot", ["lora_down.weight", "lora_up.weight", "hada_w1_a", "lokr_w1"])
def test_half_a_pair(slot: str) -> None:
    message = refusal({f"{stem(Q)}.{slot}": torch.ones(2, 320)})
    assert " is not whole: " in message
    assert " without " in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("slot", ["lora_down.weight", "lora_up.weight", "alpha"])
def test_numbers_that_are_none(value: float, dtype: torch.dtype, slot: str) -> None:
    tensors = lora(Q, (2, 320), (320, 2)) | {f"{stem(Q)}.alpha": torch.tensor(1.0)}
    tensors = {name: each.to(dtype) for name, each in tensors.items()}
    tensors[f"{stem(Q)}.{slot}"].view(-1)[-1] = value
    assert "has values that are NaN or infinite" in refusal(tensors)


def test_an_alpha_of_several_numbers() -> None:
    tensors = lora(Q, (2, 320), (320, 2)) | {f"{stem(Q)}.alpha": torch.ones(3)}
    assert "its alpha has the shape (3,), and is no number" in refusal(tensors)


def test_what_is_handed_in_and_is_no_tensor() -> None:
    assert "is no named tensor" in refusal({f"{stem(Q)}.lora_down.weight": 3})  # pyright: ignore
    assert "holds no tensors" in refusal({})


def test_a_rest_is_left_out_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    tensors = kohya("v1") | {f"lora_unet_mystery_{n}.lora_down.weight": torch.ones(1) for n in "ab"}
    with caplog.at_level(logging.WARNING, "kakusan"):
        adapter = adapter_of(tensors, {}, full_size("v1"), name="cat")
    assert len(adapter.parts["unet"]) == 192
    assert [record.getMessage() for record in caplog.records] == [
        "the adapter 'cat': 2 of its tensors are of no layer of this model and are left out "
        "(lora_unet_mystery_a.lora_down.weight, lora_unet_mystery_b.lora_down.weight)."
    ]
    assert set(adapter.unmatched) == {name for name in tensors if "mystery" in name}


def test_a_whole_weight_beside_an_adapter_is_left_out_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tensors = kohya("v1") | {"unet.conv_out.weight": torch.ones(4, 320, 3, 3)}
    with caplog.at_level(logging.WARNING, "kakusan"):
        assert adapter_of(tensors, {}, full_size("v1")).unmatched == ("unet.conv_out.weight",)
    assert "unet.conv_out.weight" in caplog.text


def test_most_tensors_of_no_layer_are_an_error() -> None:
    tensors = lora(Q, (2, 320), (320, 2))
    tensors |= {f"lora_unet_mystery_{n}.lora_down.weight": torch.ones(1) for n in range(9)}
    assert "most of its tensors are of layers that the model does not have (9:" in refusal(tensors)


def test_parts_that_the_model_lacks_go_by_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    """As of a pipeline without text encoders; and so does an alpha of nothing."""
    tensors = kohya("v1")
    text = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    tensors[f"{text}.lora_down.weight"], tensors[f"{text}.lora_up.weight"] = pair((3072, 768))
    tensors["lora_te_text_model_encoder_layers_0_mlp_fc2.alpha"] = torch.tensor(1.0)
    shapes = {"unet": full_size("v1")["unet"]}
    adapter = adapter_of(tensors, {}, shapes)
    assert set(adapter.parts) == {"unet"}
    assert len(adapter.unmatched) == 3
    assert not caplog.records


def test_a_layer_under_both_its_names_counts_once() -> None:
    """The published name does, as in the reference library."""
    twice = lora(Q, (1, 320), (320, 1))
    original = lora("input_blocks.1.1.transformer_blocks.0.attn1.to_q", (2, 320), (320, 2))
    for tensors in (twice | original, original | twice):
        adapter = adapter_of(tensors, {}, full_size("v1"))
        assert adapter.parts["unet"][f"{Q}.weight"].rank == 1
        assert set(adapter.unmatched) == set(original)


def test_whole_models_and_others_are_told_apart(tmp_path: Path) -> None:
    files: dict[str, tuple[dict[str, Tensor], str]] = {
        "model": (single.v1_tensors(single.v1()), "is a Stable Diffusion 1 model, not a LoRA"),
        "xl": (single.sdxl_tensors(single.sdxl()), "is a SDXL model, not a LoRA"),
        "controlnet": (
            {"controlnet_cond_embedding.conv_in.weight": torch.ones(2, 3)},
            "is a ControlNet, not a LoRA",
        ),
        "embedding": (
            {"emb_params": torch.ones(2, 768)},
            "is an embedding (textual inversion), not a LoRA or a relative of one: "
            "--embedding takes it, and load_textual_inversion",
        ),
        "nothing": ({"a.b": torch.ones(2)}, "is no LoRA and no relative of one"),
    }
    for name, (tensors, said) in files.items():
        path = tmp_path / f"{name}.safetensors"
        save_file({key: each.contiguous() for key, each in tensors.items()}, path)
        with pytest.raises(CheckpointError, match=re.escape(f"{name}.safetensors' {said}")):
            read_adapter(path, full_size("v1"))


def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "cat.safetensors"
    save_file(kohya("v1"), path)
    data = path.read_bytes()
    for end in (0, 5, 100, len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(CheckpointError, match=r"cat\.safetensors"):
            read_adapter(path, full_size("v1"))
    with pytest.raises(CheckpointError, match="absent"):
        read_adapter(tmp_path / "absent.safetensors", full_size("v1"))
    save_file(kohya("v1"), path, metadata={"lora_adapter_metadata": "["})
    with pytest.raises(CheckpointError, match="lora_adapter_metadata is no JSON object"):
        read_adapter(path, full_size("v1"))


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".ckpt"])
def test_pickles_of_tensors_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cat{suffix}"
    tensors = lora(Q, (2, 320), (320, 2))
    torch.save(tensors, path)
    adapter = read_adapter(path, full_size("v1"))
    assert adapter.name == "cat"
    delta = adapter.parts["unet"][f"{Q}.weight"].delta(torch.zeros(320, 320))
    assert torch.equal(delta, torch.full((320, 320), 2.0))


def test_pickles_of_code_are_not(tmp_path: Path) -> None:
    path = tmp_path / "cat.pt"
    torch.save({f"{stem(Q)}.lora_down.weight": torch.ones(2), "x": logging.getLogger("x")}, path)
    with pytest.raises(CheckpointError, match=r"cat\.pt"):
        read_adapter(path, full_size("v1"))


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells")
def test_files_stay_mapped(tmp_path: Path) -> None:
    """A large adapter is not held twice: its tensors are the file's own bytes."""
    path = tmp_path / "cat.safetensors"
    save_file(kohya("v1"), path)
    adapter = read_adapter(path, full_size("v1"))
    held = {
        each.untyped_storage().data_ptr()
        for change in adapter.parts["unet"].values()
        if (factors := change.factors) is not None
        for each in (factors.down, factors.up)
    }
    maps = Path("/proc/self/maps").read_text().splitlines()
    mapped = [line.split()[0] for line in maps if "cat.safetensors" in line]
    ranges = [tuple(int(end, 16) for end in each.split("-")) for each in mapped]
    assert ranges
    assert all(any(first <= place < last for first, last in ranges) for place in held)


def test_embeddings_that_came_along() -> None:
    tensors = kohya("v1") | {
        "bundle_emb.cat.string_to_param.*": torch.ones(2, 768),
        "bundle_emb.big.dog.clip_l": torch.ones(1, 768),
        "bundle_emb.big.dog.clip_g": torch.ones(1, 1280),
    }
    adapter = adapter_of(tensors, {}, full_size("v1"))
    assert {word: set(each) for word, each in adapter.embeddings.items()} == {
        "cat": {"*"},
        "big.dog": {"clip_l", "clip_g"},
    }
    assert adapter.unmatched == ()


def test_alpha_from_the_metadata() -> None:
    tensors = {
        f"unet.{Q}.lora_A.weight": torch.ones(2, 320),
        f"unet.{Q}.lora_B.weight": torch.ones(320, 2),
        f"unet.{K}.lora_A.weight": torch.ones(4, 768),
        f"unet.{K}.lora_B.weight": torch.ones(320, 4),
    }
    said = {"unet.lora_alpha": 8, "unet.r": 2, "unet.alpha_pattern": {"^" + K: 1}}
    metadata = {"lora_adapter_metadata": json.dumps(said)}
    changes = adapter_of(tensors, metadata, full_size("v1")).parts["unet"]
    scales = [factors.scale for name in (Q, K) if (factors := changes[f"{name}.weight"].factors)]
    assert scales == [4, 0.25]
    said["unet.alpha_pattern"] = {"(a+)+b": 1}
    with pytest.raises(CheckpointError, match="alpha_pattern of the adapter's config names"):
        adapter_of(tensors, {"lora_adapter_metadata": json.dumps(said)}, full_size("v1"))


def test_an_inpainting_model_takes_adapters_of_its_family() -> None:
    tensors = kohya("v1") | lora("conv_in", (2, 4, 3, 3), (320, 2, 1, 1))
    adapter = adapter_of(tensors, {}, full_size("inpainting"))
    assert len(adapter.parts["unet"]) == 193
    assert adapter.unmatched == ()
