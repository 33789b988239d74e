"""Calls to the Ollama provider as tests make them."""

from __future__ import annotations

from typing import Any

import pytest

from rung.core.growth import Delta
from rung.core.parts import Message, Role, Text
from rung.core.types import Request
from rung.providers.base import Ask, CallError, Done
from rung.providers.http import HttpClient
from rung.providers.ollama import OllamaProvider
from support.ollama_server import Ollama

ASK_FIELDS = frozenset({"stream", "timeout_seconds", "schema", "temperature", "seed"})


def asking(text: str = "Why?", *messages: Message, **changes: Any) -> Ask:
    """A call with ``messages``, or one of the user's who says ``text``.

    ``changes`` are fields of the Ask where it has them, and of its Request otherwise.
    """
    messages = messages or (Message(Role.USER, (Text(text),)),)
    given = {"stream": False, "timeout_seconds": 10.0}
    given |= {name: value for name, value in changes.items() if name in ASK_FIELDS}
    asked = {name: value for name, value in changes.items() if name not in ASK_FIELDS}
    return Ask(Request("r", "chat", messages, **asked), messages, as_it_came=True, **given)


async def play(provider: OllamaProvider, ask: Ask) -> tuple[list[Delta], Done]:
    events = [event async for event in provider.call(ask)]
    *deltas, done = events
    assert isinstance(done, Done)
    assert all(isinstance(delta, Delta) for delta in deltas)
    return deltas, done


async def failing(provider: OllamaProvider, ask: Ask) -> CallError:
    with pytest.raises(CallError) as caught:
        await play(provider, ask)
    return caught.value


def provider_of(http: HttpClient, server: Ollama, **options: Any) -> OllamaProvider:
    return OllamaProvider(http, base_url=server.url, model="qwen", **options)
