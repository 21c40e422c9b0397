"""Names that come later: each ends in one line that says so, and what to do."""

import pickle
from pathlib import Path
from typing import Any

import diffusers
import pytest

import kakusan
from kakusan.errors import KakusanError, NotYetAttributeError, NotYetError, NotYetImportError
from kakusan.later import CALL, PACKAGE, PIPELINE


@pytest.fixture(scope="module")
def pipe(tiny_v1: Path) -> kakusan.StableDiffusionPipeline:
    return kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)


@pytest.mark.parametrize("name", ["StableDiffusion3Pipeline", "FluxPipeline"])
def test_importing_a_name_that_comes_later(name: str) -> None:
    with pytest.raises(ImportError, match=f"^{name} is not there yet; ") as caught:
        exec(f"from kakusan import {name}")
    assert isinstance(caught.value, NotYetImportError)
    assert isinstance(caught.value, KakusanError)
    assert isinstance(caught.value, NotImplementedError)
    assert "\n" not in str(caught.value)


def public_names_of_the_reference() -> list[str]:
    """Classes of pipelines, models and schedulers that the reference library exports."""
    structure: dict[str, list[str]] = vars(diffusers)["_import_structure"]
    kinds = ("Pipeline", "Scheduler", "Model")
    return sorted(
        name
        for room in ("pipelines", "schedulers", "models")
        for name in structure[room]
        if name.endswith(kinds) or name in ("T2IAdapter", "AutoencoderTiny", "MotionAdapter")
    )


def test_no_class_of_the_reference_ends_without_a_word() -> None:
    unsaid: list[str] = []
    for name in public_names_of_the_reference():
        try:
            getattr(kakusan, name)
        except NotYetImportError:
            continue
        except AttributeError:
            unsaid.append(name)
    assert not unsaid


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("StableDifusionPipeline", "StableDiffusionPipeline"),
        ("EulerDiscretScheduler", "EulerDiscreteScheduler"),
        ("genrate", "generate"),
    ],
)
def test_a_slip_of_the_finger_names_what_was_meant(typed: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=f"Did you mean '{meant}'"):
        getattr(kakusan, typed)


def test_nothing_that_is_there_comes_later(pipe: Any) -> None:
    assert not set(PACKAGE) & set(kakusan.__all__)
    assert not [name for name in PIPELINE if hasattr(pipe, name) or hasattr(type(pipe), name)]
    for name in CALL:
        with pytest.raises(NotYetError, match=f"^{name}="):
            pipe("a cat", **{name: 0.5})


@pytest.mark.parametrize("name", sorted(PIPELINE))
def test_calling_what_comes_later_is_one_line(pipe: Any, name: str) -> None:
    with pytest.raises(NotYetAttributeError, match=f"^{name} is not there yet; ") as caught:
        getattr(pipe, name)("folder")
    assert "\n" not in str(caught.value)
    assert getattr(pipe, name, None) is None
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_method_of_the_class_that_comes_later() -> None:
    with pytest.raises(NotYetError, match="load_lora_weights"):
        kakusan.StableDiffusionPipeline.lora_state_dict("folder")


def test_an_argument_that_comes_later_may_be_none(pipe: Any) -> None:
    output = pipe(
        "a cat",
        num_inference_steps=1,
        seed=1,
        cross_attention_kwargs={},
        ip_adapter_image=None,
        output_type="latent",
    )
    assert output.records[0]["seed"] == 1
    with pytest.raises(NotYetError, match=r"depth_map=.* is not there yet"):
        pipe.stream("a cat", depth_map=object())


def test_an_attribute_that_nobody_knows(pipe: Any) -> None:
    with pytest.raises(AttributeError, match="did you mean enable_model_cpu_offload"):
        pipe.enable_modelcpu_offload()
