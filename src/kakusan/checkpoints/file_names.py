"""Names that a file cannot have on this system, though it may have them on others."""

import re
import sys

# With any ending, and in any case
_DEVICES = re.compile(r"con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r'[<>:"|?*\x00-\x1f]')


def is_device(stem: str) -> bool:
    """Whether Windows keeps a name, whatever its ending, for a device."""
    return _DEVICES.fullmatch(stem) is not None


def unusable(name: str) -> str | None:
    """Why no file can be called so here; None where one can.

    Windows would give what is written to `con.png` to a device, and that to `a:b.png` to `a`.
    """
    if sys.platform != "win32":
        return None
    stem = name.partition(".")[0].rstrip()
    if is_device(stem):
        return f"Windows keeps the name {stem} for a device"
    found = _NOT_IN_NAMES.search(name)
    return f"Windows takes no {found[0]!r} in a name" if found else None
