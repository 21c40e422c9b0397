"""Whether the server lives, and whether it takes work."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from kakusan.server.service import Service


def router(service: Service) -> APIRouter:
    """`/healthz` and `/readyz`, which need no token and tell nothing of anybody's."""
    found = APIRouter(tags=["operations"])

    @found.get("/healthz")
    async def healthz() -> JSONResponse:
        """Whether the process and its worker are alive."""
        alive = service.is_worker_alive
        return JSONResponse({"status": "ok" if alive else "stuck"}, 200 if alive else 503)

    @found.get("/readyz")
    async def readyz() -> JSONResponse:
        """Whether a job that is handed in now would be taken and drawn."""
        why = await reasons(service)
        told = {"status": "ready"} if not why else {"status": "not ready", "reasons": why}
        return JSONResponse(told, 503 if why else 200, {"Retry-After": "5"} if why else None)

    return found


async def reasons(service: Service) -> list[str]:
    """Why no job is taken now; empty where they are."""
    if service.draining:
        return ["draining"]
    found = list[str]()
    if not await service.in_store(service.store.healthy):
        found.append("database")
    if await service.in_store(service.files.free_bytes) < service.settings.disk_floor:
        found.append("disk")
    if not service.is_worker_alive:
        found.append("worker")
    return found
