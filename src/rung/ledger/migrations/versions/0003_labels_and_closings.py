"""What people say: labels of answers, and how inbox entries were closed.

A process of the version before, still writing, goes on to write rows that are right: its tables
keep their columns. Verdicts are copied once, to be rid of the list of all words for trust.
"""

from typing import Any

from alembic import op
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    String,
    Text,
    false,
)

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "closings",
        Column(
            "request_id",
            String,
            ForeignKey("inbox.request_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        Column("created_unix", Float, nullable=False),
        Column("state", String, nullable=False),
        Column("text", Text),
        Column("attempt_position", Integer),
        Column("verified", Boolean),
        Column("given_by", Text),
        Column("note", Text, nullable=False),
        CheckConstraint("state IN ('answered', 'dismissed')", name="state_is_known"),
        CheckConstraint("(state = 'answered') = (text IS NOT NULL)", name="answers_have_a_text"),
        CheckConstraint("attempt_position >= 0", name="attempt_position_not_negative"),
        CheckConstraint("created_unix >= 0", name="created_unix_not_negative"),
    )
    op.create_table(
        "labels",
        Column("id", Integer, primary_key=True),
        Column("request_id", String, ForeignKey("requests.id", ondelete="CASCADE"), nullable=False),
        Column("attempt_position", Integer),
        Column("is_right", Boolean, nullable=False),
        Column("source", String, nullable=False),
        Column("given_by", Text),
        Column("note", Text, nullable=False),
        Column("created_unix", Float, nullable=False),
        ForeignKeyConstraint(
            ["request_id", "attempt_position"],
            ["attempts.request_id", "attempts.position"],
            ondelete="CASCADE",
        ),
        CheckConstraint(
            "source IN ('human', 'feedback', 'inbox', 'audit', 'test')", name="source_is_known"
        ),
        CheckConstraint("created_unix >= 0", name="created_unix_not_negative"),
    )
    op.create_index("labels_by_request", "labels", ["request_id"])
    _free_trust()


def _free_trust() -> None:
    """The table of verdicts anew, its trust unchecked. SQLite cannot drop a constraint."""
    columns = _verdict_columns()
    named = ", ".join(column.name for column in columns)
    op.rename_table("verdicts", "verdicts_before")
    op.create_table(
        "verdicts",
        *columns,
        ForeignKeyConstraint(
            ["request_id", "attempt_position"],
            ["attempts.request_id", "attempts.position"],
            ondelete="CASCADE",
        ),
        CheckConstraint("weight IN ('required', 'implied', 'signal')", name="weight_is_known"),
        CheckConstraint("status IN ('passed', 'failed', 'abstained')", name="status_is_known"),
        CheckConstraint("position >= 0", name="position_not_negative"),
        sqlite_with_rowid=False,
    )
    op.execute(f"INSERT INTO verdicts ({named}) SELECT {named} FROM verdicts_before")  # noqa: S608
    op.drop_table("verdicts_before")


def _verdict_columns() -> list[Column[Any]]:
    return [
        Column("request_id", String, primary_key=True),
        Column("attempt_position", Integer, primary_key=True),
        Column("position", Integer, primary_key=True),
        Column("verifier", Text, nullable=False),
        Column("weight", String),
        Column("status", String, nullable=False),
        Column("reason", Text, nullable=False),
        Column("trust", String, nullable=False),
        Column("score", Float),
        Column("seconds", Float, nullable=False),
        Column("at", Float, nullable=False),
        Column("vacuous", Boolean, nullable=False, server_default=false()),
    ]
