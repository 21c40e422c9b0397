"""What a release is made of, and by what: `.ci/wheels`, `.ci/names.py`, `hatch_*.py`."""

import importlib
import re
import runpy
import sys
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import kakusan

ROOT = Path(__file__).parents[1]
contents = runpy.run_path(str(ROOT / ".ci" / "contents.py"))
names = runpy.run_path(str(ROOT / ".ci" / "names.py"))
hatch_build = importlib.import_module("hatch_build")
hatch_metadata = importlib.import_module("hatch_metadata")
REPOSITORY: str = names["repository"]()


def test_the_index_is_told_where_everything_is() -> None:
    urls = hatch_metadata.urls(REPOSITORY, "1.2.3")
    assert urls["Repository"] == REPOSITORY
    assert all(each.startswith(REPOSITORY) for each in urls.values())
    assert urls["Changelog"] == f"{REPOSITORY}/blob/v1.2.3/CHANGELOG.md"


def test_no_link_of_the_readme_needs_a_folder_beside_it() -> None:
    text = hatch_metadata.readme(REPOSITORY, "1.2.3")
    found = re.findall(r"\]\(([^)]+)\)", text)
    assert len(found) > 20
    assert not [each for each in found if not re.match(r"https://|#", each)]
    assert "![Twelve pictures" in text
    assert f"]({REPOSITORY}/raw/v1.2.3/docs/images/grid.png)" in text
    assert f"[日本語]({REPOSITORY}/blob/v1.2.3/README.ja.md)" in text
    source = (ROOT / "README.md").read_text(encoding="utf-8")
    ours = re.findall(rf"\]\({REPOSITORY}/(?:raw|blob)/v1\.2\.3/([^)#]+)", text)
    assert not [each for each in ours if not (ROOT / each).exists()]
    assert text.count("\n") == source.count("\n")


def test_a_tag_and_a_repository_are_those_in_the_sources() -> None:
    version = kakusan.__version__
    assert names["faults"](f"v{version}", REPOSITORY) == []
    assert names["faults"]("v9", REPOSITORY) == [
        f"the tag is v9 and the version {version}: tag v{version}"
    ]
    (fault,) = names["faults"](f"v{version}", "https://example.com/fork")
    assert fault.startswith("the repository is https://example.com/fork: name it in pyproject.toml")


def wheel(folder: Path, name: str, files: dict[str, str]) -> None:
    with zipfile.ZipFile(folder / f"kakusan-1-py3-none-{name}.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


WHOLE = {
    "kakusan/py.typed": "",
    **{f"kakusan-1.dist-info/licenses/{name}": "" for name in contents["LICENCES"]},
}
KERNELS = {f"kakusan/runtime/native/kernels_{level}.so": "" for level in hatch_build.LEVELS}


def test_a_whole_release_has_no_faults(tmp_path: Path) -> None:
    (tmp_path / "kakusan-1.tar.gz").touch()
    wheel(tmp_path, "any", WHOLE)
    wheel(tmp_path, "manylinux_2_28_x86_64", {**WHOLE, **KERNELS})
    assert contents["faults"](tmp_path, ["/home/somebody"]) == []


def test_what_a_release_lacks_or_has_too_much_is_said(tmp_path: Path) -> None:
    some = dict(list(KERNELS.items())[:2])
    wheel(tmp_path, "any", {**WHOLE, **some, "kakusan/x.py": "# /home/somebody/x.py"})
    wheel(tmp_path, "linux_x86_64", KERNELS)
    told = "\n".join(contents["faults"](tmp_path, ["/home/somebody"]))
    for part in (
        "0 files *.tar.gz, not 1",
        "0 files *manylinux*_x86_64.whl, not 1",
        "kakusan-1-py3-none-any.whl has kernels for ['avx2', 'avx512'], not []",
        "has '/home/somebody' in kakusan/x.py",
    ):
        assert part in told
    wheel(tmp_path, "manylinux_2_28_x86_64", {})
    told = "\n".join(contents["faults"](tmp_path, []))
    assert "x86_64.whl has no py.typed" in told
    assert "has the licences [], not ['LICENSE', 'NOTICE', 'src/kakusan/text/clip/LICENSE']" in told


class Interface:
    """What Hatch's own class of that name holds."""

    root, target_name = str(ROOT), "wheel"

    @classmethod
    def __class_getitem__(cls, _of: object) -> "type[Interface]":
        return cls


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = SimpleNamespace(BuildHookInterface=Interface)
    monkeypatch.setitem(sys.modules, "hatchling.builders.hooks.plugin.interface", module)
    return hatch_build.get_build_hook()()


def test_a_wheel_with_kernels_is_of_one_system(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAKUSAN_NATIVE", raising=False)
    built = [hatch_build.SOURCES / "kernels_avx2.so"]
    monkeypatch.setitem(type(hook).initialize.__globals__, "build", lambda: built)
    data: dict[str, Any] = {}
    hook.initialize("standard", data)
    assert data["artifacts"] == ["/src/kakusan/runtime/native/kernels_avx2.so"]
    assert data["pure_python"] is False
    assert data["tag"].startswith("py3-none-")


@pytest.mark.parametrize("why", ["asked", "no compiler"])
def test_a_wheel_without_kernels_is_of_every_system(
    hook: Any, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setenv("KAKUSAN_NATIVE", "off" if why == "asked" else "")
    built = [Path("/never")] if why == "asked" else []
    monkeypatch.setitem(type(hook).initialize.__globals__, "build", lambda: built)
    data: dict[str, Any] = {}
    hook.initialize("standard", data)
    assert data == {}


def first_cell() -> str:
    """The code of the notebooks' first cell."""
    text = (ROOT / "notebooks" / "stable_diffusion_en.py").read_text(encoding="utf-8")
    return text.partition("# %%\n")[2].partition("# %%")[0]


def test_the_notebooks_name_the_repository_that_the_sources_name() -> None:
    assert f'REPOSITORY = "{REPOSITORY}"\n' in first_cell()


@pytest.mark.parametrize(
    ("clone", "works", "wanted"),
    [
        (True, "..[inspect]", ["..[inspect]"]),
        (False, "kakusan[inspect]", ["kakusan[inspect]"]),
        (False, "git+", ["kakusan[inspect]", f"kakusan[inspect] @ git+{REPOSITORY}"]),
        (False, "nothing", ["kakusan[inspect]", f"kakusan[inspect] @ git+{REPOSITORY}"]),
        (False, "", []),
    ],
)
def test_the_notebooks_first_cell_installs_from_what_there_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    clone: bool,
    works: str,
    wanted: list[str],
) -> None:
    """`works` is what pip can install from; "" stands for a kakusan that is there already."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    if clone:
        (tmp_path / "hatch_build.py").touch()
    asked: list[str] = []

    def run(command: list[str]) -> None:
        assert command[:-1] == [sys.executable, "-m", "pip", "install", "-q"]
        asked.append(command[-1])

    def find_spec(name: str) -> object:
        assert name == "kakusan"
        return object() if not works or any(works in each for each in asked) else None

    monkeypatch.setattr("subprocess.run", run)
    monkeypatch.setattr("importlib.util.find_spec", find_spec)
    exec(first_cell(), {})
    assert asked == wanted
    said = capsys.readouterr().out.splitlines()
    assert said[: len(wanted)] == [f"installing {each}" for each in wanted]
    assert said[len(wanted) :] == (
        ["kakusan is not installed; pip says above why"] if works == "nothing" else []
    )


def test_every_extra_is_tried_with_other_versions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / ".ci" / "versions").read_text(encoding="utf-8")
    wanted = project["optional-dependencies"].keys() - {"benchmarks", "dev"}
    assert set(re.findall(r"--extra (\w+)", text)) == wanted
