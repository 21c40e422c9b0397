"""A picture that grows in place while it is drawn, in a notebook."""

import importlib
from typing import Any

from PIL.Image import Image

from kakusan.errors import RequestError
from kakusan.inspect.sheet import enlarged
from kakusan.inspect.steps import single
from kakusan.pipeline import LatentDiffusionPipeline
from kakusan.pipeline.bars import in_notebook


def watch(pipe: LatentDiffusionPipeline, prompt: str, *, seed: int = 0, **settings: Any) -> Image:
    """Draw a picture and show, in one place, what it looks like after every step.

    The safety checker does not look at it.

    Args:
        pipe: draws it.
        settings: of the `Request` (`num_inference_steps=`, `guidance_scale=`, ...).

    Returns:
        The finished picture, which a notebook shows once more if it ends a cell: end that line
        with a semicolon.

    Raises:
        RequestError: This is no notebook, or anything of the arguments does not fit.
    """
    request = single(prompt, seed, settings)
    if not in_notebook():
        raise RequestError("watch shows pictures in a notebook; elsewhere use pipe.stream")
    display = importlib.import_module("IPython.display").display
    handle = None
    image: Image | None = None
    for step in pipe.stream(request):
        image = step.decode()[0] if step.is_last else enlarged(step.preview()[0])
        if handle is None:
            handle = display(image, display_id=True)
        else:
            handle.update(image)
    assert image is not None
    return image
