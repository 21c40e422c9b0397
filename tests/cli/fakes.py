"""What commands said, and a stand-in for what draws."""

import json
from dataclasses import dataclass
from typing import Any

from PIL import Image

import kakusan
from kakusan.pipeline import Picture
from kakusan.request import Request


@dataclass(frozen=True)
class Run:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class FakeDrawing:
    """Stands in for `kakusan.pipeline.draw`; picture `fails_at` raises `failure` instead."""

    size: tuple[int, int] = (16, 8)
    fails_at: int | None = None
    failure: BaseException | None = None
    flagged: bool = False
    asked: Request | None = None
    progress: bool | None = None
    lora_dirs: Any = None
    trusted: bool = True

    def __call__(
        self,
        request: Request,
        inputs: Any = None,
        *,
        on_picture: Any,
        progress: bool | None,
        lora_dirs: Any = None,
        trusted: bool = True,
    ) -> list[Picture]:
        self.asked, self.progress, self.lora_dirs = request, progress, lora_dirs
        self.trusted, self.inputs = trusted, inputs
        prompt = request.prompt[0] or ""
        return [
            self._finish(prompt, i, request.seed or 0, on_picture)
            for i in range(request.num_pictures)
        ]

    def _finish(self, prompt: str, index: int, seed: int, on_picture: Any) -> Picture:
        if index == self.fails_at and self.failure is not None:
            raise self.failure
        picture = Picture(self.image(seed + index), self.record(prompt, seed + index), self.flagged)
        on_picture(picture)
        return picture

    def image(self, seed: int) -> Image.Image:
        return Image.new("RGB", self.size, (seed % 256, 40, 200))

    def record(self, prompt: str, seed: int) -> dict[str, Any]:
        return {
            "kakusan": kakusan.__version__,
            "model": "builtin",
            "commit": None,
            "prompt": prompt,
            "negative_prompt": "",
            "seed": seed,
            "width": self.size[0],
            "height": self.size[1],
            "num_inference_steps": 25,
            "guidance_scale": 7.5,
            "scheduler": {"_class_name": "PNDMScheduler"},
            "dtype": "float32",
            "device": "cpu",
            "notes": [],
        }
