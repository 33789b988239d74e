"""What left the machine, from the ledger's rows: calls of other tiers, checks, audits.

An audit counts with the request that it looked at again. An answer that was served from memory
called nobody. Rows of versions that kept no account of where a tier is prove nothing: requests with
such calls are counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from rung.ledger.database import Connection, Row
from rung.ledger.store import Ledger
from rung.ledger.tables import attempts, requests, verdicts

_r, _a, _v = requests.c, attempts.c, verdicts.c
_audited = requests.alias("audited")
_root = func.coalesce(_r.audit_of, _r.id)


@dataclass(slots=True)
class Gone:
    """One request and what of it is known to have left.

    ``reason`` is why it was private, ``None`` where it was not. ``tiers`` and ``checks`` were sent
    something beyond this machine, ``audited`` says that some of it was by audits. ``unknown``: it
    has calls of which nobody noted where they went.
    """

    id: str
    reason: str | None
    project: str | None
    tiers: set[str] = field(default_factory=set)
    checks: set[str] = field(default_factory=set)
    audited: bool = False
    unknown: bool = False

    @property
    def left(self) -> bool:
        """Whether anything is known to have left."""
        return bool(self.tiers or self.checks)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many requests, how many of them left, and of how many nobody knows."""

    requests: int
    left: int
    unknown: int


@dataclass(frozen=True, slots=True)
class PrivacyReport:
    """What left, of private requests by their reasons, and of the others by tier and project."""

    private: Tally
    by_reason: Mapping[str, Tally]
    gone: Sequence[Gone]
    others: Tally
    by_tier: Mapping[str, int]
    by_project: Mapping[str, int]

    @property
    def verdict(self) -> str:
        """The report in one sentence."""
        of = f"of {self.private.requests} private requests"
        if self.private.left:
            return f"{self.private.left} {of} left this machine."
        if self.private.unknown:
            unknown = f"of {self.private.unknown} it is not known"
            return f"0 {of} are known to have left this machine; {unknown}."
        return f"0 {of} left this machine."


def privacy_report(ledger: Ledger, since_unix: float = 0.0) -> PrivacyReport:
    """Read the requests that began since then. Raises LedgerError."""
    with ledger.reading() as connection:
        found = _requests(connection, since_unix)
        _add_calls(connection, since_unix, found)
        _add_checks(connection, since_unix, found)
    private = [each for each in found.values() if each.reason is not None]
    others = [each for each in found.values() if each.reason is None]
    reasons = sorted({each.reason for each in private if each.reason is not None})
    return PrivacyReport(
        private=_tally(private),
        by_reason={why: _tally([one for one in private if one.reason == why]) for why in reasons},
        gone=[each for each in private if each.left],
        others=_tally(others),
        by_tier=_counted(tier for each in others for tier in each.tiers),
        by_project=_counted(each.project or "" for each in others if each.left),
    )


def _tally(found: Sequence[Gone]) -> Tally:
    return Tally(
        len(found),
        sum(each.left for each in found),
        sum(each.unknown and not each.left for each in found),
    )


def _counted(names: Iterator[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0])))


# ------------------------------------------------------------------ rows


def _within(since_unix: float) -> ColumnElement[bool]:
    """Whether a row's request, or the one that it is an audit of, began since then."""
    return func.coalesce(_audited.c.started_unix, _r.started_unix) >= since_unix


def _rows(connection: Connection, query: Select[Any]) -> Iterator[Row]:
    yield from connection.run(query)


def _requests(connection: Connection, since_unix: float) -> dict[str, Gone]:
    asked = select(_r.id, _r.private, _r.project).where(
        _r.audit_of.is_(None), _r.started_unix >= since_unix
    )
    rows = _rows(connection, asked.order_by(_r.started_unix, _r.id))
    return {row["id"]: Gone(row["id"], row["private"], row["project"]) for row in rows}


def _add_calls(connection: Connection, since_unix: float, found: Mapping[str, Gone]) -> None:
    """The calls of tiers that are elsewhere, and those of which it is not known where they went."""
    joined = attempts.join(requests, _r.id == _a.request_id)
    joined = joined.outerjoin(_audited, _audited.c.id == _r.audit_of)
    calls = (
        select(_root.label("root"), _a.tier, _a.local, _r.audit_of.is_not(None).label("audit"))
        .select_from(joined)
        .where(_within(since_unix), _r.cached_of.is_(None), _a.local.is_not(True))
        .distinct()
    )
    for row in _rows(connection, calls):
        gone = found.get(row["root"])
        if gone is None:
            continue
        if row["local"] is None:
            gone.unknown = True
        else:
            gone.tiers.add(row["tier"])
            gone.audited = gone.audited or bool(row["audit"])


def _add_checks(connection: Connection, since_unix: float, found: Mapping[str, Gone]) -> None:
    joined = verdicts.join(requests, _r.id == _v.request_id)
    joined = joined.outerjoin(_audited, _audited.c.id == _r.audit_of)
    checks = (
        select(_root.label("root"), _v.verifier)
        .select_from(joined)
        .where(_within(since_unix), _r.cached_of.is_(None), _v.left_machine.is_(True))
        .distinct()
    )
    for row in _rows(connection, checks):
        if row["root"] in found:
            found[row["root"]].checks.add(row["verifier"])
