"""A lock on an open file, which the system takes away when it is closed or the process ends."""

import os
import sys

_BEYOND = 1 << 20  # of a file's bytes, one that nobody reads: Windows locks those for readers too


def lock(descriptor: int) -> None:
    """Lock an open file, or a folder where that is no Windows, until it is closed.

    Raises:
        BlockingIOError: Another process has it.
        OSError: Nothing can be locked on this disk.
    """
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _BEYOND, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from None
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
