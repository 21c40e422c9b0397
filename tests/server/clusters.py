"""A Postgres of the tests' own: made in a folder, thrown away, reached through a socket there."""

import atexit
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

try:
    import pwd
except ImportError:  # Windows
    pwd = None

_SETTINGS = "-c listen_addresses='' -c max_connections=60"


def missing() -> str | None:
    """Why there can be no cluster here; None if there can."""
    if pwd is None:
        return "Postgres is reached through a socket that Windows does not have"
    if _program("initdb") is None:
        return "Postgres is not installed (Debian's postgresql)"
    if os.geteuid() == 0 and (_user() is None or shutil.which("setpriv") is None):
        return "Postgres does not run as root, and there is no user postgres to run it as"
    return None


class Cluster:
    """Runs from its making until `remove`; `stop` and `start` are an outage.

    Args:
        durable: whether a commit waits for the disk, as people have it; else tests are quicker.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._settings = f"{_SETTINGS} -c fsync={'on' if durable else 'off'}"
        self.folder = Path(tempfile.mkdtemp(prefix="kakusan-pg-"))
        atexit.register(self.remove)
        if os.geteuid() == 0:
            os.chown(self.folder, _user().pw_uid, _user().pw_gid)
        _run(
            "initdb",
            "--no-sync",
            "--no-locale",
            "-E",
            "UTF8",
            "-A",
            "trust",
            "-U",
            "postgres",
            "-D",
            str(self._data),
        )
        self._made = 0
        self.start()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        _run("pg_ctl", "-w", "-D", str(self._data), "-l", str(self.folder / "log"),
             "-o", f"{self._settings} -k {self.folder}", "start")  # fmt: skip

    def stop(self) -> None:
        """As when the machine is gone: whoever is connected loses the connection."""
        _run("pg_ctl", "-w", "-m", "immediate", "-D", str(self._data), "stop")

    def remove(self) -> None:
        if (self._data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.remove)

    def database(self) -> str:
        """The address of a new, empty database."""
        self._made += 1
        name = f"kakusan{self._made}"
        self.sql(f"CREATE DATABASE {name}")
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def drop(self, address: str) -> None:
        """Let a database go, whoever is connected to it."""
        name = address.split("/")[3].partition("?")[0]
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def sql(self, statement: str, database: str = "postgres") -> None:
        _run(
            "psql", "-q", "-X", "-h", str(self.folder), "-U", "postgres", "-c", statement, database
        )


def _user() -> "pwd.struct_passwd | None":
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None


def _program(name: str) -> str | None:
    """A program of the newest Postgres; Debian has most of them off the path."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)
    )
    places = [str(path) for path in reversed(versions)]
    return shutil.which(name, path=os.pathsep.join([*places, os.environ.get("PATH", "")]))


def _run(name: str, *arguments: str) -> None:
    program = _program(name)
    assert program is not None
    command = [program, *arguments]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
    done = subprocess.run(
        command, check=False, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 0, f"{name}: {done.stderr}"
