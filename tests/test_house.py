"""The house's own rules: which room imports which, what is public, what it depends on."""

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import kakusan

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "kakusan"
FILES = sorted(SOURCE.rglob("*.py"))

# Each room may import from the rows above its own, never from a neighbour in its row
LAYERS = (
    {"errors"},
    {"checkpoints", "runtime"},
    {"images", "models", "quality", "schedulers", "text"},
    {"predictions", "request"},
    {"generation"},
    {"pipeline"},
    {"inspect", "training"},
    {"builtin"},
    {"cli", "server"},
    {"__main__"},
)
LEVELS = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}

CORE = {
    "huggingface-hub",
    "numpy",
    "pillow",
    "safetensors",
    "tokenizers",
    "torch",
    "tqdm",
    "typer",
}


def room_of(path: Path) -> str:
    """The first folder, or the file's own name at the top."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            yield node.module or ""
            if node.module == "kakusan":
                yield from (f"kakusan.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_flow_downwards(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        assert not [name for name in imported_modules(path) if name.startswith("kakusan")]
        return
    for module in imported_modules(path):
        _, _, inner = module.partition("kakusan.")
        other = inner.partition(".")[0]
        if not inner or other in (room, "__version__"):
            continue
        assert other in LEVELS, f"{module}: {other} has no place in LAYERS"
        assert LEVELS[other] < LEVELS[room], f"{room} may not import {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_package_never_imports_its_oracles(path: Path) -> None:
    tops = {module.partition(".")[0] for module in imported_modules(path)}
    assert not tops & {"diffusers", "transformers", "accelerate"}


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = {path.stem for path in FILES} | {path.parent.name for path in FILES}
    assert not names & {"common", "helper", "helpers", "misc", "util", "utils"}


def order(name: str) -> tuple[int, str]:
    """How ruff sorts exports: constants, then classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def test_public_names_are_sorted_and_resolve() -> None:
    names = [name for name in kakusan.__all__ if name != "__version__"]
    assert names == sorted(names, key=order)
    for name in kakusan.__all__:
        assert getattr(kakusan, name) is not None


@pytest.mark.parametrize("room", sorted(path.parent.name for path in SOURCE.glob("*/__init__.py")))
def test_the_exports_of_a_room_are_sorted_and_resolve(room: str) -> None:
    module = importlib.import_module(f"kakusan.{room}")
    names = list(getattr(module, "__all__", ()))
    assert names == sorted(names, key=order)
    assert all(hasattr(module, name) for name in names)


def test_the_stub_names_what_the_package_exports() -> None:
    stub = ast.parse((SOURCE / "__init__.pyi").read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == set(kakusan.__all__) - {"__version__"}


def modules_after(*arguments: str) -> set[str]:
    """The modules that Python has loaded at the end of a run."""
    code = "import atexit, sys; atexit.register(lambda: print('\\n' + ' '.join(sys.modules)));"
    done = subprocess.run(
        [sys.executable, "-c", code + arguments[0], *arguments[1:]],
        capture_output=True,
        check=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SOURCE.parent)},
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("import kakusan",),
        ("import runpy; runpy.run_module('kakusan', run_name='__main__')", "--help"),
        ("import runpy; runpy.run_module('kakusan', run_name='__main__')", "generate", "--help"),
    ],
    ids=["import", "help", "generate-help"],
)
def test_starting_does_not_import_torch(arguments: tuple[str, ...]) -> None:
    loaded = modules_after(*arguments)
    assert "kakusan" in loaded
    assert not loaded & {"torch", "numpy", "PIL", "huggingface_hub", "tokenizers"}


def read(name: str) -> str:
    """A text file at the top of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def project() -> dict[str, object]:
    """The [project] table of pyproject.toml."""
    return tomllib.loads(read("pyproject.toml"))["project"]


def names_of(requirements: object) -> set[str]:
    """The names in a list of requirements, as PyPI spells them."""
    assert isinstance(requirements, list)
    return {re.split(r"[\s<>=!~\[;]", str(line), maxsplit=1)[0] for line in requirements}


def test_the_core_dependencies_are_these_eight() -> None:
    assert names_of(project()["dependencies"]) == CORE


def test_every_dependency_has_a_tested_version() -> None:
    optional = project()["optional-dependencies"]
    assert isinstance(optional, dict)
    wanted = CORE.union(*(names_of(lines) for lines in optional.values()))
    lines = [line for line in read("constraints.txt").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    assert wanted <= pinned
