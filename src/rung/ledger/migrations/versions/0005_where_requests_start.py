"""Where requests start and why: conversations, the private lane, traits, what was learned of tiers.

Columns are only added: a process of the version before, still writing, goes on to write rows that
are right.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Float, Integer, String, Text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind in (
        ("conversation", String),
        ("agent", Text),
        ("private", Text),
        ("cached_of", String),
        ("category", String),
        ("difficulty", String),
        ("propensity", Float),
        ("traits_json", Text),
    ):
        op.add_column("requests", Column(name, kind))
    op.create_index(
        "requests_by_conversation",
        "requests",
        ["conversation", "started_unix"],
        sqlite_where=sa.text("conversation IS NOT NULL"),
    )
    no, none = sa.text("0"), sa.text("0")
    op.add_column("attempts", Column("local", Boolean))
    op.add_column("attempts", Column("beside", Boolean, nullable=False, server_default=no))
    op.add_column(
        "attempts", Column("spared_tokens", BigInteger, nullable=False, server_default=none)
    )
    op.add_column("attempts", Column("queued_seconds", Float, nullable=False, server_default=none))
    op.add_column(
        "attempts", Column("cache_write_1h_tokens", BigInteger, nullable=False, server_default=none)
    )
    op.add_column("verdicts", Column("left_machine", Boolean, nullable=False, server_default=no))
    op.create_table(
        "routers",
        Column("id", Integer, primary_key=True),
        Column("created_unix", Float, nullable=False),
        Column("ladder", Text, nullable=False),
        Column("model_json", Text, nullable=False),
        Column("report_json", Text, nullable=False),
        CheckConstraint("created_unix >= 0", name="created_unix_not_negative"),
    )
    op.create_table(
        "speeds",
        Column("id", Integer, primary_key=True),
        Column("created_unix", Float, nullable=False),
        Column("tier", Text, nullable=False),
        Column("model", Text, nullable=False),
        Column("speed_json", Text, nullable=False),
        CheckConstraint("created_unix >= 0", name="created_unix_not_negative"),
    )
