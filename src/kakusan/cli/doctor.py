"""`kakusan doctor`: the machine, the precision, what is installed, which models are here."""

import importlib.metadata
import platform
import re
import shutil
import sys
import textwrap

from kakusan import __version__
from kakusan.cli import options
from kakusan.cli.console import say, say_json
from kakusan.cli.exits import DONE
from kakusan.cli.live import live
from kakusan.cli.models import readable_size
from kakusan.cli.streams import is_terminal

CORE = (
    "huggingface-hub",
    "numpy",
    "pillow",
    "safetensors",
    "tokenizers",
    "torch",
    "tqdm",
    "typer",
)
OF_DEVELOPERS = ("dev", "benchmarks")


def version_of(package: str) -> str | None:
    """The installed version; None where the package is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def extras() -> dict[str, dict[str, str | None]]:
    """Each extra that users may want, with its packages' versions; none when run from source."""
    try:
        lines = importlib.metadata.requires("kakusan") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found: dict[str, dict[str, str | None]] = {}
    for line in lines:
        extra = re.search(r"""extra\s*==\s*["']([\w.-]+)["']""", line)
        if extra and extra[1] not in OF_DEVELOPERS:
            package = re.split(r"[\s<>=!~\[;(]", line, maxsplit=1)[0]
            found.setdefault(extra[1], {})[package] = version_of(package)
    return found


def machine_facts() -> dict[str, object]:
    from kakusan.runtime.machine import machine

    here = machine()
    return {
        "processor": here.processor,
        "cores": here.cores,
        "instructions": list(here.instructions),
        "memory_bytes": here.memory_bytes,
        "gpus": list(here.gpus),
    }


def precision_facts() -> dict[str, str]:
    """For each kind of device here, the default one first: what it computes in, and why."""
    import torch

    from kakusan.runtime.device import best_device
    from kakusan.runtime.precision import explain

    devices = dict.fromkeys((best_device(), torch.device("cpu")))
    return {str(device): explain(device) for device in devices}


def kernels() -> str:
    """Which of the package's own kernels compute on this processor, and why."""
    from kakusan.runtime.native.library import explain

    return explain()


def diagnosis() -> dict[str, object]:
    """All that `doctor` says, as one JSON object."""
    from kakusan.checkpoints.inventory import builtin_model, cached_models

    builtin = builtin_model()
    return {
        "kakusan": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": machine_facts(),
        "precision": precision_facts(),
        "kernels": kernels(),
        "packages": {package: version_of(package) for package in CORE},
        "extras": extras(),
        "builtin": builtin.to_json() if builtin else None,
        "cached": [model.to_json() for model in cached_models()],
    }


def _say(name: str, text: str) -> None:
    """A fact, which a terminal shows in as many lines as it takes."""
    columns = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None
    if columns is None:
        say(f"{name}: {text}")
        return
    whole = textwrap.TextWrapper(
        width=max(40, columns - 1),
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in whole.wrap(f"{name}: {text}"):
        say(line)


def _say_machine() -> None:
    from kakusan.runtime.machine import machine

    here = machine()
    instructions = ", ".join(here.instructions) or "none that matter"
    memory = "unknown" if here.memory_bytes is None else readable_size(here.memory_bytes)
    cores = "core" if here.cores == 1 else "cores"
    _say("processor", f"{here.processor}, {here.cores} {cores} usable ({instructions})")
    _say("memory", memory)
    _say("GPUs", ", ".join(here.gpus) or "none")


def _versions(packages: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {version or 'MISSING'}" for name, version in packages.items())


def _say_extras() -> None:
    for extra, packages in extras().items():
        missing = [name for name, version in packages.items() if version is None]
        state = f"lacks {', '.join(missing)}" if missing else "installed"
        _say(f"extra {extra}", state)


def _say_models() -> None:
    from kakusan.checkpoints.inventory import builtin_model, cached_models

    builtin, cached = builtin_model(), cached_models()
    state = f"{readable_size(builtin.size)} in {builtin.folder}" if builtin else "MISSING"
    _say("built-in model", state)
    for model in cached:
        _say("cached model", f"{model.name}, {readable_size(model.size)}")
    if not cached:
        _say("cached models", "none (`kakusan models pull ID` fetches one)")


def doctor(as_json: options.AsJson = False) -> int:
    """Say what this machine has, computes in, and has installed."""
    with live(quiet=False) as line:
        line.wait("loading torch")
        if as_json:
            say_json(diagnosis())
            return DONE
        say(f"kakusan {__version__}, Python {platform.python_version()}, {platform.platform()}")
        _say_machine()
        for device, why in precision_facts().items():
            _say(f"precision on {device}", why)
        _say("kernels", kernels())
        _say("packages", _versions({package: version_of(package) for package in CORE}))
        _say_extras()
        _say_models()
    return DONE
