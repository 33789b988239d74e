"""Requests, their attempts, verdicts and baselines, and the inbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, String, Text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ENDED_BY = ("upstream", "client", "gateway", "limit", "internal")


def upgrade() -> None:
    _requests()
    _attempts()
    _verdicts()
    _baselines()
    _inbox()


def _requests() -> None:
    op.create_table(
        "requests",
        Column("id", String, nullable=False),
        Column("started_unix", Float, nullable=False),
        Column("seconds", Float, nullable=False),
        Column("project", Text),
        Column("lane", String, nullable=False),
        Column("ladder", Text, nullable=False),
        Column("dialect", Text, nullable=False),
        Column("requested_model", Text, nullable=False),
        Column("streamed", Boolean, nullable=False),
        Column("body_sha256", String(64), nullable=False),
        Column("body_bytes", BigInteger, nullable=False),
        Column("input_tokens_estimate", BigInteger, nullable=False),
        Column("needs", Text, nullable=False),
        Column("plan_json", Text, nullable=False),
        Column("steps", Integer, nullable=False),
        Column("decision", String),
        Column("decision_reason", String),
        Column("decision_index", Integer),
        Column("served_attempt", Integer),
        Column("verified", Boolean),
        Column("escalated", Boolean, nullable=False),
        Column("cost_nanousd", BigInteger, nullable=False),
        Column("ended_by", String, nullable=False),
        Column("phase", String, nullable=False),
        Column("inbox", Boolean, nullable=False),
        Column("rung_version", String, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        _one_of("lane", ("interactive", "background", "batch")),
        _one_of("decision", ("accept", "exhausted")),
        _one_of("ended_by", ENDED_BY),
        *_not_negative("started_unix", "seconds", "body_bytes", "input_tokens_estimate"),
        *_not_negative("steps", "served_attempt", "cost_nanousd"),
    )
    op.create_index("requests_by_start", "requests", ["started_unix"])


def _attempts() -> None:
    op.create_table(
        "attempts",
        Column("request_id", String, nullable=False),
        Column("position", Integer, nullable=False),
        Column("id", String, nullable=False),
        Column("tier", Text, nullable=False),
        Column("step", Integer),
        Column("model", Text),
        Column("kind", String, nullable=False),
        Column("started_at", Float, nullable=False),
        Column("ended_at", Float, nullable=False),
        Column("load_seconds", Float, nullable=False),
        Column("first_token_seconds", Float),
        Column("failure_fault", String),
        Column("failure_message", Text),
        Column("failure_status", Integer),
        Column("retry_after_seconds", Float),
        Column("finish", String),
        Column("answer_sha256", String(64)),
        Column("answer_bytes", BigInteger),
        Column("gates", String),
        Column("input_tokens", BigInteger, nullable=False),
        Column("output_tokens", BigInteger, nullable=False),
        Column("cache_read_tokens", BigInteger, nullable=False),
        Column("cache_write_tokens", BigInteger, nullable=False),
        Column("reasoning_tokens", BigInteger, nullable=False),
        Column("usage_source", String, nullable=False),
        Column("cost_nanousd", BigInteger, nullable=False),
        Column("price_source", Text),
        Column("price_json", Text),
        Column("ended_by", String, nullable=False),
        Column("phase", String, nullable=False),
        Column("released", Boolean, nullable=False),
        Column("losses_json", Text, nullable=False),
        sa.PrimaryKeyConstraint("request_id", "position"),
        sa.UniqueConstraint("id"),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], ondelete="CASCADE"),
        _one_of("kind", ("first", "retry", "repair", "sample")),
        _one_of("gates", ("passed", "failed")),
        _one_of("usage_source", ("provider", "estimated", "none")),
        _one_of("ended_by", ENDED_BY),
        *_not_negative("position", "answer_bytes", "input_tokens", "output_tokens"),
        *_not_negative("cache_read_tokens", "cache_write_tokens", "reasoning_tokens"),
        *_not_negative("cost_nanousd"),
        sqlite_with_rowid=False,
    )


def _verdicts() -> None:
    op.create_table(
        "verdicts",
        Column("request_id", String, nullable=False),
        Column("attempt_position", Integer, nullable=False),
        Column("position", Integer, nullable=False),
        Column("verifier", Text, nullable=False),
        Column("weight", String),
        Column("status", String, nullable=False),
        Column("reason", Text, nullable=False),
        Column("trust", String, nullable=False),
        Column("score", Float),
        Column("seconds", Float, nullable=False),
        Column("at", Float, nullable=False),
        sa.PrimaryKeyConstraint("request_id", "attempt_position", "position"),
        sa.ForeignKeyConstraint(
            ["request_id", "attempt_position"],
            ["attempts.request_id", "attempts.position"],
            ondelete="CASCADE",
        ),
        _one_of("weight", ("required", "implied", "signal")),
        _one_of("status", ("passed", "failed", "abstained")),
        _one_of("trust", ("data", "code", "self")),
        *_not_negative("position"),
        sqlite_with_rowid=False,
    )


def _baselines() -> None:
    op.create_table(
        "baselines",
        Column("request_id", String, nullable=False),
        Column("name", Text, nullable=False),
        Column("cost_nanousd", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("request_id", "name"),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], ondelete="CASCADE"),
        *_not_negative("cost_nanousd"),
        sqlite_with_rowid=False,
    )


def _inbox() -> None:
    op.create_table(
        "inbox",
        Column("request_id", String, nullable=False),
        Column("created_unix", Float, nullable=False),
        Column("state", String, nullable=False),
        Column("request_json", Text, nullable=False),
        Column("answers_json", Text, nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], ondelete="CASCADE"),
        _one_of("state", ("open", "answered", "dismissed")),
    )


def _one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_is_known")


def _not_negative(*names: str) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(f"{name} >= 0", name=f"{name}_not_negative") for name in names]
