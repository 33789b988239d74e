"""All virtual keys of a ledger at one moment: whose a secret is, and what it may do now.

A key lives as long as all of its makers do: who is revoked takes everybody below along.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from rung.core.rights import NOTHING, Rights, met

MOST_GENERATIONS: Final = 8
"""The longest line of makers, itself included."""


class State(StrEnum):
    """Whether a key opens anything, and why not. UNREADABLE: from a newer version of rung."""

    IN_FORCE = "in force"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Key:
    """One virtual key as it is kept: its secret by hash alone, times in seconds since 1970, UTC.

    ``previous_sha256`` is the secret that was exchanged for the present one; it opens until
    ``previous_until_unix``. ``rights`` of ``None`` could not be read: the key opens nothing.
    ``hint`` is the end of the secret, for people who look for the one they hold.
    """

    id: str
    name: str
    secret_sha256: str
    hint: str
    created_unix: float
    rights: Rights | None
    parent_id: str | None = None
    previous_sha256: str | None = None
    previous_until_unix: float | None = None
    expires_unix: float | None = None
    revoked_unix: float | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A key in force: what it may do, and its line, itself first and its first maker last."""

    key: Key
    rights: Rights
    line: tuple[Key, ...]

    @property
    def id(self) -> str:
        """The key's id."""
        return self.key.id


@dataclass(frozen=True, slots=True)
class _Standing:
    holder: Holder | None
    state: State
    until_unix: float


def digest(secret: bytes) -> str:
    """What is kept of a secret, and what it is looked up by: never a part of it."""
    return sha256(secret).hexdigest()


class Keyring:
    """Finds keys by secret and by id. Each lookup takes one step, however many keys there are."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys: Mapping[str, Key] = {key.id: key for key in keys}
        self._secrets = {key.secret_sha256: (key.id, math.inf) for key in self._keys.values()}
        self._secrets |= {
            key.previous_sha256: (key.id, key.previous_until_unix or 0.0)
            for key in self._keys.values()
            if key.previous_sha256 is not None
        }
        self._standings: dict[str, _Standing] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def shown(self, secret: bytes, now: float) -> Holder | None:
        """Whose secret this is; ``None`` for every one that opens nothing now."""
        found = self._secrets.get(digest(secret))
        return None if found is None or now >= found[1] else self.holder(found[0], now)

    def holder(self, key_id: str, now: float) -> Holder | None:
        """The key of this id, if it is in force."""
        standing = self._standing(key_id)
        return standing.holder if now < standing.until_unix else None

    def key(self, key_id: str) -> Key | None:
        """The key of this id, in force or not."""
        return self._keys.get(key_id)

    def all(self) -> tuple[Key, ...]:
        """Every key there ever was, oldest first."""
        return tuple(sorted(self._keys.values(), key=lambda key: (key.created_unix, key.id)))

    def state(self, key_id: str, now: float) -> State:
        """Whether the key of this id is in force, and why not."""
        standing = self._standing(key_id)
        if standing.state is State.IN_FORCE and now >= standing.until_unix:
            return State.EXPIRED
        return standing.state

    def in_force(self, now: float) -> int:
        """How many keys open anything."""
        return sum(self.holder(key_id, now) is not None for key_id in self._keys)

    def is_below(self, key_id: str, maker_id: str) -> bool:
        """Whether a key was made with the other, at whatever remove, or is the same."""
        return any(key.id == maker_id for key in self.line(key_id))

    def _standing(self, key_id: str) -> _Standing:
        found = self._standings.get(key_id)
        if found is None:
            found = self._standings[key_id] = _standing(self.line(key_id))
        return found

    def line(self, key_id: str) -> tuple[Key, ...]:
        """The key and its makers; empty where one of them is missing or they go round."""
        line: list[Key] = []
        following: str | None = key_id
        while following is not None:
            key = self._keys.get(following)
            if key is None or len(line) == MOST_GENERATIONS:
                return ()
            line.append(key)
            following = key.parent_id
        return tuple(line)


def _standing(line: tuple[Key, ...]) -> _Standing:
    """What a line of makers comes to: each of them can take away, none can add."""
    if any(key.revoked_unix is not None for key in line):
        return _Standing(None, State.REVOKED, -math.inf)
    rights: Rights | None = line[0].rights if line else None
    for maker in line[1:]:
        rights = None if rights is None or maker.rights is None else met(rights, maker.rights)
    if rights is None or rights == NOTHING:
        return _Standing(None, State.UNREADABLE, -math.inf)
    ends = [key.expires_unix for key in line if key.expires_unix is not None]
    return _Standing(Holder(line[0], rights, line), State.IN_FORCE, min(ends, default=math.inf))
