"""The documentation: its programs run, it builds without a warning, and no link is dead."""

import html
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from typer.testing import CliRunner

from kakusan.cli import app
from tests.programs import ROOT, code_blocks, run_program

DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
# Run with what they need: test_server_page.py, test_batch_page.py and test_scale_page.py
APART = ("server", "batch", "scale")


def programs() -> list[tuple[str, str]]:
    """Each program of the pages once, with the page that shows it first."""
    found: dict[str, str] = {}
    for page in PAGES:
        if page.stem in APART:
            continue
        for program in code_blocks(page.read_text(encoding="utf-8"), "python"):
            found.setdefault(program, page.stem)
    return [(page, program) for program, page in found.items()]


@pytest.mark.parametrize(("page", "program"), programs(), ids=lambda value: value[:30])
def test_programs_run(page: str, program: str, hub_cache: Path, tmp_path: Path) -> None:
    run_program(program.replace("steps=50", "steps=2"), hub_cache, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_commands_exist(page: Path) -> None:
    lines = "\n".join(code_blocks(page.read_text(encoding="utf-8"), "bash")).splitlines()
    for line in lines:
        words = re.sub(r'"[^"]*"', "TEXT", line).split()
        if not words or words[0] != "kakusan":
            continue
        command = words[1:3] if words[1] in ("models", "train") else words[1:2]
        shown = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, [*command, "--help"])
        assert shown.exit_code == 0, shown.output
        options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shown.output))
        assert {word for word in words if word.startswith("-")} <= options, line


def test_no_link_and_no_picture_is_dead(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) >= len(PAGES)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r'(?:href|src|srcset)="([^"]+)"', text):
            address, _, part = html.unescape(target).partition("#")
            address = address.partition("?")[0]
            if re.match(r"[a-z]+:", address) or (address and address.startswith("//")):
                continue
            file = (page.parent / unquote(address)).resolve() if address else page
            assert file.exists(), f"{page.relative_to(site)} points to {target}"
            if part and file.suffix == ".html":
                assert f'id="{unquote(part)}"' in file.read_text(encoding="utf-8"), target


def test_the_site_asks_no_other_for_anything(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', text)


def test_every_picture_is_described() -> None:
    for page in PAGES:
        for words, _ in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert len(words) > 5, page
