"""`kakusan schedulers`, and what is said of a scheduler that nobody knows."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kakusan.cli.options import complete_scheduler
from kakusan.samplers import SAMPLERS, SCHEDULES, meaning_of
from kakusan.schedulers import SHORT_NAMES
from tests.cli.fakes import Run
from tests.cli.test_start import modules_after

Command = Callable[..., Run]


def test_the_list_has_every_name_and_fits_a_terminal(run: Command) -> None:
    done = run("schedulers")
    assert done.code == 0
    assert done.err == ""
    lines = done.out.splitlines()
    assert max(map(len, lines)) <= 80
    for sampler in SAMPLERS:
        kind = sampler.kind.removesuffix("Scheduler")
        webui = sampler.webui if sampler.in_webui else ""
        (line,) = [each for each in lines if each.startswith(f"{sampler.short} ")]
        for name in (webui, sampler.comfyui or "", kind):
            assert f"{name} " in f"{line} "
        assert line.endswith("~") == sampler.random
        assert webui or "DPM++" not in line
        for calls in (2, 3):
            assert (str(calls) in line[-2:] and not line.endswith(kind)) == (sampler.calls == calls)
    for name in SCHEDULES:
        assert name in done.out


def test_json_has_more_than_the_list(run: Command) -> None:
    told = json.loads(run("schedulers", "--json").out)
    assert [each["name"] for each in told["schedulers"]] == list(SHORT_NAMES)
    for facts in told["schedulers"]:
        kind, _ = SHORT_NAMES[facts["name"]]
        assert facts["class"] == kind.__name__
        for name in (facts["automatic1111"], facts["comfyui"], *facts["other_names"]):
            assert name is None or meaning_of(name).kind == facts["class"]
        for schedule in facts["schedules"]:
            meaning_of(f"{facts['name']} {schedule}")
    assert [each["name"] for each in told["schedules"]] == list(SCHEDULES)


def test_the_list_needs_nothing_heavy() -> None:
    assert not modules_after("schedulers") & {"torch", "numpy", "PIL", "huggingface_hub"}


@pytest.mark.parametrize("command", ["generate", "grid"])
def test_an_unknown_scheduler_is_said_before_torch_is_loaded(command: str, run: Command) -> None:
    words = [command, "cat", "--scheduler", "eular"]
    words += ["--x", "steps=2,3"] if command == "grid" else []
    done = run(*words)
    assert done.code == 2
    assert "no scheduler is called 'eular'. Did you mean 'Euler' or 'Euler a'?" in done.err
    assert done.err.count("\n") == 1
    assert "torch" not in modules_after(*words)


def test_a_schedule_that_counts_for_nothing_is_said_once(
    run: Command, here: Path, tiny_v1: Path
) -> None:
    done = run(
        *("generate", "a cat", "--model", str(tiny_v1), "--steps", "2", "--width", "64"),
        *("--height", "64", "--scheduler", "PLMS Karras", "-o", "a.png"),
    )
    assert (done.code, done.out) == (0, "a.png\n")
    assert done.err.count("PLMS has timesteps of its own here, so that Karras changes nothing") == 1


def test_tab_completes_short_names() -> None:
    assert complete_scheduler("") == list(SHORT_NAMES)
    assert complete_scheduler("dpm2") == ["dpm2", "dpm2-a"]
