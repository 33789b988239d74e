"""What people add to the ledger: labels, and the closing of inbox entries.

Every function runs in one transaction under the write lock, so that what it has looked at is still
so when it writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from rung.core.errors import RequestError
from rung.core.labels import Closing, InboxState, Label, LabelSource, believed
from rung.core.outcome import Outcome
from rung.ledger import reading, summing
from rung.ledger.codec import clean, inbox_row
from rung.ledger.database import Connection
from rung.ledger.reading import AUDIT
from rung.ledger.stored import StoredOutcome


def counted(labels: Iterable[Label]) -> tuple[Label, ...]:
    """Those that count: of each answer and source the last one."""
    last: dict[tuple[str, int | None, LabelSource], Label] = {}
    for label in labels:
        last[label.request_id, label.attempt, label.source] = label
    return tuple(sorted(last.values(), key=lambda label: label.id))


def add_label(connection: Connection, given: Label) -> tuple[Label, bool]:
    """Store a label: as it is stored, and whether it is new.

    One that says what its source already says of that answer, in the same words, is not stored
    again. What is said of an answer that was served again is said of the answer, where it was
    given first. Raises RequestError for an unknown request (404), and for an answer that is none.
    """
    found, given = _meant(connection, given)
    wanted = replace(
        given,
        request_id=found.request.id,
        attempt=_place(found, given.attempt),
        by=None if given.by is None else clean(given.by),
        note=clean(given.note),
    )
    for before in counted(found.labels):
        same = replace(wanted, id=before.id, created_unix=before.created_unix)
        if before == same:
            return before, False
    return _added(connection, wanted), True


def said_wrong(connection: Connection, request_id: str) -> bool:
    """Whether the answer that a request was served is believed to be wrong."""
    found = reading.exact(connection, request_id)
    label = believed(found.labels).get((request_id, found.served))
    return label is not None and not label.right


def queue_audit(connection: Connection, outcome: Outcome) -> None:
    """Put a request that was served where a human can read and label it."""
    connection.insert("inbox", [inbox_row(outcome)])


def label_by_hand(connection: Connection, given: Label) -> tuple[Label, bool]:
    """Store what a person says, as `add_label`.

    Where an audit has asked for it, the label is that audit's: its answer was drawn, not chosen.
    The entry is closed once the answer that was served has its label.
    """
    found, given = _meant(connection, given)
    entry = reading.inbox_entry(connection, found)
    if entry is None or entry.item.kind != AUDIT or entry.item.state != InboxState.OPEN:
        return add_label(connection, given)
    said = replace(given, source=LabelSource.AUDIT, by=given.by or "human")
    stored, new = add_label(connection, said)
    if stored.attempt == found.served:
        note = f"labelled {'right' if stored.right else 'wrong'}"
        about = (found.request.id, InboxState.DISMISSED, stored.created_unix)
        close_entry(connection, Closing(*about, by=stored.by, note=note), ())
    return stored, new


def close_entry(connection: Connection, closing: Closing, labels: Sequence[Label]) -> None:
    """Close an entry, once. Raises RequestError where there is none (404) or it is closed (409)."""
    values = {"id": closing.request_id, "to": closing.state.value}
    if connection.named("close", **values).rowcount == 0:
        raise _not_open(connection, closing.request_id)
    summing.reopen(connection, [closing.request_id])
    connection.named(
        "add to closings",
        request_id=closing.request_id,
        created_unix=closing.created_unix,
        state=closing.state.value,
        text=None if closing.text is None else clean(closing.text),
        attempt_position=closing.attempt,
        verified=closing.verified,
        given_by=None if closing.by is None else clean(closing.by),
        note=clean(closing.note),
    )
    for label in labels:
        _added(connection, label)


def _meant(connection: Connection, given: Label) -> tuple[StoredOutcome, Label]:
    """The request whose answer a label is about, and the label as one of it."""
    found = reading.exact(connection, given.request_id)
    first = found.request.cached_of
    if first is None:
        return found, given
    _place(found, given.attempt)
    return reading.exact(connection, first), replace(given, request_id=first, attempt=None)


def _added(connection: Connection, label: Label) -> Label:
    done = connection.named(
        "add to labels",
        request_id=label.request_id,
        attempt_position=label.attempt,
        is_right=label.right,
        source=label.source.value,
        given_by=label.by,
        note=label.note,
        created_unix=label.created_unix,
    )
    return replace(label, id=done.fetchone()[0])


def _place(found: StoredOutcome, attempt: int | None) -> int | None:
    """The attempt that is meant: the served one where none is named, ``None`` for a human's words.

    Negative places are none.
    """
    name, attempts = found.request.id, found.history
    if attempt is not None:
        if not 0 <= attempt < len(attempts):
            said = f"{name} has no such attempt; it has {len(attempts)}."
            raise RequestError(said, param="attempt")
        if attempts[attempt].answer is None:
            raise RequestError(f"that attempt of {name} gave no answer.", param="attempt")
        return attempt
    if found.served is not None:
        return found.served
    if found.closing is not None and found.closing.answered:
        return found.closing.attempt
    raise RequestError(f"no answer of {name} was served.", param="attempt", fix="name an attempt")


def _not_open(connection: Connection, request_id: str) -> RequestError:
    closed = reading.closings(connection, [request_id]).get(request_id)
    if closed is None:
        said = f"{request_id} is not in the inbox."
        return RequestError(said, status=404, param="id", fix="`rung inbox list` shows what is")
    when = datetime.fromtimestamp(closed.created_unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    by = "" if closed.by is None else f" by {closed.by!r}"
    said = f"{request_id} was already {closed.state.value}{by} at {when}."
    return RequestError(said, status=409, param="id", fix=f"`rung inbox show {request_id}`")
