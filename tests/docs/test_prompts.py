"""The built-in model understands every prompt that pages and notebooks show."""

import ast
import re
from pathlib import Path

import pytest

from kakusan.errors import UnknownNameError
from kakusan.samplers import meaning_of
from kakusan.text import CLIPTokenizer, Understanding
from tests.programs import ROOT, code_blocks

PAGES = [
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "notebooks").glob("stable_diffusion_*.py"),
    ROOT / "README.md",
    ROOT / "README.ja.md",
]
# What shows how it is said that a word is not known
MEANT = {"a red griffin and a catt", "a castle, bad-hands"}
NODES = {"Load Checkpoint", "Save Image"}  # of ComfyUI's graphs


def prompts(page: Path) -> set[str]:
    """What is quoted on a page and has several words, but for messages, which have a colon."""
    text = page.read_text(encoding="utf-8")
    programs = [text] if page.suffix == ".py" else code_blocks(text, "python")
    found = {
        node.value
        for program in programs
        for node in ast.walk(ast.parse(program))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    if page.suffix == ".md":
        for block in code_blocks(text, "bash"):
            found |= set(re.findall(r'"([^"]+)"', block))
    several = {each for each in found if re.search(r"\S\s+\S|[ぁ-ん]", each)}
    several = {each for each in several if each == each.strip() and ":" not in each}
    several = {each for each in several if not each.startswith("kakusan")}  # what is installed
    return {each for each in several if not is_scheduler(each)}


def is_scheduler(text: str) -> bool:
    """Whether this is a name such as "DPM++ 2M Karras"."""
    try:
        meaning_of(text)
    except UnknownNameError:
        return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_prompt_is_understood(page: Path) -> None:
    tokenizer = CLIPTokenizer.from_pretrained("builtin", subfolder="tokenizer")
    for prompt in prompts(page) - MEANT - NODES:
        assert Understanding.of(prompt, tokenizer).notes() == [], prompt


def test_there_are_prompts() -> None:
    assert len(set[str]().union(*map(prompts, PAGES))) > 10
