"""Calls of a provider over HTTP: what is asked, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from rung.core.growth import Delta
from rung.core.types import Directions, Request
from rung.providers.base import Ask, CallError, Done, Provider
from rung.wire.front import Arrival, Front

KEY = "sk-proj-very-secret-0123456789abcd"


def decoded(front: Front, body: Any, headers: Mapping[str, str] | None = None, query: str = ""):
    """The request that a front door makes of a body, given as bytes or as an object."""
    told = body if isinstance(body, bytes) else json.dumps(body).encode()
    return front.decode_request(told, Arrival("r", Directions(), headers or {}, query))


def ask_of(request: Request, **changes: Any) -> Ask:
    ask = Ask(
        request=request,
        messages=request.messages,
        as_it_came=True,
        stream=request.stream,
        timeout_seconds=5.0,
        schema=request.schema,
    )
    return replace(ask, **changes)


async def events_of(provider: Provider, ask: Ask) -> list[Delta | Done]:
    return [event async for event in provider.call(ask)]


async def done_of(provider: Provider, ask: Ask) -> Done:
    event = (await events_of(provider, ask))[-1]
    assert isinstance(event, Done)
    return event


async def error_of(provider: Provider, ask: Ask) -> CallError:
    with pytest.raises(CallError) as caught:
        await events_of(provider, ask)
    assert KEY not in str(caught.value)
    return caught.value
