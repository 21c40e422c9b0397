"""A picture made larger and drawn over in tiles: each is a picture that begins at a part of it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from PIL import Image

from kakusan.errors import ArgumentError
from kakusan.images import to_pil
from kakusan.images.opening import check_size
from kakusan.images.tiles import Tiles
from kakusan.images.upright import over_white
from kakusan.inputs import Given, Inputs, check_again
from kakusan.pipeline.drawing import Batch, Drawing
from kakusan.pipeline.model import Model
from kakusan.pipeline.output import Picture
from kakusan.pipeline.records import Records
from kakusan.request import MAX_PICTURES, Request
from kakusan.request.tiled import Upscale


class TiledDrawing(Drawing):
    """The drawing of the tiles, which gives one picture of them all.

    Tile i is drawn from the seed and i, as SD upscale does.
    """

    parts: ClassVar[str] = "tile"

    def __init__(self, model: Model, request: Request, inputs: Inputs, batch_size: int = 1) -> None:
        assert request.upscale is not None
        given = _one_picture(request, inputs)
        full = model.engine.full_size(request.height, request.width)
        tile = (full["width"], full["height"])
        enlarged = _enlarged(given, request.upscale)
        self._tiles = Tiles.of(*enlarged.size, tile, request.upscale.overlap_of(tile))
        if len(self._tiles) > MAX_PICTURES:
            raise ArgumentError(
                "{upscale} comes to {0} tiles of {1}x{2} pixels; at most {3} are drawn, so take "
                "larger ones, or a smaller scale",
                len(self._tiles),
                *self._tiles.tile,
                MAX_PICTURES,
            )
        cut = tuple(self._tiles.cut(enlarged))
        super().__init__(
            model,
            _of_tiles(request, self._tiles, model.upscale_strength),
            replace(inputs, image=Given(cut, names=(None,) * len(cut))),
            batch_size,
        )
        self._finished: dict[int, Image.Image] = {}
        self._flagged = False
        # what is recorded is the whole picture, and a tile only as far as its size
        self._whole = replace(
            self.request,
            upscale=replace(request.upscale, overlap=request.upscale.overlap_of(tile)),
            image=request.image or given.files(),
            width=tile[0],
            height=tile[1],
            num_images_per_prompt=1,
        )

    def pictures(self, batch: Batch) -> Iterator[Picture]:
        done = self.finish(batch)
        if done.error is not None:
            raise done.error
        if done.pixels is None:
            return
        truncated = bool(self.request.truncate_pixels)
        images = to_pil(done.pixels, truncated=truncated)
        self._finished |= zip(
            (batch.pictures.start + row for row in done.rows), images, strict=True
        )
        self._flagged = self._flagged or any(done.flags or ())
        if len(self._finished) == len(self._tiles):
            tiles = [self._finished[index] for index in range(len(self._tiles))]
            yield Picture(self._tiles.joined(tiles), self._record(), self._flagged)

    def _record(self) -> dict[str, object]:
        altered = {0: self.altered[0]} if 0 in self.altered else {}
        records = Records(
            self.model, self._whole, self.seeds[:1], self.understood, altered, [range(1)]
        )
        of_decode = (note for notes in self.records.of_decode.values() for note in notes)
        records.common = list(dict.fromkeys([*self.records.common, *of_decode]))
        return records.of(0)


def _one_picture(request: Request, inputs: Inputs) -> Given:
    """The picture that was handed in.

    Raises:
        ArgumentError: There is none, or it is latents, or several.
    """
    given = inputs.image
    if request.image is not None:
        check_again("image", request.image, given)
    if given is None:
        raise ArgumentError("{upscale} makes {image} larger, and there is none; give one")
    if given.latents is not None or len(given) != 1:
        raise ArgumentError("{upscale} takes one picture as {image}, and no latents")
    return given


def _enlarged(given: Given, upscale: Upscale) -> Image.Image:
    """The picture in RGB, as large as the result, by Lanczos."""
    if given.values is None:
        image = over_white(given.images[0])
    else:
        (image,) = to_pil(given.values)
    size = upscale.size(*image.size)
    check_size(size, "the larger picture")
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def _of_tiles(request: Request, tiles: Tiles, strength: float) -> Request:
    """What draws them, a picture each; with this strength where none is asked for."""
    return replace(
        request,
        upscale=None,
        image=None,
        width=tiles.tile[0],
        height=tiles.tile[1],
        num_images_per_prompt=len(tiles),
        strength=strength if request.strength is None else request.strength,
    )
