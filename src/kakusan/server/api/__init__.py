"""Our own API: strict, and as `/docs` describes it."""

from fastapi import APIRouter

from kakusan.server.api import events, health, jobs, lists, pictures, tokens
from kakusan.server.service import Service


def routers(service: Service) -> list[APIRouter]:
    """All of it but the login."""
    return [each.router(service) for each in (jobs, events, pictures, lists, tokens, health)]
