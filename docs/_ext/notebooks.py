"""A finished notebook as a page: its text, its code, and what its cells showed."""

import base64
import html
import re
from pathlib import Path
from typing import Any

import nbformat

ALT = {"en": "What the cell above draws: {}", "ja": "上のセルの結果：{}"}


def as_markdown(file: Path, images: Path, language: str) -> str:
    """The notebook's text; its pictures become files in `images`, beside the page's others."""
    images.mkdir(parents=True, exist_ok=True)
    parts, section = list[str](), ""
    for number, cell in enumerate(nbformat.read(file, as_version=4).cells):
        if cell.cell_type == "markdown":
            section = [section, *re.findall(r"^#+ (.*)$", cell.source, re.MULTILINE)][-1]
            parts.append(_with_anchors(cell.source))
            continue
        magic = re.search(r"^\s*[!%]", cell.source, re.MULTILINE)
        parts.append(_block(cell.source, "text" if magic else "python"))
        if told := "".join(_text(output) for output in cell.outputs):
            parts.append(_block(told, "text"))
        for index, output in enumerate(cell.outputs):
            picture = output.get("data", {}).get("image/png")
            if picture is None:
                continue
            path = images / f"{file.stem}-{number:02}-{index}.png"
            path.write_bytes(base64.b64decode(picture))
            alt = html.escape(ALT[language].format(section))
            parts.append(f'<img class="output" alt="{alt}" src="_images/{path.name}" />')
    return "\n\n".join(parts) + "\n"


def _block(text: str, language: str) -> str:
    return f"````{language}\n{text.rstrip()}\n````"


def _text(output: Any) -> str:
    """What an output says where it is no picture."""
    data = output.get("data", {})
    return "" if "image/png" in data else output.get("text") or data.get("text/plain", "")


def _with_anchors(text: str) -> str:
    """Links within the notebook as pages have them: Jupyter keeps capitals and signs."""

    def anchored(match: re.Match[str]) -> str:
        plain = re.sub(r"[^\w\- ]", "", match[1].casefold())
        return f"](#{plain.replace(' ', '-')})"

    return re.sub(r"\]\(#([^)]+)\)", anchored, text)
