"""What adapters' files say of themselves, without loading anything."""

import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from kakusan.checkpoints.adapters.facts import frequent_tags
from kakusan.checkpoints.facts import facts_of_other, hashes_of
from tests.checkpoints.adapters.networks import full_size, pair, text_layers, unet_layers

TAGS = {
    "10_cat": {"1cat": 10, "grass": 4, "sitting": 3},
    "5_cat": {"1cat": 5, "grass": 5, "": 9, "bad": "many"},
    "broken": 7,
}
METADATA = {
    "ss_output_name": "my-cat",
    "ss_sd_model_name": "v1-5-pruned.safetensors",
    "ss_base_model_version": "sd_v1",
    "ss_tag_frequency": json.dumps(TAGS),
    "modelspec.trigger_phrase": "1cat",
    "modelspec.license": "CC0",
    "sshs_model_hash": "abc123",
}


def kohya(family: str, alpha: float, dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    shapes = full_size(family)
    tensors: dict[str, Tensor] = {}
    prefixes = {"text_encoder": "lora_te1_" if family == "sdxl" else "lora_te_"}
    prefixes |= {"unet": "lora_unet_", "text_encoder_2": "lora_te2_"}
    for part, parameters in shapes.items():
        if part == "unet":
            layers = unet_layers(family, original=family == "sdxl")
        else:
            count = sum(name.endswith("mlp.fc1.weight") for name in parameters)
            layers = {name: f"text_model.{name}" for name in text_layers(count)}
        for ours, theirs in layers.items():
            stem = prefixes[part] + theirs.replace(".", "_")
            down, up = pair(parameters[f"{ours}.weight"], 1)
            tensors[f"{stem}.lora_down.weight"] = down.to(dtype)
            tensors[f"{stem}.lora_up.weight"] = up.to(dtype)
            tensors[f"{stem}.alpha"] = torch.tensor(alpha, dtype=dtype)
    return tensors


@pytest.mark.parametrize(
    ("family", "name", "layers"),
    [
        ("v1", "Stable Diffusion 1 LoRA", "192 in unet, 72 in text_encoder"),
        ("v2", "Stable Diffusion 2 LoRA", "192 in unet, 138 in text_encoder"),
        ("sdxl", "SDXL LoRA", "722 in unet, 72 in text_encoder, 192 in text_encoder_2"),
    ],
)
def test_kohyas_files(tmp_path: Path, family: str, name: str, layers: str) -> None:
    path = tmp_path / "cat.safetensors"
    save_file(kohya(family, 0.5), path, metadata=METADATA)
    facts = facts_of_other(path)
    assert facts is not None
    assert (facts.family, facts.precision) == (name, "float16")
    assert facts.said == {
        "trigger words": "1cat",
        "licence": "CC0",
        "rank": "1",
        "alpha": "0.5",
        "layers": layers,
        "output name": "my-cat",
        "trained on": "v1-5-pruned.safetensors",
        "base model": "sd_v1",
        "recorded hash": "abc123",
        "frequent tags": "1cat, grass, sitting",
    }


def test_the_hash_of_the_tensors_alone(tmp_path: Path) -> None:
    """AUTOMATIC1111 calls a LoRA by it, whatever the metadata says."""
    tensors = {
        "lora_unet_conv_in.diff": torch.randn(3, 4),
        "lora_unet_conv_in.diff_b": torch.ones(3),
    }
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file(tensors, first)
    save_file(tensors, second, metadata={"ss_output_name": "other"})
    data = second.read_bytes()
    begins = 8 + struct.unpack("<Q", data[:8])[0]
    wanted = hashlib.sha256(data[begins:]).hexdigest()[:12]
    hashes = [hashes_of(path) for path in (first, second)]
    assert [each["lora hash"] for each in hashes] == [wanted, wanted]
    assert hashes[1]["sha256"] == hashlib.sha256(data).hexdigest()
    assert hashes[0]["hash"] != hashes[1]["hash"]
    save_file({"first_stage_model.x": torch.ones(2)}, first)
    assert "lora hash" not in hashes_of(first)


STEM = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
SIDES = {"a": (320, 4), "b": (4, 768)}
KINDS: dict[str, tuple[dict[str, tuple[int, ...]], str]] = {
    "LoHa": (
        {f"hada_w{n}_{side}": shape for n in (1, 2) for side, shape in SIDES.items()},
        "4",
    ),
    "LoKr": ({"lokr_w1": (16, 24), "lokr_w2_a": (20, 5), "lokr_w2_b": (5, 32)}, "5"),
    "DoRA": ({"lora_A.weight": (2, 768), "lora_B.weight": (320, 2), "dora_scale": (1, 768)}, "2"),
    "OFT": ({"oft_blocks": (4, 80, 80)}, ""),
    "BOFT": ({"oft_blocks": (2, 4, 80, 80)}, ""),
    "IA3": ({"weight": (320,), "on_input": ()}, ""),
    "GLoRA": ({"a1.weight": (768, 4), "a2.weight": (4, 768), "b1.weight": (320, 4),
               "b2.weight": (4, 768)}, ""),
    "full difference": ({"diff": (320, 768)}, ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_are_told(tmp_path: Path, kind: str) -> None:
    shapes, rank = KINDS[kind]
    path = tmp_path / "x.safetensors"
    save_file({f"{STEM}.{key}": torch.zeros(shape) for key, shape in shapes.items()}, path)
    facts = facts_of_other(path)
    assert facts is not None
    assert facts.family is not None
    assert facts.family.endswith(kind)
    assert facts.said.get("rank", "") == rank
    assert facts.said["layers"] == "1 in unet"


@pytest.mark.parametrize("text", ["", "[]", "7", "[" * 100_000, '{"a": {"b": 1e400}}', '{"a": []}'])
def test_tags_that_lie(text: str) -> None:
    assert frequent_tags({"ss_tag_frequency": text}) == []


def test_facts_need_no_torch(tmp_path: Path) -> None:
    paths: list[str] = []
    for name, dtype in (("a", torch.float16), ("b", torch.bfloat16), ("c", torch.float32)):
        path = tmp_path / f"{name}.safetensors"
        save_file(kohya("v1", 1.5, dtype), path)
        paths.append(str(path))
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from kakusan.checkpoints.facts import facts_of_other\n"
        "print([facts_of_other(Path(each)).said['alpha'] for each in sys.argv[1:]])\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *paths], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['1.5', '1.5', '1.5']\nFalse\n"
