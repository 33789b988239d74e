"""Budgets and reservations, virtual keys, first results, what replicas tell each other, bodies.

Columns are only added: a process of the version before, still writing, goes on to write rows that
are right. The new tables are made as the code has them today, which a test holds equal to a file
made anew.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _columns()
    _money()
    _callers()
    _beside()


def _columns() -> None:
    no, none = sa.text("0"), sa.text("0")
    op.add_column("requests", Column("key_id", String))
    op.add_column("requests", Column("recovered", Boolean, nullable=False, server_default=no))
    op.add_column("requests", Column("loop", Text))
    op.add_column("attempts", Column("price_id", String))
    for name in ("image_tokens", "server_tools"):
        op.add_column("attempts", Column(name, BigInteger, nullable=False, server_default=none))
    op.add_column("attempts", Column("more_counts_json", Text))
    op.add_column("attempts", Column("reserved_nanousd", BigInteger))
    op.add_column("attempts", Column("drained", Boolean, nullable=False, server_default=no))


def _at_least_nothing(*columns: str) -> list[CheckConstraint]:
    return [CheckConstraint(f"{column} >= 0", name=f"{column}_not_negative") for column in columns]


def _known(column: str, *words: str) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_is_known")


def _money() -> None:
    op.create_table(
        "budgets",
        Column("scope", String, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("per", String, primary_key=True),
        Column("start_unix", BigInteger, primary_key=True),
        Column("spent_nanousd", BigInteger, nullable=False),
        Column("held_nanousd", BigInteger, nullable=False),
        *_at_least_nothing("start_unix", "spent_nanousd", "held_nanousd"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "holds",
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
        _known("state", "open", "settled", "unknown", "void"),
        CheckConstraint("(state = 'open') = (settled_nanousd IS NULL)", name="open_is_not_settled"),
        *_at_least_nothing("created_unix", "amount_nanousd", "settled_nanousd"),
        sqlite_with_rowid=False,
    )
    still_open = sa.text("state = 'open'")
    op.create_index("holds_open", "holds", ["process_id"], sqlite_where=still_open)
    op.create_index("holds_by_request", "holds", ["request_id"])
    op.create_table(
        "processes",
        Column("id", String, primary_key=True),
        Column("host", Text, nullable=False),
        Column("pid", BigInteger, nullable=False),
        Column("started_unix", Float, nullable=False),
        Column("beat_unix", Float, nullable=False),
        Column("ended_unix", Float),
        *_at_least_nothing("started_unix", "beat_unix", "ended_unix"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "prices",
        Column("id", String, primary_key=True),
        Column("source", Text, nullable=False),
        Column("price_json", Text, nullable=False),
        Column("first_unix", Float, nullable=False),
        *_at_least_nothing("first_unix"),
        sqlite_with_rowid=False,
    )


def _callers() -> None:
    op.create_table(
        "keys",
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
        *_at_least_nothing("created_unix", "expires_unix", "revoked_unix", "previous_until_unix"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rates",
        Column("key_id", String, primary_key=True),
        Column("window_unix", BigInteger, primary_key=True),
        Column("requests", BigInteger, nullable=False),
        Column("tokens", BigInteger, nullable=False),
        *_at_least_nothing("window_unix", "requests", "tokens"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "once",
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
        _known("state", "running", "done"),
        *_at_least_nothing("created_unix", "expires_unix", "status"),
        sqlite_with_rowid=False,
    )
    op.create_index("once_by_end", "once", ["expires_unix"])


def _beside() -> None:
    op.create_table(
        "bodies",
        Column(
            "request_id", String, ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True
        ),
        Column("part", String, primary_key=True),
        Column("stored_unix", Float, nullable=False),
        Column("encoding", String, nullable=False),
        Column("body", LargeBinary, nullable=False),
        *_at_least_nothing("stored_unix"),
    )
    op.create_index("bodies_by_age", "bodies", ["stored_unix"])
    op.create_table(
        "notices",
        Column("topic", String, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("value_json", Text, nullable=False),
        Column("updated_unix", Float, nullable=False),
        Column("process_id", String, nullable=False),
        *_at_least_nothing("updated_unix"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "events",
        Column("id", Integer, primary_key=True),
        Column("created_unix", Float, nullable=False),
        Column("kind", String, nullable=False),
        Column("name", Text, nullable=False),
        Column("detail_json", Text, nullable=False),
        *_at_least_nothing("created_unix"),
        UniqueConstraint("kind", "name", name="events_once"),
    )
