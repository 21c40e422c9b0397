"""The site as readers see it: two languages, the command line, the model's card, the notebooks."""

import pickle
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from kakusan.cli import app
from tests.programs import ROOT, code_blocks

JAPANESE = sorted((ROOT / "docs" / "ja").rglob("*.md"))


def text_of(page: Path) -> str:
    """What stands on a page, without tags."""
    return unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_each_page_says_its_language_and_leads_to_the_other(site: Path) -> None:
    for page in site.rglob("*.html"):
        language = "ja" if page.is_relative_to(site / "ja") else "en"
        html = page.read_text(encoding="utf-8")
        assert f'lang="{language}"' in html.partition("<head>")[0], page
        if page.stem not in ("genindex", "py-modindex", "search"):
            (switch,) = re.findall(r'<a class="language" lang="(\w+)"', html)
            assert {switch, language} == {"en", "ja"}


def test_japanese_pages_have_a_japanese_menu(site: Path) -> None:
    page = site / "ja" / "getting-started.html"
    assert 'placeholder="検索"' in page.read_text(encoding="utf-8")
    menu = text_of(page)
    for word in ("次へ", "前へ", "このページの内容", "仕組み", "コマンドライン"):
        assert word in menu
    for word in ("Search", "Next", "Previous", "On this page", "Home", "Back to top"):
        assert word not in menu


@pytest.mark.parametrize("page", JAPANESE, ids=lambda page: page.stem)
def test_a_japanese_page_shows_the_code_of_the_english_one(page: Path) -> None:
    english = ROOT / "docs" / page.relative_to(ROOT / "docs" / "ja")
    for language in ("python", "bash", "powershell", "text"):
        blocks = [
            code_blocks(each.read_text(encoding="utf-8"), language) for each in (page, english)
        ]
        assert blocks[0] == blocks[1]


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """A command with what is typed to call it, and all those under it."""
    yield path, command
    for name, part in getattr(command, "commands", {}).items():
        yield from commands(part, f"{path} {name}")


@pytest.mark.parametrize("folder", ["", "ja"])
def test_every_command_and_option_stands_on_its_page(site: Path, folder: str) -> None:
    html = (site / folder / "command-line.html").read_text(encoding="utf-8")
    sections = {
        unescape(re.sub(r"<[^>]+>", "", part.partition("</h2>")[0])).strip("#¶"): part
        for part in html.split("<h2>")[1:]
    }
    for path, command in commands(get_command(app), "kakusan"):
        section = unescape(re.sub(r"<[^>]+>", " ", sections[path]))
        for parameter in command.params:
            if parameter.param_type_name == "option":
                for name in parameter.opts:
                    assert re.search(rf"(?<![\w-]){name}\b", section), f"{path} {name}"
            else:
                assert (parameter.metavar or parameter.name) in section
    for word in ("130", "--version", "KAKUSAN_DEBUG=1"):
        assert word in html


def test_the_models_card_is_a_page_that_links_lead_to(site: Path) -> None:
    card = text_of(site / "builtin-model.html")
    for line in ("What it knows", "Limits", "Noto Color Emoji", "keyboard"):
        assert line in card
    for page in ("getting-started.html", "troubleshooting.html"):
        assert 'href="builtin-model.html"' in (site / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", ["", "ja"])
def test_the_notebook_is_shown_with_its_pictures(site: Path, folder: str) -> None:
    html = (site / folder / "notebook.html").read_text(encoding="utf-8")
    pictures = re.findall(r'<img class="output" alt="[^"]{6,}" src="([^"]+)"', html)
    assert len(pictures) >= 15
    assert "<math" in html
    assert "kernels:" in html  # what a cell printed


def test_code_can_be_copied(site: Path) -> None:
    for folder in ("", "ja"):
        html = (site / folder / "getting-started.html").read_text(encoding="utf-8")
        assert "_static/copybutton.js" in html


def test_a_page_follows_the_file_that_it_shows(site: Path) -> None:
    """Else a second build of the site would keep an old notebook, card or help."""
    for language, folder in (("en", ".doctrees"), ("ja", ".doctrees/ja")):
        environment = pickle.loads((site / folder / "environment.pickle").read_bytes())
        shown = {Path(file).name for file in environment.dependencies["notebook"]}
        assert f"stable_diffusion_{language}.ipynb" in shown
        assert "command-line" in environment.reread_always
