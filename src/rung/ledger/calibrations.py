"""Calibrations in the ledger: what they are fitted on, and those in force.

A calibration is added, never changed: the newest of a ladder's tier is in force. One that cannot be
read, as a newer rung may write it, is passed over for the one before it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

import msgspec

from rung.core.calibration import Calibration
from rung.core.labels import BELIEVED, LabelSource
from rung.core.verdicts import Status
from rung.core.vote import AGREEMENT
from rung.ledger.codec import clean
from rung.ledger.database import Connection, Row

VERSION: Final = 1
"""Of the stored JSON. One of another version is not taken up."""

Key = tuple[str, str]
"""A ladder's name and a tier's."""


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    calibration: Calibration | None


_decoder = msgspec.json.Decoder(_Stored)


# ------------------------------------------------------------------ those in force


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """A row. ``calibration`` is ``None`` where it switches calibration off, or is ``unreadable``.

    ``report`` is what was said of it when it was stored, as plain JSON values.
    """

    id: int
    created_unix: float
    ladder: str
    tier: str
    calibration: Calibration | None
    unreadable: str | None = None
    report: Mapping[str, Any] = field(default_factory=dict)


def newest(connection: Connection) -> dict[Key, Calibration]:
    """The calibrations in force, by ladder and tier."""
    found = {(row.ladder, row.tier): row for row in in_force(connection) if not row.unreadable}
    return {key: row.calibration for key, row in found.items() if row.calibration is not None}


def in_force(connection: Connection) -> list[StoredCalibration]:
    """The newest readable row of each tier, by name, each after newer ones that are unreadable."""
    settled: set[Key] = set()
    rows: list[StoredCalibration] = []
    for row in connection.named("newest calibrations"):
        key = (row["ladder"], row["tier"])
        if key not in settled:
            rows.append(_read(row))
            if rows[-1].unreadable is None:
                settled.add(key)
    return sorted(rows, key=lambda row: (row.ladder, row.tier, -row.id))


def add(
    connection: Connection,
    made: Mapping[Key, Calibration | None],
    reports: Mapping[Key, Mapping[str, Any]],
    now: float,
) -> None:
    """Put calibrations in force; ``None`` switches a tier's off."""
    for (ladder, tier), calibration in made.items():
        stored = _Stored(VERSION, calibration)
        connection.named(
            "add to calibrations",
            created_unix=now,
            ladder=clean(ladder),
            tier=clean(tier),
            calibration_json=msgspec.json.encode(stored).decode(),
            report_json=json.dumps(reports.get((ladder, tier), {}), default=str),
        )


def _read(row: Row) -> StoredCalibration:
    calibration, unreadable = _decoded(row["calibration_json"])
    try:
        report = json.loads(row["report_json"])
    except (ValueError, RecursionError):
        report = None
    return StoredCalibration(
        row["id"],
        row["created_unix"],
        row["ladder"],
        row["tier"],
        calibration,
        unreadable,
        report if isinstance(report, dict) else {},
    )


def _decoded(text: str) -> tuple[Calibration | None, str | None]:
    """A stored calibration, or why it is none."""
    try:
        version = json.loads(text)["version"]
        if version != VERSION:
            return None, f"it is of version {version!r}, this rung reads {VERSION}"
        found = _decoder.decode(text).calibration
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        return None, f"it cannot be read: {error}"
    wrong = None if found is None else _why_not(found)
    return (None, wrong) if wrong else (found, None)


def _why_not(found: Calibration) -> str | None:
    """What makes a calibration no calibration."""
    numbers = [found.bias, *found.weights, *found.absent, *(n for s in found.steps for n in s)]
    if not all(isfinite(number) for number in numbers):
        return "a number of it is not finite"
    if len(found.weights) != len(found.signals) or len(found.absent) not in {0, len(found.signals)}:
        return "it has not one weight for each signal"
    if any(not 0 < chance < 1 for _, chance in found.steps) or [*found.steps] != sorted(
        found.steps
    ):
        return "its steps do not rise from 0 to 1"
    return None


# ------------------------------------------------------------------ what they are fitted on


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer that could have been served by its tier, and what became known of it.

    ``scores`` is by signal. ``drawn`` says that it was labelled by a random draw alone.
    """

    ladder: str
    tier: str
    right: bool
    drawn: bool
    scores: Mapping[str, float]


@dataclass(slots=True)
class Labels:
    """The labelled answers of a span, and of what they are a part.

    ``served`` counts the answers that each tier served. ``unfit`` counts labelled answers that say
    nothing of what a tier serves: rejected by a gate, broken off, or outvoted by others.
    """

    answers: list[LabelledAnswer] = field(default_factory=list)
    served: dict[Key, int] = field(default_factory=dict)
    unfit: Counter[Key] = field(default_factory=Counter)


@dataclass(slots=True)
class _Attempt:
    """What the rows of one attempt say."""

    ladder: str
    tier: str
    meaning: str
    fit: bool
    scores: dict[str, float] = field(default_factory=dict)


def labels(
    connection: Connection, ladder: str | None = None, since_unix: float | None = None
) -> Labels:
    """The labelled answers of requests that began since then. Slow where there are many.

    Of several labels of one answer the last of the best source counts.
    """
    from rung.ledger import calibration_rows

    found = Labels(served=calibration_rows.served(connection, ladder, since_unix))
    sources: dict[tuple[str, int], tuple[int, bool]] = {}
    for name, place, right, source in calibration_rows.labels(connection, ladder, since_unix):
        rank = -BELIEVED.index(LabelSource(source))
        if rank >= sources.get((name, place), (rank, right))[0]:
            sources[name, place] = (rank, right)
    lowest = -BELIEVED.index(LabelSource.AUDIT)
    rows = calibration_rows.attempts(connection, ladder, since_unix)
    for name, history in _histories(rows):
        for place, attempt in history.items():
            if (name, place) in sources:
                rank, right = sources[name, place]
                _sort_in(found, attempt, history.values(), right=bool(right), drawn=rank == lowest)
    return found


def _sort_in(
    found: Labels, attempt: _Attempt, history: Iterable[_Attempt], *, right: bool, drawn: bool
) -> None:
    peers = [one for one in history if one.tier == attempt.tier]
    agreement = [one.scores[AGREEMENT] for one in peers if AGREEMENT in one.scores]
    if not attempt.fit or (agreement and attempt.meaning != _leading(peers)):
        found.unfit[attempt.ladder, attempt.tier] += 1
        return
    scores = attempt.scores | ({AGREEMENT: agreement[-1]} if agreement else {})
    found.answers.append(LabelledAnswer(attempt.ladder, attempt.tier, right, drawn, scores))


def _leading(peers: Iterable[_Attempt]) -> str:
    """What the largest group of a tier's answers says; of equal ones that which was there first."""
    return Counter(one.meaning for one in peers if one.fit).most_common(1)[0][0]


def _histories(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, dict[int, _Attempt]]]:
    """Attempts by place, request by request; the rows come in that order."""
    name: str | None = None
    history: dict[int, _Attempt] = {}
    for request_id, place, ladder, tier, meaning, fit, verifier, status, score in rows:
        if request_id != name:
            if name is not None:
                yield name, history
            name, history = request_id, {}
        if place not in history:
            history[place] = _Attempt(ladder, tier, meaning or "", bool(fit))
        said = 0.0 if score is None and status == Status.FAILED.value else score
        if verifier is not None and said is not None:
            history[place].scores[verifier] = said
    if name is not None:
        yield name, history
