"""`kakusan mcp`: assistants draw."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from kakusan.cli import options
from kakusan.cli.exits import DONE
from kakusan.cli.server_options import SERVER, DataFolder, Models, check_installed
from kakusan.errors import InputError

if TYPE_CHECKING:
    from kakusan.server.mcp.remote import Remote


def mcp(
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Of a running `kakusan serve`; without it, this draws by itself.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With the token that the server asks for."),
    ] = None,
    data: DataFolder = None,
    model: Models = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
) -> int:
    """Let an assistant draw, by the Model Context Protocol.

    It speaks on stdin and stdout. Programs such as Claude Desktop start it themselves; its tools
    are draw, edit_picture, get_picture, list_models, job_status and cancel_job.
    """
    check_installed("mcp", ("mcp",), "mcp")
    if url is None:
        return _with_own_server(token_file, data, model, device, dtype)
    given = {"--data": data, "--model": model, "--device": device, "--dtype": dtype}
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{name} is what the server at --url was started with; leave it out")
    from kakusan.server.mcp.remote import Remote

    _speak(Remote(url, _token(url, token_file)))
    return DONE


def _with_own_server(
    token_file: Path | None,
    data: Path | None,
    model: list[str] | None,
    device: str | None,
    dtype: str | None,
) -> int:
    if token_file is not None:
        raise InputError("--token-file is for the server at --url; name that, or leave it out")
    check_installed("mcp", SERVER, "mcp,server")
    from kakusan.server.mcp.local import with_own_server
    from kakusan.server.settings import Settings, usual_data_folder

    settings = Settings(
        data=(usual_data_folder() / "mcp" if data is None else data.expanduser()).absolute(),
        models=tuple(model or ()),
        device=device,
        dtype=dtype,
    )
    return with_own_server(settings, _speak, may_move=data is None)


def _speak(remote: "Remote") -> None:
    """Until the assistant has gone."""
    from kakusan.server.mcp.server import build

    build(remote).run("stdio")


def _token(url: str, token_file: Path | None) -> str | None:
    """That of the file; for a server on this machine, else the one that it has made itself."""
    from kakusan.server.access.tokens import OWN_FILE, tokens_in
    from kakusan.server.settings import is_loopback, usual_data_folder

    if token_file is not None:
        return tokens_in(token_file.expanduser()).first
    own = usual_data_folder() / OWN_FILE
    is_near = is_loopback(urlsplit(url).hostname or "")
    return tokens_in(own).first if is_near and own.is_file() else None
