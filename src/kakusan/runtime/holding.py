"""Memory of a process that does nothing but draw."""


def hold_memory() -> None:
    """Have freed memory serve the next buffer, where torch's kernels compute.

    Their calls take about four fifths of the time then. It is for the whole process, and so not a
    library's to do.
    """
    from kakusan.runtime import kernels
    from kakusan.runtime.arena import hold

    if not kernels.available():
        hold()
