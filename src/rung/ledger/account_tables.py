"""The tables beside the outcomes: money set aside, callers, and what replicas tell each other.

Rows of these change: they say how things stand, where outcomes say how they went. Secrets are here
by their hashes alone.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from rung.ledger.columns import metadata, not_negative, one_of

# ------------------------------------------------------------------ money

budgets = Table(
    "budgets",
    metadata,
    Column("scope", String, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("per", String, primary_key=True),
    Column("start_unix", BigInteger, primary_key=True),
    Column("spent_nanousd", BigInteger, nullable=False),
    Column("held_nanousd", BigInteger, nullable=False),
    *not_negative("start_unix", "spent_nanousd", "held_nanousd"),
    sqlite_with_rowid=False,
)
"""What was spent and is held of each budget in each of its periods."""

holds = Table(
    "holds",
    metadata,
    Column("id", String, primary_key=True),
    Column("request_id", String, nullable=False),
    Column("process_id", String, nullable=False),
    Column("created_unix", Float, nullable=False),
    Column("amount_nanousd", BigInteger, nullable=False),
    Column("caps_json", Text, nullable=False),
    Column("about_json", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("settled_nanousd", BigInteger),
    Column("settled_unix", Float),
    one_of("state", ("open", "settled", "unknown", "void")),
    CheckConstraint("(state = 'open') = (settled_nanousd IS NULL)", name="open_is_not_settled"),
    *not_negative("created_unix", "amount_nanousd", "settled_nanousd"),
    Index(
        "holds_open",
        "process_id",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index("holds_by_request", "request_id"),
    sqlite_with_rowid=False,
)
"""The most that each paid call could cost, reserved before it was made; by the attempt's id."""

processes = Table(
    "processes",
    metadata,
    Column("id", String, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("started_unix", Float, nullable=False),
    Column("beat_unix", Float, nullable=False),
    Column("ended_unix", Float),
    *not_negative("started_unix", "beat_unix", "ended_unix"),
    sqlite_with_rowid=False,
)
"""Who writes here, and when they were last heard of."""

prices = Table(
    "prices",
    metadata,
    Column("id", String, primary_key=True),
    Column("source", Text, nullable=False),
    Column("price_json", Text, nullable=False),
    Column("first_unix", Float, nullable=False),
    *not_negative("first_unix"),
    sqlite_with_rowid=False,
)

# ------------------------------------------------------------------ callers

keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("parent_id", String, ForeignKey("keys.id")),
    Column("name", Text, nullable=False),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    Column("hint", String, nullable=False),
    Column("previous_sha256", String(64), unique=True),
    Column("previous_until_unix", Float),
    Column("created_unix", Float, nullable=False),
    Column("expires_unix", Float),
    Column("revoked_unix", Float),
    Column("rights_json", Text, nullable=False),
    *not_negative("created_unix", "expires_unix", "revoked_unix", "previous_until_unix"),
    sqlite_with_rowid=False,
)
"""Virtual keys, by hash alone."""

rates = Table(
    "rates",
    metadata,
    Column("key_id", String, primary_key=True),
    Column("window_unix", BigInteger, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    *not_negative("window_unix", "requests", "tokens"),
    sqlite_with_rowid=False,
)

once = Table(
    "once",
    metadata,
    Column("scope", String, primary_key=True),
    Column("key_sha256", String(64), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("state", String, nullable=False),
    Column("request_id", String, nullable=False),
    Column("process_id", String, nullable=False),
    Column("created_unix", Float, nullable=False),
    Column("expires_unix", Float, nullable=False),
    Column("status", Integer),
    Column("headers_json", Text),
    Column("body", LargeBinary),
    one_of("state", ("running", "done")),
    *not_negative("created_unix", "expires_unix", "status"),
    Index("once_by_end", "expires_unix"),
    sqlite_with_rowid=False,
)
"""First results by Idempotency-Key, for as long as they are replayed."""

# ------------------------------------------------------------------ beside

bodies = Table(
    "bodies",
    metadata,
    Column("request_id", String, ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
    Column("part", String, primary_key=True),
    Column("stored_unix", Float, nullable=False),
    Column("encoding", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    *not_negative("stored_unix"),
    Index("bodies_by_age", "stored_unix"),
)
"""What was asked and answered, only where the configuration asks for it."""

notices = Table(
    "notices",
    metadata,
    Column("topic", String, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value_json", Text, nullable=False),
    Column("updated_unix", Float, nullable=False),
    Column("process_id", String, nullable=False),
    *not_negative("updated_unix"),
    sqlite_with_rowid=False,
)
"""What the processes that share this ledger tell each other."""

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("created_unix", Float, nullable=False),
    Column("kind", String, nullable=False),
    Column("name", Text, nullable=False),
    Column("detail_json", Text, nullable=False),
    *not_negative("created_unix"),
    UniqueConstraint("kind", "name", name="events_once"),
)
"""What happened once and is told once, whoever sees it first."""
