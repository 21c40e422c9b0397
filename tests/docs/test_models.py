"""The page of models has every family, form and scheduler, beside tests that there are."""

import re

import pytest

import kakusan
from kakusan.checkpoints.single_file.recognition import FAMILIES, VARIANTS
from kakusan.errors import UnknownNameError
from kakusan.pipeline.few_steps import KINDS
from kakusan.quantized.formats import BLOCKS
from kakusan.samplers import SAMPLERS, SCHEDULES, Sampler, label_of, meaning_of
from kakusan.schedulers import SCHEDULERS
from tests.oracle import comfyui, k_diffusion
from tests.programs import ROOT
from tests.schedulers.test_consistency import KINDS as CONSISTENCY
from tests.schedulers.test_oracle import SHORT

LANGUAGES = pytest.mark.parametrize("folder", ["", "ja/"])
FAMILY, FEW_STEPS, SCHEDULER = 0, 2, 5  # headings with a table
TWO = {"Stable Diffusion 2": ", "}  # of which there are two kinds
WORDS = {  # of two and three calls a step, and of noise
    "": ("two network calls a step", "three network calls a step", "adds noise"),
    "ja/": ("2 回ネットワークを呼びます", "3 回ネットワークを呼びます", "ノイズを加え"),
}
COMPARED = {*comfyui.CASES, *comfyui.FAST, "Restart"}
CHOOSERS = {"AutoPipelineForText2Image", "DiffusionPipeline"}


def page(folder: str, name: str = "models") -> str:
    return (ROOT / "docs" / folder / "guides" / f"{name}.md").read_text(encoding="utf-8")


def rows(folder: str, heading: int) -> list[str]:
    """The rows of the table under one of the page's headings, counted from 0."""
    section = page(folder).split("\n## ")[heading + 1]
    return [line for line in section.splitlines() if line.startswith("| ")][1:]


def row(lines: list[str], beginning: str) -> str:
    (found,) = [each for each in lines if each.startswith(beginning)]
    return found


@LANGUAGES
def test_every_test_that_it_names_is_there(folder: str) -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", page(folder)))
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / "tests" / name).is_file()]


@LANGUAGES
def test_every_family_has_a_row_with_its_proof(folder: str) -> None:
    lines = rows(folder, FAMILY)
    assert all("test_" in line for line in lines)
    for name in FAMILIES.values():
        assert re.match(rf"\| {name}(,[^|]*)? \| `", row(lines, f"| {name}{TWO.get(name, ' |')}"))
    classes = {name for name in kakusan.__all__ if name.endswith("Pipeline")} - CHOOSERS
    assert classes <= set(re.findall(r"`(\w+)`", " ".join(lines)))
    for variant in VARIANTS.values():
        assert variant in page(folder)


@LANGUAGES
def test_distilled_models_have_the_settings_that_it_says(folder: str) -> None:
    lines = rows(folder, FEW_STEPS)
    assert len(lines) == len(KINDS)
    for kind in KINDS:
        _, words, steps, *_ = row(lines, f"| {kind.what} |").strip("| ").split(" | ")
        assert int(steps) == kind.steps
        assert re.search(kind.named, re.findall(r"`([^`]+)`", words)[0])
        assert kind.guidance <= 1.0  # which is none


@LANGUAGES
@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda each: each.short)
def test_every_sampler_has_its_names_and_its_proof(folder: str, sampler: Sampler) -> None:
    found = row(rows(folder, SCHEDULER), f"| `{sampler.short}` | {sampler.webui} | ")
    assert (sampler.comfyui is None) or f"| `{sampler.comfyui}` |" in found
    assert f"| `{sampler.kind}` |" in found
    functions = {function for function, _ in k_diffusion.CASES.values()}
    names = {f"sample_{sampler.comfyui}", f"sample_{sampler.comfyui}".removesuffix("_heun")}
    proved = {
        "test_golden.py": bool(functions & names),
        "test_oracle.py": sampler.kind in SHORT.values(),
        "test_consistency.py": sampler.kind in CONSISTENCY,
        "test_comfyui.py": bool({sampler.comfyui, sampler.webui} & COMPARED),
        "test_cfg_pp.py": sampler.short == "ddim-cfgpp",
        "test_web_ui.py": sampler.kind == "ImprovedPNDMScheduler",  # of which there is no package
    }
    assert any(proved.values())
    assert {name: name in found for name in proved} == proved


@LANGUAGES
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_spacing_has_its_names(folder: str, schedule: str) -> None:
    label = label_of(schedule).removesuffix(" XL")
    assert label in row(rows(folder, SCHEDULER), f"| `{schedule}` | ")


@LANGUAGES
def test_the_guide_to_schedulers_has_every_name(folder: str) -> None:
    shown = set(re.findall(r"`([\w-]+)`", page(folder, "schedulers")))
    assert {sampler.short for sampler in SAMPLERS} <= shown
    assert set(SCHEDULERS) <= shown


@LANGUAGES
def test_formats_of_blocks_are_those_that_are_read(folder: str) -> None:
    text = page(folder)
    for each in BLOCKS:
        assert each.name in text or re.fullmatch(r"Q[345]_K", each.name)  # from Q2_K to Q6_K


@LANGUAGES
def test_the_automatic_spacings_are_those_of_the_guide(folder: str) -> None:
    (line,) = [each for each in page(folder, "schedulers").splitlines() if "Automatic" in each]
    parts = re.split(r"Karras|exponential|uniform", line)[1:]
    for schedule, part in zip(("karras", "exponential", "uniform"), parts, strict=True):
        assert set(re.findall(r"`([\w-]+)`", part)) == {
            sampler.short for sampler in SAMPLERS if sampler.automatic == schedule
        }


@LANGUAGES
def test_the_guide_says_what_adds_noise_and_what_calls_twice(folder: str) -> None:
    twice, thrice, noise = WORDS[folder]
    for sampler in SAMPLERS:
        (found,) = [
            each
            for each in page(folder, "schedulers").splitlines()
            if each.startswith("| `") and f"`{sampler.short}`" in each.split(" | ")[0]
        ]
        assert (twice in found) == (sampler.calls == 2), sampler.short
        assert (thrice in found) == (sampler.calls == 3), sampler.short
        assert (noise in found) >= sampler.random, sampler.short


@pytest.mark.parametrize(
    "name",
    ["DPM adaptive", "sa_solver"],
)
def test_what_it_says_is_not_there(name: str) -> None:
    with pytest.raises(UnknownNameError):
        meaning_of(name)
