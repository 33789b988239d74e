"""Being woken by Postgres when something was told. Imported only where the driver is."""

from __future__ import annotations

from collections.abc import Callable

from rung.ledger.database import Connection
from rung.ledger.notices import CHANNEL
from rung.ledger.postgres import PostgresConnection


def notified(connection: Connection) -> Callable[[float], bool]:
    """Listen on a connection; gives what waits so many seconds and says whether it was woken."""
    assert isinstance(connection, PostgresConnection)
    raw = connection.raw
    raw.execute(f"LISTEN {CHANNEL}")

    def woken(seconds: float) -> bool:
        return any(True for _ in raw.notifies(timeout=seconds, stop_after=1))

    return woken
