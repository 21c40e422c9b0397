"""LoRAs, ControlNets and second passes through the worker: as in a run of their own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import kakusan
from kakusan.models.unet import UNet2DConditionModel
from kakusan.server.asked import asked
from kakusan.server.pictures import InputPicture, PixelBudget, opened_input
from kakusan.server.queue.job import Job, State, Submission
from kakusan.server.settings import Settings
from kakusan.server.worker.catalog import Catalog
from kakusan.training.lora import adapt, save_lora
from tests.server.fakes import png

ROUNDING = 2  # levels of 255 that a sum in another order may change
SHORT = {"num_inference_steps": 3, "seed": 7}
SOLO: dict[str, Any] = {"steps": 3, "seed": 7, "progress": False}


def submit(bench: Any, folder: Path, **settings: Any) -> Job:
    """A job as a caller of the server hands it in."""
    found = asked({**SHORT, **settings}, catalog=bench.catalog, server=Settings(data=folder))
    return bench.store.submit(
        Submission(request=found.request.to_record(), client="local", inputs=found.inputs)
    )


def pixels(bench: Any, job: Job) -> np.ndarray:
    assert (job.state, job.error) == (State.DONE, None)
    return np.asarray(Image.open(bench.files.picture(job.pictures[0].file))).astype(int)


def solo(*prompt: str, **settings: Any) -> np.ndarray:
    return np.asarray(kakusan.generate(*prompt, **{**SOLO, **settings})[0].image).astype(int)


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one for the built-in model, which changes much."""
    folder = Catalog.of().find("model", "builtin").path
    assert folder is not None
    generator = torch.Generator().manual_seed(3)
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    adapters = adapt(unet, 2, 2.0, generator=generator)
    for each in adapters.values():
        each.lora_B.data.copy_(torch.randn(each.lora_B.shape, generator=generator) * 0.4)
    path = tmp_path_factory.mktemp("loras") / "bent.safetensors"
    save_lora(adapters, path)
    return path


def test_a_lora_is_worn_by_its_own_job_alone(bench: Any, lora: Path, tmp_path: Path) -> None:
    bench.catalog = Catalog.of(loras=[lora.parent])
    worn = submit(
        bench,
        tmp_path,
        prompt="a cat",
        loras=[{"name": "bent", "text_weight": 0.8, "unet_weight": 0.8}],
    )
    plain = submit(bench, tmp_path, prompt="a cat")
    tagged = submit(bench, tmp_path, prompt="a cat <lora:bent:0.8>", prompt_syntax="webui")
    bench.start()
    with_it, without, by_tag = (pixels(bench, job) for job in bench.ended(worn, plain, tagged))
    expected = solo("a cat", loras=[(str(lora), 0.8)])
    assert np.abs(with_it - expected).max() <= ROUNDING
    assert np.abs(without - solo("a cat")).max() <= ROUNDING
    assert np.abs(with_it - without).max() > 20
    assert np.abs(by_tag - with_it).max() <= ROUNDING
    (job,) = bench.ended(worn)
    assert str(lora.parent) not in str(job.pictures[0].record)


def test_a_second_pass_is_that_of_a_run_alone(bench: Any, tmp_path: Path) -> None:
    second = {"scale": 1.5, "strength": 0.6, "steps": 2}
    job = submit(bench, tmp_path, prompt="a cat", width=128, height=128, second_pass=second)
    other = submit(bench, tmp_path, prompt="a dog", width=128, height=128)
    bench.start()
    job, other = bench.ended(job, other)
    found = pixels(bench, job)
    assert found.shape == (192, 192, 3)
    size = {"width": 128, "height": 128}
    assert np.abs(found - solo("a cat", **size, second_pass=second)).max() <= ROUNDING
    assert np.abs(pixels(bench, other) - solo("a dog", **size)).max() <= ROUNDING
    assert job.step == job.steps


def test_the_builtin_control_net_steers(bench: Any, tmp_path: Path) -> None:
    image, data = opened_input(png(128, 128), PixelBudget())
    given = InputPicture(bench.files.put_input(data), image)
    control = {"model": "builtin", "image": given, "scale": 0.9}
    job = submit(bench, tmp_path, prompt="a cat", controls=[control])
    bench.start()
    (job,) = bench.ended(job)
    expected = solo("a cat", controls=[{**control, "image": image}])
    assert np.abs(pixels(bench, job) - expected).max() <= ROUNDING
