"""What LyCORIS's own modules write changes weights as they do (tests/oracle/lycoris.py)."""

import pytest
from safetensors.torch import load_file
from torch import Tensor

from kakusan.checkpoints.adapters.reading import adapter_of
from tests.oracle import lycoris

LAYERS = {
    "linear": "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k",
    "kernel": "down_blocks.0.resnets.0.conv1",
    "point": "down_blocks.0.resnets.0.conv_shortcut",
}
KEPT = load_file(lycoris.FILE)
CASES = sorted({tuple(name.split("/")[:2]) for name in KEPT})


def kept(*path: str) -> dict[str, Tensor]:
    start = "/".join(path) + "/"
    return {key.removeprefix(start): each for key, each in KEPT.items() if key.startswith(start)}


def test_every_algorithm_is_there() -> None:
    assert {case for case, _ in CASES} == lycoris.CASES.keys()


@pytest.mark.parametrize(("case", "layer"), CASES)
def test_changes_are_lycoris_own(case: str, layer: str) -> None:
    name = f"{LAYERS[layer]}.weight"
    weight = KEPT[f"{case}/{layer}/weight"]
    shapes = {name: tuple(weight.shape), name.replace("weight", "bias"): (len(weight),)}
    stem = "lycoris_" + LAYERS[layer].replace(".", "_")
    tensors = {f"{stem}.{key}": each for key, each in kept(case, layer, "file").items()}
    adapter = adapter_of(tensors, {}, {"unet": shapes})
    assert adapter.unmatched == ()
    truth = KEPT[f"{case}/{layer}/change"]
    change = adapter.parts["unet"][name].delta(weight)
    assert (change - truth).abs().max() < 1e-5 * truth.abs().max()
