"""What sd-parsers and sd-prompt-reader read in kakusan's pictures; writes `read_elsewhere.json`.

pip install --no-deps --target FOLDER sd-parsers==0.6 sd-prompt-reader==1.3.5 piexif==1.1.3
PYTHONPATH=src:.:FOLDER python -m tests.images.read_elsewhere
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from kakusan.images import read_parameters, save_image
from tests.images.carried import picture

GOLDEN = Path(__file__).with_suffix(".json")
SUFFIXES = (".png", ".jpg", ".webp")
_RECORD: dict[str, Any] = {
    "kakusan": "0.1.0",
    "model": "CompVis/stable-diffusion-v1-4",
    "prompt": "a cat",
    "negative_prompt": "",
    "seed": 7,
    "width": 512,
    "height": 448,
    "num_inference_steps": 25,
    "guidance_scale": 7.5,
    "scheduler": {"_class_name": "PNDMScheduler"},
}
_KARRAS = {
    "_class_name": "DPMSolverMultistepScheduler",
    "algorithm_type": "dpmsolver++",
    "use_karras_sigmas": True,
}
RECORDS: dict[str, dict[str, Any]] = {
    "plain": _RECORD,
    "every setting": {
        **_RECORD,
        "prompt_syntax": "webui",
        "prompt": "a (red:1.3) cat, 猫 🐱\nsecond line <lora:foo:0.8>",
        "negative_prompt": "blurry, (dark:1.2)\nugly",
        "model": "/home/me/models/dream v1.5.safetensors",
        "vae": "stabilityai/sd-vae-ft-mse",
        "clip_skip": 1,
        "seed": 2**64 - 1,
        "scheduler": _KARRAS,
        "loras": [{"name": "bar", "text_weight": 0.5, "unet_weight": 0.5}],
    },
    "plain words": {
        **_RECORD,
        "prompt": "a (cat) [dog]\nNegative prompt: none\nSteps: 3, Sampler: a boy",
        "negative_prompt": "(dark:1.2), Steps: 1, x",
        "rng": "comfyui-gpu",
    },
    "comfy": {**_RECORD, "prompt": "((a:1.5) [b])", "prompt_syntax": "comfy"},
}


def read() -> dict[str, Any]:
    """What each of them says of each file."""
    from sd_parsers import ParserManager  # type: ignore[import-not-found]
    from sd_prompt_reader.image_data_reader import (  # type: ignore[import-not-found]
        ImageDataReader,
    )

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, record in RECORDS.items():
            for suffix in SUFFIXES:
                path = save_image(picture(), Path(folder) / f"a{suffix}", record)
                parsed = ParserManager().parse(path)
                (sampler,) = parsed.samplers
                other = ImageDataReader(str(path))
                found[name + suffix] = {
                    "text": read_parameters(path),
                    "sd-parsers": {
                        "prompt": [str(each) for each in parsed.prompts],
                        "negative": [str(each) for each in parsed.negative_prompts],
                        "sampler": sampler.name,
                        "settings": sampler.parameters,
                        "model": str(sampler.model),
                        "more": parsed.metadata,
                    },
                    "sd-prompt-reader": {
                        "tool": other.tool,
                        "prompt": other.positive,
                        "negative": other.negative,
                        "settings": other.parameter,
                    },
                }
    return found


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(read(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
