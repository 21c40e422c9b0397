"""A hub of one's own on the loopback interface, and a cache folder in the hub's layout."""

import hashlib
import json
import socket
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL_INDEX = json.dumps(
    {
        "_class_name": "StableDiffusionPipeline",
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "feature_extractor": [None, None],
    }
)
# The text encoder has no half precision variant, the UNet has.
FILES = {
    "README.md": "read me",
    "model_index.json": MODEL_INDEX,
    "v1-5-pruned.ckpt": "all parts",
    "v1-5-pruned.safetensors": "all parts",
    "scheduler/scheduler_config.json": "{}",
    "text_encoder/config.json": "{}",
    "text_encoder/model.safetensors": "text",
    "text_encoder/pytorch_model.bin": "text",
    "text_encoder/flax_model.msgpack": "text",
    "tokenizer/merges.txt": "#version: 0.2",
    "tokenizer/vocab.json": "{}",
    "unet/config.json": "{}",
    "unet/diffusion_pytorch_model.bin": "unet",
    "unet/diffusion_pytorch_model.safetensors": "unet",
    "unet/diffusion_pytorch_model.fp16.safetensors": "half unet",
    "unet/deeper/config.json": "{}",
}
PLAIN = {
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
}


@dataclass
class Hub:
    """A server that answers as the hub does, and notes what it is asked."""

    repos: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    cut: dict[str, int] = field(default_factory=dict)  # where in a file its connection ends
    spoilt: set[str] = field(default_factory=set)  # files that come with other bytes
    ranges: list[str] = field(default_factory=list)
    page: str | None = None  # what answers in its place
    url: str = ""


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            return

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            hub.asked.append(f"{self.command} {path}")
            hub.tokens.append(self.headers.get("authorization"))
            parts = path.strip("/").split("/")
            if hub.page is not None:
                self.send(200, hub.page.encode(), {}, body=body)
            elif parts[:2] == ["api", "models"]:
                self.describe("/".join(parts[2:4]), parts[4:])
            else:
                self.resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]), body=body)

        def describe(self, name: str, rest: list[str]) -> None:
            files = hub.repos.get(name)
            if files is None:
                self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            elif rest[:1] == ["revision"] and rest[1] not in ("main", "fp16", COMMIT):
                self.send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            elif rest[:1] == ["tree"]:
                tree = [
                    {"type": "file", "path": path, "size": len(text), "oid": etag(text)}
                    for path, text in files.items()
                ]
                self.send(200, json.dumps(tree).encode(), {})
            else:
                siblings = [self.sibling(path, text) for path, text in files.items()]
                info = {"id": name, "sha": COMMIT, "siblings": siblings}
                self.send(200, json.dumps(info).encode(), {})

        def sibling(self, path: str, text: str) -> dict[str, Any]:
            if "blobs=" not in self.path:
                return {"rfilename": path}
            size = len(text.encode())
            known = {"rfilename": path, "size": size, "blobId": git_oid(text)}
            if is_large(path):
                known["lfs"] = {"sha256": etag(text, path), "size": size, "pointerSize": 130}
            return known

        def resolve(self, name: str, _revision: str, path: str, *, body: bool) -> None:
            text = hub.repos.get(name, {}).get(path)
            if text is None:
                self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
            elif body and path in hub.broken:
                self.send(400, b"", {})
            else:
                headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag(text, path)}"'}
                data = text.encode()
                if body and path in hub.spoilt:
                    data = bytes(255 - byte for byte in data)
                self.send_file(path, data, headers, body=body)

        def send_file(self, path: str, data: bytes, headers: dict[str, str], *, body: bool) -> None:
            start, asked = 0, self.headers.get("range")
            if asked and body:
                hub.ranges.append(asked)
                start = int(asked.removeprefix("bytes=").partition("-")[0])
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            rest = data[start:]
            if body and path in hub.cut:
                self.send(206 if start else 200, rest, headers, body=False)
                self.wfile.write(data[start : hub.cut[path]])
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send(206 if start else 200, rest, headers, body=body)

        def send(
            self, status: int, data: bytes, headers: dict[str, str], *, body: bool = True
        ) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

    return Handler


def is_large(path: str) -> bool:
    """Whether the hub keeps a file in its large storage, and knows the SHA-256 of it."""
    return path.endswith((".safetensors", ".bin", ".ckpt", ".msgpack"))


def etag(text: str, path: str = "") -> str:
    """What names a file in the cache: a large one by its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest() if is_large(path) else git_oid(text)


def git_oid(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def cache_model(cache: Path, name: str, files: dict[str, str], commit: str = COMMIT) -> Path:
    """Put a model into a cache folder as the hub's own library does, and return its snapshot."""
    model = cache / f"models--{name.replace('/', '--')}"
    snapshot = model / "snapshots" / commit
    for path, text in files.items():
        blob = model / "blobs" / etag(text, path)
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_text(text)
        link = snapshot / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    (model / "refs").mkdir(exist_ok=True)
    (model / "refs" / "main").write_text(commit)
    return snapshot
