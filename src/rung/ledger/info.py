"""What a ledger holds and takes, without reading its rows."""

from __future__ import annotations

from dataclasses import dataclass

from rung.ledger import room, schema
from rung.ledger.room import Room
from rung.ledger.store import Ledger


@dataclass(frozen=True, slots=True)
class Info:
    """Requests that rows are kept of, and those whose rows are gone; audits and resends count too.

    ``unsummed`` of those kept have no sum yet. ``first_unix`` and ``last_unix`` are when the oldest
    and the newest of them began.
    """

    place: str
    backend: str
    revision: str | None
    requests: int
    gone: int
    unsummed: int
    first_unix: float | None
    last_unix: float | None
    room: Room

    @property
    def bytes_a_request(self) -> int | None:
        """What a request takes with all that belongs to it: calls, verdicts, indexes, sums."""
        return self.room.used_bytes // self.requests if self.requests else None


def info(ledger: Ledger) -> Info:
    """Look at a ledger. Raises LedgerError."""
    with ledger.reading() as connection:
        first, last = connection.named("first and last").fetchone()
        kept = {bool(row["gone"]): row["requests"] for row in connection.named("count kept")}
        unsummed = connection.named("count all unsummed").fetchone()[0]
        return Info(
            place=ledger.place,
            backend=connection.backend.value,
            revision=schema.revision(connection),
            requests=kept.get(False, 0) + unsummed,
            gone=kept.get(True, 0),
            unsummed=unsummed,
            first_unix=first,
            last_unix=last,
            room=room.room_of(connection, ledger.database.place),
        )
