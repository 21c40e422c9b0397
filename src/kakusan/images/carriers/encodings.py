"""Which encoding a text is in, where the file does not say so or says it wrong."""

from kakusan.images.exif import comment_text


def text_of(data: bytes) -> str | None:
    """A text that may be in UTF-8, UTF-16 or Latin-1, without the NULs at its ends.

    None where it is no text at all.
    """
    plain = data.strip(b"\0")
    if b"\0" in plain:
        return comment_text(data)
    try:
        return plain.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if plain.startswith((b"\xff\xfe", b"\xfe\xff")):
        return comment_text(data)
    return plain.decode("latin-1")
