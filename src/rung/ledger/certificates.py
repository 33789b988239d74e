"""Certificates in the ledger: what was promised of a tuned ladder, and on which grounds.

One is added, never changed: the newest of a ladder is in force, unless it withdraws those before
it. One that cannot be read, as a newer rung may write it, is told as unreadable and promises
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Final

import msgspec

from rung.core.leeway import Promise
from rung.core.plan import Policy
from rung.ledger.codec import clean
from rung.ledger.database import Connection, Row

VERSION: Final = 1
"""Of the stored JSON. One of another version is not taken up."""


@dataclass(frozen=True, slots=True)
class CheckErrors:
    """How often the check errs that the certificate reckons with; rates and their bounds, 0..1.

    ``labels`` is on how many labelled answers they were measured, 0 where they were told.
    """

    false_accept: float = 0.0
    false_reject: float = 0.0
    highest_accept: float = 0.0
    highest_reject: float = 0.0
    labels: int = 0


@dataclass(frozen=True, slots=True)
class TierFigures:
    """What a tier was to come to by the queries that the certificate was drawn from.

    ``n`` queries reached it, the share ``accepted`` (0..1) of them ended there. Money is
    nano-dollars a query: mean and standard deviation.
    """

    n: float
    accepted: float
    cost_nanousd: float
    cost_deviation: float


@dataclass(frozen=True, slots=True)
class Part:
    """A share (0..1) of all requests, drawn, and the ladder that they go by."""

    share: float
    policy: Policy


@dataclass(frozen=True, slots=True)
class Certified:
    """With probability ``confidence``, ``policy`` serves at least the share ``target`` right.

    ``policy``, ``by_category`` and ``part`` name tiers as the configuration does; what is promised
    is of all their requests together. ``baseline`` is the tier of
    the reference, ``basis`` what the promise rests on, ``n`` how many queries it was drawn from.
    ``quality`` and ``cost_usd`` (dollars a request) are what was estimated on them,
    ``quality_lower`` and ``cost_upper`` their one-sided bounds. ``tiers`` is what each tier was to
    come to, for the watch.
    """

    target: float | None
    confidence: float
    basis: str
    n: int
    policy: Policy
    by_category: Mapping[str, Policy] = field(default_factory=dict)
    baseline: str | None = None
    assumptions: tuple[str, ...] = ()
    errors: CheckErrors = CheckErrors()
    quality: float | None = None
    quality_lower: float | None = None
    cost_usd: float | None = None
    cost_upper: float | None = None
    tiers: Mapping[str, TierFigures] = field(default_factory=dict)
    part: Part | None = None

    @property
    def beside(self) -> frozenset[str]:
        """The other ladders by which its requests go: of categories, and of a share of all."""
        policies = [*self.by_category.values(), *([] if self.part is None else [self.part.policy])]
        return frozenset(each.ladder for each in policies if each.ladder)

    @property
    def promises(self) -> bool:
        """Whether it is any guarantee."""
        return self.target is not None and self.basis != NO_GUARANTEE


NO_GUARANTEE: Final = "no guarantee"
"""The basis of a ladder that was tuned without one."""


REFERENCE_KEPT: Final = "reference kept"
"""The basis of one that holds because whatever the reference does right is done right."""


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """A row. ``made`` is ``None`` where it withdraws what was before, or is ``unreadable``.

    ``why`` says in words why it was stored or withdrawn.
    """

    id: int
    created_unix: float
    ladder: str
    made: Certified | None
    why: str = ""
    unreadable: str | None = None


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    certificate: Certified | None
    why: str = ""


_decoder = msgspec.json.Decoder(_Stored)


def current(connection: Connection, ladder: str) -> StoredCertificate | None:
    """The newest row of a ladder, ``None`` where there never was one.

    Its ``made`` is ``None`` where nothing is promised any more. No older row stands in for one that
    cannot be read: the ladder is another one since.
    """
    return next(iter(stored(connection, ladder)), None)


def stored(connection: Connection, ladder: str | None = None) -> list[StoredCertificate]:
    """All rows, or a ladder's, newest first."""
    rows = connection.named("newest certificates")
    return [_read(row) for row in rows if ladder in {None, row["ladder"]}]


def promised(connection: Connection) -> dict[str, Promise]:
    """What the certificates in force rest on, by ladder, those beside a certified one included.

    One that cannot be read may rest on anything.
    """
    found: dict[str, Promise] = {}
    newest: dict[str, StoredCertificate] = {}
    for row in stored(connection):
        newest.setdefault(row.ladder, row)
    for ladder, row in newest.items():
        if row.unreadable is not None:
            found[ladder] = Promise(None)
        elif row.made is not None and row.made.promises:
            found[ladder] = _promise(row.made)
    for row in newest.values():
        if row.made is not None and row.made.promises:
            for other in row.made.beside - found.keys():
                found[other] = _promise(row.made)
    return found


def _promise(made: Certified) -> Promise:
    kept = made.baseline if made.basis == REFERENCE_KEPT else None
    return Promise(kept, sound=not (made.errors.highest_accept or made.errors.highest_reject))


def add(
    connection: Connection, ladder: str, made: Certified | None, now: float, why: str = ""
) -> None:
    """Put a certificate in force; ``None`` withdraws the one that is."""
    connection.named(
        "add to certificates",
        created_unix=now,
        ladder=clean(ladder),
        certificate_json=msgspec.json.encode(_Stored(VERSION, made, clean(why))).decode(),
    )


def _read(row: Row) -> StoredCertificate:
    made, why, unreadable = _decoded(row["certificate_json"])
    return StoredCertificate(row["id"], row["created_unix"], row["ladder"], made, why, unreadable)


def _decoded(text: str) -> tuple[Certified | None, str, str | None]:
    """A stored certificate and the words with it, or why it is none."""
    try:
        version = json.loads(text)["version"]
        if version != VERSION:
            return None, "", f"it is of version {version!r}, this rung reads {VERSION}"
        found = _decoder.decode(text)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        return None, "", f"it cannot be read: {error}"
    wrong = None if found.certificate is None else _why_not(found.certificate)
    return (None, found.why, wrong) if wrong else (found.certificate, found.why, None)


def _why_not(found: Certified) -> str | None:
    """What makes a certificate none."""
    errors = found.errors
    rates = [errors.false_accept, errors.false_reject, errors.highest_accept, errors.highest_reject]
    shares = [found.target, found.quality, found.quality_lower, found.confidence, *rates]
    amounts = [found.cost_usd, found.cost_upper]
    if found.part is not None:
        shares.append(found.part.share)
    for each in found.tiers.values():
        shares.append(each.accepted)
        amounts += [each.n, each.cost_nanousd, each.cost_deviation]
    if not all(share is None or 0 <= share <= 1 for share in shares):
        return "a share of it is not between 0 and 1"
    if not all(isfinite(amount) and amount >= 0 for amount in amounts if amount is not None):
        return "an amount of it is not finite"
    return None if found.n >= 0 else "it was drawn from fewer than no queries"
