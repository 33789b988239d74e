"""Virtual keys in the ledger: by hash alone, never removed, so that the bill can name them.

All who change a key leave a new stamp in the same transaction; whoever holds the keys of before
sees by one small look that they are not the same any more.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rung.core.keyring import MOST_GENERATIONS, Key, Keyring, State
from rung.core.rates import WINDOW_SECONDS, Used
from rung.core.rights import Rights, from_stored, stored

if TYPE_CHECKING:
    from rung.ledger.database import Connection, Row
    from rung.ledger.store import Ledger

STAMP: Final = ("keys", "stamp")
"""Topic and name of the notice that is another one after every change of a key."""

MOST_BELOW: Final = 1000
"""Keys in force that one key may have made, at whatever remove."""

RATES_KEPT_SECONDS: Final = 60 * WINDOW_SECONDS


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of the keys. ``ring`` is ``None`` where nothing has changed since."""

    stamp: str
    ring: Keyring | None


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What was booked under one key: requests, their cost, and when the last one began."""

    requests: int = 0
    cost_nanousd: int = 0
    last_unix: float | None = None


# ------------------------------------------------------------------ reading


def look(connection: Connection, known: str | None) -> Look:
    """The keys, where they have changed since the stamp ``known``."""
    row = connection.named("keys stamp").fetchone()
    stamp = "" if row is None else str(row["value_json"])
    return Look(stamp, None if stamp == known else read(connection))


def read(connection: Connection) -> Keyring:
    """All keys that there ever were."""
    return Keyring(_key(row) for row in connection.named("all keys"))


def use(connection: Connection, ids: Collection[str]) -> dict[str, KeyUse]:
    """What was booked under each of these keys, where anything was."""
    rows = connection.named("use of keys", ids=json.dumps(list(ids)))
    return {
        row["key_id"]: KeyUse(row["requests"], int(row["cost_nanousd"]), row["last_unix"])
        for row in rows
    }


_NAMES: Final = tuple(name for name in Key.__match_args__ if name != "rights")


def _key(row: Row) -> Key:
    values = {name: row[name] for name in _NAMES}
    return Key(**values, rights=_rights(row["rights_json"]))


@lru_cache(maxsize=1024)
def _rights(text: str) -> Rights | None:
    """Rights as they are stored: of many keys they are the same."""
    try:
        return from_stored(json.loads(text))
    except ValueError:
        return None


# ------------------------------------------------------------------ changing


def add(connection: Connection, key: Key) -> str | None:
    """Store a new key; why it cannot be, where its maker is in force no more or made too many."""
    assert key.rights is not None
    if key.parent_id is not None:
        why = _cannot_make(read(connection), key.parent_id, key.created_unix)
        if why is not None:
            return why
    values = {name: getattr(key, name) for name in _NAMES}
    connection.named("add to keys", **values, rights_json=json.dumps(stored(key.rights)))
    _stamp(connection)
    return None


def _cannot_make(ring: Keyring, maker_id: str, now: float) -> str | None:
    holder = ring.holder(maker_id, now)
    if holder is None:
        return "the key that makes it is not in force any more"
    if len(holder.line) >= MOST_GENERATIONS:
        return f"a key has at most {MOST_GENERATIONS - 1} makers above it"
    below = [key.id for key in ring.all() if key.id != maker_id and ring.is_below(key.id, maker_id)]
    if sum(ring.state(each, now) is State.IN_FORCE for each in below) >= MOST_BELOW:
        return f"its maker has {MOST_BELOW} keys in force already; revoke some"
    return None


def revoke(connection: Connection, key_id: str, now: float) -> bool:
    """End a key and all that were made with it; False where it was revoked before."""
    changed = connection.named("revoke key", key_id=key_id, now=now).rowcount
    if changed:
        _stamp(connection)
    return bool(changed)


@dataclass(frozen=True, slots=True)
class Rotation:
    """An exchange of a key's secret; the one of before opens until ``until_unix``."""

    key_id: str
    was_sha256: str
    is_sha256: str
    hint: str
    until_unix: float


def rotate(connection: Connection, change: Rotation) -> bool:
    """Exchange a secret; False where it is another one by now, or the key was revoked."""
    changed = connection.named(
        "rotate key",
        key_id=change.key_id,
        was=change.was_sha256,
        is_now=change.is_sha256,
        new_hint=change.hint,
        was_before=change.was_sha256,
        until=change.until_unix,
    ).rowcount
    if changed:
        _stamp(connection)
    return bool(changed)


def _stamp(connection: Connection) -> None:
    topic, name = STAMP
    value = json.dumps({"stamp": secrets.token_hex(8)})
    connection.named("tell", topic=topic, name=name, value_json=value, process_id=topic)


# ------------------------------------------------------------------ rates

Windows = Mapping[tuple[str, int], Used]
"""What was counted, by key and window."""


def count(connection: Connection, more: Windows, ids: Collection[str], since: int) -> Windows:
    """Add what was counted here; what all have counted for ``ids`` since then."""
    for (key_id, start), used in sorted(more.items()):
        connection.named(
            "count rates",
            key_id=key_id,
            window_unix=start,
            requests=used.requests,
            tokens=used.tokens,
        )
    if more:
        connection.named("forget rates", before=since - RATES_KEPT_SECONDS)
    rows = connection.named("rates since", since=since, ids=json.dumps(list(ids)))
    return {(r["key_id"], r["window_unix"]): Used(r["requests"], r["tokens"]) for r in rows}


# ------------------------------------------------------------------ for a gateway


class KeyBook:
    """The keys and rates of one ledger, as a gateway asks for them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def look_at_keys(self, known: str | None) -> Look:
        """The keys, where they have changed since that stamp. Blocks; raises LedgerError."""
        with self._ledger.reading() as connection:
            return look(connection, known)

    async def count_rates(self, more: Windows, ids: Collection[str], since: int) -> Windows:
        """Add to what all have counted since then, and get that back. Raises LedgerError."""
        return await self._ledger.commit(lambda connection: count(connection, more, ids, since))
