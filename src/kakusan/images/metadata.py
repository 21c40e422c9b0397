"""Pictures in files, each with the record of how it was made.

The record is kept twice: as JSON, from which `kakusan reproduce` makes the picture again, and as
AUTOMATIC1111's `parameters` text, which other tools read.

    PNG     text chunks `kakusan` and `parameters`
    JPEG    EXIF ImageDescription (JSON) and UserComment (text); a record over EXIF's 64 kB goes
            into comment segments, and the text is left out
    WebP    the same EXIF tags, which have no limit there
"""

import io
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from PIL import Image, PngImagePlugin

from kakusan.checkpoints.files import write_bytes, write_new
from kakusan.errors import InputError, OutputError, shown, shown_path
from kakusan.images.carriers import Texts, texts_of
from kakusan.images.exif_writing import exif_block
from kakusan.images.foreign import told_by
from kakusan.images.naming import candidates
from kakusan.images.opening import MOST_PIXELS, open_picture
from kakusan.images.parameters import Record, has_settings, parameters_text

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
LARGEST_SIDE = {"PNG": 2**31 - 1, "JPEG": 65500, "WEBP": 16383}
KEY, PARAMETERS = "kakusan", "parameters"

_LONGEST_RECORD = 2**23  # characters; that of a grid of a thousand pictures has some 2**20
_MARKER_BYTES = 65533  # a JPEG segment counts its bytes, and itself, in 16 bits
_COMMENT_MARKER, _COMMENT_PREFIX = b"\xff\xfe", b"kakusan:"


def format_of(path: Path) -> str:
    """PNG, JPEG or WEBP, by the suffix of `path`.

    Raises:
        OutputError: Another suffix, or none.
    """
    kind = FORMATS.get(path.suffix.casefold())
    if kind is None:
        got = f"suffix {shown(path.suffix)}" if path.suffix else "no suffix"
        raise OutputError(f"'{path}' has {got}; a picture's file ends in .png, .jpg or .webp")
    return kind


def check_fits(path: Path, width: int, height: int) -> None:
    """Raise `OutputError` when the format of `path` cannot hold a picture of this size."""
    limit = LARGEST_SIDE[format_of(path)]
    if max(width, height) > limit:
        raise OutputError(
            f"'{path}' cannot hold {width}x{height} pixels: the format's largest side is {limit}; "
            "use .png, or a smaller size or grid"
        )


def _png_options(text: str, parameters: str) -> dict[str, object]:
    info = PngImagePlugin.PngInfo()
    info.add_text(KEY, text)
    info.add_text(PARAMETERS, parameters)
    return {"pnginfo": info}


def _jpeg_options(text: str, parameters: str) -> dict[str, object]:
    for exif in (exif_block(text, parameters), exif_block(text, "")):
        if len(exif) <= _MARKER_BYTES:
            return {"exif": exif}
    data, room = text.encode("ascii"), _MARKER_BYTES - len(_COMMENT_PREFIX)
    pieces = (_COMMENT_PREFIX + data[i : i + room] for i in range(0, len(data), room))
    segments = (_COMMENT_MARKER + struct.pack(">H", len(p) + 2) + p for p in pieces)
    return {"extra": b"".join(segments)}


def _options(kind: str, record: Mapping[str, object] | None) -> dict[str, object]:
    if record is None:
        return {}
    text, parameters = json.dumps(record, ensure_ascii=True), parameters_text(record)
    if kind == "PNG":
        return _png_options(text, parameters)
    return (
        _jpeg_options(text, parameters)
        if kind == "JPEG"
        else {"exif": exif_block(text, parameters)}
    )


def save_image(
    image: Image.Image,
    path: Path | str,
    record: Mapping[str, object] | None = None,
    *,
    quality: int = 95,
    replace: bool = True,
) -> Path:
    """Write `image`, whole or not at all, with its record; the suffix says the format.

    Args:
        image: The picture; transparency is kept in PNG and WebP only.
        path: Ends in .png, .jpg, .jpeg or .webp.
        record: A JSON object that tells how the picture was made.
        quality: Of JPEG and WebP, 1 to 100; PNG keeps every pixel.
        replace: Whether a file that is there is replaced. If not, the picture gets the first free
            name of `cat.png`, `cat-2.png`, `cat-3.png`, ...

    Returns:
        The path of the file.

    Raises:
        OutputError: Unknown suffix, a size the format cannot hold, or nowhere to write.
    """
    path = Path(path)
    kind = format_of(path)
    check_fits(path, *image.size)
    data = encoded(image, kind, record, quality)
    if not replace:
        return write_new(candidates(path), data)
    write_bytes(path, data)
    return path


def encoded(
    image: Image.Image, kind: str, record: Mapping[str, object] | None = None, quality: int = 95
) -> bytes:
    """The bytes of a picture's file, with its record.

    Args:
        kind: PNG, JPEG or WEBP.

    Raises:
        OutputError: The format cannot hold a picture of this size.
    """
    limit = LARGEST_SIDE[kind]
    if max(image.size) > limit:
        raise OutputError(
            f"{kind} cannot hold {image.width}x{image.height} pixels: its largest side is {limit}"
        )
    if image.mode != "RGB" and (kind == "JPEG" or image.mode not in ("RGBA", "L")):
        image = image.convert("RGB")
    buffer = io.BytesIO()
    options = _options(kind, record)
    if kind == "JPEG":  # 4:4:4 keeps thin coloured lines
        options |= {"quality": quality, "subsampling": 0}
    elif kind == "WEBP":
        options |= {"quality": quality}
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def read_picture(path: Path | str, *, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """The pixels of a PNG, JPEG or WebP file, as RGB.

    Raises:
        InputError: No such file, not a picture, broken, or too large to be decoded safely.
    """
    return open_picture(Path(path), most_pixels=most_pixels).convert("RGB")


def _ours(texts: Texts, path: Path) -> str | None:
    """Our JSON as it stands in the file."""
    for where in (f"png:{KEY}", f"jpeg:{KEY}"):
        if where in texts.broken:
            raise InputError(
                f"the kakusan record in {shown_path(path)} is broken: it {texts.broken[where]}"
            )
        if (found := texts.get(where)) is not None:
            return found
    described = texts.all("exif:ImageDescription")
    return next((text for text in described if text.startswith("{")), None)


def _parsed(text: str, path: Path) -> Record | None:
    if len(text) > _LONGEST_RECORD:
        raise InputError(
            f"the kakusan record in {shown_path(path)} has {len(text)} characters; "
            f"at most {_LONGEST_RECORD} are read"
        )
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the kakusan record in {shown_path(path)} is broken: {error}") from None
    return cast(Record, record) if isinstance(record, dict) and KEY in record else None


def read_parameters(path: Path | str) -> str | None:
    """The `parameters` text in a picture's file; None when it has none."""
    texts = texts_of(path)
    comments = (text for text in texts.all("exif:UserComment") if has_settings(text))
    return texts.get(f"png:{PARAMETERS}") or next(comments, None)


def read_record(path: Path | str) -> Record | None:
    """The record in a picture's file; None when it has none.

    A picture of another tool gives what `kakusan.images.read_foreign` finds in it, as
    `Told.to_record` says it; such a record has no key `kakusan`.

    Raises:
        InputError: The file is not a picture that can be read, or its record is broken.
    """
    texts = texts_of(path)
    text = _ours(texts, Path(path))
    record = _parsed(text, Path(path)) if text else None
    if record is None:
        told = told_by(path, texts)
        return None if told is None else told.to_record()
    return record
