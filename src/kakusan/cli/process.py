"""What the command line sets for its whole process, as a library must not."""


def hold_memory() -> None:
    """Have freed memory serve the next buffer, where torch's kernels compute.

    Their calls take about four fifths of the time then.
    """
    from kakusan.runtime import kernels
    from kakusan.runtime.arena import hold

    if not kernels.available():
        hold()
