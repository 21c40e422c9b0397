"""What a single file's UNet predicts, said by whoever loads it: calls and the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kakusan
from kakusan import AutoPipelineForText2Image, DiffusionPipeline, StableDiffusionPipeline
from kakusan.cli.app import main
from kakusan.errors import RequestError
from kakusan.request import Request
from tests.oracle import single

SMALL = {"seed": 1, "steps": 2, "width": 64, "height": 64, "progress": False}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prediction") / "v1.safetensors"
    return single.write(path, single.v1_tensors(single.v1()))


@pytest.mark.parametrize(
    "kind", [StableDiffusionPipeline, DiffusionPipeline, AutoPipelineForText2Image]
)
def test_from_pretrained_takes_it_for_a_file(file: Path, kind: Any) -> None:
    said = kind.from_pretrained(file, prediction_type="v_prediction")
    assert said.scheduler.config.prediction_type == "v_prediction"
    assert kind.from_pretrained(file).scheduler.config.prediction_type == "epsilon"
    by_file = kind.from_single_file(file, prediction_type="v_prediction")
    assert dict(said.scheduler.config) == dict(by_file.scheduler.config)


@pytest.mark.parametrize("kind", [StableDiffusionPipeline, DiffusionPipeline])
def test_a_folder_s_scheduler_says_it(tiny_v1: Path, kind: Any) -> None:
    with pytest.raises(RequestError, match=r"scheduler_config\.json.*leave it out"):
        kind.from_pretrained(tiny_v1, prediction_type="epsilon")


def test_what_is_none_is_refused(file: Path) -> None:
    with pytest.raises(RequestError, match="one of epsilon, v_prediction, sample"):
        StableDiffusionPipeline.from_pretrained(file, prediction_type="v")
    with pytest.raises(RequestError, match="prediction must be one of epsilon"):
        kakusan.generate("a cat", prediction="v", model=file)
    with pytest.raises(RequestError, match="prediction_type must be one of"):
        Request(prompt=("a cat",), prediction_type=3)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("scheduler", [None, "euler"])
def test_the_record_makes_it_again(file: Path, scheduler: str | None) -> None:
    call = SMALL | {"model": file, "scheduler": scheduler}
    said = kakusan.generate("a cat", prediction="v_prediction", **call)[0]
    told = kakusan.generate("a cat", **call)[0]
    assert not np.array_equal(np.asarray(said.image), np.asarray(told.image))
    assert said.record["scheduler"]["prediction_type"] == "v_prediction"
    again = kakusan.reproduce(said.record, trust_model=True, progress=False)
    assert np.array_equal(np.asarray(said.image), np.asarray(again.image))
    assert again.record == said.record


def test_the_command_line_has_it(file: Path, tmp_path: Path, capsys: Any) -> None:
    size = ["--width", "64", "--height", "64", "--steps", "2", "--seed", "1"]
    given = ["generate", "a cat", "--model", str(file), "--prediction", "v_prediction", *size]
    assert main([*given, "-o", f"{tmp_path}/a.png", "--json", "-q"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["pictures"]
    assert found["record"]["scheduler"]["prediction_type"] == "v_prediction"
    assert main(["generate", "a cat", "--prediction", "v"]) == 2
    assert "--prediction must be one of epsilon, v_prediction, sample" in capsys.readouterr().err


def test_a_training_s_config_beside_the_file_counts(file: Path, tmp_path: Path) -> None:
    there = tmp_path / "m.safetensors"
    there.write_bytes(file.read_bytes())
    there.with_suffix(".yaml").write_text("model:\n  params:\n    parameterization: v\n")
    pipe = StableDiffusionPipeline.from_pretrained(there)
    assert pipe.scheduler.config.prediction_type == "v_prediction"
    said = StableDiffusionPipeline.from_pretrained(there, prediction_type="epsilon")
    assert said.scheduler.config.prediction_type == "epsilon"
