"""What the pages say of Ray: commands and names that there are, the same in both languages."""

import re
import shlex
from typing import Any

import pytest
import yaml

from kakusan.cli import batch_engines
from kakusan.cli.app import app
from tests.programs import ROOT, code_blocks

GUIDES = [ROOT / "docs" / "guides", ROOT / "docs" / "ja" / "guides"]


def shown(page: str) -> list[list[str]]:
    """The lines of both pages that are about Ray."""
    both = [
        "".join(code_blocks((folder / page).read_text(encoding="utf-8"), "shell")).splitlines()
        for folder in GUIDES
    ]
    return [[line for line in lines if "ray" in line or "curl" in line] for lines in both]


@pytest.mark.parametrize("page", ["batch.md", "server.md"])
def test_both_languages_show_the_same(page: str) -> None:
    english, japanese = shown(page)
    assert english == japanese
    assert english


@pytest.mark.parametrize("folder", GUIDES, ids=["en", "ja"])
def test_the_page_of_tables_names_what_there_is(folder: Any) -> None:
    import typer

    text = (folder / "batch.md").read_text(encoding="utf-8")
    _, _, of_ray = text.partition("--engine ray")
    options = set(re.findall(r"(--[a-z][a-z-]+)", of_ray.partition("\n## ")[0]))
    command: Any = typer.main.get_command(app)
    known = {name for each in command.commands["batch"].params for name in each.opts}
    assert options <= known
    assert {"--ray-address", "--actors", "--actor-cpus"} <= options
    assert batch_engines.RAY_ADDRESS in of_ray
    for line in shown("batch.md")[0]:
        words = shlex.split(line)
        assert words[words.index("--engine") + 1] in batch_engines.ENGINES


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own
@pytest.mark.parametrize("folder", GUIDES, ids=["en", "ja"])
def test_the_page_of_the_server_names_what_there_is(folder: Any) -> None:
    pytest.importorskip("ray")
    from kakusan.server.on_ray.app import HEALTH
    from kakusan.server.on_ray.serving import Arguments

    text = (folder / "server.md").read_text(encoding="utf-8")
    (place, told) = re.findall(r"serve run (kakusan[\w.:]+) ([\w= ]+)`", text)[0]
    assert Arguments(**dict(each.split("=") for each in told.split())).max_replicas == 4
    config = yaml.safe_load((ROOT / "deploy" / "ray-serve.yaml").read_text(encoding="utf-8"))
    (application,) = config["applications"]
    assert application["import_path"] == place
    assert f"http://127.0.0.1:{config['http_options']['port']}" in text
    assert f"GET {HEALTH}" in text
    for name in ("waiting", "host", "token_file"):
        assert f"`{name}`" in text
        assert name in Arguments.model_fields
