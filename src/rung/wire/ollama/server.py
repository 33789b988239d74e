"""What an Ollama server says of itself: its models, what is loaded, its version, its complaints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from rung.core.types import Fault
from rung.wire.ollama.answer import Count, OllamaWireError, decode_as

_OVERFLOW = ("exceed_context_size", "context length", "context size", "prompt too long")
_MEMORY = ("system memory", "out of memory", "outofmemory", "unable to allocate")


class _Model(msgspec.Struct):
    name: str = ""
    model: str = ""
    context_length: Count = 0
    size: Count = 0
    size_vram: Count = 0


class _Models(msgspec.Struct):
    models: list[_Model] | None = None


class _Version(msgspec.Struct):
    version: str = ""


class _Show(msgspec.Struct):
    model_info: dict[str, Any] | None = None
    capabilities: list[str] | None = None
    remote_host: str = ""


class _Complaint(msgspec.Struct):
    error: Any = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory. ``context_tokens`` is 0 where the server does not tell (before 0.9)."""

    name: str
    context_tokens: int = 0
    bytes_total: int = 0
    bytes_vram: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """What is known of an installed model. ``remote_host`` is where it really runs, "" for here."""

    trained_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    remote_host: str = ""


def full_name(model: str) -> str:
    """``model`` with its tag: Ollama adds ``:latest`` where there is none."""
    return model if ":" in model.rsplit("/", 1)[-1] else f"{model}:latest"


def decode_tags(raw: bytes) -> tuple[str, ...]:
    """The names of ``/api/tags``: what is installed."""
    return tuple(m.name or m.model for m in decode_as(raw, _Models).models or ())


def decode_loaded(raw: bytes) -> Mapping[str, Loaded]:
    """``/api/ps``: what is in memory, by full name."""
    return {
        full_name(m.name or m.model): Loaded(
            m.name or m.model, m.context_length, m.size, m.size_vram
        )
        for m in decode_as(raw, _Models).models or ()
    }


def decode_version(raw: bytes) -> str:
    """The version in ``/api/version``."""
    return decode_as(raw, _Version).version


def decode_show(raw: bytes) -> Shown:
    """``/api/show``: the context a model was trained for, and what it can do."""
    show = decode_as(raw, _Show)
    trained = next(
        (
            value
            for key, value in (show.model_info or {}).items()
            if key.endswith(".context_length") and type(value) is int and value > 0
        ),
        None,
    )
    return Shown(trained, tuple(show.capabilities or ()), show.remote_host)


def decode_error(raw: bytes) -> str:
    """The complaint of an error body, however deep it is wrapped; "" when it says nothing."""
    for _ in range(4):
        try:
            error = decode_as(raw, _Complaint).error
        except OllamaWireError:
            break
        if isinstance(error, str):
            raw = error.encode("utf-8", "replace")
        elif isinstance(error, dict):
            return _described(error)
        else:
            return ""
    else:
        return ""
    return " ".join(raw.decode("utf-8", "replace").split())[:500]


def _described(error: dict[Any, Any]) -> str:
    words = [str(error[key]) for key in ("message", "type") if isinstance(error.get(key), str)]
    return " ".join(words)[:500]


def fault_of(message: str, status: int | None = None) -> Fault | None:
    """What Ollama's own words tell beyond an HTTP status; ``None`` when they tell nothing.

    A model that does not fit into memory is UNAVAILABLE: asking again does not make room.
    """
    said = message.casefold()
    if any(mark in said for mark in _OVERFLOW):
        return Fault.CONTEXT_TOO_LONG
    if any(mark in said for mark in _MEMORY):
        return Fault.UNAVAILABLE
    if status == 404 or ("model" in said and "not found" in said):
        return Fault.NOT_FOUND
    return Fault.OVERLOADED if "server busy" in said else None
