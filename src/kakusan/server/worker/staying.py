"""How long a model stays while there is work for it, so that two do not take turns all the time."""


class Stay:
    """The stay of the loaded model; times are in seconds of one clock.

    Args:
        least_s: how long it stays at least.
    """

    def __init__(self, least_s: float) -> None:
        self._least_s = least_s
        self._since: float | None = None
        self._is_used = False

    def begin(self, now: float) -> None:
        """A model was loaded."""
        self._since, self._is_used = now, False

    def use(self) -> None:
        """A picture of it is under way."""
        self._is_used = True

    def is_over(self, now: float) -> bool:
        """Whether another may have its turn; not before this one has drawn something."""
        return self._since is None or (self._is_used and now - self._since >= self._least_s)
