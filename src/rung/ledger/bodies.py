"""What was asked and answered, where the configuration has it stored: packed JSON, a row a part.

They go by age (`retention`), and with their request. `body_statements` has the statements.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from rung.core.errors import LedgerError
from rung.ledger.codec import clean
from rung.ledger.database import Connection

ENCODING: Final = "json+zlib"
REQUEST: Final = "request"
ANSWER: Final = "answer."
"""The part of an attempt's answer; its place in the history follows."""

MOST_BYTES: Final = 64 * 2**20
"""Nothing unpacks to more."""


@dataclass(frozen=True, slots=True)
class Body:
    """One part of what was said: the request, or the answer of one attempt."""

    part: str
    value: Any
    stored_unix: float


@dataclass(frozen=True, slots=True)
class Packed:
    """The parts of one request, ready to be stored."""

    request_id: str
    parts: tuple[tuple[str, bytes], ...]
    stored_unix: float


def packed(request_id: str, parts: Iterable[tuple[str, Any]], now: float) -> Packed:
    """Pack JSON values by the names of their parts."""
    told = tuple((part, zlib.compress(_json(value))) for part, value in parts)
    return Packed(clean(request_id), told, now)


def _json(value: Any) -> bytes:
    return json.dumps(value, default=_plain).encode()


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, enc_hook=str)


def store(connection: Connection, bodies: Packed) -> int:
    """Store the parts of a request that is there; how many were new. Those that are stay."""
    stored = 0
    for part, body in bodies.parts:
        stored += connection.named(
            "store body",
            request_id=bodies.request_id,
            part=part,
            stored_unix=bodies.stored_unix,
            encoding=ENCODING,
            body=body,
        ).rowcount
    return stored


def of_request(connection: Connection, request_id: str) -> list[Body]:
    """What is stored of a request, itself first. Raises LedgerError for what cannot be read."""
    rows = connection.named("bodies of", id=clean(request_id)).fetchall()
    found = [Body(row["part"], _unpacked(row), row["stored_unix"]) for row in rows]
    return sorted(found, key=lambda body: (body.part != REQUEST, len(body.part), body.part))


def _unpacked(row: Any) -> Any:
    name = f"The body {row['part']} of {row['request_id']}"
    if row["encoding"] != ENCODING:
        raise LedgerError(f"{name} is in an unknown encoding.", fix="upgrade rung.")
    unpacking = zlib.decompressobj()
    try:
        told = unpacking.decompress(bytes(row["body"]), MOST_BYTES)
        if not unpacking.eof:
            raise LedgerError(f"{name} is not whole, or too large.")
        return json.loads(told)
    except (zlib.error, ValueError, RecursionError) as error:
        raise LedgerError(f"{name} cannot be read: {error}.") from None
