"""Every name that files have for a layer leads to it: in models of full size."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kakusan.checkpoints.adapters.reading import adapter_of
from tests.checkpoints.adapters.networks import full_size, pair, text_layers, unet_layers

Named = Callable[[str], tuple[str, str]]


def kohya(prefix: str) -> Named:
    def named(layer: str) -> tuple[str, str]:
        stem = prefix + layer.replace(".", "_")
        return f"{stem}.lora_down.weight", f"{stem}.lora_up.weight"

    return named


def dotted(prefix: str, down: str, up: str) -> Named:
    return lambda layer: (f"{prefix}{layer}{down}", f"{prefix}{layer}{up}")


def processor(prefix: str) -> Named:
    """As the reference named the layers of an attention, before it named all layers."""

    def named(layer: str) -> tuple[str, str]:
        head, _, last = layer.removesuffix(".0").rpartition(".")
        stem = f"{prefix}{head}.processor.{last}_lora"
        return f"{stem}.down.weight", f"{stem}.up.weight"

    return named


PEFT = (".lora_A.weight", ".lora_B.weight")
DEFAULT = (".lora_A.default.weight", ".lora_B.default.weight")
LINEAR = (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight")
PLAIN = (".lora.down.weight", ".lora.up.weight")
UNET: dict[str, Named] = {
    "kohya": kohya("lora_unet_"),
    "lycoris": kohya("lycoris_"),
    "peft": dotted("unet.", *PEFT),
    "peft, its own": dotted("base_model.model.", *DEFAULT),
    "peft in a pipeline": dotted("base_model.model.unet.", *PEFT),
    "without a prefix": dotted("", *PEFT),
    "named": dotted("unet.", ".lora_A.my-style.weight", ".lora_B.my-style.weight"),
    "plain": dotted("unet.", *PLAIN),
    "comfyui": dotted("diffusion_model.", ".lora_down.weight", ".lora_up.weight"),
}
TEXT: dict[str, Named] = {
    "kohya": kohya("lora_te_text_model_"),
    "kohya, as of XL": kohya("lora_te1_text_model_"),
    "lycoris": kohya("lycoris_text_model_"),
    "peft": dotted("text_encoder.text_model.", *PEFT),
    "peft, its own": dotted("base_model.model.text_model.", *DEFAULT),
    "today": dotted("text_encoder.", *PEFT),
    "linear": dotted("text_encoder.text_model.", *LINEAR),
    "without a prefix": dotted("text_model.", *LINEAR),
    "comfyui": dotted("text_encoders.clip_l.transformer.text_model.", *PEFT),
}


def made(family: str, part: str, layers: dict[str, str], named: Named) -> dict[str, Tensor]:
    shapes = full_size(family)[part]
    tensors: dict[str, Tensor] = {}
    for ours, theirs in layers.items():
        tensors.update(zip(named(theirs), pair(shapes[f"{ours}.weight"]), strict=True))
    return tensors


def found(family: str, tensors: dict[str, Tensor]) -> dict[str, set[str]]:
    adapter = adapter_of(tensors, {}, full_size(family))
    assert adapter.unmatched == ()
    return {part: set(changes) for part, changes in adapter.parts.items()}


def weights(layers: object) -> set[str]:
    return {f"{layer}.weight" for layer in layers}  # pyright: ignore


@pytest.mark.parametrize("original", [False, True])
@pytest.mark.parametrize("form", UNET)
@pytest.mark.parametrize(("family", "count"), [("v1", 192), ("v2", 192), ("sdxl", 722)])
def test_a_unets_layers(family: str, count: int, form: str, original: bool) -> None:
    layers = unet_layers(family, original=original)
    assert len(layers) == count
    tensors = made(family, "unet", layers, UNET[form])
    assert len(tensors) == 2 * count
    assert found(family, tensors) == {"unet": weights(layers)}


@pytest.mark.parametrize("prefix", ["unet.", ""])
def test_attention_processors_of_old(prefix: str) -> None:
    layers = {name: name for name in unet_layers("v1") if ".attn" in name}
    assert len(layers) == 128
    tensors = made("v1", "unet", layers, processor(prefix))
    assert found("v1", tensors) == {"unet": weights(layers)}


@pytest.mark.parametrize("form", TEXT)
@pytest.mark.parametrize(("family", "count"), [("v1", 72), ("v2", 138)])
def test_a_text_encoders_layers(family: str, count: int, form: str) -> None:
    names = text_layers(count // 6)
    assert len(names) == count
    tensors = made(family, "text_encoder", dict(zip(names, names, strict=True)), TEXT[form])
    assert found(family, tensors) == {"text_encoder": weights(names)}


def test_a_text_encoders_attention_of_old() -> None:
    names = [name for name in text_layers(12) if ".self_attn." in name]
    old = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}
    layers = {name: f"{(head := name.rpartition('.'))[0]}.{old[head[2]]}" for name in names}
    named = dotted("text_encoder.text_model.", "_lora.down.weight", "_lora.up.weight")
    tensors = made("v1", "text_encoder", layers, named)
    assert found("v1", tensors) == {"text_encoder": weights(names)}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (kohya("lora_te1_text_model_"), kohya("lora_te2_text_model_")),
        (
            dotted("text_encoder.text_model.", *PEFT),
            dotted("text_encoder_2.text_model.", *PEFT),
        ),
        (
            dotted("text_encoders.clip_l.transformer.text_model.", *PEFT),
            dotted("text_encoders.clip_g.transformer.text_model.", *PEFT),
        ),
    ],
)
def test_the_two_text_encoders_of_sdxl(first: Named, second: Named) -> None:
    small, large = text_layers(12), text_layers(32)
    tensors = made("sdxl", "text_encoder", dict(zip(small, small, strict=True)), first)
    tensors |= made("sdxl", "text_encoder_2", dict(zip(large, large, strict=True)), second)
    assert found("sdxl", tensors) == {
        "text_encoder": weights(small),
        "text_encoder_2": weights(large),
    }


@pytest.mark.parametrize(
    ("family", "part", "prefix"),
    [("v2", "text_encoder", "lora_te_"), ("sdxl", "text_encoder_2", "lora_te2_")],
)
def test_openclips_names(family: str, part: str, prefix: str) -> None:
    """Queries, keys and values are the thirds of one layer's rows there."""
    shapes = full_size(family)[part]
    width = shapes["encoder.layers.0.self_attn.q_proj.weight"][0]
    generator = torch.Generator().manual_seed(0)
    down = torch.randn(2, width, generator=generator)
    up = torch.randn(3 * width, 2, generator=generator)
    fc = torch.randn(width, 2, generator=generator)
    stem = f"{prefix}transformer_resblocks_1"
    tensors = {
        f"{stem}_attn_in_proj.lora_down.weight": down,
        f"{stem}_attn_in_proj.lora_up.weight": up,
        f"{stem}_mlp_c_fc.lora_down.weight": down,
        f"{stem}_mlp_c_fc.lora_up.weight": torch.cat([up, fc]),
    }
    changes = adapter_of(tensors, {}, full_size(family)).parts[part]
    assert set(changes) == weights(
        f"encoder.layers.1.{name}"
        for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.fc1")
    )
    whole = up @ down
    for number, name in enumerate(("q_proj", "k_proj", "v_proj")):
        key = f"encoder.layers.1.self_attn.{name}.weight"
        third = changes[key].delta(torch.zeros(shapes[key]))
        assert torch.equal(third, whole[number * width : (number + 1) * width])


RESNET = {
    "conv1": "in_layers.2",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
    "norm1": "in_layers.0",
    "norm2": "out_layers.0",
}
ELSEWHERE = {
    "v1": {
        "conv_in": "input_blocks.0.0",
        "conv_out": "out.2",
        "conv_norm_out": "out.0",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "down_blocks.0.downsamplers.0.conv": "input_blocks.3.0.op",
        "up_blocks.0.upsamplers.0.conv": "output_blocks.2.1.conv",
        "up_blocks.1.upsamplers.0.conv": "output_blocks.5.2.conv",
        "mid_block.resnets.1.conv1": "middle_block.2.in_layers.2",
        **{f"down_blocks.1.resnets.0.{a}": f"input_blocks.4.0.{b}" for a, b in RESNET.items()},
        **{f"up_blocks.3.resnets.2.{a}": f"output_blocks.11.0.{b}" for a, b in RESNET.items()},
    },
    "sdxl": {
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
        "conv_in": "input_blocks.0.0",
        "down_blocks.1.downsamplers.0.conv": "input_blocks.6.0.op",
        "up_blocks.0.upsamplers.0.conv": "output_blocks.2.2.conv",
        "up_blocks.1.upsamplers.0.conv": "output_blocks.5.2.conv",
        **{f"up_blocks.2.resnets.0.{a}": f"output_blocks.6.0.{b}" for a, b in RESNET.items()},
    },
}


@pytest.mark.parametrize("family", ELSEWHERE)
@pytest.mark.parametrize("original", [False, True])
def test_layers_outside_the_attentions(family: str, original: bool) -> None:
    """Convolutions, embeddings of time and size, and normalisations: whole differences of them."""
    shapes = full_size(family)["unet"]
    tensors: dict[str, Tensor] = {}
    for ours, theirs in ELSEWHERE[family].items():
        stem = "lora_unet_" + (theirs if original else ours).replace(".", "_")
        tensors[f"{stem}.diff"] = torch.zeros(shapes[f"{ours}.weight"])
        tensors[f"{stem}.diff_b"] = torch.zeros(shapes[f"{ours}.bias"])
    adapter = adapter_of(tensors, {}, full_size(family))
    assert adapter.unmatched == ()
    wanted = {f"{ours}.{last}" for ours in ELSEWHERE[family] for last in ("weight", "bias")}
    assert set(adapter.parts["unet"]) == wanted


@pytest.mark.parametrize("family", ["v1", "v2", "sdxl"])
def test_no_two_layers_have_one_name(family: str) -> None:
    from kakusan.checkpoints.adapters.names import Place
    from kakusan.checkpoints.adapters.targets import Targets

    targets = Targets(full_size(family))
    for part, parameters in full_size(family).items():
        for name in parameters:
            layer = name.removesuffix(".weight").removesuffix(".bias")
            assert [each.layer for each in targets.find(Place(part, layer.replace(".", "_")))] == [
                layer
            ]
