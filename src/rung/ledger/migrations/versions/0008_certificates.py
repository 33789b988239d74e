"""Certificates: what was promised of a tuned ladder, and on which grounds.

A table is added and nothing else: a process of the version before goes on to write rows that are
right.
"""

from alembic import op
from sqlalchemy import CheckConstraint, Column, Float, Integer, Text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "certificates",
        Column("id", Integer, primary_key=True),
        Column("created_unix", Float, nullable=False),
        Column("ladder", Text, nullable=False),
        Column("certificate_json", Text, nullable=False),
        CheckConstraint("created_unix >= 0", name="created_unix_not_negative"),
    )
