"""`/docs`: the addresses of the server on one page, from `/openapi.json`; it loads nothing else."""

from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_METHODS = ("get", "post", "patch", "delete", "put")


def router(app: FastAPI) -> APIRouter:
    """`/docs`."""
    found = APIRouter()

    @found.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page_of(app.openapi()), headers={"Content-Security-Policy": _POLICY})

    return found


def page_of(schema: dict[str, Any]) -> str:
    """HTML without scripts and styles."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>kakusan: its API</title>",
        "<meta name=viewport content='width=device-width'><main><h1>kakusan: its API</h1>",
        "<p>For programs: <a href=/openapi.json>/openapi.json</a>.</p>",
    ]
    for path, methods in schema["paths"].items():
        for method in _METHODS:
            if method in methods:
                parts.append(_operation(path, method, methods[method]))
    return "".join([*parts, "</main></html>"])


def _operation(path: str, method: str, told: dict[str, Any]) -> str:
    said = told.get("description") or told.get("summary") or ""
    rows = [
        f"<li><code>{escape(each['name'])}</code> ({escape(each['in'])})</li>"
        for each in told.get("parameters", ())
    ]
    bodies = told.get("requestBody", {}).get("content", {})
    for kind, body in bodies.items():
        names = body.get("schema", {}).get("properties", {})
        listed = ", ".join(f"<code>{escape(name)}</code>" for name in names)
        rows.append(f"<li>body, {escape(kind)}{': ' if listed else ''}{listed}</li>")
    answers = ", ".join(sorted(told.get("responses", ())))
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(said)}</p>"
        f"<ul>{''.join(rows)}</ul><p>Answers: {escape(answers)}</p>"
    )
