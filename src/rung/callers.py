"""Callers: whose key a request shows, and what that one may do.

Two kinds of keys open the gateway: those of projects, which the configuration names, and virtual
ones, which the ledger keeps by hash. Rights are looked up when a request is let in, and again by
its key's id when it is planned: what a key may not do has no other way around.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from rung.config import Config
from rung.core.bounds import tighter
from rung.core.budgets import Account
from rung.core.errors import RequestError
from rung.core.keyring import Holder, Keyring
from rung.core.outcome import Outcome
from rung.core.rights import May, Rights
from rung.core.types import Directions, Need, Request
from rung.exposure import is_loopback
from rung.guides import Keys
from rung.keyrings import FreshRing, NoShelf
from rung.ledger.keys import KeyBook
from rung.rates import Rates, Visit
from rung.ways import LADDER_PREFIX, Ways

if TYPE_CHECKING:
    from rung.ledger import Ledger

PREFIX: Final = "rung_"
"""What every virtual key begins with, so that people and scanners of secrets know one."""

UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403


class Lock(StrEnum):
    """Who is served without a key.

    REQUIRED: nobody. OFF: everybody; virtual keys mean nothing. AUTO: everybody, as long as only
    this machine can connect and no virtual key was ever made.
    """

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


# ------------------------------------------------------------------ who asks


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the project of its key, its virtual key, and what it may do.

    ``digest`` tells callers apart within this process alone; empty where nobody asks.
    """

    project: str | None = None
    digest: str = ""
    holder: Holder | None = None
    may: frozenset[May] = frozenset({May.CALL, May.READ})

    @property
    def key(self) -> str | None:
        """The id of its virtual key."""
        return None if self.holder is None else self.holder.id

    @property
    def rights(self) -> Rights:
        """What it may give on."""
        return Rights(self.may) if self.holder is None else self.holder.rights

    @property
    def known(self) -> bool:
        """Whether it showed a key that is known here."""
        return self.holder is not None or self.project is not None


NOBODY = Caller()
"""Where no key has to be shown, whoever can connect may ask and see. Only keys make keys."""


def entered(asked: Directions, caller: Caller) -> Directions:
    """The directions of a request by this caller: its key says of which project it is.

    Raises RequestError (403) where `x-rung-project` names another one.
    """
    if caller.project is None or caller.project == asked.project:
        return asked
    if asked.project is not None:
        raise RequestError(
            "the key of this request belongs to another project than x-rung-project names.",
            status=FORBIDDEN,
            param="x-rung-project",
            code="other_project",
            fix="leave the header out, or use that project's key",
        )
    return replace(asked, project=caller.project)


def turned_away() -> RequestError:
    """What all get whose key opens nothing: missing, unknown, expired and revoked ones alike."""
    return RequestError(
        "no key that opens this gateway came with the request.",
        status=UNAUTHORIZED,
        code="invalid_api_key",
        fix="send one as Authorization: Bearer or as x-api-key; `rung keys create NAME` makes one",
    )


class ProjectKeys:
    """The projects' keys, kept as hashes under a secret that ends with the process."""

    def __init__(self, keys: Mapping[str, Iterable[str]] | None = None) -> None:
        self._salt = secrets.token_bytes(32)
        given = (keys or {}).items()
        self._known = [(self.hash(key.encode()), name) for name, each in given for key in each]

    def __len__(self) -> int:
        return len(self._known)

    def projects(self, shown: Sequence[bytes]) -> set[str]:
        """Of which projects these keys are."""
        if not self._known:
            return set()
        hashes = [self.hash(key) for key in shown]
        # Every key is compared with every other, so that the time tells nothing.
        return {
            name for known, name in self._known for one in hashes if hmac.compare_digest(known, one)
        }

    def hash(self, key: bytes) -> bytes:
        """What is the same for the same key, in this process alone."""
        return blake2b(key, key=self._salt, digest_size=32).digest()


@dataclass(frozen=True, slots=True)
class Rules:
    """How callers are told and who is let in.

    ``exposed``: other machines can connect. ``apart``: callers are told apart by what they show.
    """

    lock: Lock = Lock.OFF
    exposed: bool = False
    apart: bool = False


class Callers(Keys):
    """Knows everybody by key. ``wall`` tells seconds since 1970, UTC."""

    def __init__(
        self,
        projects: ProjectKeys | None = None,
        rules: Rules | None = None,
        ring: FreshRing | None = None,
        rates: Rates | None = None,
        ways: Ways | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._projects = projects or ProjectKeys()
        self._rules = rules or Rules()
        self._fresh = ring or FreshRing(NoShelf())
        self._rates = rates or Rates(None, wall)
        self._ways = ways
        self._wall = wall

    @property
    def ring(self) -> Keyring:
        """The virtual keys, as they were two seconds ago or later."""
        return self._fresh.ring

    @property
    def locked(self) -> bool:
        """Whether only callers with a key are served."""
        rules = self._rules
        if rules.lock is not Lock.AUTO:
            return rules.lock is Lock.REQUIRED
        # Also where all of them were revoked: that must not open the gateway to everybody.
        return rules.exposed or len(self.ring) > 0

    def count_in_force(self) -> int:
        """How many keys open the gateway now, those of projects included."""
        return len(self._projects) + self.ring.in_force(self._wall())

    async def up_to_date(self) -> None:
        """Return when the keys are known. Raises LedgerError where they cannot be."""
        await self._fresh.up_to_date()

    async def anew(self) -> None:
        """Return when what has just been changed about them is known."""
        await self._fresh.anew()

    # -------------------------------------------------------------- at the door

    async def admitted(
        self, shown: Sequence[bytes], need: May | None = None, *, by_key: bool = False
    ) -> Caller:
        """Who shows these keys, if they may do that; with ``by_key`` nobody else.

        Raises RequestError: 401 where no key opens the gateway, 403 where one may not do that, or
        where the keys are of two callers.
        """
        await self._fresh.up_to_date()
        caller = self._known(shown)
        if caller is None and self._may_be_new(shown):
            await self._fresh.anew()
            caller = self._known(shown)
        if caller is None:
            if self.locked or by_key:
                raise turned_away()
            caller = NOBODY
        if need is not None and need not in caller.may:
            raise _may_not(need)
        if not self._rules.apart or not shown:
            return caller
        digest = caller.key or self._projects.hash(b"".join(map(self._projects.hash, shown))).hex()
        return replace(caller, digest=digest)

    def visit(self, caller: Caller) -> Visit:
        """Count one request of a caller in. Raises RateError where its key has made too many."""
        return self._rates.enter(() if caller.holder is None else caller.holder.line)

    def sees(self, caller: Caller, key: str | None, project: str | None) -> bool:
        """Whether a caller may see what a request of this key, or of this project, came to."""
        if May.READ in caller.may:
            return True
        if caller.holder is not None:
            return key is not None and self.ring.is_below(key, caller.holder.id)
        return key is None and project is not None and project == caller.project

    def _may_be_new(self, shown: Sequence[bytes]) -> bool:
        """Whether one of these may be a key that was made a moment ago, here or anywhere."""
        if self._rules.lock is Lock.OFF:
            return False
        return bool(shown) and (self.locked or any(map(_is_virtual, shown)))

    def _known(self, shown: Sequence[bytes]) -> Caller | None:
        """Whose keys these are. Raises RequestError (403) where they contradict one another."""
        projects, now = self._projects.projects(shown), self._wall()
        holders = {found.id: found for key in shown if (found := self.ring.shown(key, now))}
        if len(projects) + len(holders) > 1:
            raise RequestError(
                "the two keys of this request belong to different projects or callers.",
                status=FORBIDDEN,
                code="two_projects",
                fix="send one key, as Authorization: Bearer or as x-api-key",
            )
        for project in projects:
            may = frozenset({May.CALL}) if self.locked else NOBODY.may
            return Caller(project, may=may)
        for holder in holders.values():
            return Caller(holder.rights.project, holder=holder, may=holder.rights.may)
        return None

    # -------------------------------------------------------------- at the plan

    def applied(self, request: Request) -> Request:
        """See `Keys.applied`. Raises RequestError: 401 where its key was revoked meanwhile."""
        if request.key is None:
            return request
        holder = self.ring.holder(request.key, self._wall())
        if holder is None or self._ways is None:
            raise turned_away()
        rights, asked = holder.rights, request.directions
        if rights.is_open:
            return request
        bound = replace(
            asked,
            project=rights.project or asked.project,
            private=rights.private or asked.private,
            max_cost_nanousd=tighter(rights.request_nanousd, asked.max_cost_nanousd),
            ladders=rights.ladders,
            tiers=rights.tiers,
        )
        request = replace(request, directions=bound)
        if rights.ladders is None and rights.tiers is None:
            return request
        return _on_its_way(request, rights, self._ways)

    def accounts(self, key: str | None) -> tuple[Account, ...]:
        """See `Keys.accounts`. Also of a key that was revoked while its request was running."""
        line = () if key is None else self.ring.line(key)
        return tuple(
            Account(each.id, each.name, None if each.rights is None else each.rights.caps)
            for each in line
        )

    def note(self, outcome: Outcome) -> None:
        """See `Keys.note`."""
        key = outcome.request.key
        if key is not None:
            used = (attempt.usage for attempt in outcome.attempts)
            tokens = sum(usage.input_tokens + usage.output_tokens for usage in used)
            self._rates.note(self.ring.line(key), tokens)

    async def close(self) -> None:
        """Finish what is being read or told."""
        await self._fresh.close()
        await self._rates.close()


def _is_virtual(shown: bytes) -> bool:
    return shown.startswith(PREFIX.encode())


_WORK: Final = {May.CALL: "have requests answered", May.KEYS: "make keys", May.READ: "see that"}


def _may_not(need: May) -> RequestError:
    return RequestError(
        f"the key of this request may not {_WORK[need]}.",
        status=FORBIDDEN,
        code="not_allowed",
        fix=f"use one that was made with `--may {need.value}`",
    )


def _on_its_way(request: Request, rights: Rights, ways: Ways) -> Request:
    """The request on a ladder that its key may climb, not pinned to a tier that it may not ask."""
    if Need.EMBEDDINGS not in request.needs:
        request = _on_its_ladder(request, rights, ways)
    _, pinned = ways.of(request)
    if pinned is not None and rights.tiers is not None and pinned not in rights.tiers:
        raise _outside("tier", pinned, rights.tiers)
    return request


def _on_its_ladder(request: Request, rights: Rights, ways: Ways) -> Request:
    """Where it names no ladder, the first of its key's that serves: the default, if that is one."""
    policy, pinned = ways.of(request)
    if rights.ladders is None or policy.ladder in rights.ladders:
        return request
    asked = request.directions
    named = asked.ladder is not None or request.model.startswith(LADDER_PREFIX)
    own = [name for name in rights.ladders if _serves(ways, name, pinned)]
    if named or not own:
        raise _outside("ladder", policy.ladder, rights.ladders)
    return replace(request, directions=replace(asked, ladder=own[0]))


def _serves(ways: Ways, ladder: str, pinned: str | None) -> bool:
    policy = ways.policies.get(ladder)
    if policy is None:
        return False
    return pinned is None or any(rung.tier == pinned for rung in policy.rungs)


def _outside(what: str, named: str, allowed: Sequence[str]) -> RequestError:
    return RequestError(
        f"the key of this request may not use {what} {named!r}.",
        status=FORBIDDEN,
        param="model",
        code="outside_key",
        fix=f"use one of: {', '.join(allowed)}" if allowed else "use another key",
    )


# ------------------------------------------------------------------ from the configuration


def callers_of(
    config: Config, keys: Mapping[str, Iterable[str]], ways: Ways, ledger: Ledger | None
) -> Callers:
    """Who may ask a gateway that is configured so. ``keys`` are those of the projects."""
    server, lock = config.file.server, Lock(config.file.server.keys)
    book = None if ledger is None or lock is Lock.OFF else KeyBook(ledger)
    return Callers(
        ProjectKeys(keys),
        Rules(lock, not is_loopback(server.host), config.file.cache is not None),
        FreshRing(NoShelf() if book is None else book),
        Rates(book, time.time),
        ways,
    )
