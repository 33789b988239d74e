"""Sums that the bill adds up, and which requests no sum has yet: at first all of them. Plans apart.

A trigger notes new requests, so that those of a process of the version before are summed too.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

REQUESTS = (
    *("rows", "requests", "resent", "answered", "verified", "flagged", "exhausted", "inbox"),
    *("by_human", "ungated", "recovered", "began_below", "climbed", "served_again"),
    *("spared_nanousd", "audited", "audit_calls", "audits_nanousd"),
)
ATTEMPTS = (
    *("attempts", "cost_nanousd", "wasted_nanousd", "wasted_us", "input_tokens", "output_tokens"),
    *("cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "image_tokens"),
    *("server_tools", "told_tokens", "cache_nanousd", "shortened_tokens", "shortened_nanousd"),
    *("estimated", "counted", "tool_answers", "salvaged", "lossy", "tool_failures", "failures"),
    *("served", "passed", "judged", "fallbacks", "checks_nanousd", "checks_wasted_nanousd"),
    "steps",
)
SAVINGS = ("requests", "baseline_nanousd", "spend_nanousd")
NOTE = "INSERT INTO unsummed (request_id) VALUES"


def upgrade() -> None:
    _sums("request_sums", REQUESTS)
    _sums("attempt_sums", ATTEMPTS)
    _sums("saving_sums", SAVINGS, Column("baseline", Text, primary_key=True))
    _sums(
        "second_sums",
        ("requests",),
        Column("bucket", Integer, primary_key=True, autoincrement=False),
    )
    op.create_table(
        "unsummed",
        Column("request_id", String, primary_key=True),
        Column("batch", Integer),
        sqlite_with_rowid=False,
    )
    _index("unsummed_by_batch", "unsummed", "batch")
    _index("requests_by_first", "requests", "cached_of")
    op.create_table(
        "plans",
        Column("id", String, primary_key=True),
        Column("shared_json", Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.add_column("requests", Column("plan_id", String))
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER note_new_requests AFTER INSERT ON requests BEGIN"
            f" {NOTE} (new.id) ON CONFLICT DO NOTHING; END"
        )
    else:
        op.execute(
            "CREATE FUNCTION note_new_request() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
            f" {NOTE} (NEW.id) ON CONFLICT DO NOTHING; RETURN NULL; END'"
        )
        op.execute(
            "CREATE TRIGGER note_new_requests AFTER INSERT ON requests"
            " FOR EACH ROW EXECUTE FUNCTION note_new_request()"
        )
        for table in ("attempts", "baselines", "requests", "verdicts"):
            op.execute(f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.02)")
    op.execute("INSERT INTO unsummed (request_id) SELECT id FROM requests")


def _sums(name: str, sums: tuple[str, ...], *more: Column[str] | Column[int]) -> None:
    op.create_table(
        name,
        Column("axis", String, primary_key=True),
        Column("hour", BigInteger, primary_key=True, autoincrement=False),
        Column("gone", Boolean, primary_key=True),
        Column("name", Text, primary_key=True),
        *more,
        *(Column(each, BigInteger, nullable=False) for each in sums),
        sqlite_with_rowid=False,
    )


def _index(name: str, table: str, column: str) -> None:
    there = sa.text(f"{column} IS NOT NULL")
    op.create_index(name, table, [column], sqlite_where=there, postgresql_where=there)
