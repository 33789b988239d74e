"""The ledger's tables: the one source of its schema.

Money is integer nano-dollars, times are seconds, ``*_unix`` counts from 1970 UTC, other ``*_at``
from the start of the request. No prompt or answer is stored, only hashes and sizes, and of a tool
call the tool's name where the caller offered it; the inbox alone keeps text, since a human has to
read and answer it there.

Outcomes, labels and closings are only ever added. The one value that changes is an inbox entry's
state: from open, once.

Sets of words that money or proof rests on are checked by the database. Those that grow with every
provider (faults, phases, finishes) or kind of check (trust) are not: SQLite would have to copy the
table for each new word.

What is needed at start-up is compiled into ``compiled.<backend>.sql`` (see `statements`), because
SQLAlchemy takes 0.4 s to import.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    false,
    text,
)

from rung.core.labels import InboxState, LabelSource
from rung.core.types import EndedBy, Kind, Lane, UsageSource
from rung.core.verdicts import Status, Weight
from rung.ledger.columns import ID, metadata, not_negative, one_of

requests = Table(
    "requests",
    metadata,
    Column("id", ID, primary_key=True),
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
    Column("resend_of", String),
    Column("ungated", Boolean, nullable=False, server_default=false()),
    Column("audit_of", String),
    Column("conversation", ID),
    Column("agent", Text),
    Column("private", Text),
    Column("cached_of", String),
    Column("category", String),
    Column("difficulty", String),
    Column("propensity", Float),
    Column("traits_json", Text),
    Column("key_id", String),
    Column("recovered", Boolean, nullable=False, server_default=false()),
    Column("loop", Text),
    Column("plan_id", String),
    one_of("lane", Lane),
    one_of("decision", ("accept", "exhausted")),
    one_of("ended_by", EndedBy),
    *not_negative("started_unix", "seconds", "body_bytes", "input_tokens_estimate"),
    *not_negative("steps", "served_attempt", "cost_nanousd"),
    Index("requests_by_start", "started_unix"),
    Index(
        "requests_by_original",
        "resend_of",
        sqlite_where=text("resend_of IS NOT NULL"),
        postgresql_where=text("resend_of IS NOT NULL"),
    ),
    Index(
        "requests_by_audited",
        "audit_of",
        sqlite_where=text("audit_of IS NOT NULL"),
        postgresql_where=text("audit_of IS NOT NULL"),
    ),
    Index(
        "requests_by_first",
        "cached_of",
        sqlite_where=text("cached_of IS NOT NULL"),
        postgresql_where=text("cached_of IS NOT NULL"),
    ),
    Index(
        "requests_by_conversation",
        "conversation",
        "started_unix",
        sqlite_where=text("conversation IS NOT NULL"),
        postgresql_where=text("conversation IS NOT NULL"),
    ),
)

attempts = Table(
    "attempts",
    metadata,
    Column("request_id", String, ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
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
    Column("dialect", Text),
    Column("tool_calls", Integer, nullable=False, server_default=text("0")),
    Column("called_json", Text),
    Column("salvaged", Text),
    Column("local", Boolean),
    Column("beside", Boolean, nullable=False, server_default=false()),
    Column("spared_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("queued_seconds", Float, nullable=False, server_default=text("0")),
    Column("cache_write_1h_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("price_id", String),
    Column("image_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("server_tools", BigInteger, nullable=False, server_default=text("0")),
    Column("more_counts_json", Text),
    Column("reserved_nanousd", BigInteger),
    Column("drained", Boolean, nullable=False, server_default=false()),
    one_of("kind", Kind),
    one_of("gates", ("passed", "failed")),
    one_of("usage_source", UsageSource),
    one_of("ended_by", EndedBy),
    *not_negative("position", "answer_bytes", "input_tokens", "output_tokens"),
    *not_negative("cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "cost_nanousd"),
    sqlite_with_rowid=False,
)

verdicts = Table(
    "verdicts",
    metadata,
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
    Column("says", String),
    Column("cost_nanousd", BigInteger, nullable=False, server_default=text("0")),
    Column("left_machine", Boolean, nullable=False, server_default=false()),
    ForeignKeyConstraint(
        ["request_id", "attempt_position"],
        ["attempts.request_id", "attempts.position"],
        ondelete="CASCADE",
    ),
    one_of("weight", Weight),
    one_of("status", Status),
    *not_negative("position"),
    sqlite_with_rowid=False,
)

baselines = Table(
    "baselines",
    metadata,
    Column("request_id", String, ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("cost_nanousd", BigInteger, nullable=False),
    *not_negative("cost_nanousd"),
    sqlite_with_rowid=False,
)

inbox = Table(
    "inbox",
    metadata,
    Column("request_id", String, ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
    Column("created_unix", Float, nullable=False),
    Column("state", String, nullable=False),
    Column("request_json", Text, nullable=False),
    Column("answers_json", Text, nullable=False),
    one_of("state", InboxState),
)

closings = Table(
    "closings",
    metadata,
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
    one_of("state", (InboxState.ANSWERED, InboxState.DISMISSED)),
    CheckConstraint("(state = 'answered') = (text IS NOT NULL)", name="answers_have_a_text"),
    *not_negative("attempt_position", "created_unix"),
)

labels = Table(
    "labels",
    metadata,
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
    one_of("source", LabelSource),
    *not_negative("created_unix"),
    Index("labels_by_request", "request_id"),
)

calibrations = Table(
    "calibrations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("created_unix", Float, nullable=False),
    Column("ladder", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("calibration_json", Text, nullable=False),
    Column("report_json", Text, nullable=False),
    *not_negative("created_unix"),
)

routers = Table(
    "routers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("created_unix", Float, nullable=False),
    Column("ladder", Text, nullable=False),
    Column("model_json", Text, nullable=False),
    Column("report_json", Text, nullable=False),
    *not_negative("created_unix"),
)

certificates = Table(
    "certificates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("created_unix", Float, nullable=False),
    Column("ladder", Text, nullable=False),
    Column("certificate_json", Text, nullable=False),
    *not_negative("created_unix"),
)

speeds = Table(
    "speeds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("created_unix", Float, nullable=False),
    Column("tier", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("speed_json", Text, nullable=False),
    *not_negative("created_unix"),
)

plans = Table(
    "plans",
    metadata,
    Column("id", String, primary_key=True),
    Column("shared_json", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""What the plans of many requests share; what is a request's own stands in its row."""
