"""`/docs`: the addresses of the server on one page, from `/openapi.json`; it loads nothing else."""

import json
from collections.abc import Mapping
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
        fields = body.get("schema", {}).get("properties", {})
        listed = "".join(_field(name, schema) for name, schema in fields.items())
        rows.append(f"<li>body, {escape(kind)}{f'<ul>{listed}</ul>' if listed else ''}</li>")
    answers = ", ".join(sorted(told.get("responses", ())))
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(said)}</p>"
        f"<ul>{''.join(rows)}</ul><p>Answers: {escape(answers)}</p>"
    )


def _field(name: str, schema: Mapping[str, Any]) -> str:
    says = ": ".join(each for each in (_values(schema), schema.get("description", "")) if each)
    return f"<li><code>{escape(name)}</code> {escape(says)}</li>"


def _values(schema: Mapping[str, Any]) -> str:
    """What a field may be, in a few words."""
    if "enum" in schema:
        return " | ".join(json.dumps(each) for each in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_values(each) for each in schema["anyOf"])
    kind: Any = schema.get("type", "")
    if kind == "array":
        return f"[{_values(schema.get('items', {}))}, ...]"
    if kind == "object":
        return f"{{{', '.join(schema.get('properties', ()))}}}"
    above = schema.get("exclusiveMinimum")
    least = schema.get("minimum", above)
    if least is None or "maximum" not in schema:
        return kind if isinstance(kind, str) else " | ".join(kind)
    return f"{kind}{'' if above is None else ' above'} {least} to {schema['maximum']}"
