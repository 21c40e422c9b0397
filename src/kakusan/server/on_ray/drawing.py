"""A request drawn at once, by the names of the catalog alone."""

import asyncio
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kakusan.images.metadata import encoded
from kakusan.inputs import recorded_inputs
from kakusan.pipeline import draw
from kakusan.server.asked import Asked, asked
from kakusan.server.pictures import InputPicture, PixelBudget, opened_input
from kakusan.server.queue.errors import UnknownInput
from kakusan.server.settings import Settings
from kakusan.server.worker.asked import model_of, told, with_files
from kakusan.server.worker.catalog import Catalog

_WARM: Mapping[str, Any] = {"prompt": "", "num_inference_steps": 1, "seed": 0}


class Handed:
    """The pictures that come with one request, which are forgotten with it."""

    def __init__(self, budget: PixelBudget) -> None:
        self._budget = budget
        self.by_id: dict[str, InputPicture] = {}

    async def put_input(self, data: bytes) -> InputPicture:
        """Open one.

        Raises:
            InputError: It is no PNG, JPEG or WebP picture, broken, or too large.
        """
        image, png = await asyncio.to_thread(opened_input, data, self._budget)
        found = InputPicture(hashlib.sha256(png).hexdigest(), image)
        self.by_id[found.id] = found
        return found

    async def input(self, id: str) -> InputPicture:
        """None is kept for later.

        Raises:
            UnknownInput: Always.
        """
        raise UnknownInput(f"no pictures are kept here; send it in base64 in the place of {id}")


class Drawer:
    """Draws one picture at a time.

    Args:
        settings: what there is to draw with, and the limits.
    """

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings = replace(settings, most_pictures=1)  # an answer is one
        self._catalog = catalog
        self._turn = threading.Lock()

    def asked(self, sent: Mapping[str, Any]) -> Asked:
        """What was sent, checked; its pictures are `InputPicture`s.

        Raises:
            InputError: A field does not exist, is not a client's to say, or cannot be used.
        """
        return asked(sent, catalog=self._catalog, server=self._settings)

    def drawn(self, wanted: Asked, pictures: Mapping[str, InputPicture]) -> bytes:
        """A PNG file with its record inside.

        Raises:
            KakusanError: It cannot be drawn.
        """
        handed_in = [pictures[id].image for id in wanted.inputs]
        inputs = recorded_inputs(wanted.request, handed_in or None)
        model = model_of(wanted.request, self._catalog)
        request = replace(
            with_files(wanted.request, self._catalog),
            device=self._settings.device,
            dtype=self._settings.dtype,
        )
        with self._turn:
            (picture,) = draw(
                request, inputs, progress=False, local_files_only=not model.fetched, lora_dirs=()
            )
        return encoded(picture.image, "PNG", told(picture.record, model, self._catalog))

    def warm(self) -> None:
        """Load the usual model, and see that it draws.

        Raises:
            KakusanError: It does not.
        """
        self.drawn(self.asked(_WARM), {})
