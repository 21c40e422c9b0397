"""What a picture under way looks like, small and quickly; nothing of it goes into the picture."""

import io

from PIL import Image

from kakusan.sampling import Step

LARGEST = 512  # pixels of the longer side


def preview_of(step: Step, scale_factor: int) -> bytes:
    """A JPEG of the first picture of a step as it is expected to become."""
    small = step.preview()[0]
    width, height = (side * scale_factor for side in small.size)
    share = min(1.0, LARGEST / max(width, height))
    size = (max(1, round(width * share)), max(1, round(height * share)))
    buffer = io.BytesIO()
    small.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
