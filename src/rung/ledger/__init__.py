"""The append-only store of outcomes and of what people say of them, and the bill over it."""

from rung.ledger.reading import InboxEntry, InboxItem
from rung.ledger.store import Ledger
from rung.ledger.stored import StoredOutcome, StoredRequest

__all__ = ["Ledger", "StoredOutcome", "StoredRequest", "InboxEntry", "InboxItem"]
