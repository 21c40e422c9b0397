"""All commands, and how a run ends."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from kakusan import __version__
from kakusan.cli import models, streams, train
from kakusan.cli.batch import batch
from kakusan.cli.console import complain, describe, plain_notices, say
from kakusan.cli.decode import decode
from kakusan.cli.doctor import doctor
from kakusan.cli.exits import DONE, FAILED, INTERRUPTED, READER_LEFT, USAGE
from kakusan.cli.generate import generate
from kakusan.cli.img2img import img2img
from kakusan.cli.info import info
from kakusan.cli.inpaint import inpaint, outpaint
from kakusan.cli.like import CommandWithLike
from kakusan.cli.look import grid
from kakusan.cli.mcp import mcp
from kakusan.cli.reproduce import reproduce
from kakusan.cli.schedulers import schedulers
from kakusan.cli.serve import serve
from kakusan.cli.tokens import tokens
from kakusan.cli.upscale import CommandWithoutPrompt, upscale
from kakusan.cli.usage import Command, Group
from kakusan.cli.worker import worker
from kakusan.errors import InputError, KakusanError

# Plain help: rich would double the time that `kakusan --help` takes
app = typer.Typer(
    name="kakusan",
    cls=Group,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=CommandWithLike)(generate)
app.command(cls=CommandWithLike)(img2img)
app.command(cls=CommandWithLike)(inpaint)
app.command(cls=CommandWithLike)(outpaint)
app.command(cls=CommandWithoutPrompt)(upscale)
for command in (info, reproduce, decode, grid, tokens, schedulers):
    app.command(cls=Command)(command)
app.add_typer(models.app, name="models")
app.add_typer(train.app, name="train")
app.command(cls=Command)(batch)
app.command(cls=Command)(serve)
app.command(cls=Command)(worker)
app.command(cls=Command)(doctor)
app.command(cls=Command)(mcp)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say the version and end.")] = False,
) -> None:
    """Stable Diffusion: texts and pictures in, pictures out.

    Results go to stdout, progress to stderr. Exit codes: 0 done, 1 failed, 2 bad usage,
    3 partly done, 130 interrupted, 141 nobody reads stdout any more.
    """
    if version:
        say(f"kakusan {__version__}")
        raise typer.Exit(DONE)
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit(DONE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (`sys.argv` where none is given); returns the exit code."""
    streams.hold()
    own = sys.stdout, sys.stderr
    try:
        with plain_notices():
            code = _ended(None if arguments is None else list(arguments))
    except (streams.ReaderLeft, BrokenPipeError):
        code = READER_LEFT
    except SystemExit:
        if sys.stdout is own[0]:  # completion ends so
            streams.settle()
            raise
        sys.stdout, sys.stderr = own  # typer writes help, and wraps them when nobody reads it
        code = READER_LEFT
    if not streams.settle() and code == DONE:
        complain("not all could be written to stdout")
        code = FAILED
    return code


def _ended(arguments: list[str] | None) -> int:
    """Run a command; any error is one line."""
    try:
        command = get_command(app)
        code = command.main(args=arguments, prog_name="kakusan", standalone_mode=False)
    except typer.TyperException as error:
        complain(error.format_message())
        return USAGE
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except (streams.ReaderLeft, BrokenPipeError):
        raise
    except InputError as error:
        complain(describe(error))
        return USAGE
    except KakusanError as error:
        complain(describe(error))
        return FAILED
    except MemoryError:
        complain("out of memory; ask for a smaller size or fewer pictures")
        return FAILED
    except Exception as error:
        complain(f"{type(error).__name__}: {describe(error)} (KAKUSAN_DEBUG=1 shows where)")
        return FAILED
    if code == INTERRUPTED:
        complain("interrupted")
    return code or DONE
