"""The built-in model is complete, small, loadable everywhere, and draws what it is told."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import kakusan
from kakusan import StableDiffusionPipeline
from kakusan.builtin.recipe.world import COLOURS
from kakusan.checkpoints.files import read_json

FOLDER = Path(kakusan.__file__).parent / "builtin" / "model"
LIMIT = 60 * 10**6


@pytest.fixture(scope="module")
def pipe() -> StableDiffusionPipeline:
    loaded = StableDiffusionPipeline.from_pretrained("builtin")
    loaded.set_progress_bar_config(disable=True)
    return loaded


def border(picture: Image.Image) -> np.ndarray:
    """The median colour of the outermost pixels."""
    pixels = np.asarray(picture)
    edges = (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:])
    return np.median(np.concatenate([edge.reshape(-1, 3) for edge in edges]), axis=0)


def test_the_folder_is_complete_and_small() -> None:
    files = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    assert files == {
        "README.md",
        "kakusan.json",
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/special_tokens_map.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer/vocab.json",
        "tokenizer/words.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    }
    assert sum((FOLDER / name).stat().st_size for name in files) < LIMIT


def test_it_has_defaults_and_predicts_velocity() -> None:
    defaults = read_json(FOLDER / "kakusan.json")
    assert defaults.keys() == {
        *("num_inference_steps", "img2img_steps", "guidance_scale", "upscale_strength"),
        "emphasis",
    }
    scheduler = read_json(FOLDER / "scheduler" / "scheduler_config.json")
    assert scheduler["prediction_type"] == "v_prediction"


def test_the_model_card_credits_the_font() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "Noto Color Emoji" in card
    assert "SIL Open Font License" in card


@pytest.mark.parametrize("colour", ["red", "blue", "green", "black"])
def test_a_cat_on_a_colour_has_that_border(pipe: StableDiffusionPipeline, colour: str) -> None:
    picture = pipe(f"a cat on a {colour} background", seed=1).images[0]
    assert picture.size == (128, 128)
    distances = {
        known.name: float(np.linalg.norm(border(picture) - known.rgb)) for known in COLOURS
    }
    assert min(distances, key=distances.__getitem__) == colour
    # There is something in the middle that the border is not.
    middle = np.asarray(picture)[48:80, 48:80].reshape(-1, 3)
    assert np.linalg.norm(middle.mean(0) - border(picture)) > 40


def test_any_prompt_makes_a_picture(pipe: StableDiffusionPipeline) -> None:
    prompts = ["", "赤い背景の猫 🐱", "A CAT ON A RED BACKGROUND", "\x00 é ḁ̈", "cat " * 30]
    assert len(pipe(prompts, num_inference_steps=2, seed=0).images) == len(prompts)


def test_case_does_not_matter(pipe: StableDiffusionPipeline) -> None:
    pictures = [
        np.asarray(pipe(prompt, num_inference_steps=3, seed=5).images[0])
        for prompt in ("a dog on a blue background", "A Dog on a BLUE Background")
    ]
    assert np.array_equal(*pictures)


def test_the_reference_library_draws_the_same(pipe: StableDiffusionPipeline) -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(FOLDER)
    theirs.to(torch.float32)
    theirs.set_progress_bar_config(disable=True)
    for prompt in ("a cat on a red background", "rocket, black"):
        pictures = [
            np.asarray(
                each(
                    prompt,
                    num_inference_steps=10,
                    guidance_scale=3.0,
                    generator=torch.Generator().manual_seed(3),
                ).images[0]
            ).astype(int)
            for each in (pipe, theirs)
        ]
        difference = np.abs(pictures[0] - pictures[1])
        assert difference.max() <= 1
        assert (difference > 0).mean() <= 0.001
