"""A folder here, or what a URL names."""

import importlib.util
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from kakusan.batch.storage.local import LocalStorage
from kakusan.batch.storage.storage import Storage
from kakusan.errors import InputError, OutputError, shown_path

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:::|://)")  # a drive of Windows has one letter


def open_storage(where: str, *, new: bool = True) -> Storage:
    """The folder that people name.

    Args:
        new: whether it is made if need be.

    Raises:
        OutputError: It cannot be written, or what speaks to it is not installed.
        InputError: Another run holds it.
    """
    if where == "" or "\0" in where:
        raise OutputError("-o must name a folder, not an empty name")
    if _URL.match(where) is None:
        path = Path(where).expanduser()
        if path.exists() and not path.is_dir():
            raise OutputError(f"'{path}' is a file; name a folder")
        return _local(path, new)
    if where.startswith("file://"):  # which has better ways to be sure than to send files
        return _local(Path(unquote(urlsplit(where).path)), new)
    if importlib.util.find_spec("fsspec") is None:
        raise OutputError(
            'a URL needs fsspec, which is not installed: pip install "kakusan[remote]"'
        )
    from kakusan.batch.storage.remote import RemoteStorage

    return RemoteStorage(where)


def _local(path: Path, new: bool) -> LocalStorage:
    if not new and not path.is_dir():
        raise InputError(f"there is no folder {shown_path(path)}")
    return LocalStorage(path)
