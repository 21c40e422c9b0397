"""What a person sees: the command on a terminal of 80 columns, beside the same in a pipe."""

import contextlib
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import kakusan
from kakusan.cli.live import cells, line, span

fcntl = pytest.importorskip("fcntl")
pty = pytest.importorskip("pty")
termios = pytest.importorskip("termios")

SOURCE = Path(kakusan.__file__).parents[1]
PROGRAM = [sys.executable, "-m", "tests.cli.program"]


def started(
    command: list[str], here: Path, environment: dict[str, str]
) -> "tuple[int, subprocess.Popen[bytes]]":
    """A process on a terminal of its own, and the other end of that."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    plain = {"TERM": "xterm", "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"}
    path = f"{SOURCE}{os.pathsep}{Path(__file__).parents[2]}"
    process = subprocess.Popen(
        command,
        cwd=here,
        env=os.environ | {"PYTHONPATH": path} | plain | environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    return master, process


def everything(master: int) -> bytes:
    """What a terminal gets until nobody writes to it any more."""
    got = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while some := os.read(master, 4096):
            got += some
    os.close(master)
    return got


def seen(typed: str, here: Path, **environment: str) -> tuple[str, list[str]]:
    """Everything that a terminal gets of a line of bash, and what stands on it in the end."""
    line = ["bash", "-c", typed.replace("KAKUSAN", shlex.join(PROGRAM))]
    master, process = started(line, here, environment)
    text = everything(master).decode()
    process.wait(timeout=60)
    return text, screen(text)


def screen(text: str) -> list[str]:
    """The lines of a terminal, where a carriage return goes back to the line's beginning."""
    lines: list[str] = []
    for row in re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in row.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines[:-1] if lines[-1] == "" else lines


def test_a_picture_is_one_line_in_the_end(tmp_path: Path) -> None:
    text, lines = seen("KAKUSAN generate cat -o one.png --seed 7", tmp_path)
    assert text.startswith("\rloading torch")
    for words in ("loading builtin", "step 3 of 5"):
        assert words in text
    (told,) = lines
    assert re.fullmatch(r"one\.png · seed 7, 25 steps in 0\.\d s", told)
    assert max(map(len, re.split(r"[\r\n]", text))) < 80


def test_several_pictures_have_a_line_each(tmp_path: Path) -> None:
    _, lines = seen("KAKUSAN generate cat -o a.png --seed 7 --count 3", tmp_path)
    assert [told.partition(",")[0] for told in lines] == [
        "a-1.png · seed 7",
        "a-2.png · seed 8",
        "a-3.png · seed 9",
    ]


def test_what_a_script_reads_is_the_path_alone(tmp_path: Path) -> None:
    _, lines = seen("KAKUSAN generate cat -o a.png --seed 7 > out; cat out", tmp_path)
    assert lines[0].startswith("a.png · seed 7")
    assert lines[1:] == ["a.png"]
    _, lines = seen("KAKUSAN generate cat -o b.png 2> said; cat said", tmp_path)
    assert lines == ["b.png"]


@pytest.mark.parametrize("options", ["-q", "--quiet"])
def test_quiet_is_quiet(tmp_path: Path, options: str) -> None:
    text, _ = seen(f"KAKUSAN generate cat -o a.png {options}", tmp_path)
    assert text == "a.png\r\n"


def test_a_terminal_that_cannot_go_back_gets_no_bar(tmp_path: Path) -> None:
    text, _ = seen("KAKUSAN generate cat -o a.png", tmp_path, TERM="dumb")
    assert text == "a.png\r\n"


def test_a_message_does_not_share_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    _, lines = seen("KAKUSAN generate cat -o a.png --seed 7", tmp_path)
    assert lines[0] == "kakusan: 'a.png' exists: saved as 'a-2.png' (--overwrite replaces it)"
    assert lines[1].startswith("a-2.png · seed 7")


def test_colours_where_they_are_wanted(tmp_path: Path) -> None:
    typed = "KAKUSAN generate cat --steps 0; KAKUSAN --help"
    text, lines = seen(typed, tmp_path, NO_COLOR="")
    assert "\x1b[1;31mkakusan:\x1b[0m --steps must be" in text
    assert "\x1b[1mCommands:\x1b[0m" in text
    plain, same = seen(typed, tmp_path)
    assert "\x1b" not in plain
    assert lines == same
    assert max(map(len, lines)) <= 80


def test_what_stands_in_the_line() -> None:
    assert line("loading torch", None, 0.5, 80, True) == "loading torch"
    assert line("loading torch", None, 3.7, 80, True) == "loading torch  3 s"
    begun = line("step 0 of 25", 0.0, 0.0, 80, True)
    assert begun.startswith("step 0 of 25  ")
    assert begun.endswith("   0%")
    half = line("step 13 of 25", 0.5, 2.0, 80, True)
    assert half == f"step 13 of 25  {'█' * 20}{' ' * 20}  50%  2 s left"
    assert line("step 13 of 25", 0.5, 2.0, 80, False) == (
        f"step 13 of 25  [{'#' * 19}{' ' * 19}]  50%  2 s left"
    )


@pytest.mark.parametrize("columns", [1, 20, 40, 79, 200])
@pytest.mark.parametrize("words", ["step 1 of 2", "picture 1 of 9: prompt 赤い猫" * 9])
def test_the_line_fits_into_any_terminal(columns: int, words: str) -> None:
    for fraction in (None, 0.0, 0.01, 0.5, 1.0):
        for elapsed in (0.0, 5.0, 50_000.0):
            assert cells(line(words, fraction, elapsed, columns, True)) <= max(30, columns - 3)


def test_times_are_readable() -> None:
    assert [span(value) for value in (0.04, 3.14, 9.96, 3, 61.0, 3599, 5400.0)] == [
        *("0.0 s", "3.1 s", "10 s", "3 s", "1 min 1 s", "59 min 59 s", "1.5 h"),
    ]


def test_ctrl_c_while_loading_is_one_line(tmp_path: Path) -> None:
    master, process = started([*PROGRAM, "generate", "cat"], tmp_path, {})
    got = os.read(master, 100)
    assert got.startswith(b"\rloading torch")
    process.send_signal(signal.SIGINT)
    assert screen((got + everything(master)).decode()) == ["kakusan: interrupted"]
    assert process.wait(timeout=60) == 130
    assert not list(tmp_path.iterdir())


INTERRUPTED_TRAINING = """
import sys
from pathlib import Path
from kakusan.cli.train import _going_on_later
from kakusan.training.progress import say_wait
Path("runs").mkdir()
Path("runs/finetune.safetensors").touch()
try:
    with _going_on_later(Path("runs")):
        say_wait("finetune", "encoding 4 pictures")
        print("^C", end="", file=sys.stderr, flush=True)
        raise KeyboardInterrupt
except KeyboardInterrupt:
    pass
"""


def test_interrupted_training_says_how_it_goes_on(tmp_path: Path) -> None:
    master, process = started([sys.executable, "-c", INTERRUPTED_TRAINING], tmp_path, {})
    text = everything(master).decode()
    process.wait(timeout=60)
    assert "finetune: encoding 4 pictures" in text
    told = " ".join(screen(text)).replace("  ", " ")
    assert told == (
        "kakusan: the same command goes on from the last checkpoint, which is in 'runs'"
    )
