"""Tool calls, resends, what left un-gated, and verdicts that had nothing to judge.

Columns are only added: SQLite does that without copying a table, and a process of the version
before, still writing, goes on to write rows that are right.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Boolean, Column, Integer, String, Text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", Column("resend_of", String))
    op.add_column("requests", _flag("ungated"))
    op.create_index(
        "requests_by_original",
        "requests",
        ["resend_of"],
        sqlite_where=sa.text("resend_of IS NOT NULL"),
    )
    op.add_column("attempts", Column("dialect", Text))
    op.add_column(
        "attempts", Column("tool_calls", Integer, nullable=False, server_default=sa.text("0"))
    )
    op.add_column("attempts", Column("called_json", Text))
    op.add_column("attempts", Column("salvaged", Text))
    op.add_column("verdicts", _flag("vacuous"))


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=sa.false())
