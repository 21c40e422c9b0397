"""Lines of present-day scripts about networks, run in the reference libraries and here."""

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
import transformers
from diffusers.models import attention_processor
from torch import Tensor

from kakusan.errors import CheckpointError, NotYetError, RequestError, UnknownArgumentError
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel, UNetOutput
from tests.models.comparing import assert_near, noise
from tests.oracle import tiny

# Each is evaluated with the networks `unet`, `vae` and `text`, latents `x`, `e`, embeddings, and
# `ids`.
EXPRESSIONS = [
    "unet.num_parameters(), vae.num_parameters(), text.num_parameters()",
    "unet.num_parameters(only_trainable=True)",
    "sum(p.numel() for p in unet.parameters())",
    "str(unet.dtype), str(vae.dtype), str(text.dtype), str(unet.device)",
    "unet.config['in_channels'], unet.config.in_channels, unet.config.out_channels",
    "unet.config.get('in_channels'), unet.config.get('no_such_thing', 5)",
    "'in_channels' in unet.config, 'no_such_thing' in unet.config",
    "unet.config.sample_size, unet.config['sample_size']",
    "unet.config.sample_size * 2 ** (len(vae.config.block_out_channels) - 1)",
    "list(unet.config.block_out_channels), unet.config.cross_attention_dim",
    "unet.config.layers_per_block, list(unet.config.down_block_types)",
    "unet.config.time_cond_proj_dim, unet.config.class_embed_type",
    "unet.config.addition_embed_type, unet.config.encoder_hid_dim_type",
    "unet.config.only_cross_attention, unet.config.mid_block_type, unet.config.upcast_attention",
    "unet.config.num_class_embeds, unet.config.act_fn, unet.config.conv_in_kernel",
    "dict(unet.config)['in_channels'], {**unet.config}['norm_num_groups']",
    "hasattr(unet.config, 'sample_size'), hasattr(unet.config, 'no_such_thing')",
    "vae.config.scaling_factor, vae.config['scaling_factor'], vae.config.latent_channels",
    "list(vae.config.block_out_channels), list(vae.config['block_out_channels'])",
    "getattr(vae.config, 'shift_factor', None), vae.config.get('latents_mean')",
    "vae.config.use_quant_conv, vae.config.mid_block_add_attention, vae.config.sample_size",
    "hasattr(vae.config, 'latents_mean') and vae.config.latents_mean is not None",
    "text.config.hidden_size, text.config.num_hidden_layers, text.config.max_position_embeddings",
    "hasattr(text.config, 'use_attention_mask') and text.config.use_attention_mask",
    "text.config.to_dict()['hidden_size'], text.config.projection_dim, text.config.vocab_size",
    "unet(x, 500, e).sample",
    "unet(x, 500, e)[0]",
    "unet(x, 500, e)['sample']",
    "unet(x, torch.tensor(500), encoder_hidden_states=e, return_dict=False)[0]",
    "unet(x, torch.tensor([500]), encoder_hidden_states=e).sample",
    "unet(sample=x, timestep=500, encoder_hidden_states=e).sample",
    "unet(x, 500, encoder_hidden_states=e, timestep_cond=None, cross_attention_kwargs=None, "
    "added_cond_kwargs=None, return_dict=False)[0]",
    "unet(x, 500, encoder_hidden_states=e, class_labels=None, attention_mask=None, "
    "encoder_attention_mask=None, cross_attention_kwargs={}, added_cond_kwargs={}).sample",
    "unet(x, 500, e, down_block_additional_residuals=None, "
    "mid_block_additional_residual=None, down_intrablock_additional_residuals=None).sample",
    "list(unet(x, 500, e).keys()), unet(x, 500, e).to_tuple()[0].shape",
    "vae.encode(pixels).latent_dist.mean",
    "vae.encode(pixels).latent_dist.mode() * vae.config.scaling_factor",
    "vae.encode(pixels).latent_dist.sample(torch.Generator().manual_seed(0))",
    "vae.encode(pixels).latent_dist.sample(generator=torch.Generator().manual_seed(0))",
    "vae.encode(pixels, return_dict=False)[0].mode()",
    "vae.encode(pixels, False)[0].std",
    "vae.encode(pixels)['latent_dist'].logvar",
    "vae.encode(pixels).latent_dist.parameters, vae.encode(pixels).latent_dist.kl()",
    "vae.decode(x / vae.config.scaling_factor).sample",
    "vae.decode(x, return_dict=False)[0]",
    "vae.decode(x, return_dict=False, generator=torch.Generator())[0]",
    "vae.decode(x)['sample']",
    "vae(pixels).sample",
    "sorted(unet.attn_processors.keys()), len(unet.attn_processors)",
    "sorted(vae.attn_processors)",
    "{type(each).__name__ for each in unet.attn_processors.values()}",
    "text(ids)[0], text(ids)[-1]",
    "text(ids).last_hidden_state",
    "text(ids)['last_hidden_state']",
    "text(ids)['pooler_output'], text(ids).pooler_output",
    "text(input_ids=ids, attention_mask=None)[0]",
    "text(ids, attention_mask=mask)[0]",
    "text(ids, output_hidden_states=True).hidden_states[-2]",
    "text(ids, output_hidden_states=True)[-1][-2]",
    "len(text(ids, output_hidden_states=True).hidden_states)",
    "text(ids, return_dict=False)[0]",
    "text(ids, output_hidden_states=True, return_dict=False)[2][1]",
    "text(ids, position_ids=None, output_hidden_states=None)[0]",
    "text.get_input_embeddings().weight.detach()",
    "text.get_input_embeddings().num_embeddings",
    "layers(text).final_layer_norm(e)",
    "layers(text).final_layer_norm(text(ids, output_hidden_states=True).hidden_states[-2])",
    "layers(text).embeddings.token_embedding(ids)",
    "layers(text).embeddings.position_embedding.weight.detach()",
    "unet.training, vae.training, text.training",
    "vae.use_tiling, vae.use_slicing",
    "[p.requires_grad for p in unet.requires_grad_(False).parameters()][:1]",
]
# Run before `unet(x, 500, e)`, `vae.decode(x)` and `text(ids)`, which stay what they are
CALLS = [
    "unet.set_attn_processor(AttnProcessor2_0())",
    "unet.set_attn_processor(AttnProcessor())",
    "unet.set_default_attn_processor()",
    "unet.set_attn_processor(unet.attn_processors)",
    "vae.set_default_attn_processor()",
    "unet.fuse_qkv_projections(); unet.unfuse_qkv_projections()",
    "vae.fuse_qkv_projections()",
    "unet.set_attention_slice('auto')",
    "unet.set_attention_slice('max')",
    "unet.set_attention_slice(2)",
    "unet.disable_xformers_memory_efficient_attention()",
    "unet.enable_gradient_checkpointing(); vae.enable_gradient_checkpointing()",
    "unet.disable_gradient_checkpointing()",
    "text.gradient_checkpointing_enable()",
    "text.gradient_checkpointing_disable()",
    "unet.enable_freeu(s1=0.9, s2=0.2, b1=1.5, b2=1.6)",
    "unet.disable_freeu()",
    "vae.enable_slicing()",
    "vae.disable_slicing(); vae.disable_tiling()",
    "unet.eval(); vae.eval(); text.eval()",
    "unet.to(torch.float32).to('cpu')",
    "unet.requires_grad_(False); vae.requires_grad_(False); text.requires_grad_(False)",
    "unet.train(); unet.eval()",
]

Networks = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tiny_v1: Path) -> Path:
    return tiny_v1


def networks(folder: Path, unets: Any, vaes: Any, texts: Any) -> Networks:
    with tiny.quiet():
        loaded = {
            "unet": unets.from_pretrained(folder, subfolder="unet"),
            "vae": vaes.from_pretrained(folder, subfolder="vae"),
            "text": texts.from_pretrained(folder, subfolder="text_encoder"),
        }
    ids = torch.randint(5, 500, (2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[:, 6:] = 0
    return loaded | {
        "x": noise(2, 4, 8, 8),
        "e": noise(2, 7, 32, seed=1),
        "pixels": noise(1, 3, 32, 32, seed=2).clamp(-1, 1),
        "ids": ids,
        "mask": mask,
        # one level further down in older versions of the reference, and here in both ways
        "layers": lambda text: getattr(text, "text_model", text),
        "torch": torch,
        "AttnProcessor": attention_processor.AttnProcessor,
        "AttnProcessor2_0": attention_processor.AttnProcessor2_0,
    }


def ours_of(folder: Path) -> Networks:
    return networks(folder, UNet2DConditionModel, AutoencoderKL, CLIPTextModel)


def theirs_of(folder: Path) -> Networks:
    return networks(
        folder, diffusers.UNet2DConditionModel, diffusers.AutoencoderKL, transformers.CLIPTextModel
    )


@pytest.fixture(scope="module")
def both(folder: Path) -> tuple[Networks, Networks]:
    return ours_of(folder), theirs_of(folder)


@torch.no_grad()
def value(line: str, names: Networks) -> Any:
    with tiny.quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(line, dict(names))


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, Tensor):
        assert_near(found, expected)
    elif isinstance(expected, tuple):
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected


@pytest.mark.parametrize("line", EXPRESSIONS)
def test_lines(both: tuple[Networks, Networks], line: str) -> None:
    ours, theirs = both
    assert_same(value(line, ours), value(line, theirs))


@pytest.mark.parametrize("line", CALLS)
def test_calls_that_change_no_result(folder: Path, line: str) -> None:
    results: list[Any] = []
    for names in (ours_of(folder), theirs_of(folder)):
        with tiny.quiet(), torch.no_grad():
            exec(line, dict(names))
        results.append(value("(unet(x, 500, e).sample, vae.decode(x).sample, text(ids)[0])", names))
    assert_same(*results)


def test_calls_that_only_some_versions_or_machines_have_do_nothing(folder: Path) -> None:
    names = ours_of(folder)
    before = value("unet(x, 500, e).sample", names)
    unet = names["unet"]
    unet.enable_xformers_memory_efficient_attention()
    unet.enable_xformers_memory_efficient_attention(attention_op=None)
    unet.set_use_memory_efficient_attention_xformers(True)
    unet.enable_forward_chunking()
    unet.enable_forward_chunking(chunk_size=1, dim=1)
    unet.disable_forward_chunking()
    names["vae"].enable_tiling(False)
    assert names["vae"].use_tiling is False
    assert torch.equal(value("unet(x, 500, e).sample", names), before)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("unet.add_adapter(5, adapter_name='x')", "UNet2DConditionModel.add_adapter is not there"),
        ("vae.register_to_config(sample_size=9)", "AutoencoderKL.register_to_config is not there"),
        ("unet.set_attn_processor(torch.nn.Identity())", "'Identity' is not there yet"),
        ("unet.set_attn_processor({'a': AttnProcessor(), 'b': 5})", "'int' is not there yet"),
        ("unet(x, 500, e, class_labels=ids)", "class_labels=a tensor"),
        ("unet(x, 500, e, cross_attention_kwargs={'scale': 0.5})", "cross_attention_kwargs"),
        ("unet(x, 500, e, encoder_attention_mask=mask)", "encoder_attention_mask"),
        ("text(ids, output_attentions=True)", "output_attentions=True"),
        ("text(ids, position_ids=ids)", "position_ids=a tensor"),
    ],
)
def test_what_would_change_the_result_is_refused(both: Any, line: str, message: str) -> None:
    with pytest.raises(NotYetError, match=message) as caught:
        value(line, both[0])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("unet(x[:, :3], 500, e)", r"sample has shape \(2, 3, 8, 8\); this UNet takes"),
        ("unet(x[0], 500, e)", "sample has shape"),
        ("unet(x, 500, e[..., :9])", r"shape \(2, 7, 9\); this UNet takes \(batch, tokens, 32\)"),
        ("unet(x, 500, None)", "encoder_hidden_states: got None"),
        ("unet(x, 500, e, added_cond_kwargs={'time_ids': ids})", "text_embeds and time_ids"),
        ("unet(x, 500, e, mid_block_additional_residual=x)", "go together"),
        ("unet(x, 500, e, down_block_additional_residuals=[x])", "T2I-Adapter"),
        ("text(ids + 10000)", "resize_token_embeddings"),
        ("text(ids - 100)", "input_ids go from"),
        ("text.resize_token_embeddings(0)", "new_num_tokens is 0"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_in_one_line(
    both: Any, line: str, message: str
) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        value(line, both[0])
    assert "\n" not in str(caught.value)


def test_arguments_that_do_not_exist_are_named(both: Any) -> None:
    for line in ("unet(x, 500, e, class_label=None)", "text(ids, position_id=None)"):
        with pytest.raises(UnknownArgumentError):
            value(line, both[0])


@pytest.mark.parametrize("part", ["unet", "vae", "text"])
def test_configs_copy_and_pickle(both: Any, part: str) -> None:
    config = both[0][part].config
    for made in (copy.deepcopy(config), copy.copy(config), pickle.loads(pickle.dumps(config))):
        assert made == config
        assert hash(made) == hash(config)
    with pytest.raises(AttributeError, match="no field 'no_such_thing'"):
        _ = config.no_such_thing
    assert type(both[0][part]).from_config(dict(config)).config == config


@pytest.mark.parametrize("part", ["unet", "vae", "text"])
def test_gradient_checkpointing_leaves_gradients_as_they_are(folder: Path, part: str) -> None:
    lines = {"unet": "unet(x, 500, e).sample", "vae": "vae(pixels).sample", "text": "text(ids)[0]"}
    gradients: list[list[Tensor]] = []
    for on in (False, True):
        names = ours_of(folder)
        network = names[part]
        if on:
            network.enable_gradient_checkpointing()
        assert network.is_gradient_checkpointing is on
        eval(lines[part], names).square().mean().backward()
        gradients.append([p.grad for p in network.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1])
    for plain, again in zip(*gradients, strict=True):
        assert torch.allclose(plain, again, rtol=1e-4, atol=1e-6)


def test_new_tokens_have_their_room(folder: Path, tmp_path: Path) -> None:
    names = ours_of(folder)
    text, before = names["text"], value("text(ids)[0]", names)
    size = text.config.vocab_size
    made = text.resize_token_embeddings(size + 2)
    assert made is text.get_input_embeddings()
    assert text.config.vocab_size == made.num_embeddings == size + 2
    assert text.resize_token_embeddings() is made
    assert torch.equal(value("text(ids)[0]", names), before)
    made.weight.data[size] = 0.1
    with torch.no_grad():
        found = text(torch.tensor([[5, size, 6]]))[0]
    text.save_pretrained(tmp_path)
    with tiny.quiet():
        theirs = transformers.CLIPTextModel.from_pretrained(tmp_path)
    with torch.no_grad():
        assert_near(found, theirs(torch.tensor([[5, size, 6]]))[0])
    assert CLIPTextModel.from_pretrained(tmp_path).config == text.config


def test_results_are_compiled_with_their_names() -> None:
    @torch.compile(backend="eager", fullgraph=True)
    def doubled(x: Tensor) -> UNetOutput:
        return UNetOutput(UNetOutput(2 * x).sample + UNetOutput(x)[0])

    x = noise(2)
    result: Any = doubled(x)
    assert torch.equal(result["sample"], 3 * x)
    assert result[0] is result.sample
    assert (result.keys(), len(result)) == (["sample"], 1)
    with pytest.raises(KeyError):
        result["prev_sample"]


def test_networks_are_made_from_keywords() -> None:
    unet: Any = {
        "sample_size": 8,
        "layers_per_block": 1,
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 32,
    }
    vae: Any = {
        "block_out_channels": (32, 64),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
    }
    for kind, fields in ((UNet2DConditionModel, unet), (AutoencoderKL, vae), (AutoencoderKL, {})):
        ours: Any = kind(**fields)
        theirs = getattr(diffusers, kind.__name__)(**fields)
        assert ours.num_parameters() == theirs.num_parameters()
        assert kind.from_config(ours.config).config == ours.config
    with pytest.raises(CheckpointError, match="'sample_sise' is not known"):
        UNet2DConditionModel(sample_sise=8)  # pyright: ignore
    with pytest.raises(RequestError, match="takes a config or its JSON, not 5"):
        CLIPTextModel(5)  # pyright: ignore
