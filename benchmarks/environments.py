"""A virtual environment for each library that kakusan is compared with."""

import subprocess
import sys
from pathlib import Path

from benchmarks.contenders import PACKAGES, ROOT, WITH_OWN_PINS


class PeerError(Exception):
    """A contender cannot be installed, loaded or run; the message is one line."""


def python_of(library: str, folder: Path) -> Path:
    """The Python that runs `library`: kakusan's is this one, a peer's is made in `folder`.

    Raises:
        PeerError: What the library needs cannot be installed.
    """
    if library == "kakusan":
        return Path(sys.executable)
    environment = folder / library
    finished = environment / "finished"
    if not finished.exists():
        print(f"installing {library} into {environment}", file=sys.stderr)
        _run(sys.executable, "-m", "venv", "--clear", str(environment))
        pip = (str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet")
        pins = () if library in WITH_OWN_PINS else ("-c", str(ROOT / "constraints.txt"))
        for packages in PACKAGES[library]:
            _run(*pip, *pins, *packages)
        finished.touch()
    return environment / "bin" / "python"


def _run(*command: str) -> None:
    """Run a command to its end; its last line is the reason if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise PeerError(f"cannot be installed: {last_line(done.stderr or done.stdout)}")


def last_line(text: str) -> str:
    """The last line of what a process said, which is where the reason stands."""
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else "no word"
