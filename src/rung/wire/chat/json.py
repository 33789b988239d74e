"""Writing JSON that never fails, whatever a library's caller has put into a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()


def encode(told: Any) -> bytes:
    """``told`` as JSON. Lone surrogates become ``?``, what has no JSON becomes its own words."""
    try:
        return _ENCODER.encode(told)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _ENCODER.encode(_plain(told, 0))


_DEEPEST = 256


def _plain(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return None
    if value is None or isinstance(value, bool | int | float | msgspec.Raw):
        return value
    if isinstance(value, Mapping):
        return {_words(key): _plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner, depth + 1) for inner in value]
    return _words(value)


def _words(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode()
