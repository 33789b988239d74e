"""Looking outcomes up. Every function reads one consistent moment of the ledger."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from rung.core.errors import LedgerError, RequestError
from rung.core.labels import Closing, Label
from rung.ledger import stored
from rung.ledger.codec import clean
from rung.ledger.database import Connection, Row
from rung.ledger.stored import StoredOutcome, decode

LAST: Final = "last"
"""Stands for the newest request where an id is asked for."""

NEAR: Final = 3
LONGEST_ID: Final = 200
_HIGHEST = "\U0010ffff"

QUESTION: Final = "question"
AUDIT: Final = "audit"


@dataclass(frozen=True, slots=True)
class InboxItem:
    """A request that waits, or waited, for a human. ``state``: open, answered or dismissed.

    ``kind`` is "question" where no tier passed and an answer is asked for, "audit" where one was
    served and a human is asked whether it was right.
    """

    request_id: str
    created_unix: float
    state: str
    kind: str


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """An item with what a human needs to judge it: the request, and each answer with its verdicts.

    ``request`` has ``messages``, ``schema`` and ``model``; each of ``answers`` has ``position``
    (its attempt's place in the history), ``tier``, ``text``, ``tool_calls`` and ``verdicts``, all
    as plain JSON values.
    """

    item: InboxItem
    request: dict[str, Any]
    answers: list[dict[str, Any]]
    closing: Closing | None = None


def find(connection: Connection, prefix: str) -> StoredOutcome:
    """The one request whose id begins with ``prefix``, or the newest for ``"last"``.

    Raises RequestError (404) that names near ids where there is none, or more than one.
    """
    wanted = clean(prefix[:LONGEST_ID])
    if wanted == LAST:
        found = _ids(connection, "newest", limit=1)
        if not found:
            raise RequestError("The ledger holds no requests yet.", status=404, param="id")
        return _load(connection, found)[0]
    found = _ids(connection, "ids between", low=wanted, high=wanted + _HIGHEST, limit=NEAR + 1)
    if wanted and (len(found) == 1 or wanted in found):
        return _load(connection, [wanted] if wanted in found else found)[0]
    if found:
        listed = ", ".join(found[:NEAR])
        more = " and more" if len(found) > NEAR else ""
        said = f"{wanted!r} begins several ids: {listed}{more}."
    else:
        near = _near(connection, wanted)
        said = f"No request {wanted!r}." + (f" Near ids: {', '.join(near)}." if near else "")
    raise RequestError(said, status=404, param="id", fix="rung explain last shows the newest.")


def recent(connection: Connection, limit: int) -> list[StoredOutcome]:
    """The newest requests, newest first."""
    return _load(connection, _ids(connection, "newest", limit=max(limit, 0)))


def climbs(connection: Connection, limit: int) -> list[StoredOutcome]:
    """The newest requests of more than one call, newest first."""
    return _load(connection, _ids(connection, "climbs", limit=max(limit, 0)))


def of_conversations(connection: Connection, beginning: str, limit: int) -> list[StoredOutcome]:
    """The newest requests of the conversations whose keys begin so, newest first."""
    low = clean(beginning[:LONGEST_ID])
    if not low:
        return []
    most = max(limit, 0)
    return _load(
        connection, _ids(connection, "conversation", low=low, high=low + _HIGHEST, limit=most)
    )


def any_private(connection: Connection, beginning: str) -> bool:
    """Whether any request of the conversations whose keys begin so was private."""
    low = clean(beginning[:LONGEST_ID])
    return bool(low and _ids(connection, "private within", low=low, high=low + _HIGHEST))


def inbox_items(connection: Connection) -> list[InboxItem]:
    """All that was ever queued for a human, oldest first."""
    rows = connection.named("inbox items")
    return [_item(row) for row in rows]


def inbox_entry(connection: Connection, found: StoredOutcome) -> InboxEntry | None:
    """The item of one request, ``None`` where it was never queued."""
    row = connection.named("inbox entry", id=found.request.id).fetchone()
    if row is None:
        return None
    places = {attempt.id: place for place, attempt in enumerate(found.history)}
    answers = json.loads(row["answers_json"])
    for answer in answers:
        answer["position"] = places.get(answer.get("attempt"))
    return InboxEntry(_item(row), json.loads(row["request_json"]), answers, found.closing)


def exact(connection: Connection, request_id: str) -> StoredOutcome:
    """The request of this whole id. Raises RequestError (404)."""
    wanted = clean(request_id[:LONGEST_ID])
    if _ids(connection, "request", id=wanted):
        return _load(connection, [wanted])[0]
    raise RequestError(f"No request {wanted!r}.", status=404, param="request_id")


def closings(connection: Connection, ids: Collection[str]) -> dict[str, Closing]:
    """How those of these inbox entries were closed that are."""
    rows = connection.named("closings of", ids=json.dumps(list(ids)))
    return {row["request_id"]: stored.closing(row) for row in rows}


def newest_labels(connection: Connection, limit: int) -> list[Label]:
    """The labels given last, newest first."""
    rows = connection.named("newest labels", limit=max(limit, 0))
    return [stored.label(row) for row in rows]


def _item(row: Row) -> InboxItem:
    kind = QUESTION if row["asked"] else AUDIT
    return InboxItem(row["request_id"], row["created_unix"], row["state"], kind)


def _ids(connection: Connection, statement: str, **values: str | int) -> list[str]:
    return [name for (name,) in connection.named(statement, **values)]


def _near(connection: Connection, wanted: str) -> list[str]:
    """The ids that would stand beside ``wanted`` in order."""
    above = _ids(connection, "ids between", low=wanted, high=_HIGHEST, limit=NEAR)
    below = _ids(connection, "ids before", low=wanted, limit=NEAR)
    return sorted((above + below)[:NEAR])


def _load(connection: Connection, ids: Sequence[str]) -> list[StoredOutcome]:
    """The outcomes of ``ids``, in that order, in six statements however many they are."""
    chosen = {"ids": json.dumps(ids)}
    requests = {row["id"]: row for row in connection.named("requests of", **chosen)}
    parts: dict[str, dict[str, list[Row]]] = {}
    for table in ("attempts", "verdicts", "baselines", "labels"):
        grouped = parts[table] = {}
        for row in connection.named(f"{table} of", **chosen):
            grouped.setdefault(row["request_id"], []).append(row)
    closed = closings(connection, ids)
    loaded = []
    for name in ids:
        of = [parts[table].get(name, []) for table in ("attempts", "verdicts", "baselines")]
        try:
            said = tuple(stored.label(row) for row in parts["labels"].get(name, ()))
            found = decode(requests[name], *of)
            loaded.append(replace(found, labels=said, closing=closed.get(name)))
        except ValueError as error:
            raise LedgerError(
                f"The ledger's row {name} cannot be read: {error}.", fix="upgrade rung."
            ) from error
    return loaded
