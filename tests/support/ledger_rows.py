"""What stands in a ledger, read past all code of rung: by each database's own client."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

SCHEMA = "rung"


def rows(place: str, query: str) -> list[dict[str, Any]]:
    """What a query gives of the ledger at ``place``, a file's path or a database's URL."""
    if place.startswith("postgresql:"):
        return _of_postgres(place, query)
    with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def _of_postgres(url: str, query: str) -> list[dict[str, Any]]:
    import psycopg
    from psycopg.rows import dict_row

    with (
        psycopg.connect(url, options=f"-c search_path={SCHEMA}") as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        return cursor.execute(query.encode()).fetchall()
