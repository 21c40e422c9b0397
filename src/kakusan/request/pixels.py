"""The field of a request that says how floats become pixels, and its check."""

from dataclasses import dataclass, fields

from kakusan.errors import ArgumentError, shown


@dataclass(frozen=True, kw_only=True)
class PixelRequest:
    """How the decoder's floats become one of 256 levels.

    `truncate_pixels` cuts off what is between two levels, as AUTOMATIC1111 and ComfyUI do; None
    and False take the nearest one.
    """

    truncate_pixels: bool | None = None

    @staticmethod
    def only_pixels() -> list[str]:
        """The names of these fields."""
        return [field.name for field in fields(PixelRequest)]

    def checked_pixels(self) -> dict[str, bool | None]:
        """The fields as they are stored: what changes nothing is None.

        Raises:
            ArgumentError: It is neither true nor false.
        """
        if not isinstance(self.truncate_pixels, bool | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentError(
                "{truncate_pixels} must be true or false, not {0}", shown(self.truncate_pixels)
            )
        return {"truncate_pixels": self.truncate_pixels or None}
