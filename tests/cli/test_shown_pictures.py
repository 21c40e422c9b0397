"""Pictures as other tools made them, with everything at once, come out again from their files.

What is expected is drawn by explicit calls of Python; the texts are those that the tools write.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file

import kakusan
from kakusan.schedulers import named_scheduler
from kakusan.training.lora import adapt, save_lora
from tests.cli.fakes import Run
from tests.images.foreign.test_comfyui import PLAIN
from tests.images.foreign.test_other_tools import INVOKE

Command = Callable[..., Run]
FOLDERS = ("--model", "builtin", "--lora-dir", "loras", "--embeddings-dir", "words")
WORDS = "a (red:1.4) {word} cat, [snow]"


@pytest.fixture
def pipe(here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The built-in model with a LoRA at 0.8 and a learnt word, whose files are there too."""
    monkeypatch.delenv("KAKUSAN_LORA_DIR", raising=False)
    monkeypatch.setenv("KAKUSAN_CACHE", str(here / "kept"))
    made: Any = kakusan.StableDiffusionPipeline.from_pretrained("builtin")
    made.set_progress_bar_config(disable=True)
    (here / "loras").mkdir()
    (here / "words").mkdir()
    chance = torch.Generator().manual_seed(1)
    adapters = adapt(copy.deepcopy(made.unet), 4, generator=chance)
    for each in adapters.values():
        each.lora_B.data = torch.randn(each.lora_B.shape, generator=chance) * 0.05
    save_lora(adapters, here / "loras" / "style.safetensors")
    width = made.text_encoder.config.hidden_size
    vectors = (
        torch.randn(2, width, generator=chance)
        * made.text_encoder.get_input_embeddings().weight.std()
    )
    save_file({"emb_params": vectors.detach()}, here / "words" / "zorg.safetensors")
    made.load_lora_weights(str(here / "loras" / "style.safetensors"), adapter_name="style")
    made.set_adapters(["style"], [0.8])
    return made


def expected(pipe: Any, prompt: str, scheduler: str, **settings: Any) -> Image.Image:
    """What the tool drew, with its floats cut off to whole levels."""
    pipe.scheduler = named_scheduler(scheduler, pipe.scheduler)
    common = {"negative_prompt": "blurry", "seed": 5, "num_inference_steps": 4}
    (found,) = pipe.pictures(prompt, guidance_scale=7.0, height=64, width=64, **common, **settings)
    return found.image


def again(run: Command, here: Path, image: Image.Image, **texts: str) -> str:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    image.save(here / "theirs.png", pnginfo=info)
    done = run("reproduce", "theirs.png", *FOLDERS, "-o", "again.png", "--compare", "--overwrite")
    assert done.code == 0, done.err
    assert "not made again" not in done.err
    return done.out


def test_automatic1111(run: Command, here: Path, pipe: Any) -> None:
    pipe.load_textual_inversion(str(here / "words" / "zorg.safetensors"), token="zorg")
    image = expected(
        pipe,
        WORDS.format(word="zorg"),
        "Euler a",
        prompt_syntax="webui",
        clip_skip=1,
        rng="webui-gpu",
        truncate_pixels=True,
    )
    text = (
        f"{WORDS.format(word='zorg')} <lora:style:0.8>\nNegative prompt: blurry\nSteps: 4, "
        "Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 5, Size: 64x64, "
        "Model: builtin, Clip skip: 2, Version: v1.10.1"
    )
    assert "identical" in again(run, here, image, parameters=text)


def test_comfyui(run: Command, here: Path, pipe: Any) -> None:
    pipe.load_textual_inversion(str(here / "words" / "zorg.safetensors"), token="zorg")
    image = expected(
        pipe,
        WORDS.format(word="embedding:zorg"),
        "euler_ancestral/karras",
        prompt_syntax="comfy",
        clip_skip=1,
        rng="comfyui-gpu",
        truncate_pixels=True,
    )
    lora = {"lora_name": "style.safetensors", "strength_model": 0.8, "strength_clip": 0.8}
    graph = copy.deepcopy(PLAIN)
    graph["3"]["inputs"] |= {"seed": 5, "steps": 4, "cfg": 7.0, "model": ["10", 0]}
    graph["3"]["inputs"] |= {"sampler_name": "euler_ancestral", "scheduler": "karras"}
    graph["4"]["inputs"]["ckpt_name"] = "builtin"
    graph["5"]["inputs"] |= {"width": 64, "height": 64}
    graph["6"]["inputs"] |= {"text": WORDS.format(word="embedding:zorg"), "clip": ["11", 0]}
    graph["7"]["inputs"] |= {"clip": ["11", 0]}
    graph["10"] = {
        "class_type": "LoraLoader",
        "inputs": {**lora, "model": ["4", 0], "clip": ["4", 1]},
    }
    graph["11"] = {
        "class_type": "CLIPSetLastLayer",
        "inputs": {"stop_at_clip_layer": -2, "clip": ["10", 1]},
    }
    assert "identical" in again(run, here, image, prompt=json.dumps(graph))


def test_invokeai(run: Command, here: Path, pipe: Any) -> None:
    pipe.load_textual_inversion(str(here / "words" / "zorg.safetensors"), token="zorg")
    prompt = "a red++ <zorg> cat, (snow)0.8"
    image = expected(
        pipe,
        prompt,
        "EulerDiscreteScheduler",
        prompt_syntax="compel",
        clip_skip=1,
        rng="invokeai-gpu",
    )
    told = {
        **INVOKE,
        "positive_prompt": prompt,
        "width": 64,
        "height": 64,
        "seed": 5,
        "cfg_scale": 7.0,
        "steps": 4,
        "scheduler": "euler",
        "clip_skip": 1,
        "model": {"name": "builtin", "base": "sd-1"},
        "loras": [{"model": {"name": "style"}, "weight": 0.8}],
    }
    assert "identical" in again(run, here, image, invokeai_metadata=json.dumps(told))
