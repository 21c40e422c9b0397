"""Pictures: from tensors to PIL, grids of them, and files that know how they were made."""

from kakusan.images.conversion import to_numpy, to_pil, to_unit_range
from kakusan.images.foreign import Told, read_foreign
from kakusan.images.grid import grid_record, grid_records, image_grid
from kakusan.images.metadata import (
    check_fits,
    format_of,
    parameters_text,
    read_parameters,
    read_picture,
    read_record,
    save_image,
)
from kakusan.images.naming import slug
from kakusan.images.opening import open_picture

__all__ = [
    "Told",
    "check_fits",
    "format_of",
    "grid_record",
    "grid_records",
    "image_grid",
    "open_picture",
    "parameters_text",
    "read_foreign",
    "read_parameters",
    "read_picture",
    "read_record",
    "save_image",
    "slug",
    "to_numpy",
    "to_pil",
    "to_unit_range",
]
