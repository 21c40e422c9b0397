"""`kakusan serve`: a page to draw with, and a server that other tools know."""

import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kakusan.cli import options
from kakusan.cli.console import say
from kakusan.cli.server_options import (
    SERVER,
    ControlModels,
    DataFolder,
    Embeddings,
    IPAdapters,
    LogFormat,
    LoraDirs,
    Models,
    Vaes,
    check_installed,
    check_log_format,
    limit,
    places,
)
from kakusan.cli.streams import is_terminal
from kakusan.errors import InputError, shown

if TYPE_CHECKING:
    from kakusan.server.access.tokens import Tokens
    from kakusan.server.settings import Settings

_DESKTOPS = ("DISPLAY", "WAYLAND_DISPLAY")
_DAY = 24 * 3600.0  # seconds


def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; another needs a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            metavar="N", parser=options.whole_number(0, 65535), help="0 takes one that is free."
        ),
    ] = 7860,
    data: DataFolder = None,
    model: Models = None,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The token, or a line NAME:TOKEN for each caller."),
    ] = None,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Let everybody on this machine in.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name that others call this machine by."),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Such as postgresql://user@host/name; else a file."),
    ] = None,
    comfyui_port: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=options.whole_number(0, 65535),
            help="Speak ComfyUI's API here, whose own port is 8188.",
        ),
    ] = None,
    lora_dir: LoraDirs = None,
    embeddings: Embeddings = None,
    control_model: ControlModels = None,
    vae: Vaes = None,
    ip_adapter: IPAdapters = None,
    wildcards: Annotated[list[Path] | None, places("--wildcards", "Files of __file__")] = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    together: Annotated[
        int,
        limit(
            "N",
            options.whole_number(1, 256),
            "Pictures drawn at a time, which share steps; 1 is one after the other.",
        ),
    ] = 16,
    max_waiting: Annotated[
        int,
        limit("N", options.whole_number(1, 1_000_000), "Jobs that may wait; more are refused."),
    ] = 500,
    max_pictures: Annotated[
        int,
        limit("N", options.whole_number(1, 1000), "Pictures of one job."),
    ] = 100,
    keep_free: Annotated[
        int,
        limit("MB", options.whole_number(0, 10**9), "Of the disk; below it, no job is taken."),
    ] = 256,
    keep_jobs: Annotated[
        int,
        limit(
            "N",
            options.whole_number(1, 10**9),
            "Of each caller's ended jobs, the newest; older ones go, with their pictures.",
        ),
    ] = 10_000,
    keep_days: Annotated[
        float | None,
        limit("DAYS", options.any_number(0), "For which ended jobs are kept; else for ever."),
    ] = None,
    keep_size: Annotated[
        int | None,
        limit(
            "MB",
            options.whole_number(1, 10**9),
            "Of each caller's pictures together; else as the disk takes.",
        ),
    ] = None,
    drain: Annotated[
        float,
        limit(
            "SECONDS",
            options.any_number(0),
            "That running jobs have when the server is asked to stop.",
        ),
    ] = 20.0,
    open_page: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="Open the page in a browser; usual on a desktop."),
    ] = None,
    log_format: LogFormat = "text",
    log_prompts: Annotated[
        bool, typer.Option("--log-prompts", help="Write prompts into the log, too.")
    ] = False,
) -> int:
    """Serve a page to draw with, and the APIs of other tools.

    It ends with Ctrl-C. Jobs are kept: those that wait or run when it ends go on at the next start.
    """
    check_installed("serve", SERVER, "server")
    check_log_format(log_format)
    from kakusan.server.settings import MEGABYTE, Settings, usual_data_folder

    settings = Settings(
        data=(usual_data_folder() if data is None else data.expanduser()).absolute(),
        host=host,
        port=port,
        hosts=tuple(allow_host or ()),
        database=database,
        models=tuple(model or ()),
        loras=tuple(lora_dir or ()),
        embeddings=tuple(embeddings or ()),
        controls=tuple(control_model or ()),
        vaes=tuple(vae or ()),
        ip_adapters=tuple(ip_adapter or ()),
        wildcards=tuple(wildcards or ()),
        device=device,
        dtype=dtype,
        together=together,
        most_waiting=max_waiting,
        most_pictures=max_pictures,
        disk_floor=keep_free * MEGABYTE,
        keep_jobs=keep_jobs,
        keep_seconds=None if keep_days is None else keep_days * _DAY,
        keep_bytes=None if keep_size is None else keep_size * MEGABYTE,
        drain=drain,
        comfyui_port=comfyui_port,
    )
    tokens = _tokens(settings, token_file, no_token)
    from kakusan.server.logs import logged
    from kakusan.server.run import serve as run

    opens = has_desktop() if open_page is None else open_page

    def announce(at: int) -> None:
        address = address_of(settings, at)
        link = f"{address}/#token={tokens.first}" if tokens else address
        # who keeps a token in a file does not want it in what a service writes
        says_link = bool(tokens) and (token_file is None or is_terminal(sys.stdout))
        say(f"kakusan is at {address}{f' - open {link}' if says_link else ''}")
        sys.stdout.flush()
        if opens:
            webbrowser.open(link)

    with logged(log_format, prompts=log_prompts):
        return run(settings, tokens, announce)


def _tokens(settings: "Settings", token_file: Path | None, no_token: bool) -> "Tokens":
    """Who may come in.

    Raises:
        InputError: It would be everybody in the world, or the file has no token.
    """
    from kakusan.server.access.tokens import Tokens, own_tokens, tokens_in

    if token_file is not None:
        if no_token:
            raise InputError("--token-file and --no-token were both given; give one of them")
        return tokens_in(token_file.expanduser())
    if not no_token:
        if not settings.is_loopback:
            raise InputError(
                f"--host {shown(settings.host)} lets other machines in; say with --token-file "
                "where the token is that they must know"
            )
        return own_tokens(settings.data)
    if not settings.is_loopback:
        raise InputError(
            f"--no-token is for this machine alone, and --host {shown(settings.host)} lets others "
            "in; give --token-file"
        )
    return Tokens({})


def address_of(settings: "Settings", port: int) -> str:
    """Where a browser on this machine finds the page."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def has_desktop() -> bool:
    """Whether whoever typed the command sees a browser that opens."""
    if not is_terminal(sys.stdout) or "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform in ("darwin", "win32") or any(os.environ.get(each) for each in _DESKTOPS)
