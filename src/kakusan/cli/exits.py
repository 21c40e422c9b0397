"""How a run ends."""

DONE, FAILED, USAGE, PARTLY, INTERRUPTED = 0, 1, 2, 3, 130
READER_LEFT = 141  # as a shell counts a program that a closed pipe has ended
