"""What pages show of the repository: files that stand elsewhere, and links to them.

A page says `<!-- show ../path/to/file -->` where the site is to have that file's text, so that a
reader of the repository sees a link there and a reader of the site the thing itself. `<!-- commands
-->` is the command line as its own help tells it, and `<!-- later -->` what there is not yet.
"""

import html
import os
import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

from _ext import commands, later, notebooks
from _ext.languages import DOCS, FOLDERS

ROOT = DOCS.parent
SHOW = re.compile(r"^<!-- show (\S+) -->$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((\.?\.?/?[^):#\s]+)(#[^)]*)?\)")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^):]+)\)")


def shown_files(folder: Path) -> dict[Path, Path]:
    """Each file that a page of a project shows, with that page."""
    pages = [page for page in folder.rglob("*.md") if "_build" not in page.parts]
    return {
        (page.parent / path).resolve(): page
        for page in pages
        for path in SHOW.findall(page.read_text(encoding="utf-8"))
    }


def _fill(app: Sphinx, name: str, source: list[str]) -> None:
    """Put in what a page shows, and lead its links to where things are on the site."""
    language, folder = app.config.language, Path(app.srcdir)
    page = folder / f"{name}.md"

    def text_of(match: re.Match[str]) -> str:
        file = (page.parent / match[1]).resolve()
        app.env.note_dependency(str(file))
        if file.suffix == ".ipynb":
            text = notebooks.as_markdown(file, Path(app.outdir) / "_images", language)
        else:
            text = file.read_text(encoding="utf-8")
        text = re.sub(r"\A# .*\n", "", text)  # the page has a title
        return _relocated(text, file.parent, page.parent)

    text = SHOW.sub(text_of, source[0])
    if "<!-- commands -->" in text or "<!-- later -->" in text:
        app.env.note_reread()  # they follow from the program, wherever it was changed
    if "<!-- commands -->" in text:
        text = text.replace("<!-- commands -->", commands.as_markdown(language))
    if "<!-- later -->" in text:
        text = text.replace("<!-- later -->", later.as_markdown())
    text = LINK.sub(lambda match: _led(match, page, folder), text)
    images = Path(app.outdir) / "_images"
    source[0] = PICTURE.sub(lambda match: _for_phones(match, page, folder, images), text)


def _relocated(text: str, old: Path, new: Path) -> str:
    """Markdown whose relative paths are from another folder."""

    def moved(path: str) -> str:
        return Path(os.path.relpath(old / path, new)).as_posix()

    text = PICTURE.sub(lambda match: f"![{match[1]}]({moved(match[2])})", text)
    return LINK.sub(lambda match: f"[{match[1]}]({moved(match[2])}{match[3] or ''})", text)


def _led(match: re.Match[str], page: Path, folder: Path) -> str:
    """A link as the site can follow it: to a page, to the other language, or a name in its place.

    The site's folders are those of the sources, so a path from page to page holds there too.
    """
    words, anchor = match[1], match[3] or ""
    target = (page.parent / match[2]).resolve()
    if not target.exists():
        return match[0]
    others = [each for each in FOLDERS.values() if each != folder]
    for project in (folder, *others):
        target = shown_files(project).get(target, target)
    if target.suffix != ".md" or not target.is_relative_to(DOCS):
        return f"{words} (`{target.relative_to(ROOT)}`)"
    path = Path(os.path.relpath(target, page.parent))
    if target.is_relative_to(FOLDERS["ja"]) == (folder == FOLDERS["ja"]):
        return f"[{words}]({path.as_posix()}{anchor})"
    return f'<a href="{path.with_suffix(".html").as_posix()}{anchor}">{words}</a>'


def _for_phones(match: re.Match[str], page: Path, folder: Path, images: Path) -> str:
    """A picture with its narrow form, where there is one: NAME-phone.png beside NAME.png."""
    wide = (page.parent / match[2]).resolve()
    narrow = wide.with_stem(f"{wide.stem}-phone")
    if not narrow.exists():
        return match[0]
    images.mkdir(parents=True, exist_ok=True)
    for file in (wide, narrow):
        shutil.copyfile(file, images / file.name)
    up = Path(os.path.relpath(folder, page.parent), "_images").as_posix()
    return (
        f'<picture><source media="(max-width: 46em)" srcset="{up}/{narrow.name}">'
        f'<img src="{up}/{wide.name}" alt="{html.escape(match[1])}"></picture>'
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True}
