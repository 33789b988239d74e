"""The statements under `judged`: verdicts counted by the database, labels joined to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Select, and_, case, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from rung.core.error_rates import Judged, Labelled
from rung.core.labels import Label, LabelSource, believed
from rung.core.verdicts import Status, Weight
from rung.ledger import stored
from rung.ledger.database import Connection, Row
from rung.ledger.judged import AuditSpend, JudgedBy, Key, VerifierLine
from rung.ledger.people import counted
from rung.ledger.speeds import PROBES
from rung.ledger.tables import attempts, labels, requests, verdicts

_Query = Select[*tuple[Any, ...]]

_r, _a, _v, _l = requests.c, attempts.c, verdicts.c, labels.c

_of_attempt = and_(_v.request_id == _a.request_id, _v.attempt_position == _a.position)
_joined = verdicts.join(attempts, _of_attempt).join(requests, _r.id == _a.request_id)

_WEIGHTS = (Weight.SIGNAL, Weight.IMPLIED, Weight.REQUIRED)
_heaviest = func.max(case((_v.weight == "required", 2), (_v.weight == "implied", 1), else_=0))


def _count(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((and_(*conditions), 1), else_=0)), 0)


def _is(status: Status) -> ColumnElement[bool]:
    return _v.status == status.value


@dataclass(slots=True)
class _Heard:
    """The labels of the answers that one verifier passed, or failed."""

    chosen: list[bool] = field(default_factory=list)
    drawn: list[bool] = field(default_factory=list)

    def add(self, label: Label) -> None:
        """One more answer that was right or wrong."""
        (self.drawn if label.source is LabelSource.AUDIT else self.chosen).append(label.right)

    def of(self, answers: int) -> Judged:
        """With the number of all answers, labelled or not."""
        return Judged(answers, _labelled(self.chosen), _labelled(self.drawn))


def _labelled(rights: list[bool]) -> Labelled:
    return Labelled(len(rights), rights.count(False))


Heard = dict[Key, dict[Status, _Heard]]


class VerdictCounts:
    """Asks one connection about the verdicts of the requests that began within a span."""

    def __init__(
        self,
        connection: Connection,
        since_unix: float | None,
        until_unix: float | None,
        by: JudgedBy,
    ) -> None:
        self._connection = connection
        self._by = by
        self._within: list[ColumnElement[bool]] = []
        if since_unix is not None:
            self._within.append(_r.started_unix >= since_unix)
        if until_unix is not None:
            self._within.append(_r.started_unix < until_unix)
        # What was concluded of an answer that is served again counts once, where it was concluded.
        self._traffic = [*self._within, _r.audit_of.is_(None), _r.cached_of.is_(None)]
        ladder = [_r.ladder] if by is JudgedBy.LADDER else []
        self._keys: list[ColumnElement[Any]] = [_v.verifier, _a.tier, _v.trust, *ladder]

    def lines(self) -> Iterator[VerifierLine]:
        """A line for each verifier at each tier, from the lowest step up within a verifier."""
        heard, medians = self._heard(), self._medians()
        statement: _Query = select(
            *self._keys,
            _heaviest.label("weight"),
            _count(_is(Status.PASSED), _v.vacuous.is_(False)).label("passed"),
            _count(_is(Status.FAILED)).label("failed"),
            _count(_is(Status.ABSTAINED)).label("abstained"),
            _count(_v.vacuous.is_(True)).label("vacuous"),
            func.sum(_v.cost_nanousd).label("cost"),
        )
        chosen = statement.select_from(_joined).where(*self._traffic).group_by(*self._keys)
        order = (_heaviest.desc(), _v.verifier, func.min(_a.step), *self._keys)
        for row in self._run(chosen.order_by(*order)):
            key = _key(row)
            for split in self._split(key, heard):
                said = heard.get(split, {})
                yield VerifierLine(
                    key=split,
                    weight=_WEIGHTS[row["weight"]],
                    passed=said.get(Status.PASSED, _Heard()).of(row["passed"]),
                    failed=said.get(Status.FAILED, _Heard()).of(row["failed"]),
                    abstained=row["abstained"],
                    vacuous=row["vacuous"],
                    median_seconds=medians.get(key),
                    cost_nanousd=row["cost"],
                )

    def audits(self) -> AuditSpend:
        """What second looks cost, by when they were made, and what came of them; without probes."""
        looks = [_r.audit_of.is_not(None), _r.ladder != PROBES, *self._within]
        statement: _Query = select(
            func.count(_r.audit_of.distinct()).label("audited"),
            func.coalesce(func.sum(_r.cost_nanousd), 0).label("cost"),
        )
        (looked,) = self._run(statement.where(*looks))
        told = func.count(_a.answer_sha256).label("answered")
        calls = select(func.count().label("calls"), told).select_from(
            attempts.join(requests, _r.id == _a.request_id)
        )
        (called,) = self._run(calls.where(*looks))
        labelled = sum(label.source is LabelSource.AUDIT for label in self._labels())
        failed = called["calls"] - called["answered"]
        return AuditSpend(looked["audited"], called["calls"], labelled, looked["cost"], failed)

    # -------------------------------------------------------------- labels

    def _labels(self) -> tuple[Label, ...]:
        """The labels that count, of answers that a tier gave."""
        given = select(labels).select_from(labels.join(requests, _r.id == _l.request_id))
        of_answers = given.where(_l.attempt_position.is_not(None), *self._traffic).order_by(_l.id)
        return counted(stored.label(dict(row)) for row in self._run(of_answers))

    def _heard(self) -> Heard:
        """By verifier, what labels say of the answers that it passed and that it failed."""
        given = self._labels()
        alone = self._by is JudgedBy.SOURCE
        best = {} if alone else believed(given)
        about: dict[tuple[str, int | None], list[Label]] = defaultdict(list)
        for label in given if alone else best.values():
            about[label.request_id, label.attempt].append(label)
        places = select(_l.request_id, _l.attempt_position).distinct().subquery().c
        same = and_(
            _v.request_id == places.request_id, _v.attempt_position == places.attempt_position
        )
        judging = or_(_is(Status.FAILED), and_(_is(Status.PASSED), _v.vacuous.is_(False)))
        chosen: _Query = select(*self._keys, _v.request_id, _v.attempt_position, _v.status)
        chosen = chosen.select_from(_joined.join(places.request_id.table, same))
        found: Heard = defaultdict(lambda: defaultdict(_Heard))
        for row in self._run(chosen.where(judging, *self._traffic)):
            for label in about[row["request_id"], row["attempt_position"]]:
                source = label.source.value if alone else None
                key = replace(_key(row), source=source)
                found[key][Status(row["status"])].add(label)
        return found

    def _split(self, key: Key, heard: Heard) -> list[Key]:
        """The lines of one verifier at one tier: one, or one for each source that labelled it."""
        if self._by is not JudgedBy.SOURCE:
            return [key]
        by_source = (replace(key, source=source.value) for source in LabelSource)
        return [each for each in by_source if each in heard] or [key]

    # -------------------------------------------------------------- times

    def _medians(self) -> dict[Key, float]:
        """The middle one of the times of each verifier's runs; of an even number, the lower."""
        place = func.row_number().over(partition_by=self._keys, order_by=_v.seconds)
        last = func.count().over(partition_by=self._keys)
        ranked = (
            select(*self._keys, _v.seconds, place.label("place"), last.label("last"))
            .select_from(_joined)
            .where(*self._traffic)
            .subquery()
            .c
        )
        middle = select(*ranked).where(ranked.place == (ranked.last + 1) // 2)
        return {_key(row): row["seconds"] for row in self._run(middle)}

    def _run(self, statement: _Query) -> list[Row]:
        return self._connection.run(statement).fetchall()


def _key(row: Row) -> Key:
    ladder = row["ladder"] if "ladder" in row.keys() else None  # noqa: SIM118 a Row is no mapping
    return Key(row["verifier"], row["tier"], row["trust"], ladder)
