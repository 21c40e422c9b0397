"""Ollama's API, as far as it is of pictures."""

from fastapi import APIRouter

from kakusan.server.dialects.ollama.routes import Ollama
from kakusan.server.service import Service


def router(service: Service) -> APIRouter:
    """Its routes."""
    return Ollama(service).routes()
