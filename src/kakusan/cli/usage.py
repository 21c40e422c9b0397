"""What was typed wrong, in plain words: the nearest right word, and the command's own help."""

import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from kakusan.cli.console import one_line
from kakusan.cli.streams import has_colours
from kakusan.errors import InputError
from kakusan.vocabulary import (
    COMMANDS_TO_COME,
    OPTIONS_TO_COME,
    command_called,
    command_with_option,
    option_called,
    plain_word,
)

# What to type for something that is missing
EXAMPLES = {
    "PROMPT": '"a red cat"',
    "PICTURE": "cat.png",
    "LATENTS": "cat.safetensors",
    "MODEL": "OWNER/NAME",
    "TABLE": "prompts.csv",
    "PICTURES": "pictures/",
    "--x": "--x steps=5,10,25",
    "--output": "-o mine.safetensors",
}
CURLY_QUOTES = "“”„‟‘’「」『』＂"  # what it makes of quotes, and input methods have
DASHES = "–—−"  # what a word processor makes of hyphens


TYPE = re.compile(r"(?<=\w) <[^>]*>$")  # of an argument, after its name
PROMPTS = ("prompt", "p", "text", "positive", "positive-prompt")  # options elsewhere
SIZES = ("size", "resolution", "res", "dimensions", "image-size")


class UsageError(InputError):
    """The command line cannot be understood."""


class Command(TyperCommand):
    """A command whose errors say what to type instead."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        typed = list(args)
        try:
            order: list[Any] = self.make_parser(ctx).parse_args(list(args))[2]
            parsed = super().parse_args(ctx, args)
        except typer.TyperException as error:
            raise UsageError(f"{_explained(error, ctx, typed)}{_see(ctx)}") from None
        if twice := _given_twice(order):
            raise UsageError(f"{twice}{_see(ctx)}")
        return parsed

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments without what the program makes of them, such as "<list[Path]>".

        Options with a panel of their own come last, under its name.
        """
        sections: dict[str, list[Any]] = {"Arguments": [], "Options": []}
        for each in self.get_params(ctx):
            kind = "Arguments" if each.param_type_name == "argument" else "Options"
            sections.setdefault(getattr(each, "rich_help_panel", None) or kind, []).append(each)
        for heading, these in sections.items():
            records = [record for each in these if (record := each.get_help_record(ctx))]
            if records:
                with formatter.section(heading):
                    formatter.write_dl([(TYPE.sub("", name), text) for name, text in records])

    def get_help(self, ctx: Any) -> str:
        return _coloured(super().get_help(ctx))


class Group(TyperGroup):
    """A command that has others."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        typed = list(args)
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            raise UsageError(f"{_explained(error, ctx, typed)}{_see(ctx)}") from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            said = _unknown_command(ctx, args)
            raise UsageError(said if "--help`" in said else f"{said}{_see(ctx)}")
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: Any) -> str:
        return _coloured(super().get_help(ctx))


def _see(ctx: Any) -> str:
    return f" (`{ctx.command_path} --help` shows how)"


def _explained(error: typer.TyperException, ctx: Any, typed: Sequence[str]) -> str:
    parameter, unknown = getattr(error, "param", None), getattr(error, "option_name", None)
    message = error.message.rstrip(".")
    if parameter is not None:
        if not message:
            return _missing(ctx, parameter)
        return f"{_name(parameter)}{' ' if message.startswith('must') else ': '}{message}"
    if unknown is None:
        return _extra(ctx, typed) if "extra argument" in message else message
    if unknown in _options(ctx):
        takes = "needs a value" if "requires" in message else "takes no value"
        return f"{unknown} {takes}"
    return _unknown_option(ctx, unknown, typed)


def _given_twice(order: Sequence[Any]) -> str | None:
    """Of the parameters as they were typed the first whose one value would hide another."""
    seen: list[Any] = []
    for parameter in order:
        if parameter in seen and not (getattr(parameter, "is_flag", False) or parameter.multiple):
            return f"{_name(parameter)} is given twice, and takes one value"
        seen.append(parameter)
    return None


def _name(parameter: Any) -> str:
    """As it is typed: an option's longest name, an argument's metavar."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    return max(parameter.opts, key=len)


def _missing(ctx: Any, parameter: Any) -> str:
    name = _name(parameter)
    if name not in EXAMPLES:
        return f"{name} is missing"
    arguments = [EXAMPLES[each] for each in _arguments(ctx) if each in EXAMPLES]
    example = [EXAMPLES[name]] if name.startswith("-") else []
    return f"{name} is missing, as in {' '.join([ctx.command_path, *arguments, *example])}"


def _options(ctx: Any) -> list[str]:
    parameters = ctx.command.get_params(ctx)
    return [o for each in parameters if each.param_type_name == "option" for o in each.opts]


def _arguments(ctx: Any) -> list[str]:
    parameters = ctx.command.get_params(ctx)
    return [_name(each) for each in parameters if each.param_type_name == "argument"]


def _extra(ctx: Any, typed: Sequence[str]) -> str:
    """Words that nothing takes: most often a prompt without quotes."""
    for word in typed:
        if word[:1] in tuple(DASHES):
            return f"{_cut(word)} begins with a dash; options begin with hyphens, such as --steps"
    if "PROMPT" not in _arguments(ctx):
        return f"too many words: {_path_and_arguments(ctx)} is all"
    if "--" in typed and any(word.startswith("-") for word in typed[typed.index("--") + 2 :]):
        return "what follows -- is no option; put options before it, and PROMPT alone after it"
    words: list[str] = []
    for word in typed:  # up to the first option
        if word.startswith("-"):
            break
        words.append(word)
    if len(words) < 2:
        return "there is more than one PROMPT; put quotes round the whole of it"
    if all(" " in word for word in words):
        return f"there is more than one PROMPT; {ctx.command_path} takes one"
    prompt = " ".join(words).strip(CURLY_QUOTES)
    return f'a prompt of several words needs quotes: {ctx.command_path} "{_cut(prompt)}"'


def _path_and_arguments(ctx: Any) -> str:
    return " ".join([ctx.command_path, *_arguments(ctx)])


def _unknown_option(ctx: Any, unknown: str, typed: Sequence[str]) -> str:
    whole = next((word for word in typed if word.startswith(unknown)), unknown)
    options, takes_prompt = _options(ctx), "PROMPT" in _arguments(ctx)
    if " " in whole.strip() and "=" not in whole and takes_prompt:
        quoted = f'"{_cut(whole)}"'
        return (
            f"{quoted} begins with a hyphen and is read as an option; put it last, after --: "
            f"{ctx.command_path} -- {quoted}"
        )
    name = whole.partition("=")[0]
    if re.fullmatch(r"-\w[\d.]+", name):  # an option and its value in one, such as -W512
        name = name[:2]
    said = f"there is no option {_cut(name)}"
    if takes_prompt and plain_word(name) in PROMPTS:
        return f"{said}; PROMPT stands alone: {ctx.command_path} {EXAMPLES['PROMPT']}"
    if {"--width", "--height"} <= set(options) and plain_word(name) in SIZES:
        return f"{said}; it is --width and --height here"
    if other := option_called(name, options):
        return f"{said}; it is {other} here"
    if (command := command_with_option(name)) and takes_prompt:
        return f"{said}; {command} has it"
    if plain_word(name) in OPTIONS_TO_COME:
        return f"{said} yet"
    long = [option for option in options if option.startswith("--")]
    close = _close(name, long)
    if isinstance(ctx.command, TyperGroup) and ctx.parent is None and not close:
        return f"{said} before the command; the options of a command come after its name"
    if close:
        return f"{said}; did you mean {close}?"
    if name.startswith("--") or not takes_prompt:
        return said
    return f"{said}; a prompt that begins with a hyphen comes last, after --"


def _unknown_command(ctx: Any, args: Sequence[str]) -> str:
    word, path = args[0], ctx.command_path
    known = list(ctx.command.list_commands(ctx))
    said = f"there is no command {_cut(word)}"
    group, other = path.partition(" ")[2], command_called(word)
    if other is not None:
        return f"{said}; it is `kakusan {other}`"
    if plain_word(word) in COMMANDS_TO_COME:
        return f"{said} yet"
    if close := _close(word, known):
        return f"{said}; did you mean {close}?"
    if not group and (" " in word or len(args) > 1):
        return f'{said}; to draw, say generate: kakusan generate "{_cut(" ".join(args))}"'
    return f"{said}; there are {', '.join(known)}"


def _close(word: str, known: Iterable[str]) -> str:
    """The words nearest to one, hyphens at the beginning apart."""
    names = {plain_word(each): each for each in known}
    found = difflib.get_close_matches(plain_word(word)[:100], names, n=2, cutoff=0.65)
    return " or ".join(names[each] for each in found)


def _cut(text: str) -> str:
    """What was typed, on one line, and no longer than 60 characters."""
    plain = one_line(text)
    return plain if len(plain) <= 60 else f"{plain[:57]}..."


def _coloured(text: str) -> str:
    """Help whose headings and names stand out where there are colours."""
    if not has_colours(sys.stdout):
        return text
    text = re.sub(r"^(\w+:)", "\x1b[1m\\1\x1b[0m", text, flags=re.MULTILINE)
    names = r"^  ((?:-\w, )?--[\w-]+|[a-zA-Z]+(?=  ))"
    return re.sub(names, "  \x1b[36m\\1\x1b[0m", text, flags=re.MULTILINE)
