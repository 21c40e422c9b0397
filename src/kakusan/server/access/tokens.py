"""Tokens: made at the first start, read from files, shown in headers and cookies."""

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from kakusan.errors import InputError, shown_path
from kakusan.server.access.callers import LOCAL, Caller

OWN_FILE = "token"
_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TOKEN = re.compile(r"[!-9;-~]{1,512}")  # what is printable, but for colons
_LARGEST = 2**20
_SESSION = b"kakusan session 1"


class Tokens:
    """Which tokens there are, each with the name of its caller; none lets everybody in.

    Args:
        by_name: of each caller.
    """

    def __init__(self, by_name: Mapping[str, str]) -> None:
        self._by_name = {name: token.encode() for name, token in by_name.items()}
        self._sessions = {name: _session(token) for name, token in self._by_name.items()}

    def __bool__(self) -> bool:
        return bool(self._by_name)

    @property
    def first(self) -> str | None:
        """What is printed for whoever starts the server."""
        return next((token.decode() for token in self._by_name.values()), None)

    def caller(self, authorization: str | None, cookie: str | None, port: int) -> Caller | None:
        """Who shows one of the tokens; None for nobody.

        Args:
            authorization: the header: `Bearer TOKEN`, or `Basic` with it as the password.
            cookie: the header; a session of this port in it counts where there is no other.
        """
        if not self._by_name:
            return LOCAL
        if authorization is not None and authorization.strip():
            return self.of_token(shown_in(authorization))
        return self._found(_session_in(cookie, port), self._sessions)

    def of_token(self, token: str | None) -> Caller | None:
        """Whose a token is."""
        return self._found((token or "").encode(errors="replace"), self._by_name)

    def session_of(self, caller: Caller) -> str:
        """What a caller's cookie holds: not the token, and no use where that is changed."""
        return self._sessions.get(caller.name, b"none").decode()

    @staticmethod
    def _found(value: bytes, among: Mapping[str, bytes]) -> Caller | None:
        found = None
        for name, known in among.items():  # all of them, so that time tells nothing
            if hmac.compare_digest(value, known):
                found = Caller(name)
        return found


def _session(token: bytes) -> bytes:
    return hmac.new(token, _SESSION, hashlib.sha256).hexdigest().encode()


def cookie_name(port: int) -> str:
    """Of the session; cookies of one host are sent to all its ports."""
    return f"kakusan_{port}"


def _session_in(cookie: str | None, port: int) -> bytes:
    with suppress(CookieError):
        found = SimpleCookie(cookie or "").get(cookie_name(port))
        return b"" if found is None else found.value.encode()
    return b""


def shown_in(authorization: str) -> str | None:
    """The token in a header; None where there is none."""
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.casefold() == "bearer":
        return rest.strip()
    if scheme.casefold() == "basic":
        with suppress(binascii.Error, ValueError):
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    return None


def own_tokens(data: Path) -> Tokens:
    """The token in the data folder, made where there is none, for its owner's eyes only.

    Raises:
        InputError: It cannot be read or written.
    """
    path = data / OWN_FILE
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{secrets.token_urlsafe(_BYTES)}\n")
        if os.name == "posix" and path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise InputError(f"{shown_path(path)} cannot be written: {error.strerror}") from None
    return tokens_in(path)


def tokens_in(path: Path) -> Tokens:
    """The tokens in a file: one, or lines NAME:TOKEN for callers who are told apart.

    Raises:
        InputError: It cannot be read, or has none, or something else.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{shown_path(path)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{shown_path(path)} is no text; a line has TOKEN or NAME:TOKEN") from None
    found = dict[str, str]()
    for number, line in enumerate(text.splitlines(), 1):
        if not (said := line.strip()) or said.startswith("#"):
            continue
        name, colon, token = said.rpartition(":")
        name = name.strip() if colon else LOCAL.name
        if not _TOKEN.fullmatch(token.strip()) or not _NAME.fullmatch(name) or name in found:
            raise InputError(
                f"line {number} of {shown_path(path)} is neither TOKEN nor NAME:TOKEN, each name "
                "once, of letters, digits, '_', '.' and '-'; tokens have no spaces and colons"
            )
        found[name] = token.strip()
    if not found:
        raise InputError(f"{shown_path(path)} has no token; write one into it")
    return Tokens(found)
