"""The shortest program of each library that draws four steps of an LCM with TAESD.

`benchmarks.few_steps` runs it in fresh processes, in each library's own environment:

    python -m benchmarks.few_steps_programs '{"library": ..., "folder": ..., "file": "x.png"}'

Without a file it loads, draws once, and then answers each line with the seconds of one more
picture. Only what the library itself needs is imported.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROMPT = "a photograph of an astronaut riding a horse"
STEPS = 4
GUIDANCE = 8.5
MODEL, TINY, CONVERTED = "model", "taesd", "openvino"
FEW = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE}

Draw = Callable[[], Any]  # a Pillow picture


def kakusan(folder: Path, dtype: str) -> Draw:
    """As `kakusan.generate` does it, with everything kept between calls."""
    import torch

    from kakusan import AutoencoderTiny, DiffusionPipeline

    stored = getattr(torch, dtype)
    vae = AutoencoderTiny.from_pretrained(folder / TINY, torch_dtype=stored)
    pipe = DiffusionPipeline.from_pretrained(folder / MODEL, vae=vae, torch_dtype=stored)
    pipe.set_progress_bar_config(disable=True)
    return lambda: pipe(PROMPT, **FEW).images[0]


def diffusers(folder: Path, dtype: str) -> Draw:
    import torch
    from diffusers import AutoencoderTiny, LatentConsistencyModelPipeline

    stored = getattr(torch, dtype)
    vae = AutoencoderTiny.from_pretrained(folder / TINY, dtype=stored)
    pipe = LatentConsistencyModelPipeline.from_pretrained(folder / MODEL, vae=vae, dtype=stored)
    pipe.set_progress_bar_config(disable=True)
    return lambda: pipe(PROMPT, **FEW).images[0]


def optimum(folder: Path, side: int) -> Draw:
    """OpenVINO through optimum-intel, for one size, without a cache: what FastSD CPU runs."""
    from optimum.intel import OVLatentConsistencyModelPipeline

    pipe = OVLatentConsistencyModelPipeline.from_pretrained(
        folder / CONVERTED, compile=False, ov_config={"CACHE_DIR": ""}, device="CPU"
    )
    pipe.reshape(batch_size=1, height=side, width=side, num_images_per_prompt=1)
    pipe.compile()
    pipe.set_progress_bar_config(disable=True)
    return lambda: pipe(PROMPT, **FEW).images[0]


def genai(folder: Path, side: int) -> Draw:
    """OpenVINO's own pipeline in C++, for one size."""
    import openvino_genai
    from PIL import Image

    pipe = openvino_genai.Text2ImagePipeline(folder / CONVERTED)
    pipe.reshape(1, side, side, GUIDANCE)
    pipe.compile("CPU")
    return lambda: Image.fromarray(pipe.generate(PROMPT, **FEW).data[0])


def prepared(task: dict[str, Any]) -> Draw:
    """What draws one picture for a task."""
    folder, library = Path(task["folder"]), task["library"]
    if library in ("optimum", "genai"):
        return {"optimum": optimum, "genai": genai}[library](folder, task["side"])
    return {"kakusan": kakusan, "diffusers": diffusers}[library](folder, task["dtype"])


def answer(draw: Draw, out: Any) -> None:
    """The seconds of a picture for every line; the first picture is not counted."""
    draw()
    print(json.dumps({}), file=out, flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        draw()
        print(json.dumps({"seconds": time.perf_counter() - started}), file=out, flush=True)


def main() -> None:
    """Do one task."""
    task = json.loads(sys.argv[1])
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print; the pipe is only for answers
    draw = prepared(task)
    if "file" in task:
        draw().save(task["file"])
    else:
        answer(draw, out)


if __name__ == "__main__":
    main()
