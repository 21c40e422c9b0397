"""The header that names what counted for nothing."""

from collections.abc import Sequence
from urllib.parse import quote

IGNORED = "X-Kakusan-Ignored"
_MOST_NAMED, _LONGEST_NAME = 20, 40


def ignored_header(names: Sequence[str]) -> dict[str, str]:
    """The names of fields in a header, whatever characters they have; nothing where none were."""
    if not names:
        return {}
    told = [quote(name[:_LONGEST_NAME], safe="[]_") for name in names[:_MOST_NAMED]]
    more = len(names) - len(told)
    return {IGNORED: ", ".join(told) + (f" and {more} more" if more else "")}
