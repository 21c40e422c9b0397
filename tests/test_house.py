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
    {"later", "prompts", "quantized"},
    {"samplers"},
    {"results", "runtime", "vocabulary"},
    {"checkpoints"},
    {"images", "models", "quality", "request", "schedulers", "text"},
    {"inputs", "interchange"},
    {"engine", "sampling"},
    {"conditioning"},
    {"steering"},
    {"pipeline"},
    {"inspect", "reference_modules", "training", "utils"},
    {"builtin"},
    {"server"},
    {"batch"},
    {"cli"},
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


def every_module() -> dict[str, Path]:
    """The files of the package, the benchmarks and the tests, by the names they are imported by."""
    roots = {"src": ROOT / "src", "benchmarks": ROOT, "tests": ROOT}
    found: dict[str, Path] = {}
    for folder, root in roots.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_names(path: Path) -> Iterator[tuple[str, str | None]]:
    """Each module and the name taken from it, if any: at the top, in functions, for types only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def where_defined(module: str, name: str | None, modules: dict[str, Path]) -> str:
    """The module that an import is of: not the `__init__` that only passes a name on."""
    if name is None:
        return module
    if module in modules and modules[module].name == "__init__.py":
        for other, passed_on in imported_names(modules[module]):
            if passed_on == name and other != module:
                return where_defined(other, name, modules)
    inner = f"{module}.{name}"
    return inner if inner in modules else module


def import_graph(modules: dict[str, Path]) -> dict[str, set[str]]:
    """Which of the modules each of them imports."""
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        found: set[str] = set()
        for other, name in imported_names(path):
            target = where_defined(other, name, modules)
            found.add(target)
            if module.startswith(f"{other}.") and target != f"{other}.{name}":
                found.add(other)  # a room's own `__init__`, which imports what is in the room
        graph[module] = found & modules.keys()
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that all lead to one another: strongly connected components."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            new = graph[waiting.pop()] - seen
            seen |= new
            waiting += new
        return seen

    leads_to = {module: reached(module) for module in graph}
    found = {
        frozenset(other for other in leads_to[module] if module in leads_to[other])
        for module in graph
    }
    return sorted(sorted(circle) for circle in found if circle)


def test_no_imports_go_in_a_circle() -> None:
    modules = every_module()
    told = [
        ", ".join(str(modules[name].relative_to(ROOT)) for name in circle)
        for circle in circles(import_graph(modules))
    ]
    assert not told, "circles of imports:\n" + "\n".join(told)


def test_circles_are_found_in_functions_and_through_a_room(tmp_path: Path) -> None:
    texts = {
        "room": "from room.one import One",
        "room.one": "def late():\n    from room.two import Two",
        "room.two": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import room.one",
        "room.three": "from room import One",
        "room.four": "from room import three",
        "outside": "from room import One, four",
    }
    modules = {name: tmp_path / f"{name}.py" for name in texts}
    modules["room"] = tmp_path / "__init__.py"
    for name, path in modules.items():
        path.write_text(texts[name], encoding="utf-8")
    graph = import_graph(modules)
    assert graph["outside"] == {"room.one", "room.four"}
    assert graph["room.three"] == {"room", "room.one"}
    assert graph["room.four"] == {"room.three"}
    assert circles(graph) == [["room.one", "room.two"]]
    modules["room"].write_text("from room.three import Three", encoding="utf-8")
    assert ["room", "room.three"] in circles(import_graph(modules))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_package_never_imports_its_oracles(path: Path) -> None:
    tops = {module.partition(".")[0] for module in imported_modules(path)}
    assert not tops & {"diffusers", "transformers", "accelerate"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_pictures_are_opened_in_one_way(path: Path) -> None:
    """`kakusan.images.open_picture`: `Image.open` takes any format that Pillow knows."""
    opens = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith("Image.open")
    ]
    assert not opens, f"{path}, line {opens[0]}: call kakusan.images.open_picture"
    assert "PIL.Image" not in {
        name.module
        for name in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(name, ast.ImportFrom) and any(each.name == "open" for each in name.names)
    }


def test_no_module_has_a_name_that_says_nothing() -> None:
    # scripts for the reference library import its names from a module called so
    ours = [path for path in FILES if path.parent != SOURCE / "utils"]
    names = {path.stem for path in ours} | {path.parent.name for path in ours}
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


def test_the_licences_of_what_others_made_are_named() -> None:
    named = project()["license-files"]
    assert isinstance(named, list)
    inside = [path.relative_to(ROOT).as_posix() for path in (ROOT / "src").rglob("LICENSE*")]
    assert {"LICENSE", "NOTICE", *inside} == set(named)
    assert all(path in read("NOTICE") for path in inside)


def test_every_dependency_has_a_tested_version() -> None:
    optional = project()["optional-dependencies"]
    assert isinstance(optional, dict)
    wanted = CORE.union(*(names_of(lines) for lines in optional.values()))
    lines = [line for line in read("constraints.txt").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    assert wanted - {"kakusan"} <= pinned
