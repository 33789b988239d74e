"""What is done once however often it is asked for: claims by Idempotency-Key, and their results.

A claim is taken before anything is called, in one transaction, so that of two requests with one key
one alone goes on, whichever processes they came to. Its result is kept for a day. The claim of a
process that died is taken over: nobody else will ever finish it.

Streams that broke stand here too: whoever asks again for what they owed is recognised by any
process that shares the ledger, and after a restart.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from rung.ledger.database import Connection
from rung.ledger.presence import SILENT_SECONDS, Presence, is_dead

KEPT_SECONDS: Final = 86_400.0
"""How long a result is replayed."""

MOST_BYTES: Final = 4 * 2**20
"""Of a larger result only that there was one is kept."""

BROKEN: Final = "broken stream"
"""The scope of streams that broke. Those of callers have a colon."""

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Key:
    """An Idempotency-Key of one caller: the ``scope`` says whose, the hash which."""

    scope: str
    sha256: str

    @classmethod
    def of(cls, scope: str, *parts: bytes) -> Key:
        """The key that these parts make."""
        framed = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        return cls(scope, sha256(framed).hexdigest())


@dataclass(frozen=True, slots=True)
class Claim:
    """One request's wish to be the one that is done. ``now_unix`` is seconds since 1970, UTC.

    ``by`` is the process that would do it.
    """

    key: Key
    body_sha256: str
    request_id: str
    by: Presence
    now_unix: float


@dataclass(frozen=True, slots=True)
class Mine:
    """The request is the first with its key: it goes on, and says at the end what became of it."""


@dataclass(frozen=True, slots=True)
class Running:
    """Another request with this key is being answered."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Different:
    """The key came before, with something else."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Result:
    """What the first request with a key was answered. ``body`` is ``None`` where it is not kept."""

    request_id: str
    status: int
    headers: Headers
    body: bytes | None


MINE: Final = Mine()
Found = Mine | Running | Different | Result


# ------------------------------------------------------------------ claims


def claim(connection: Connection, wish: Claim) -> Found:
    """Take the key, or learn who has it."""
    key, values = wish.key, _values(wish)
    if connection.named("claim once", **values).rowcount == 1:
        return MINE
    row = connection.named("once", in_scope=key.scope, key=key.sha256).fetchone()
    if row is None:
        # Given back between the two statements: the next look takes it.
        return Running("")
    if row["request_id"] == wish.request_id:
        return MINE  # a commit that held, though its connection broke before it said so
    if row["expires_unix"] >= wish.now_unix and not _dead(connection, row, wish.by, wish.now_unix):
        return _found(row, wish.body_sha256)
    taken = {name: value for name, value in values.items() if name not in {"scope", "key_sha256"}}
    where = {"in_scope": key.scope, "key": key.sha256, "was": row["request_id"]}
    took = connection.named("take over once", **taken, **where).rowcount == 1
    return MINE if took else Running("")


def is_running(connection: Connection, key: Key, me: Presence, now_unix: float) -> bool:
    """Whether somebody is about to finish a claim."""
    row = connection.named("once", in_scope=key.scope, key=key.sha256).fetchone()
    if row is None or row["state"] != "running":
        return False
    return not _dead(connection, row, me, now_unix)


def finish(connection: Connection, wish: Claim, result: Result) -> bool:
    """Keep a claim's result; False where the claim is not this request's any more."""
    body = result.body
    kept = body is not None and len(body) <= MOST_BYTES
    told = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in result.headers]
    finished = connection.named(
        "finish once",
        **_mine(wish),
        status=result.status,
        headers_json=json.dumps(told if kept else []),
        body=zlib.compress(body, 1) if kept and body is not None else None,
    )
    return finished.rowcount == 1


def release(connection: Connection, wish: Claim) -> None:
    """Give a claim back: nothing came of it, and the next one with its key is the first."""
    connection.named("release once", **_mine(wish))


def forget(connection: Connection, now_unix: float) -> None:
    """Remove what is not replayed any more."""
    connection.named("forget once", now=now_unix)


def _values(wish: Claim) -> dict[str, Any]:
    return {
        "scope": wish.key.scope,
        "key_sha256": wish.key.sha256,
        "body_sha256": wish.body_sha256,
        "request_id": wish.request_id,
        "process_id": wish.by.id,
        "created_unix": wish.now_unix,
        "expires_unix": wish.now_unix + KEPT_SECONDS,
    }


def _mine(wish: Claim) -> dict[str, Any]:
    key = wish.key
    return {"in_scope": key.scope, "key": key.sha256, "by_request": wish.request_id}


def _found(row: Any, body_sha256: str) -> Found:
    if row["body_sha256"] != body_sha256:
        return Different(row["request_id"])
    if row["state"] == "running":
        return Running(row["request_id"])
    told = json.loads(row["headers_json"] or "[]")
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told]
    body = None if row["body"] is None else zlib.decompress(row["body"])
    return Result(row["request_id"], row["status"], headers, body)


def _dead(connection: Connection, row: Any, me: Presence, now_unix: float) -> bool:
    """Whether a claim's process has died with it."""
    if row["state"] != "running" or row["process_id"] == me.id:
        return False
    process = connection.named(
        "claiming process", of_process=row["process_id"], seconds=SILENT_SECONDS
    ).fetchone()
    if process is not None:
        return is_dead(process, me)
    return bool(now_unix - row["created_unix"] > SILENT_SECONDS)


# ------------------------------------------------------------------ broken streams


def note_broken(connection: Connection, wish: Claim, seconds: float) -> None:
    """Remember for so long that a request's stream broke; its key is what is asked for again."""
    values = _values(wish) | {"expires_unix": wish.now_unix + seconds}
    connection.named("note broken stream", **values)


def broken(connection: Connection, key: Key, now_unix: float) -> str | None:
    """The request whose stream broke, if it is remembered."""
    row = connection.named("once", in_scope=key.scope, key=key.sha256).fetchone()
    return row["request_id"] if row is not None and row["expires_unix"] >= now_unix else None


def forget_broken(connection: Connection, key: Key, request_id: str) -> bool:
    """Forget it; False where somebody else did."""
    where = {"in_scope": key.scope, "key": key.sha256, "by_request": request_id}
    return connection.named("forget broken stream", **where).rowcount == 1
