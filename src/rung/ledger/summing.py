"""Keeping the sums that the bill adds up: what is summed when, and what is taken back.

A request's sums depend on its own rows, on those of its relatives (what repeats it, what looks at
it again) and on how a human closed it. Whoever adds to these first calls `reopen`, which takes the
requests' sums back and leaves them to be summed anew. New requests need nobody to do that.

On Postgres several processes may sum at once: a request is in one batch at most, and what two add
to the same sums, they add in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from rung.ledger.codec import Row
from rung.ledger.database import Connection
from rung.ledger.resends import Resend, replaced

BATCH: Final = 500
"""Requests that are summed in one transaction by a process that has other things to write."""

WORTHWHILE: Final = 100
"""Requests that wait before a quiet moment is used to sum them: a batch has a cost of its own."""

PRESSING: Final = 10_000
"""Requests that wait before they are summed whatever else is to be written: bills read them."""

QUIET_SECONDS: Final = 0.02
"""How long nothing has to come for a moment to be quiet."""

_SUMS: Final = ("sum requests", "sum attempts", "sum savings", "sum seconds")


class Backlog:
    """How many requests wait to be summed, as far as the one thread that writes knows."""

    def __init__(self) -> None:
        self._waiting: int | None = None
        self._new = 0

    @property
    def is_worthwhile(self) -> bool:
        """Whether the next quiet moment should be used. At first nobody knows what others left."""
        return self._waiting is None or self._waiting >= WORTHWHILE

    @property
    def is_pressing(self) -> bool:
        """Whether it can wait no longer; not more often than it takes to keep up."""
        return self._waiting is not None and self._waiting >= PRESSING and self._new >= BATCH // 2

    def grew(self, requests: int) -> None:
        """Count requests in."""
        self._new += requests
        if self._waiting is not None:
            self._waiting += requests

    def put_off(self) -> None:
        """It could not be done: try again after some further requests."""
        self._waiting = self._new = 0

    def work(self, connection: Connection) -> None:
        """Sum a batch where it is worth it, in the caller's transaction."""
        if self._waiting is None:
            self._waiting = unsummed(connection, PRESSING)
        if self._waiting >= WORTHWHILE and sum_up(connection) < BATCH:
            self._waiting = 0
        else:
            self._waiting = unsummed(connection, PRESSING)
        self._new = 0


def sum_up(connection: Connection, most: int = BATCH) -> int:
    """Sum requests that no sum has yet, ``most`` at once. How many there were."""
    found = connection.named("fill batch", most=most).rowcount
    if found:
        _add(connection, sign=1, gone=False)
        connection.named("empty batch")
    return found


def unsummed(connection: Connection, most: int) -> int:
    """How many requests wait to be summed; counts to ``most``."""
    return int(connection.named("count unsummed", most=most).fetchone()[0])


def reopen(connection: Connection, ids: Collection[str]) -> None:
    """Take the sums of requests back, before anything is written that changes them.

    To be called before those rows are written, in their transaction.
    """
    summed = _held(connection, ids)
    if summed:
        connection.named("take into batch", ids=json.dumps(summed))
        _add(connection, sign=-1, gone=False)
        connection.named("release batch")


def reopen_for(connection: Connection, written: Sequence[Row]) -> None:
    """`reopen` what rows of ``requests`` change that are written next.

    Those that they repeat, and those that were written before what they are tied to. Of several
    looks at one answer the first by its id counts: one before it changes those after.
    """
    if not written:
        return
    ids = {row["id"] for row in written}
    ties = {row["resend_of"] for row in written if row["resend_of"] is not None}
    ties |= {row["id"] for row in connection.named("children of", ids=json.dumps(sorted(ids)))}
    tied = relatives(connection, ties) - ids if ties else set()
    for row in written:
        if row["audit_of"] is not None:
            looks = connection.named("links of", ids=json.dumps([row["audit_of"]]))
            tied |= {one["id"] for one in looks if one["audit_of"] and one["id"] > row["id"]}
    if tied:
        reopen(connection, tied)


def drop(connection: Connection, ids: Collection[str]) -> None:
    """Take the sums of requests back whose rows this transaction deletes next, for good."""
    reopen(connection, ids)
    connection.named("take into batch", ids=json.dumps(sorted(ids)))
    connection.named("empty batch")


def part_with(connection: Connection, ids: Collection[str]) -> None:
    """Keep the sums of requests whose rows this transaction deletes next.

    All of their relatives have to be among them: what is left would else count as it never did.
    """
    named = json.dumps(sorted(ids))
    summed = _held(connection, ids)
    connection.named("take into batch", ids=named)
    _add(connection, sign=1, gone=True)
    connection.named("release batch")
    if summed:
        connection.named("take into batch", ids=json.dumps(summed))
        _add(connection, sign=-1, gone=False)
        connection.named("release batch")
    connection.named("take into batch", ids=named)
    connection.named("empty batch")


def relatives(connection: Connection, ids: Iterable[str]) -> set[str]:
    """All requests that are tied to these, by whatever number of links, themselves included.

    What repeats one, what looks at it again, and what was served its answer again.
    """
    known: set[str] = set()
    new = set(ids)
    while new:
        known |= new
        rows = connection.named("links of", ids=json.dumps(sorted(new)))
        new = {name for row in rows for name in row if name is not None} - known
    return known


def _held(connection: Connection, ids: Collection[str]) -> list[str]:
    """See to it that no other transaction sums these requests. Those of them that are summed."""
    given = json.dumps(sorted(ids))
    summed: list[str] = []
    while True:
        # Rows are locked by the first, and only those that the second adds were summed before.
        # Between the two, another transaction may have added them: hence again.
        held = {row[0] for row in connection.named("hold unsummed", ids=given)}
        new = [row[0] for row in connection.named("note unsummed", ids=given)]
        summed += new
        there = connection.named("hold unsummed", ids=given).fetchall()
        if {row[0] for row in there} == held | set(new):
            return summed


def _add(connection: Connection, *, sign: int, gone: bool) -> None:
    """Add the batch to the sums, or take it from them."""
    standing = json.dumps(replaced(_resends(connection)))
    for statement in _SUMS:
        connection.named(statement, sign=sign, gone=gone, replaced=standing)


def _resends(connection: Connection) -> list[Resend]:
    """The resends that say which request stands for which, as far as the batch is concerned."""
    found = {row[0]: Resend(*row) for row in connection.named("resends of batch")}
    asked: set[str] = set()
    while new := {name for one in found.values() for name in one[:2]} - asked:
        asked |= new
        rows = connection.named("resends among", ids=json.dumps(sorted(new)))
        found |= {row[0]: Resend(*row) for row in rows}
    return list(found.values())
