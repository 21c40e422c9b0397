"""How a run ends."""

DONE, FAILED, USAGE, PARTLY, INTERRUPTED = 0, 1, 2, 3, 130
