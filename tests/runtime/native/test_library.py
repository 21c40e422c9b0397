"""Which library is loaded, by the processor and by the user's wish."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from kakusan.errors import RequestError
from kakusan.runtime.machine import machine
from kakusan.runtime.native import interface, library
from kakusan.runtime.native.library import LEVELS, explain, level_allowed

ORDER = list(LEVELS)


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> object:
    """Pretends to have certain instruction sets."""

    def pretend(*instructions: str) -> None:
        here = replace(machine(), instructions=instructions)
        monkeypatch.setattr(library, "machine", lambda: here)

    return pretend


@pytest.mark.parametrize("best", ORDER)
def test_a_processor_can_use_its_level_and_all_below(processor: object, best: str) -> None:
    processor(*LEVELS[best])  # pyright: ignore
    assert level_allowed(None) == ORDER[ORDER.index(best) :]
    assert level_allowed("avx2") == ["avx2"]
    assert level_allowed(best) == level_allowed(None)
    assert level_allowed("off") == []


def test_an_old_processor_uses_none(processor: object, monkeypatch: pytest.MonkeyPatch) -> None:
    processor("avx2")  # pyright: ignore
    monkeypatch.delenv("KAKUSAN_NATIVE", raising=False)
    assert level_allowed(None) == []
    monkeypatch.setattr(library, "loaded", lambda: None)
    assert explain().startswith("none: written for")


def test_a_level_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        RequestError, match="KAKUSAN_NATIVE=sse is unknown; choose one of: off, amx"
    ):
        level_allowed("sse")


@pytest.mark.parametrize("setting", ["off", ""])
def test_the_variable_turns_kernels_off(setting: str) -> None:
    program = "from kakusan.runtime import kernels; print(kernels.available())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"KAKUSAN_NATIVE": setting},
        capture_output=True,
        text=True,
        check=True,
    )
    able = any(library.library_of(level).is_file() for level in level_allowed(None))
    assert done.stdout.strip() == str(able and setting != "off")


def test_a_library_of_other_sources_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAKUSAN_NATIVE", raising=False)
    built = [level for level in level_allowed(None) if library.library_of(level).is_file()]
    if not built:
        pytest.skip("no kernels were built for this processor")
    assert library.loaded.__wrapped__()[0] in built
    monkeypatch.setattr(library, "fingerprint", lambda: 1)
    assert library.loaded.__wrapped__() is None
    monkeypatch.undo()
    monkeypatch.setattr(library, "declare", lambda found: False)
    assert library.loaded.__wrapped__() is None


def test_structures_of_other_sizes_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = library.loaded()
    if found is None:
        pytest.skip("no kernels were built for this processor")
    assert interface.declare(found[1])
    monkeypatch.setitem(interface.KERNELS, "linear", interface.GegluCall)
    assert not interface.declare(found[1])
    monkeypatch.undo()
    assert interface.declare(found[1])
