"""What somebody who counts may hear of a worker's work."""


class Observer:
    """Hears, and does nothing with it. Methods are called from the worker's threads, briefly."""

    def loaded(self, model: str | None) -> None:
        """This model is loaded from now on; None is none."""

    def encoded(self, seconds: float) -> None:
        """The prompts and given pictures of a job were made ready."""

    def stepped(self, model: str, pixels: int, rows: int, seconds: float) -> None:
        """Pictures took a step together.

        Args:
            pixels: of each.
            rows: of the UNet's calls.
        """

    def decoded(self, seconds: float) -> None:
        """A picture was made of its latents."""

    def redone(self) -> None:
        """A picture's steps were computed again in float32, as they were not finite."""

    def resumed(self) -> None:
        """A job goes on from a saved state."""

    def lost(self) -> None:
        """A job is another worker's by now, or deleted."""
