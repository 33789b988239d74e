"""What the ledger knows of a conversation, for a process that does not remember it."""

from __future__ import annotations

from rung.core.conversation import scope
from rung.core.plan import Plan
from rung.core.standing import Turn
from rung.ledger import reading
from rung.ledger.database import Connection
from rung.ledger.stored import StoredOutcome


def turns(connection: Connection, key: str, limit: int) -> tuple[list[Turn], bool]:
    """Its newest turns, oldest first, and whether anything said in its session was private."""
    found = reading.of_conversations(connection, key, limit)
    told = [_turn(one) for one in reversed(found) if one.history]
    return told, reading.any_private(connection, scope(key))


def _turn(found: StoredOutcome) -> Turn:
    return Turn.of(
        found.plan,
        found.history,
        found.served,
        started_unix=found.started_unix,
        tokens=found.request.input_tokens_estimate,
        pinned=was_pinned(found.plan),
    )


def was_pinned(plan: Plan) -> bool:
    """Whether a plan was made for one tier by name."""
    return any(each.why.startswith("the request is pinned to") for each in plan.excluded)
