"""A server of one's own for an assistant: on this machine alone, gone when the assistant goes."""

import secrets
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from kakusan.errors import InputError
from kakusan.server.access.tokens import Tokens
from kakusan.server.mcp.remote import Remote
from kakusan.server.queue.locking import FileLock
from kakusan.server.run import serve
from kakusan.server.settings import Settings

_FOLDERS = 16  # assistants at once, each with a server of its own
_HELD = "assistant"
_DRAIN = 2.0  # seconds for what is drawn when the assistant goes


def with_own_server(
    settings: Settings, speak: Callable[[Remote], None], *, may_move: bool = False
) -> int:
    """Serve while `speak` talks to an assistant, in a thread of its own; the exit code.

    Args:
        may_move: whether a folder beside is taken where another assistant has the data folder.

    Raises:
        InputError: The data folder is another server's, a model is not there.
    """
    token = secrets.token_urlsafe(32)
    folder, lock = free_folder(settings.data, _FOLDERS if may_move else 1)
    settings = replace(settings, data=folder, host="127.0.0.1", port=0, drain=_DRAIN)
    failed = list[BaseException]()

    def talk(port: int) -> None:
        try:
            speak(Remote(f"http://127.0.0.1:{port}", token))
        except BaseException as error:
            failed.append(error)
        finally:
            signal.raise_signal(signal.SIGTERM)  # os.kill would end the process on Windows

    def begin(port: int) -> None:
        threading.Thread(target=talk, args=(port,), daemon=True).start()

    try:
        code = serve(settings, Tokens({"local": token}), begin)
    finally:
        lock.release()
    if failed:
        raise failed[0]
    return code


def free_folder(data: Path, tries: int = _FOLDERS) -> tuple[Path, FileLock]:
    """The folder, or where another assistant's server has it, `data-2` and so on.

    Returns:
        The folder, and what holds it until it is released or the process ends.

    Raises:
        InputError: All are taken, or it cannot be written.
    """
    for number in range(2, tries + 1):
        try:
            return data, FileLock(data / _HELD)
        except InputError:
            data = data.with_name(f"{data.name.removesuffix(f'-{number - 1}')}-{number}")
    return data, FileLock(data / _HELD)
