"""SDXL's refiner in one file, beside the reference's pipeline of the same networks."""

import json
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import kakusan
from kakusan import (
    AutoPipelineForText2Image,
    DiffusionPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)
from kakusan.errors import CheckpointError
from kakusan.pipeline.convert import convert
from tests.oracle import single, tiny

LATENTS = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("refiner") / "second.safetensors"
    return single.write(path, single.refiner_tensors(single.refiner()))


def picture(pipe: Any) -> np.ndarray:
    pipe.set_progress_bar_config(disable=True)
    call = {"image": LATENTS, "denoising_start": 0.5, "num_inference_steps": 4}
    with tiny.quiet():
        return pipe("a cat", **call, guidance_scale=3.0, output_type="np").images


@pytest.mark.parametrize("kind", [DiffusionPipeline, StableDiffusionXLImg2ImgPipeline])
def test_it_draws_what_the_reference_draws(file: Path, tmp_path: Path, kind: Any) -> None:
    pipe = kind.from_single_file(file)
    assert type(pipe) is StableDiffusionXLImg2ImgPipeline
    assert pipe.settings["requires_aesthetics_score"]
    assert pipe.text_encoder is None
    ours = picture(pipe)
    pipe.save_pretrained(tmp_path / "saved")
    again = picture(DiffusionPipeline.from_pretrained(tmp_path / "saved"))
    assert np.allclose(ours, again, rtol=0, atol=1e-5)
    with tiny.quiet():
        theirs = diffusers.DiffusionPipeline.from_pretrained(tmp_path / "saved")
    assert type(theirs) is diffusers.StableDiffusionXLImg2ImgPipeline
    assert abs(ours - picture(theirs)).max() < 1 / 255


def test_the_folder_that_it_is_converted_to(file: Path, tmp_path: Path) -> None:
    convert(file, tmp_path / "folder")
    pipe = DiffusionPipeline.from_pretrained(tmp_path / "folder")
    assert type(pipe) is StableDiffusionXLImg2ImgPipeline
    assert np.allclose(
        picture(pipe), picture(DiffusionPipeline.from_single_file(file)), rtol=0, atol=1e-5
    )


def test_it_does_not_draw_from_a_text(file: Path) -> None:
    for kind in (StableDiffusionXLPipeline, AutoPipelineForText2Image):
        with pytest.raises(CheckpointError, match="is SDXL's refiner"):
            kind.from_single_file(file)
    with pytest.raises(CheckpointError, match="is SDXL's refiner"):
        kakusan.generate("a cat", model=file, progress=False)


@pytest.fixture(scope="module")
def silent(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose index does not say that the UNet is told scores."""
    folder = tmp_path_factory.mktemp("silent") / "refiner"
    convert(file, folder)
    path = folder / "model_index.json"
    index = json.loads(path.read_text())
    del index["requires_aesthetics_score"]
    path.write_text(json.dumps(index))
    for weights in folder.glob("*/*.safetensors"):  # it is said before any weight is read
        weights.write_bytes(b"")
    return folder


@pytest.mark.parametrize("kind", [DiffusionPipeline, StableDiffusionXLImg2ImgPipeline])
def test_an_index_that_does_not_say_what_it_is(silent: Path, kind: Any) -> None:
    with pytest.raises(CheckpointError, match="requires_aesthetics_score") as caught:
        kind.from_pretrained(silent)
    assert "model_index.json" in str(caught.value)
    assert str(silent) in str(caught.value)


def test_that_index_is_made_up_for(file: Path, silent: Path, tmp_path: Path) -> None:
    folder = tmp_path / "refiner"
    convert(file, folder)
    (folder / "model_index.json").write_text((silent / "model_index.json").read_text())
    pipe = StableDiffusionXLImg2ImgPipeline.from_pretrained(folder, requires_aesthetics_score=True)
    assert np.allclose(
        picture(pipe), picture(DiffusionPipeline.from_single_file(file)), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("kind", [StableDiffusionPipeline, StableDiffusionXLPipeline])
def test_other_pipelines_name_the_one_that_loads_it(file: Path, silent: Path, kind: Any) -> None:
    for load, where in ((kind.from_single_file, file), (kind.from_pretrained, silent)):
        with pytest.raises(CheckpointError, match="StableDiffusionXLImg2ImgPipeline"):
            load(where)
