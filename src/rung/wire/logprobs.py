"""Log-probabilities of tokens: read from what providers tell, and taken out of what callers get.

They are all there or there are none: a part of them would say of a whole answer what holds for some
of its words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rung.wire.jsontext import JsonError, Path, exchanged

ROUNDING = 1e-3
"""How far above 0 a natural log may lie and still be one of a probability."""

_LOWEST = -1e300
"""Servers that cannot write minus infinity send the lowest number that they have."""


def natural_logs(entries: Sequence[Any], among: str | None = None) -> tuple[float, ...]:
    """One natural log a token, of objects with a ``logprob``; empty where any of them is odd.

    ``among`` picks out the tokens of that text, for answers whose entries cover the model's
    thinking too; empty where the tokens' own texts do not tell which those are.
    """
    if among is not None:
        entries = _tokens_of(among, entries)
    found: list[Any] = [one.get("logprob") if isinstance(one, dict) else None for one in entries]
    return tuple(min(0.0, float(one)) for one in found) if all(map(_is_log, found)) else ()


def _is_log(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and _LOWEST <= value <= ROUNDING


def _tokens_of(text: str, entries: Sequence[Any]) -> Sequence[Any]:
    tokens: list[Any] = [one.get("token") if isinstance(one, dict) else None for one in entries]
    if not all(isinstance(token, str) for token in tokens):
        return ()
    begins = "".join(tokens).rfind(text) if text else -1
    if begins < 0:
        return ()
    ends, at = begins + len(text), 0
    found: list[Any] = []
    for token, entry in zip(tokens, entries, strict=True):
        if at < ends and at + len(token) > begins:
            found.append(entry)
        at += len(token)
    return found


# ------------------------------------------------------------------ taking them out


def without(told: bytes, path: Path, instead: bytes) -> bytes:
    """``told``, a JSON object, with ``instead`` for what lies at ``path``; else byte for byte.

    That only holds for objects whose keys do not repeat: others are written anew. Raises
    JsonError for what is no JSON.
    """
    if b"logprobs" not in told:
        return told
    try:
        return exchanged(told, path, instead)
    except JsonError:
        try:
            value = msgspec.json.decode(told)
            return msgspec.json.encode(_blanked(value, path, msgspec.Raw(instead)))
        except (ValueError, OverflowError, RecursionError):
            raise JsonError("it is not JSON that can be written anew") from None


def _blanked(value: Any, path: Path, instead: msgspec.Raw) -> Any:
    if not path:
        return instead
    name, rest = path[0], path[1:]
    if name is None:
        each = value if isinstance(value, list) else ()
        return [_blanked(one, rest, instead) for one in each] if each else value
    if isinstance(value, dict) and name in value:
        return value | {name: _blanked(value[name], rest, instead)}
    return value
