"""What verdicts say and cost, second looks at answers, and fitted calibrations.

Columns are only added: a process of the version before, still writing, goes on to write rows that
are right.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Integer, String, Text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requests", Column("audit_of", String))
    op.create_index(
        "requests_by_audited",
        "requests",
        ["audit_of"],
        sqlite_where=sa.text("audit_of IS NOT NULL"),
    )
    op.add_column("verdicts", Column("says", String))
    op.add_column(
        "verdicts",
        Column("cost_nanousd", BigInteger, nullable=False, server_default=sa.text("0")),
    )
    op.create_table(
        "calibrations",
        Column("id", Integer, primary_key=True),
        Column("created_unix", Float, nullable=False),
        Column("ladder", Text, nullable=False),
        Column("tier", Text, nullable=False),
        Column("calibration_json", Text, nullable=False),
        Column("report_json", Text, nullable=False),
        CheckConstraint("created_unix >= 0", name="created_unix_not_negative"),
    )
