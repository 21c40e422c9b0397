"""OpenAI's image API: generations and edits, whole or as a stream."""

import secrets

from fastapi import APIRouter

from kakusan.server.dialects.openai.links import Links
from kakusan.server.dialects.openai.routes import Images
from kakusan.server.service import Service


def router(service: Service) -> APIRouter:
    """Its routes; links to pictures are good until the server ends."""
    return Images(service, Links(secrets.token_bytes(32))).routes()
