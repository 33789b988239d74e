"""Which model of the servers on this machine to put on a ladder."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rung.providers.discovery import Found

NO_CHAT = (
    *("embed", "bge", "gte", "e5", "minilm", "paraphrase", "colbert", "rerank"),
    *("whisper", "tts", "clip", "siglip", "guard", "shieldgemma", "moderation", "diffusion"),
)
"""How words begin in the names of models that do not answer prompts."""

WORD = re.compile(r"[a-z0-9]+")


def chat_model(servers: Iterable[Found]) -> tuple[Found, str] | None:
    """The first server with a model that answers prompts, going by its name, and that model."""
    for server in servers:
        for model in server.models:
            if answers_prompts(model):
                return server, model
    return None


def answers_prompts(model: str) -> bool:
    """Whether nothing in a model's name says that it is for something else."""
    return not any(word.startswith(NO_CHAT) for word in WORD.findall(model.casefold()))
