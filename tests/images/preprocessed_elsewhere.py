"""Writes preprocessed.json: what OpenCV makes of a picture by sd-webui-controlnet's rules.

Run where opencv-python-headless 5.0.0 is there: python -m tests.images.preprocessed_elsewhere
"""

import json
from pathlib import Path
from typing import Any

import cv2  # pyright: ignore
import numpy as np

from tests.images.test_preprocessing import picture


def main() -> None:
    x = picture()
    wide, fine = (cv2.GaussianBlur(x.astype(np.float32), (0, 0), d) for d in (5.0, 0.5))
    darker = (255 - np.min(wide - fine, axis=2)).clip(0, 255).astype(np.uint8)
    found: dict[str, Any] = {
        "scribble_xdog": (2 * (255 - darker.astype(int)) > 32) * 255,
        "smaller": cv2.resize(x, (int(40 / 1.7), int(31 / 1.7)), interpolation=cv2.INTER_AREA),
        "blur": cv2.GaussianBlur(x, (0, 0), 2.5),
        "recolor": cv2.cvtColor(x, cv2.COLOR_RGB2LAB)[..., 0],
        "recolor_intensity": cv2.cvtColor(x, cv2.COLOR_RGB2HSV)[..., 2],
    }
    told = {name: np.asarray(each, np.uint8).tobytes().hex() for name, each in found.items()}
    (Path(__file__).parent / "preprocessed.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
