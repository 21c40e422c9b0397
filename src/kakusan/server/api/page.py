"""The page: its files from a fixed table, under an address that changes when one of them does."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from fastapi import APIRouter, HTTPException, Request, Response

MEDIA_TYPES: Mapping[str, str] = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
INDEX = "index.html"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FOREVER = "public, max-age=31536000, immutable"


class PageFile(NamedTuple):
    """A file of the page as it is sent."""

    data: bytes
    media_type: str


def router() -> APIRouter:
    """`/`, and the files that it asks for under `/page/HASH/`; none of them holds a secret."""
    table, index = _read()
    found = APIRouter()

    @found.get("/", include_in_schema=False)
    def page(request: Request) -> Response:
        headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": f'"{_digest(index)}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(index, media_type="text/html; charset=utf-8", headers=headers)

    @found.get("/page/{name:path}", include_in_schema=False)
    def page_file(name: str) -> Response:
        file = table.get(name)
        if file is None:
            raise HTTPException(404, "the page has no such file; load it again")
        headers = {**HEADERS, "Cache-Control": FOREVER}
        return Response(file.data, media_type=file.media_type, headers=headers)

    return found


def _read() -> tuple[dict[str, PageFile], bytes]:
    """Every file by its address behind `/page/`, and the page itself, which names the folder."""
    folder = files("kakusan.server").joinpath("page")
    read = dict(_files_in(folder))
    index = read.pop(INDEX)
    digest = hashlib.sha256()
    for name, data in sorted(read.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    version = digest.hexdigest()[:16]
    table = {
        f"{version}/{name}": PageFile(data, MEDIA_TYPES[name.rpartition(".")[2]])
        for name, data in read.items()
    }
    return table, index.replace(b"{folder}", f"/page/{version}".encode())


def _files_in(folder: Traversable, above: str = "") -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for each in folder.iterdir():
        if each.is_dir():
            found += _files_in(each, f"{above}{each.name}/")
        elif each.name == INDEX or each.name.rpartition(".")[2] in MEDIA_TYPES:
            found.append((above + each.name, each.read_bytes()))
    return found


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
