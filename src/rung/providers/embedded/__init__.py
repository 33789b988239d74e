"""A small model in a child process of its own: answers with no key, no network and no server."""

from rung.providers.embedded.engine import EmbeddedEngine, EngineSettings
from rung.providers.embedded.locate import ModelNotFound, find_model
from rung.providers.embedded.provider import EmbeddedProvider

__all__ = ["EmbeddedEngine", "EmbeddedProvider", "EngineSettings", "ModelNotFound", "find_model"]
