"""Which model servers run on this machine: found by their ports, named by what they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from rung.providers.http import HttpClient, HttpError
from rung.providers.registry import PROVIDERS

PROBE_SECONDS = 0.3
"""How long one question to one port may take; there are two rounds of them."""

PORTS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {row.name: row.ports for row in PROVIDERS.values() if row.ports}
)
"""Where each provider's server listens by default."""

MOST_MODELS = 1_000

OWNERS = MappingProxyType(
    {"llamacpp": "llamacpp", "vllm": "vllm", "organization_owner": "lmstudio"}
)
"""Which server says of its models in ``/v1/models`` that this is who owns them."""

MARKS = (
    ("llamacpp", "/props", "default_generation_settings"),
    ("vllm", "/version", "version"),
    ("lmstudio", "/api/v0/models", "data"),
)
"""What only one of them answers: a provider, a path, and a key of the object there. For servers
whose models have another owner, as a proxy or a fine-tuned model's may."""

OURSELVES = "rung"
"""The owner that this gateway names: it is no model server of its own."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Found:
    """A model server that answers. ``provider`` is a row of the registry."""

    provider: str
    base_url: str
    models: tuple[str, ...] = ()


class _Model(msgspec.Struct):
    id: str = ""
    name: str = ""
    owned_by: str = ""


class _List(msgspec.Struct):
    data: list[_Model]


class _Tags(msgspec.Struct):
    models: list[_Model]


class _Version(msgspec.Struct):
    version: str


async def discover(
    http: HttpClient, ports: Mapping[str, Iterable[int]] = PORTS
) -> tuple[Found, ...]:
    """Look at all ``ports`` of this machine at once. What does not answer is left out.

    ``ports`` only says where to look, by provider: who is there is asked.
    """
    wanted = dict.fromkeys(port for listed in ports.values() for port in listed)
    found = await asyncio.gather(*(_probe(http, f"http://127.0.0.1:{port}") for port in wanted))
    return tuple(one for one in found if one is not None)


async def _probe(http: HttpClient, root: str) -> Found | None:
    version, listed = await asyncio.gather(
        _get(http, f"{root}/api/version", _Version), _get(http, f"{root}/v1/models", _List)
    )
    if version is not None:
        tags = await _get(http, f"{root}/api/tags", _Tags)
        if tags is not None:
            return Found("ollama", root, _names(model.name for model in tags.models))
    if listed is None or any(model.owned_by == OURSELVES for model in listed.data):
        return None
    provider = next((OWNERS[m.owned_by] for m in listed.data if m.owned_by in OWNERS), None)
    if provider is None:
        provider = await _marked(http, root)
    return Found(provider, f"{root}/v1", _names(model.id for model in listed.data))


async def _marked(http: HttpClient, root: str) -> str:
    """The provider whose mark the server bears."""
    answers = await asyncio.gather(
        *(_get(http, root + path, dict[str, Any]) for _, path, _ in MARKS)
    )
    for (provider, _, key), answer in zip(MARKS, answers, strict=True):
        if answer is not None and key in answer:
            return provider
    return "openai_compatible"


async def _get(http: HttpClient, url: str, shape: type[_T]) -> _T | None:
    """The JSON value at ``url``, if there is one of that shape."""
    try:
        response = await http.get(url, {}, timeout_seconds=PROBE_SECONDS)
        return msgspec.json.decode(response.body, type=shape) if response.status == 200 else None
    except (HttpError, msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _names(told: Iterable[str]) -> tuple[str, ...]:
    """The names fit to be shown: a server may send anything."""
    fit = (name for name in told if name and name.isprintable() and len(name) <= 200)
    return tuple(dict.fromkeys(fit))[:MOST_MODELS]
