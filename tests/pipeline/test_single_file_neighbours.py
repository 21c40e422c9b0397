"""What trainings and other programs leave in a file beside a model's weights goes by."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kakusan import AutoencoderKL, StableDiffusionPipeline
from kakusan.errors import CheckpointError
from kakusan.pipeline.convert import convert
from tests.oracle import single

SCHEDULE = (
    *("alphas_cumprod", "alphas_cumprod_prev", "betas", "sqrt_alphas_cumprod", "logvar"),
    *("sqrt_one_minus_alphas_cumprod", "log_one_minus_alphas_cumprod", "posterior_variance"),
    *("sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod", "posterior_mean_coef1"),
    *("posterior_log_variance_clipped", "posterior_mean_coef2"),
)
LOSS = {
    "loss.logvar": torch.zeros(()),
    "loss.discriminator.main.0.weight": torch.zeros(4, 3, 4, 4),
    "loss.discriminator.main.3.num_batches_tracked": torch.tensor(7),
    "loss.perceptual_loss.net.slice1.0.weight": torch.zeros(4, 3, 3, 3),
    "discriminator.main.0.weight": torch.zeros(4, 3, 4, 4),
    "model_ema.decay": torch.tensor(0.9999),
    "model_ema.encoderconv_inweight": torch.zeros(4),
}


def neighbours() -> dict[str, Tensor]:
    """One of each, as files have them."""
    text = "cond_stage_model.transformer.text_model."
    return {
        **{name: torch.linspace(0.1, 0.9, 8) for name in SCHEDULE},
        **{f"first_stage_model.{name}": tensor for name, tensor in LOSS.items()},
        **LOSS,
        "scale_factor": torch.tensor(0.18215),
        "model_ema.num_updates": torch.tensor(7),
        "model_ema.diffusion_modelinput_blocks00weight": torch.ones(4, 4, 3, 3),
        "denoiser.sigmas": torch.ones(10),
        "logit_scale": torch.tensor(4.6),
        "cond_stage_model.logit_scale": torch.tensor(4.6),
        f"{text}embeddings.position_ids": torch.arange(77.0)[None],
        f"{text}encoder.rotary.inv_freq": torch.ones(8),
        "cond_stage_model.model.visual.conv1.weight": torch.zeros(4, 3, 2, 2),
        "optimizer.state.0.exp_avg": torch.zeros(4),
        "lr_schedulers.0.last": torch.zeros(1),
        "callbacks.ema.weight": torch.zeros(1),
        "v_of_someone.else": torch.zeros(3),
        "safety_checker.concept_embeds": torch.zeros(17, 8),
        "lora_unet_left_behind.lora_up.weight": torch.zeros(4, 4),
        "params_ema.weight": torch.zeros(2),
    }


def shuffled(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    order = torch.randperm(len(tensors), generator=torch.Generator().manual_seed(3)).tolist()
    items = list(tensors.items())
    return dict(items[index] for index in order)


def as_safetensors(path: Path, tensors: dict[str, Tensor]) -> Path:
    return single.write(path.with_suffix(".safetensors"), tensors)


def as_lightning(path: Path, tensors: dict[str, Tensor]) -> Path:
    found = path.with_suffix(".ckpt")
    whole = {"epoch": 3, "global_step": 10, "pytorch-lightning_version": "1.4.2"}
    whole |= {"callbacks": {}, "lr_schedulers": [], "optimizer_states": [{"state": {}}]}
    torch.save({**whole, "state_dict": tensors, "hyper_parameters": {"lr": 1e-4}}, found)
    return found


@pytest.fixture(scope="module")
def v1() -> dict[str, Tensor]:
    return single.v1_tensors(single.v1())


@pytest.mark.parametrize("write", [as_safetensors, as_lightning])
def test_a_model_with_all_of_them_loads_as_without(
    tmp_path: Path, v1: dict[str, Tensor], write: Callable[[Path, dict[str, Tensor]], Path]
) -> None:
    alone = StableDiffusionPipeline.from_single_file(as_safetensors(tmp_path / "alone", v1))
    pipe = StableDiffusionPipeline.from_single_file(
        write(tmp_path / "all", shuffled({**v1, **neighbours()}))
    )
    for part in ("unet", "vae", "text_encoder"):
        ours, theirs = (getattr(each, part).state_dict() for each in (pipe, alone))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs), part


@pytest.mark.parametrize("prefix", ["", "first_stage_model."])
def test_a_vae_with_its_training_loads_as_without(
    tmp_path: Path, v1: dict[str, Tensor], prefix: str
) -> None:
    head = "first_stage_model."
    vae = {n.removeprefix(head): tensor for n, tensor in v1.items() if n.startswith(head)}
    given = shuffled({prefix + name: tensor for name, tensor in {**vae, **LOSS}.items()})
    loaded = AutoencoderKL.from_single_file(as_safetensors(tmp_path / "vae", given))
    alone = AutoencoderKL.from_single_file(as_safetensors(tmp_path / "alone", vae))
    theirs = alone.state_dict()
    assert all(torch.equal(tensor, theirs[n]) for n, tensor in loaded.state_dict().items())


def test_what_the_unet_has_and_nobody_knows_is_said(tmp_path: Path, v1: dict[str, Tensor]) -> None:
    odd = {**v1, "model.diffusion_model.extra.weight": torch.zeros(3)}
    with pytest.raises(CheckpointError, match=r"unet.*model\.diffusion_model\.extra\.weight"):
        StableDiffusionPipeline.from_single_file(as_safetensors(tmp_path / "odd", odd))


def test_a_folder_gets_none_of_a_vae_s_training(tmp_path: Path, v1: dict[str, Tensor]) -> None:
    head = "first_stage_model."
    path = as_safetensors(tmp_path / "m", {**v1, **{head + n: t for n, t in LOSS.items()}})
    done = convert(path, tmp_path / "folder")
    assert any(each.startswith(f"{len(LOSS)} tensors of the training") for each in done.dropped)


def test_flags_may_stand_under_the_unet_s_prefix(tmp_path: Path, v1: dict[str, Tensor]) -> None:
    flags = {f"model.diffusion_model.{name}": torch.zeros(0) for name in ("v_pred", "ztsnr")}
    pipe = StableDiffusionPipeline.from_single_file(as_safetensors(tmp_path / "v", {**v1, **flags}))
    assert pipe.scheduler.config.prediction_type == "v_prediction"
