"""One contender in its own process: loads once, then answers "call", "save FILE" and "quit".

`benchmarks.peers` starts it and speaks with it in lines over pipes; an answer is one line of JSON.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import torch

from benchmarks.contenders import Contender
from benchmarks.measure import DTYPES, matrix_peak
from benchmarks.parts import CPU, PARTS, bind, load, measures, pipeline, prompted

Call = Callable[[], torch.Tensor]


def prepared_part(contender: Contender, name: str, folder: Path) -> Call:
    """A call of one network, with the contender's settings."""
    part = PARTS[name]
    if contender.library == "openvino":
        from benchmarks.openvino_peer import prepared

        return prepared(part, folder)
    model = load(contender.library, part, folder, DTYPES[contender.dtype], CPU)
    tune(contender, [model])
    return bind(part, model, *measures(folder), channels_last=contender.channels_last)


def prepared_picture(contender: Contender, folder: Path, steps: int) -> Call:
    """A whole picture from the prompt to numbers in [0, 1], shape (1, height, width, 3)."""
    library = "kakusan" if contender.library == "kakusan" else "diffusers"
    openvino = contender.library == "openvino"
    dtype = torch.float32 if openvino else DTYPES[contender.dtype]
    pipe = pipeline(library, folder, dtype)
    if openvino:
        from benchmarks.openvino_peer import replace_networks

        replace_networks(pipe, folder)
    tune(contender, [pipe.unet, pipe.vae])
    return lambda: torch.as_tensor(prompted(pipe, steps, output_type="np"))


def tune(contender: Contender, models: list[Any]) -> None:
    """Lay weights out and compile as the contender wants it; the first call compiles."""
    for model in models:
        if contender.channels_last:
            model.to(memory_format=torch.channels_last)
        if contender.compiled:
            getattr(model, "decoder", model).compile()  # a VAE only decodes here


def note(contender: Contender) -> str:
    """What the contender's library chose by itself on this processor."""
    if contender.library == "openvino":
        from benchmarks.openvino_peer import precision

        return f"computes in {precision()}"
    if contender.library == "kakusan":
        from kakusan.runtime.native.library import loaded

        found = loaded()
        return f"{found[0]} kernels" if found else "no kernels of its own"
    return ""


def answer(call: Call, lines: TextIO, out: TextIO) -> None:
    """Do what each line asks until "quit" or the end."""
    result: torch.Tensor | None = None
    for line in lines:
        order, _, path = line.strip().partition(" ")
        if order == "quit":
            return
        said: dict[str, float] = {}
        if order == "call":
            started = time.perf_counter()
            result = call()
            said["seconds"] = time.perf_counter() - started
        elif order == "save" and result is not None:
            torch.save(result.detach().float().contiguous().clone(), path)
        else:
            raise ValueError(
                f"a worker takes call, save FILE (after a call) and quit, not {line!r}"
            )
        print(json.dumps(said), file=out, flush=True)


def main() -> None:
    """Load what the command line's JSON names, say how long that took, then answer."""
    task = json.loads(sys.argv[1])
    # Libraries print; the pipe is only for answers
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if sys.platform == "linux":  # should memory run out, this process ends and not its parent
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if "peak" in task:
        print(json.dumps({"peak": matrix_peak(DTYPES[task["peak"]], CPU)}), file=out, flush=True)
        return
    contender, folder = Contender(**task["contender"]), Path(task["folder"])
    if contender.compiled:  # nothing of an earlier compilation may shorten the first call
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp(prefix="compiled-", dir=folder)
    started = time.perf_counter()
    if task["part"] == "picture":
        call = prepared_picture(contender, folder, task["steps"])
    else:
        call = prepared_part(contender, task["part"], folder)
    loaded = time.perf_counter() - started
    print(json.dumps({"load": loaded, "note": note(contender)}), file=out, flush=True)
    answer(call, sys.stdin, out)


if __name__ == "__main__":
    main()
