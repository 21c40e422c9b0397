"""What the queue can refuse, and what can go wrong under it.

QueueFull        more wait than may; ask again later
KeyReused        a key of idempotency with another body under it
LeaseLost        another worker has the job now, or nobody: write nothing more of it
UnknownInput     no stored picture has this id
UnknownPicture   no picture of the store has this name
StoreError       the database or the disk does not take it now
└── StoreTooNew  a newer version of the program wrote the database
"""

from kakusan.errors import InputError, KakusanError


class QueueFull(KakusanError):  # noqa: N818
    """As many jobs wait as may; ask again later."""


class KeyReused(InputError):  # noqa: N818
    """A key of idempotency came again with something else under it."""


class LeaseLost(KakusanError):  # noqa: N818
    """Whoever writes no longer holds the job: another worker has it, or it is gone."""


class UnknownInput(InputError):  # noqa: N818
    """No stored picture has this id."""


class UnknownPicture(InputError):  # noqa: N818
    """No picture of the store has this name."""


class StoreError(KakusanError):
    """The database or the disk does not take it now: full, locked, down or damaged."""


class StoreTooNew(StoreError):  # noqa: N818
    """A newer version of the program wrote the database."""
