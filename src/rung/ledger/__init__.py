"""The append-only store of outcomes, and the bill over it."""

from rung.ledger.reading import InboxItem
from rung.ledger.store import Ledger
from rung.ledger.stored import StoredOutcome, StoredRequest

__all__ = ["Ledger", "StoredOutcome", "StoredRequest", "InboxItem"]
