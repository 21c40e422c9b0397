"""What peft and the reference library write changes our weights as it changes theirs."""

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import peft
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kakusan.checkpoints.adapters.adapter import Adapter
from kakusan.checkpoints.adapters.reading import read_adapter
from tests.checkpoints.adapters.networks import Shapes, shapes_of
from tests.oracle import tiny

Weights = dict[str, dict[str, Tensor]]
PARTS = ("unet", "text_encoder", "text_encoder_2")
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
CONVOLUTIONS = ["conv1", "conv2", "conv_shortcut", "time_emb_proj", "conv_in"]
TEXT = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(), tiny.quiet():
        warnings.simplefilter("ignore")
        yield


def networks(pipeline: Any) -> dict[str, nn.Module]:
    return {part: each for part in PARTS if (each := getattr(pipeline, part, None)) is not None}


def ours(name: str) -> str:
    return name.removeprefix("text_model.")


def numbers(pipeline: Any) -> Weights:
    """The pipeline's weights under our names."""
    return {
        part: {ours(name): each.detach().clone() for name, each in network.named_parameters()}
        for part, network in networks(pipeline).items()
    }


def shapes_in(before: Weights) -> Shapes:
    """Ours: the transformers' outer projections are linear layers."""
    found = {part: {n: tuple(e.shape) for n, e in each.items()} for part, each in before.items()}
    for name, shape in found["unet"].items():
        if ".proj_in.weight" in name or ".proj_out.weight" in name:
            found["unet"][name] = shape[:2]
    return found


def check(adapter: Adapter, before: Weights, after: Weights) -> None:
    """Every weight that the reference changed is changed alike, and no other."""
    assert adapter.unmatched == ()
    for part, weights in before.items():
        changes = adapter.parts.get(part, {})
        moved = {name for name, each in weights.items() if not torch.equal(each, after[part][name])}
        assert set(changes) == moved
        for name, change in changes.items():
            weight = weights[name]
            plain = weight.flatten(1) if ".proj_" in name and weight.ndim == 4 else weight
            made = (plain + change.delta(plain)).reshape(weight.shape)
            truth = after[part][name]
            assert (made - truth).abs().max() < 1e-5 * truth.abs().max()


def fused(pipeline: Any, file: Path) -> Weights:
    pipeline.load_lora_weights(str(file.parent), weight_name=file.name)
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    return numbers(pipeline)


def load(folder: Path) -> Any:
    return diffusers.DiffusionPipeline.from_pretrained(folder)


def drawn(network: nn.Module, seed: int) -> None:
    """Give adapters numbers, of which the half begins at nothing."""
    generator = torch.Generator().manual_seed(seed)
    for name, each in network.named_parameters():
        if "lora_magnitude" in name:
            each.data.mul_(1 + 0.3 * torch.rand(each.shape, generator=generator))
        elif "lora_" in name:
            each.data.copy_(torch.randn(each.shape, generator=generator) * 0.1)


@pytest.mark.parametrize(
    "settings",
    [
        {"r": 3, "lora_alpha": 3},
        {"r": 4, "lora_alpha": 10},
        {"r": 4, "lora_alpha": 10, "use_rslora": True},
        {"r": 4, "lora_alpha": 6, "use_dora": True},
        {"r": 4, "lora_alpha": 6, "rank_pattern": {"to_q": 2}, "alpha_pattern": {"to_k": 1}},
    ],
)
@pytest.mark.parametrize("family", ["tiny_v1", "tiny_xl"])
def test_what_the_reference_writes(
    family: str, settings: dict[str, Any], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Alpha is in the metadata, layer by layer where they differ."""
    pipeline = load(request.getfixturevalue(family))
    before = numbers(pipeline)
    layers: dict[str, Any] = {}
    config: dict[str, Any] = {}
    for number, (part, network) in enumerate(networks(pipeline).items()):
        targets = [*ATTENTION, "proj_in", "proj_out"] if part == "unet" else TEXT
        if settings.get("use_dora") and part != "unet":
            continue  # whose lengths transformers leaves in the file
        if part == "unet" and not settings.get("use_dora"):
            targets += CONVOLUTIONS
        lora = peft.LoraConfig(**settings, target_modules=targets, init_lora_weights="gaussian")
        network.add_adapter(lora)
        drawn(network, number)
        layers[f"{part}_lora_layers"] = peft.get_peft_model_state_dict(network)
        config[f"{part}_lora_adapter_metadata"] = network.peft_config["default"].to_dict()
    type(pipeline).save_lora_weights(tmp_path, **layers, **config)
    file = tmp_path / "pytorch_lora_weights.safetensors"
    after = fused(load(request.getfixturevalue(family)), file)
    check(read_adapter(file, shapes_in(before)), before, after)


@pytest.mark.parametrize(
    ("family", "dtype"),
    [("tiny_v1", torch.float32), ("tiny_v2", torch.float16), ("tiny_xl", torch.bfloat16)],
)
def test_kohyas_files(
    family: str, dtype: torch.dtype, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    pipeline = load(request.getfixturevalue(family))
    before = numbers(pipeline)
    generator = torch.Generator().manual_seed(3)
    tensors: dict[str, Tensor] = {}
    prefixes = {"unet": "lora_unet_", "text_encoder": "lora_te_", "text_encoder_2": "lora_te2_"}
    if "text_encoder_2" in before:
        prefixes["text_encoder"] = "lora_te1_"
    ends = tuple(f"{name}.weight" for name in (*ATTENTION, "proj_in", "proj_out", "ff.net.2"))
    convolutions = tuple(f"{name}.weight" for name in CONVOLUTIONS[:-1])
    for part, weights in before.items():
        wanted = (*ends, *convolutions) if part == "unet" else tuple(f"{n}.weight" for n in TEXT)
        for name, weight in weights.items():
            if not name.endswith(wanted):
                continue
            inner = f"text_model.{name}" if part != "unet" else name
            stem = prefixes[part] + inner.removesuffix(".weight").replace(".", "_")
            out, *rest = weight.shape
            one = [1] * (len(rest) - 1)
            down = torch.randn(2, *rest, generator=generator) * 0.1
            up = torch.randn(out, 2, *one, generator=generator) * 0.1
            tensors[f"{stem}.lora_down.weight"] = down.to(dtype)
            tensors[f"{stem}.lora_up.weight"] = up.to(dtype)
            tensors[f"{stem}.alpha"] = torch.tensor(1.5, dtype=dtype)
    file = tmp_path / "style.safetensors"
    save_file(tensors, file)
    after = fused(pipeline, file)
    check(read_adapter(file, shapes_in(before)), before, after)


def peft_kinds() -> dict[str, Callable[[], Any]]:
    return {
        "lora": lambda: peft.LoraConfig(r=3, lora_alpha=7, target_modules=ATTENTION),
        "lora rs": lambda: peft.LoraConfig(
            r=3, lora_alpha=7, use_rslora=True, target_modules=ATTENTION
        ),
        "dora": lambda: peft.LoraConfig(
            r=3, lora_alpha=7, use_dora=True, target_modules=[*ATTENTION, "conv1", "conv_shortcut"]
        ),
        "loha": lambda: peft.LoHaConfig(
            r=3, alpha=7, target_modules=[*ATTENTION, "conv1"], init_weights=False
        ),
        "loha cores": lambda: peft.LoHaConfig(
            r=3,
            alpha=7,
            target_modules=["conv1"],
            init_weights=False,
            use_effective_conv2d=True,
        ),
        "lokr": lambda: peft.LoKrConfig(
            r=3, alpha=7, target_modules=[*ATTENTION, "conv1"], init_weights=False
        ),
        "lokr both": lambda: peft.LoKrConfig(
            r=1, alpha=3, target_modules=ATTENTION, decompose_both=True, init_weights=False
        ),
        "ia3": lambda: peft.IA3Config(
            target_modules=[*ATTENTION, "proj_in", "proj_out", "conv1", "conv2", "ff.net.2"],
            feedforward_modules=["proj_out", "conv2", "ff.net.2"],
            init_ia3_weights=False,
        ),
    }


@pytest.mark.parametrize("kind", peft_kinds())
def test_pefts_own_folders(kind: str, tmp_path: Path) -> None:
    """`adapter_model.safetensors`, whose alpha is in the config beside it."""
    network = tiny.unet()
    before = {"unet": {name: each.detach().clone() for name, each in network.named_parameters()}}
    model = peft.get_peft_model(network, peft_kinds()[kind]())
    if kind.startswith(("lora", "dora")):
        drawn(model, 5)
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["peft_type"]
    merged = model.merge_and_unload()
    after = {"unet": {name: each.detach() for name, each in merged.named_parameters()}}
    adapter = read_adapter(tmp_path / "adapter_model.safetensors", shapes_in(before))
    check(adapter, before, after)


def test_shapes_are_those_of_our_networks() -> None:
    """This file's shapes are made of the reference's networks."""
    from kakusan.models.unet import UNet2DConditionModel
    from kakusan.models.unet.config import UNetConfig

    network = tiny.unet()
    made = UNet2DConditionModel(UNetConfig.from_published(dict(network.config)))
    theirs = {name: each.detach() for name, each in network.named_parameters()}
    assert shapes_in({"unet": theirs})["unet"] == shapes_of(made)
