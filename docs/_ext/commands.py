"""The command line as a page: every command, argument and option, from the program itself."""

import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from kakusan.cli import app

NOTES = {
    "ja": {r"\[default: ([^\]]*)\]": r"（既定値：\1）", r"\[required\]": "（必須）"},
}


def as_markdown(language: str) -> str:
    """A section for each command, with a definition for each thing that it takes."""
    return "\n".join(_lines(get_command(app), "kakusan", None, language))


def _lines(command: Any, name: str, parent: Any, language: str) -> Iterator[str]:
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    yield f"## `{name if parent is None else context.command_path}`\n"
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```\n"
    yield f"{_paragraphs(command.help or '')}\n"
    for parameter in command.get_params(context):
        shown = parameter.get_help_record(context)
        if shown is None or (parent is not None and "--help" in parameter.opts):
            continue  # every command has --help; the first section says so
        head, told = shown
        for english, translated in NOTES.get(language, {}).items():
            told = re.sub(english, translated, told)
        yield f"`{head}`\n: {_paragraphs(told)}\n"
    for each, part in getattr(command, "commands", {}).items():
        yield from _lines(part, each, context, language)


def _paragraphs(text: str) -> str:
    """Help as Markdown, whose lines may be broken anywhere."""
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
