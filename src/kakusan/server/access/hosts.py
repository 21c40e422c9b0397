"""Under which names a server is called, and from whose pages."""

import socket
from collections.abc import Iterable
from ipaddress import ip_address

from kakusan.server.settings import Settings, is_loopback

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Hosts:
    """The names that a request's `Host` may have, whatever its port.

    A name of somebody else's that leads here is how foreign pages get round a browser's rules; an
    address in digits cannot be such. On loopback, only loopback's names are taken.
    """

    def __init__(self, settings: Settings) -> None:
        self._any_address = not settings.is_loopback
        own: Iterable[str] = (settings.host, "localhost", *settings.hosts)
        if self._any_address:
            name = socket.gethostname()
            own = (*own, name, f"{name}.local")
        self._names = {each.strip("[]").casefold().rstrip(".") for each in own}

    def takes(self, header: str) -> bool:
        """Whether a `Host` is one of the server's names."""
        name = name_of(header)
        if name is None:
            return False
        if name in self._names or is_loopback(name):
            return True
        return self._any_address and _is_address(name)


def name_of(header: str) -> str | None:
    """The host in `host:port`; None where it is malformed."""
    if header.startswith("["):
        name, bracket, port = header[1:].partition("]")
        port = port.removeprefix(":")
        return name.casefold() if bracket and _is_address(name) and _is_port(port) else None
    name, colon, port = header.partition(":")
    if not name or (colon and not _is_port(port)) or any(c in name for c in "/@?# \t,"):
        return None
    return name.casefold().rstrip(".")


def _is_port(text: str) -> bool:
    return text == "" or (text.isascii() and text.isdecimal() and len(text) <= 5)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_own(origin: str, host: str) -> bool:
    """Whether an `Origin` is the page that a request's own `Host` gives."""
    scheme, separator, place = origin.partition("://")
    return bool(separator) and scheme in ("http", "https") and place.casefold() == host.casefold()
