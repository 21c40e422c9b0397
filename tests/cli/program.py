"""The command as a program, with a stand-in for what draws: without torch, so quick to start."""

import sys
import time
import types
from dataclasses import dataclass
from typing import Any

from PIL import Image

from kakusan.cli import main, process


@dataclass
class Picture:
    image: Image.Image
    record: dict[str, Any]
    flagged: bool = False


def draw(request: Any, inputs: Any, *, on_picture: Any, progress: Any, lora_dirs: Any) -> None:
    del inputs, lora_dirs
    for index in range(request.num_pictures):
        for step in range(5) if progress else ():
            time.sleep(0.01)
            progress((index + step / 5) / request.num_pictures, f"step {step} of 5")
        seed = request.seed + index
        record = {"kakusan": "0", "prompt": request.prompt[0], "seed": seed}
        on_picture(Picture(Image.new("RGB", (16, 8)), {**record, "num_inference_steps": 25}))


if __name__ == "__main__":
    pipeline: Any = types.ModuleType("kakusan.pipeline")
    pipeline.draw = draw
    sys.modules["kakusan.pipeline"] = pipeline
    process.hold_memory = lambda: time.sleep(0.3)
    sys.exit(main())
