"""The UNet of one single file in a process of its own, for `benchmarks.quantized`.

It loads, and then answers "call", "save FILE" and "quit" as `benchmarks.worker` does.
"""

import json
import os
import sys
import time
from pathlib import Path

import torch

from benchmarks.parts import PARTS, bind
from benchmarks.worker import answer


def main() -> None:
    """Load what the command line's JSON names, say how long that took, then answer."""
    from kakusan import UNet2DConditionModel
    from kakusan.quantized.tensor import QuantizedTensor

    task = json.loads(sys.argv[1])
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print; the pipe is only for answers
    started = time.perf_counter()
    unet = UNet2DConditionModel.from_single_file(Path(task["file"]), torch_dtype=torch.float16)
    unet.prepare()
    call = bind(PARTS["unet"], unet, unet.config.cross_attention_dim, task["side"])
    loaded = time.perf_counter() - started
    blocks = sum(isinstance(each, QuantizedTensor) for each in unet.parameters())
    note = f"{blocks} weights in blocks"
    print(json.dumps({"load": loaded, "note": note}), file=out, flush=True)
    answer(call, sys.stdin, out)


if __name__ == "__main__":
    main()
