"""What whoever runs the server decides, and where its files lie."""

import os
import sys
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

PORT = 7860
MEGABYTE = 2**20


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of it, with what is usual.

    Attributes:
        data: the folder of the database, of pictures, and of the token.
        host, port: where to listen.
        hosts: names beside its own under which the server is called.
        database: an address in SQLAlchemy's form; None is a file in `data`.
        models: names, folders or files of models; the first is drawn with where none is named.
        loras, embeddings, controls, vaes, ip_adapters, wildcards: files and folders of what
            requests may name.
        device, dtype: where and in what numbers to compute; None is what is fast here.
        together: pictures that are drawn at a time and share steps; 1 is one after the other.
        most_waiting: jobs in the queue; more are answered 429.
        most_pictures: of one job.
        most_pixels: of one picture that is asked for.
        most_bytes: of the body of a request.
        most_connections: at once.
        patience: seconds for a request's head, and between two pieces of its body.
        disk_floor: bytes that stay free on the disk.
        keep_jobs, keep_seconds, keep_bytes: of each caller's ended jobs, how many are kept, how
            long, and how large their pictures are together; None is without limit.
        drain: seconds for running jobs when the server is asked to stop.
        comfyui_port: of the API that ComfyUI's clients speak; None has none.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = PORT
    hosts: tuple[str, ...] = ()
    database: str | None = None
    models: tuple[str, ...] = ()
    loras: tuple[Path, ...] = ()
    embeddings: tuple[Path, ...] = ()
    controls: tuple[Path, ...] = ()
    vaes: tuple[Path, ...] = ()
    ip_adapters: tuple[Path, ...] = ()
    wildcards: tuple[Path, ...] = ()
    device: str | None = None
    dtype: str | None = None
    together: int = 16
    most_waiting: int = 500
    most_pictures: int = 100
    most_pixels: int = 4096 * 4096
    most_bytes: int = 32 * MEGABYTE
    most_connections: int = 4000
    patience: float = 30.0
    disk_floor: int = 256 * MEGABYTE
    keep_jobs: int | None = 10_000
    keep_seconds: float | None = None
    keep_bytes: int | None = None
    drain: float = 20.0
    comfyui_port: int | None = None

    @property
    def database_url(self) -> str:
        """Where jobs are kept."""
        return self.database or f"sqlite:///{(self.data / 'jobs.db').absolute()}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether an address or a name is this machine's own, and no other's."""
    if host.casefold() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False


def usual_data_folder() -> Path:
    """The user's own, as the platform has it."""
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "kakusan"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "kakusan"
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if os.path.isabs(base) else home / ".local" / "share") / "kakusan"
