"""Opening: each way a file can be wrong is told with its place and its fix; a new one is quick."""

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from alembic import command, op
from alembic.config import Config
from sqlalchemy import create_engine

from rung.core.engine import Accept
from rung.core.errors import LedgerError
from rung.core.labels import Closing, InboxState
from rung.core.plan import StreamMode
from rung.core.types import Answer
from rung.ledger import Ledger, schema, sqlite
from rung.ledger.bill import Fidelity, bill
from rung.ledger.database import Backend
from rung.ledger.statements import render
from support.outcomes import actions, outcome


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def refused(path, **options):
    with pytest.raises(LedgerError) as raised:
        Ledger.open(path, **options)
    assert str(path) in str(raised.value)
    assert raised.value.fix
    return str(raised.value)


def written(path, *names):
    with Ledger.open(path) as ledger:
        for name in names or ("req-1",):
            ledger.append_now(outcome(name))


# ------------------------------------------------------------------ the schema


def test_the_shipped_statements_are_those_of_the_tables():
    for backend in Backend:
        shipped = Path(schema.__file__).with_name(f"compiled.{backend.value}.sql").read_text()
        assert shipped == render(backend), "python -m rung.ledger.statements"


def test_the_migrations_make_the_same_database_as_the_tables(tmp_path, path):
    made, migrated = tmp_path / "made.db", tmp_path / "migrated.db"
    Ledger.open(made).close()
    at_base(migrated)
    Ledger.open(migrated).close()
    assert described(made) == described(migrated)
    assert len(described(made)[0]) > 16


def at_base(path):
    """A ledger before its first migration: alembic has been there and has done nothing yet."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
        connection.commit()


def described(path):
    """Each object's clauses, whatever their order and spacing."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        version = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    described = {(kind, name): clauses(sql or "") for kind, name, sql in rows if "auto" not in name}
    return described, version


def clauses(sql):
    flat = " ".join(sql.split())
    head, _, body = flat.partition("(")
    body, _, tail = body.rpartition(")")
    return head.strip(), frozenset(re.split(r"\s*,\s*(?![^()]*\))", body.strip())), tail.strip()


def test_the_newest_migration_is_the_revision_that_is_stamped():
    revisions = [path.name[:4] for path in (schema.MIGRATIONS / "versions").glob("[0-9]*.py")]
    assert max(revisions) == schema.HEAD


def test_a_failed_migration_leaves_the_file_as_it_was(path, monkeypatch):
    at_base(path)
    before = path.read_bytes()

    def broken(*_args, **_kwargs):
        raise sqlite3.OperationalError("no more")

    monkeypatch.setattr(op, "create_index", broken)
    with pytest.raises(LedgerError, match="no more"):
        Ledger.open(path)
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
    assert [name for name in names if "auto" not in name] == ["alembic_version"]
    assert before
    monkeypatch.undo()
    written(path)


def test_an_old_ledger_is_migrated_even_by_a_reader_and_keeps_working(path):
    at_base(path)
    with Ledger.open(path, create=False) as ledger:
        ledger.append_now(outcome())
        assert ledger.find("last").request.id == "req-1"


# ------------------------------------------------------------------ files of older versions


FIRST_REQUEST = {
    "id": "old-1",
    "started_unix": 1_700_000_000.0,
    "seconds": 2.0,
    "lane": "interactive",
    "ladder": "default",
    "dialect": "chat",
    "requested_model": "rung",
    "streamed": 1,
    "body_sha256": "0" * 64,
    "body_bytes": 100,
    "input_tokens_estimate": 25,
    "needs": "images,tools",
    "plan_json": json.dumps(
        {
            "ladder": "default",
            "steps": [
                {
                    "tier": "tiny",
                    "checks": [{"name": "json_schema", "weight": "required"}],
                    "worst_cost_nanousd": 0,
                    "timeout_seconds": 120.0,
                    "retries": 1,
                    "repairs": 0,
                    "samples": 1,
                }
            ],
            "stream": True,
            "cost_cap_nanousd": None,
            "deadline_seconds": None,
            "on_exhausted": "inbox",
            "min_confidence": 0.5,
            "max_wait_seconds": 5.0,
            "seed": 0,
            "excluded": [],
        }
    ),
    "steps": 1,
    "decision": "accept",
    "decision_index": 0,
    "served_attempt": 0,
    "verified": 1,
    "escalated": 0,
    "cost_nanousd": 100,
    "ended_by": "upstream",
    "phase": "done",
    "inbox": 1,
    "rung_version": "0.1.0",
}
FIRST_ATTEMPT = {
    "request_id": "old-1",
    "position": 0,
    "id": "old-1.0",
    "tier": "tiny",
    "step": 0,
    "model": "llama",
    "kind": "first",
    "started_at": 0.0,
    "ended_at": 1.0,
    "load_seconds": 0.0,
    "finish": "stop",
    "answer_sha256": sha256(b"words:yes").hexdigest(),
    "answer_bytes": 4,
    "gates": "passed",
    "input_tokens": 10,
    "output_tokens": 5,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "reasoning_tokens": 0,
    "usage_source": "provider",
    "cost_nanousd": 100,
    "ended_by": "upstream",
    "phase": "done",
    "released": 0,
    "losses_json": "[]",
}
FIRST_VERDICT = {
    "request_id": "old-1",
    "attempt_position": 0,
    "position": 0,
    "verifier": "json_schema",
    "weight": "required",
    "status": "passed",
    "reason": "valid",
    "trust": "data",
    "seconds": 0.0,
    "at": 1.0,
}
FIRST_IN_INBOX = {
    "request_id": "old-1",
    "created_unix": 1_700_000_002.0,
    "state": "open",
    "request_json": '{"messages": [], "schema": null, "model": "rung"}',
    "answers_json": "[]",
}


@pytest.fixture
def first(path):
    """A ledger as the first version made it, with a request of that time."""
    at_base(path)
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        insert_first(connection)
        connection.commit()
    return path


def insert_first(connection, name="old-1"):
    """The rows as a process of the first version writes them."""
    rows = {
        "requests": FIRST_REQUEST | {"id": name},
        "attempts": FIRST_ATTEMPT | {"request_id": name, "id": f"{name}.0"},
        "verdicts": FIRST_VERDICT | {"request_id": name},
        "inbox": FIRST_IN_INBOX | {"request_id": name},
    }
    for table, row in rows.items():
        named = ", ".join(f":{column}" for column in row)
        connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({named})", row)


def test_a_ledger_of_the_first_version_is_read_as_it_was_written(first):
    with Ledger.open(first, create=False) as ledger:
        stored = ledger.find("old-1")
        assert ledger.inbox_entry("old-1").item.state == "open"
    assert stored.plan.stream_mode is StreamMode.HOLD
    assert (stored.request.resend_of, stored.ungated) == (None, False)
    assert stored.decision == Accept(0, verified=True)
    assert actions(stored.plan, stored.history)[-1] == stored.decision
    (attempt,) = stored.history
    assert (attempt.answer.tool_calls, attempt.answer.salvaged, attempt.losses) == ((), "", ())
    assert [verdict.vacuous for verdict in attempt.verdicts] == [False]


def test_hashes_of_the_first_version_still_agree_with_the_same_words(first):
    with Ledger.open(first) as ledger:
        made = outcome("new-1")
        said = replace(made.attempts[0], answer=Answer("Yes.", model="llama"))
        ledger.append_now(replace(made, attempts=(said,)))
        (old,), (new,) = ledger.find("old-1").history, ledger.find("new-1").history
    assert old.answer == new.answer


def test_the_bill_adds_requests_of_the_first_version_to_new_ones(first):
    with Ledger.open(first) as ledger:
        ledger.append_now(outcome("new-1"))
        total = bill(ledger).total
    assert (total.requests, total.verified, total.spend.spend_nanousd) == (2, 2, 200)
    assert (total.resent, total.ungated, total.fidelity) == (0, 0, Fidelity())


def test_a_process_of_the_first_version_that_still_writes_goes_on_writing(first):
    with Ledger.open(first) as ledger, closing(sqlite3.connect(first)) as old:
        insert_first(old, "old-2")
        old.commit()
        assert ledger.find("old-2").history[0].answer.tool_calls == ()


def test_verdicts_keep_their_rows_and_take_new_words_for_trust(first):
    with Ledger.open(first) as ledger, closing(sqlite3.connect(first)) as connection:
        before = ledger.find("old-1").history[0].verdicts
        connection.execute("UPDATE verdicts SET trust = 'a word of a later version'")
        connection.commit()
        assert [(verdict.verifier, verdict.trust) for verdict in before] == [
            ("json_schema", "data")
        ]
        with pytest.raises(LedgerError, match="upgrade rung"):
            ledger.find("old-1")


def test_what_waited_in_a_ledger_of_the_first_version_can_be_answered(first):
    with Ledger.open(first) as ledger:
        ledger.close_entry(Closing("old-1", InboxState.ANSWERED, 1.0, "yes"))
        assert ledger.inbox_entry("old-1").closing.text == "yes"


def test_a_ledger_of_the_first_version_is_left_as_it_was_where_a_migration_fails(
    first, monkeypatch
):
    def broken(*_args, **_kwargs):
        raise sqlite3.OperationalError("no more")

    before = described(first)
    monkeypatch.setattr(op, "create_index", broken)
    with pytest.raises(LedgerError, match="no more"):
        Ledger.open(first)
    assert described(first) == before
    monkeypatch.undo()
    with Ledger.open(first) as ledger:
        assert ledger.find("last").request.id == "old-1"


def test_neither_alembic_nor_sqlalchemy_is_imported_to_open_write_and_read(path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path; from rung.ledger import Ledger\n"
        "from support.outcomes import outcome\n"
        "for name in 'ab':\n"
        "    with Ledger.open(Path(sys.argv[1])) as ledger:\n"
        "        ledger.append_now(outcome(name)); ledger.find('last'); ledger.recent(9)\n"
        "sys.exit(bool({'alembic', 'sqlalchemy'} & sys.modules.keys()))\n"
    )
    tests = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code, path, tests], check=False)
    assert done.returncode == 0


# ------------------------------------------------------------------ files


def test_a_new_ledger_is_made_with_its_folders_for_its_owner_alone(tmp_path):
    path = tmp_path / "some where?#%20" / "deep" / "ledger.db"
    written(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_opening_again_keeps_what_was_written(path):
    written(path, "a")
    written(path, "b")
    with Ledger.open(path, create=False) as ledger:
        assert [one.request.id for one in ledger.recent(9)] == ["b", "a"]


def test_an_empty_file_becomes_a_ledger(path):
    path.touch()
    written(path)


def test_a_missing_ledger_is_not_made_by_a_reader(path):
    assert "no ledger" in refused(path, create=False)
    assert not path.exists()


def test_a_folder_is_no_ledger(tmp_path):
    assert "is a folder" in refused(tmp_path)


def test_a_file_among_the_parents_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="file"):
        Ledger.open(tmp_path / "file" / "ledger.db")


@pytest.mark.parametrize("place", ["/proc/rung/ledger.db", "/sys/ledger.db"])
def test_a_place_nobody_can_write_is_told(place):
    with pytest.raises(LedgerError) as raised:
        Ledger.open(Path(place))
    assert place in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_file_or_folder_is_told(path):
    written(path)
    path.chmod(0o400)
    assert "cannot be written" in refused(path)
    path.chmod(0o600)
    path.parent.chmod(0o500)
    try:
        assert "writable" in refused(path)
    finally:
        path.parent.chmod(0o700)


@pytest.mark.parametrize("content", [b"not a database at all", b"\0" * 4096, b"SQLite format 3\0x"])
def test_a_file_of_another_kind_is_told_and_left_alone(path, content):
    path.write_bytes(content)
    refused(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_told_and_left_alone(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE holidays (day TEXT)")
        connection.commit()
    content = path.read_bytes()
    assert "no ledger" in refused(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_damaged_ledger_is_told(path, share):
    written(path, *(f"req-{n}" for n in range(60)))
    content = bytearray(path.read_bytes())
    place = int(len(content) * share) // 4096 * 4096
    content[place : place + 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    assert "damaged" in refused(path)


def test_a_cut_off_ledger_is_told(path):
    written(path, *(f"req-{n}" for n in range(60)))
    path.write_bytes(path.read_bytes()[: 3 * 4096])
    assert "damaged" in refused(path)


@pytest.mark.parametrize("create", [True, False])
def test_a_ledger_of_a_newer_version_is_told_and_left_alone(path, create):
    written(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    content = path.read_bytes()
    said = refused(path, create=create)
    assert "9999" in said
    assert "upgrade" in said
    assert path.read_bytes() == content


def test_a_locked_ledger_is_told(path, monkeypatch):
    written(path)
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "locked" in refused(path)
        with Ledger.open(path, create=False) as ledger:
            assert ledger.find("last").request.id == "req-1"
            with pytest.raises(LedgerError, match="locked"):
                ledger.append_now(outcome("req-2"))
            other.execute("ROLLBACK")
            ledger.append_now(outcome("req-2"))


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_a_file_that_goes_away_under_the_writer_is_told(path, change):
    with Ledger.open(path) as ledger:
        ledger.append_now(outcome())
        path.rename(path.with_suffix(".old"))
        if change == "replaced":
            path.with_suffix(".old").rename(path.with_suffix(".older"))
            Ledger.open(path).close()
        with pytest.raises(LedgerError, match="moved"):
            ledger.append_now(outcome("req-2"))
