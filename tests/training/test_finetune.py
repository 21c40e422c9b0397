"""Fine-tuning: LoRA changes little and is read by the reference; the UNet's way writes a folder."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from kakusan.cli import main
from kakusan.errors import CheckpointError, InputError
from kakusan.pipeline import StableDiffusionPipeline
from kakusan.text import PromptCutWarning
from kakusan.training.finetune import FineTuneStage, fine_tune_lora
from kakusan.training.folder import PictureFolder
from kakusan.training.lora import LoRALinear, adapt
from kakusan.training.pace import StageSettings

SETTINGS = StageSettings(
    steps=6, batch_size=2, learning_rate=3e-2, warmup_steps=1, ema_decay=0.5, sample_every=100
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.oracle import tiny

    folder = tmp_path_factory.mktemp("model")
    tiny.write_pipeline(folder, tiny.V1)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        values = rng.integers(0, 255, (40, 40, 3)).astype(np.uint8)
        Image.fromarray(values).save(path / f"{index}.png")
        (path / f"{index}.txt").write_text(f"a zork {index}", encoding="utf-8")
    return path


def loaded(model: Path) -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline.from_pretrained(model)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def side(pipe: StableDiffusionPipeline) -> int:
    return pipe.unet.config.sample_size * pipe.vae.scale_factor


@torch.no_grad()
def test_new_adapters_change_nothing(model: Path) -> None:
    pipe, inputs = loaded(model), (torch.randn(1, 4, 8, 8), 5)
    text = torch.randn(1, 77, pipe.unet.config.cross_attention_dim)
    before = pipe.unet(*inputs, text)[0]
    adapters = adapt(pipe.unet, 4)
    assert torch.equal(pipe.unet(*inputs, text)[0], before)
    assert all(isinstance(adapter, LoRALinear) for adapter in adapters.values())
    learnt = [name for name, p in pipe.unet.named_parameters() if p.requires_grad]
    assert learnt
    assert all(".lora_" in name for name in learnt)


def test_the_lora_gives_the_same_picture_in_the_reference(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    diffusers = pytest.importorskip("diffusers")
    pytest.importorskip("peft")
    pipe = loaded(model)
    pictures = PictureFolder(folder, side(pipe))
    file = tmp_path / "zork.safetensors"
    kwargs = {"rank": 4, "seed": 0, "run": tmp_path / "run", "output": file}
    fine_tune_lora(pipe, pictures, SETTINGS, **kwargs)
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(model)
    theirs.set_progress_bar_config(disable=True)

    def draw(pipe: Callable[..., object]) -> np.ndarray:
        generator = torch.Generator().manual_seed(3)
        options = {"num_inference_steps": 3, "generator": generator, "output_type": "np"}
        return np.asarray(pipe("a zork", **options).images)  # pyright: ignore[reportAttributeAccessIssue]

    plain = draw(theirs)
    theirs.load_lora_weights(str(file))
    adapted = draw(theirs)
    assert np.abs(adapted - plain).max() > 0.01
    assert np.abs(draw(pipe) - adapted).max() < 1e-4


def test_long_captions_are_cut_once_and_said_once(
    model: Path, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for index in range(2):
        (folder / f"{index}.txt").write_text("a zork " * 200, encoding="utf-8")
    pipe = loaded(model)
    pictures = PictureFolder(folder, side(pipe))
    stage = FineTuneStage(pipe, pictures, SETTINGS, seed=0)
    assert capfd.readouterr().err == "1 caption(s) are longer than 75 tokens; cut\n"
    assert stage.embeddings.shape[0] == 3  # no text, and two captions that differ
    with pytest.warns(PromptCutWarning):
        ids = pipe.tokenizer.encode_prompts(["", *dict.fromkeys(e.text for e in pictures.examples)])
    assert torch.equal(stage._tokens(["", *(e.text for e in pictures.examples[1:])]), ids)
    stage.loss(np.random.default_rng(0))
    stage.samples()  # says nothing more: warnings are errors here


def test_other_pictures_do_not_go_on_from_a_run_of_these(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    def learn() -> None:
        pipe, output = loaded(model), tmp_path / "a.safetensors"
        pictures = PictureFolder(folder, side(pipe))
        settings = replace(SETTINGS, steps=1)
        kwargs = {"rank": 2, "seed": 0, "run": tmp_path / "run", "output": output}
        fine_tune_lora(pipe, pictures, settings, **kwargs)

    learn()
    learn()  # the same words go on, here from the end
    (folder / "1.txt").write_text("a dog", encoding="utf-8")
    with pytest.raises(CheckpointError, match="another configuration") as caught:
        learn()
    assert "begun from" in str(caught.value)


def test_the_seed_decides_everything(model: Path, folder: Path, tmp_path: Path) -> None:
    def learnt(seed: int, name: str) -> torch.Tensor:
        pipe = loaded(model)
        settings = replace(SETTINGS, steps=1)
        kwargs = {
            "rank": 2,
            "seed": seed,
            "run": tmp_path / name,
            "output": tmp_path / f"{name}.st",
        }
        fine_tune_lora(pipe, PictureFolder(folder, side(pipe)), settings, **kwargs)
        return torch.cat([each.flatten() for each in load_file(tmp_path / f"{name}.st").values()])

    first = learnt(3, "a")
    torch.manual_seed(99)
    assert torch.equal(learnt(3, "b"), first)
    assert not torch.equal(learnt(4, "c"), first)


def test_a_seed_that_no_picture_can_have_is_refused_at_once(model: Path, folder: Path) -> None:
    pipe = loaded(model)
    with pytest.raises(InputError, match="seed must be a whole number from 0 to 1844"):
        FineTuneStage(pipe, PictureFolder(folder, side(pipe)), SETTINGS, seed=2**64)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_the_loss_is_that_of_what_the_checkpoint_predicts(
    model: Path, folder: Path, prediction: str
) -> None:
    pipe = loaded(model)
    config = {**pipe.scheduler.config, "prediction_type": prediction}
    pipe.scheduler = type(pipe.scheduler).from_config(config)
    stage = FineTuneStage(pipe, PictureFolder(folder, side(pipe)), SETTINGS, seed=0)
    stage.latents.fill_(0.5)  # then the noised latents tell the noise

    class Perfect(torch.nn.Linear):
        error = 0.0

        def forward(
            self, x: torch.Tensor, t: torch.Tensor, _text: torch.Tensor
        ) -> tuple[torch.Tensor]:
            signal = stage.scheduler.alphas_cumprod[t].float()[:, None, None, None]
            clean = torch.full_like(x, 0.5)
            noise = (x - signal.sqrt() * clean) / (1 - signal).sqrt()
            velocity = signal.sqrt() * noise - (1 - signal).sqrt() * clean
            target = {"epsilon": noise, "v_prediction": velocity, "sample": clean}[prediction]
            return (target + self.error,)

    model_of_it = Perfect(1, 1)
    stage.networks = model_of_it  # pyright: ignore[reportAttributeAccessIssue]
    assert float(stage.loss(np.random.default_rng(0))) < 1e-6
    model_of_it.error = 2.0
    assert float(stage.loss(np.random.default_rng(0))) == pytest.approx(4.0, rel=1e-3)


def test_the_command_teaches_and_writes(model: Path, folder: Path, tmp_path: Path) -> None:
    file, run = tmp_path / "out.safetensors", tmp_path / "run"
    options = ["--model", str(model), "--steps", "3", "--batch", "1", "--rank", "2"]
    assert main(["train", "lora", str(folder), "-o", str(file), "--run", str(run), *options]) == 0
    names = load_file(file).keys()
    assert names
    assert all(name.startswith("unet.") for name in names)
    assert list(run.glob("finetune-*.png"))
    whole = tmp_path / "whole"
    options = ["--model", str(model), "--steps", "2", "--batch", "1", "--run", str(tmp_path / "r2")]
    assert main(["train", "unet", str(folder), "-o", str(whole), *options]) == 0
    assert loaded(whole)("x", num_inference_steps=1, seed=0).images


def test_bad_input_is_one_line(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "x.safetensors")
    assert main(["train", "lora", str(tmp_path / "none"), "-o", out]) == 2
    assert main(["train", "lora", str(folder), "-o", str(tmp_path / "x.bin")]) == 2
    assert main(["train", "lora", str(folder), "-o", out, "--size", "33"]) == 2
    (tmp_path / "file").write_text("no folder")
    below = tmp_path / "file" / "x.safetensors"
    for command in (["lora", str(folder)], ["unet", str(folder)], ["builtin"]):
        assert main(["train", *command, "-o", str(below)]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 6
    assert all(line.startswith("kakusan: ") for line in lines)
    assert sum("choose another place with -o" in line for line in lines) == 3


def test_what_the_built_in_model_is_taught_it_knows(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = ["--steps", "1", "--batch", "1", "--run", str(tmp_path / "run")]
    whole = tmp_path / "whole"
    assert main(["train", "unet", str(folder), "-o", str(whole), *options]) == 0
    assert caplog.records == []  # its sample grids neither say that they do not know it
    before, after = (loaded(Path(model)) for model in ("builtin", str(whole)))
    assert after.tokenizer.words is not None
    assert after.tokenizer.words == before.tokenizer.words.taught(["zork 0 1"])
    assert after.tokenizer.words.unknown("two zorks") == {"zorks": "zork"}


def test_words_stay_unknown_of_a_model_that_says_nothing_of_them(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    pipe = loaded(model)
    kwargs = {"rank": 1, "seed": 0, "run": tmp_path / "run", "output": tmp_path / "x.safetensors"}
    fine_tune_lora(pipe, PictureFolder(folder, side(pipe)), SETTINGS, **kwargs)
    assert pipe.tokenizer.words is None
