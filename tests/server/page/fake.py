"""A server that answers as the real one does, at once, from memory: for the page's own tests."""

import asyncio
import io
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from PIL import Image, ImageDraw

from kakusan.server.api import page
from kakusan.server.api.tokens import read as read_tokens

SIDE = 128


class Fake:
    """Jobs in memory, one drawn at a time, a step every `pace` seconds."""

    def __init__(self, pace: float = 0.1) -> None:
        self.pace = pace
        self.jobs: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, str] = {}  # of jobs, as the page sends one again
        self.inputs: dict[str, bytes] = {}
        self.listeners: list[asyncio.Queue[tuple[str, dict[str, Any]]]] = []
        self.numbers = itertools.count(1)
        self.wake = asyncio.Event()

    def tell(self, kind: str, job: dict[str, Any], **more: Any) -> None:
        for each in self.listeners:
            each.put_nowait((kind, {"job": job["id"], **more}))

    def add(self, request: dict[str, Any]) -> dict[str, Any]:
        number = next(self.numbers)
        job = {
            "id": f"0190-{number:06}",
            "state": "queued",
            "request": request,
            "priority": 10,
            "place": float(number),
            "created": time.time(),
            "step": 0,
            "steps": 0,
            "pictures": [],
            "error": None,
        }
        self.jobs[job["id"]] = job
        self.tell("queued", job)
        self.wake.set()
        return job

    def shown(self, job: dict[str, Any]) -> dict[str, Any]:
        """With its place among those that wait, as the real one says it."""
        waiting = [each["place"] for each in self.jobs.values() if each["state"] == "queued"]
        queued = job["state"] == "queued"
        place = sum(each < job["place"] for each in waiting) if queued else None
        return {**job, "position": place}

    async def work(self) -> None:
        while True:
            waiting = [each for each in self.jobs.values() if each["state"] == "queued"]
            if not waiting:
                self.wake.clear()
                await self.wake.wait()
                continue
            await self.draw(min(waiting, key=lambda each: each["place"]))

    async def draw(self, job: dict[str, Any]) -> None:
        request = job["request"]
        count = request.get("num_images_per_prompt", 1)
        steps = request.get("num_inference_steps", 25) * count
        job |= {"state": "running", "steps": steps}
        self.tell("started", job)
        for step in range(1, steps + 1):
            await asyncio.sleep(self.pace)
            if job.get("stop"):
                break
            job["step"] = step
            self.tell("step", job, step=step, steps=steps, eta=(steps - step) * self.pace)
        if job.get("stop") == "cancel" or "fail" in request["prompt"]:
            job |= {"state": "cancelled" if job.get("stop") else "failed"}
            job["error"] = None if job.get("stop") else "the drawing went wrong; try again"
        else:
            record = {**request, "scheduler": {"_class_name": "DDIMScheduler"}}
            job["pictures"] = [
                {
                    "index": i,
                    "width": request.get("width", SIDE),
                    "height": request.get("height", SIDE),
                    "record": {**record, "seed": request["seed"] + i},
                }
                for i in range(count)
            ]
            job |= {"state": "done", "finished": time.time()}
        self.tell(job["state"], job)


def painted(job: dict[str, Any], index: int) -> bytes:
    picture = job["pictures"][index]
    hue = picture["record"]["seed"] * 47 % 360
    image = Image.new("RGB", (picture["width"], picture["height"]), f"hsl({hue}, 45%, 70%)")
    pen = ImageDraw.Draw(image)
    w, h = image.size
    pen.ellipse((w * 0.25, h * 0.3, w * 0.75, h * 0.8), fill=f"hsl({(hue + 150) % 360}, 60%, 45%)")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def app(fake: Fake) -> FastAPI:
    made = FastAPI()
    made.include_router(page.router())

    @made.get("/v1/tokens")
    def tokens(text: str, syntax: str = "webui") -> dict[str, Any]:
        return read_tokens(text, "builtin", syntax, 20)

    made.include_router(_routes(fake))

    @made.on_event("startup")
    async def begin() -> None:
        made.state.work = asyncio.create_task(fake.work())

    return made


def _routes(fake: Fake) -> APIRouter:
    routes = APIRouter()

    @routes.post("/v1/jobs")
    async def submit(request: Request) -> Response:
        asked = await request.json()
        if asked.get("width", 8) % 8:
            detail = f"width must be a multiple of 8, not {asked['width']}"
            return JSONResponse({"detail": detail, "field": "width"}, 422)
        key = request.headers.get("Idempotency-Key", "")
        job = fake.jobs.get(fake.keys.get(key, "")) or fake.add(asked)
        if key:
            fake.keys[key] = job["id"]
        return JSONResponse(fake.shown(job), 202)

    @routes.get("/v1/jobs")
    def jobs(state: str = "", q: str = "", after: str = "", limit: int = 50) -> dict[str, Any]:
        found = [
            each
            for each in reversed(fake.jobs.values())
            if (not state or each["state"] == state)
            and q.lower() in each["request"]["prompt"].lower()
            and (not after or each["id"] < after)
        ]
        return {"jobs": [fake.shown(each) for each in found[:limit]]}

    @routes.get("/v1/jobs/{id}")
    def job(id: str) -> Any:
        job = fake.jobs.get(id)
        return fake.shown(job) if job else JSONResponse({"detail": "no such job"}, 404)

    @routes.patch("/v1/jobs/{id}")
    async def change(id: str, request: Request) -> Any:
        job, asked = fake.jobs[id], await request.json()
        if "stop" in asked:
            job["stop"] = asked["stop"]
            if job["state"] == "queued":
                job["state"] = "cancelled"
                fake.tell("cancelled", job)
            return fake.shown(job)
        places = sorted(e["place"] for e in fake.jobs.values() if e["state"] == "queued")
        if asked.get("to") == "first":
            job["place"] = places[0] - 1
        elif asked.get("to") == "last":
            job["place"] = places[-1] + 1
        else:
            job["place"] = fake.jobs[asked["before"]]["place"] - 0.01
        fake.tell("queued", job)
        return fake.shown(job)

    @routes.get("/v1/jobs/{id}/again")
    def again(id: str) -> dict[str, Any]:
        return fake.jobs[id]["request"]

    @routes.delete("/v1/jobs/{id}")
    def delete(id: str) -> Any:
        fake.tell("deleted", fake.jobs.pop(id))
        return {}

    @routes.get("/v1/jobs/{id}/pictures/{index}")
    def picture(id: str, index: int) -> Response:
        return Response(painted(fake.jobs[id], index), media_type="image/png")

    @routes.post("/v1/inputs")
    async def put(request: Request) -> dict[str, Any]:
        data = await request.body()
        image = Image.open(io.BytesIO(data))
        id = f"{len(fake.inputs):064x}"
        fake.inputs[id] = data
        return {"id": id, "width": image.width, "height": image.height}

    @routes.get("/v1/inputs/{id}")
    def input(id: str) -> Response:
        return Response(fake.inputs[id], media_type="image/png")

    @routes.post("/v1/read")
    async def read() -> dict[str, Any]:
        settings = {"prompt": "a cat", "seed": 7, "num_inference_steps": 12}
        return {"tool": "AUTOMATIC1111", "settings": settings}

    @routes.get("/v1/models")
    def models() -> dict[str, Any]:
        builtin = {"name": "builtin", "width": SIDE, "height": SIDE, "num_inference_steps": 25}
        builtin["img2img_steps"] = 25
        other = {"name": "other", "title": "Other", "width": 512, "height": 512}
        other |= {"num_inference_steps": 20, "img2img_steps": 20, "guidance_scale": 7.5}
        return {"data": [{**builtin, "guidance_scale": 3.0, "default": True}, other]}

    @routes.get("/v1/schedulers")
    def schedulers() -> dict[str, Any]:
        named = {"ddim": "DDIM", "euler": "Euler", "dpmpp-2m": "DPM++ 2M"}
        return {"schedulers": [{"name": n, "automatic1111": t} for n, t in named.items()]}

    @routes.get("/v1/{kind}")
    async def rest(kind: str) -> Any:
        if kind == "events":
            return StreamingResponse(_stream(fake), media_type="text/event-stream")
        return {kind: []}

    return routes


def main() -> None:
    """Serve on a port of one's own choice, a step every so many seconds."""
    port, pace = int(sys.argv[1]), float(sys.argv[2])
    uvicorn.run(app(Fake(pace)), host="127.0.0.1", port=port, log_level="warning")


async def _stream(fake: Fake) -> AsyncIterator[str]:
    mine: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
    fake.listeners.append(mine)
    yield ": hello\n\n"
    try:
        while True:
            kind, data = await mine.get()
            yield f"event: {kind}\ndata: {json.dumps(data)}\n\n"
    finally:
        fake.listeners.remove(mine)


if __name__ == "__main__":
    main()
