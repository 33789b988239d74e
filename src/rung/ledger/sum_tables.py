"""The sums that the bill adds up, so that it need not read every row: an hour's rows, summed.

A sum is kept along one axis at a time (all of it, by project, by tier and so on), never for
combinations: so there are as many rows an hour as there are names, however they are combined.

Every request is either summed or in ``unsummed``, never both. A trigger puts each new one there,
whoever writes it. Sums are whole numbers and only ever added to, so what is taken back leaves no
trace. ``gone`` sums are of rows that retention has deleted; the others can be made again from the
rows, which `rung ledger check` does to compare.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, text

from rung.ledger.columns import metadata

HOURS_A_DAY: Final = 24


class Axis(StrEnum):
    """What sums are kept by. TIER and MODEL are of attempts, the others of requests too."""

    TOTAL = "total"
    PROJECT = "project"
    LANE = "lane"
    LADDER = "ladder"
    CATEGORY = "category"
    KEY = "key"
    TIER = "tier"
    MODEL = "model"


REQUEST_AXES: Final = tuple(axis for axis in Axis if axis not in {Axis.TIER, Axis.MODEL})

REQUEST_SUMS: Final = (
    *("rows", "requests", "resent", "answered", "verified", "flagged", "exhausted", "inbox"),
    *("by_human", "ungated", "recovered", "began_below", "climbed", "served_again"),
    *("spared_nanousd", "audited", "audit_calls", "audits_nanousd"),
)
ATTEMPT_SUMS: Final = (
    *("attempts", "cost_nanousd", "wasted_nanousd", "wasted_us", "input_tokens", "output_tokens"),
    *("cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "image_tokens"),
    *("server_tools", "told_tokens", "cache_nanousd", "shortened_tokens", "shortened_nanousd"),
    *("estimated", "counted", "tool_answers", "salvaged", "lossy", "tool_failures", "failures"),
    *("served", "passed", "judged", "fallbacks", "checks_nanousd", "checks_wasted_nanousd"),
    "steps",
)
SAVING_SUMS: Final = ("requests", "baseline_nanousd", "spend_nanousd")
SECOND_SUMS: Final = ("requests",)


def _sums(name: str, sums: tuple[str, ...], *more: Column[str] | Column[int]) -> Table:
    return Table(
        name,
        metadata,
        Column("axis", String, primary_key=True),
        Column("hour", BigInteger, primary_key=True, autoincrement=False),
        Column("gone", Boolean, primary_key=True),
        Column("name", Text, primary_key=True),
        *more,
        *(Column(each, BigInteger, nullable=False) for each in sums),
        sqlite_with_rowid=False,
    )


request_sums = _sums("request_sums", REQUEST_SUMS)
"""How requests ended. ``rows`` counts all, audits too; of the others see `sums`."""

attempt_sums = _sums("attempt_sums", ATTEMPT_SUMS)
"""What calls came to. ``steps`` is the sum of their tiers' places, to put tiers in order."""

saving_sums = _sums("saving_sums", SAVING_SUMS, Column("baseline", Text, primary_key=True))
"""Baselines, and what was spent on those requests for which they are known."""

second_sums = _sums(
    "second_sums", SECOND_SUMS, Column("bucket", Integer, primary_key=True, autoincrement=False)
)
"""How long requests took, as counts by `core.buckets`: of the total by the hour, else by the day,
under its first hour. Of an hour of each key there would be nearly as many counts as requests."""

unsummed = Table(
    "unsummed",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("batch", Integer),
    Index(
        "unsummed_by_batch",
        "batch",
        sqlite_where=text("batch IS NOT NULL"),
        postgresql_where=text("batch IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)
"""Requests that no sum has yet. ``batch`` is only ever set within a transaction, by who sums."""

KEPT_SUMS: Final = (request_sums, attempt_sums, saving_sums, second_sums)

SUMS_OF: Final = {
    request_sums.name: REQUEST_SUMS,
    attempt_sums.name: ATTEMPT_SUMS,
    saving_sums.name: SAVING_SUMS,
    second_sums.name: SECOND_SUMS,
}


def more_keys(table: Table) -> tuple[str, ...]:
    """What tells a table's rows apart beside axis, hour and name, and whether rows are gone."""
    keys = (column.name for column in table.primary_key)
    return tuple(key for key in keys if key not in {"axis", "hour", "gone", "name"})


LARGE: Final = ("attempts", "baselines", "requests", "verdicts")

BESIDE: Final = {
    "sqlite": {
        "create note_new_requests": (
            "CREATE TRIGGER note_new_requests AFTER INSERT ON requests BEGIN"
            " INSERT INTO unsummed (request_id) VALUES (new.id) ON CONFLICT DO NOTHING; END"
        ),
    },
    "postgresql": {
        "create note_new_request": (
            "CREATE FUNCTION note_new_request() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
            " INSERT INTO unsummed (request_id) VALUES (NEW.id) ON CONFLICT DO NOTHING;"
            " RETURN NULL; END'"
        ),
        "create note_new_requests": (
            "CREATE TRIGGER note_new_requests AFTER INSERT ON requests"
            " FOR EACH ROW EXECUTE FUNCTION note_new_request()"
        ),
    }
    | {
        f"create room in {table}": (
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.02)"
        )
        for table in LARGE
    },
}
"""What is made beside the tables. Whoever writes a request, of whatever version: it is noted as one
that no sum has. And Postgres is to use the room of deleted rows again before it takes new."""
