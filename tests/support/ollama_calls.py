"""Calls to the Ollama provider as tests make them."""

from __future__ import annotations

from typing import Any

import pytest

from rung.core.types import Message, Request, Role, Sampling, Text
from rung.providers.base import Ask, CallError, Delta, Done
from rung.providers.http import HttpClient
from rung.providers.ollama import OllamaProvider
from support.ollama_server import Ollama


def asking(text: str = "Why?", **changes: Any) -> Ask:
    messages = (Message(Role.USER, (Text(text),)),)
    request = Request("r", "chat", messages, sampling=changes.pop("sampling", Sampling()))
    given = {"stream": False, "timeout_seconds": 10.0} | changes
    return Ask(request, messages, as_it_came=True, **given)


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
