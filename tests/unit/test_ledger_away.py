"""A database that is away: everyone who waits is told at once, and it is used again when back."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing

import psycopg

from rung.core.errors import LedgerError
from rung.ledger import Ledger
from rung.ledger.postgres import PostgresDatabase
from support.ledger_rows import rows
from support.outcomes import outcome


async def test_all_who_wait_are_told_after_one_look(postgres_ledger, monkeypatch):
    connect, looks = PostgresDatabase.connect, []
    with Ledger.open(postgres_ledger) as ledger:
        await ledger.append(outcome("before"))

        def away(_database):
            looks.append(1)
            raise psycopg.OperationalError("connection timeout expired")

        monkeypatch.setattr(PostgresDatabase, "connect", away)
        cut_all(postgres_ledger)
        found = await asyncio.gather(
            *(ledger.append(outcome(f"req-{n}")) for n in range(100)), return_exceptions=True
        )
        assert all(isinstance(error, LedgerError) and error.passing for error in found)
        assert all("cannot be reached" in str(error) for error in found)
        # Some of them may have come too late for the first look.
        assert len(looks) <= 4
        monkeypatch.setattr(PostgresDatabase, "connect", connect)
        await ledger.append(outcome("after"))
    assert {row["id"] for row in rows(postgres_ledger, "SELECT id FROM requests")} == {
        "before",
        "after",
    }


async def test_a_commit_whose_end_nobody_heard_of_is_neither_lost_nor_doubled(
    postgres_ledger, monkeypatch
):
    transaction = PostgresDatabase.transaction
    cuts = iter([True])

    def cut_after(database, connection):
        manager = transaction(database, connection)

        class Cut:
            def __enter__(self):
                return manager.__enter__()

            def __exit__(self, *error):
                done = manager.__exit__(*error)
                if next(cuts, False):
                    connection.close()
                    raise psycopg.OperationalError("server closed the connection unexpectedly")
                return done

        return Cut()

    with Ledger.open(postgres_ledger) as ledger:
        monkeypatch.setattr(PostgresDatabase, "transaction", cut_after)
        await asyncio.gather(*(ledger.append(outcome(f"req-{n}")) for n in range(10)))
    assert len(rows(postgres_ledger, "SELECT id FROM requests")) == 10
    assert len(rows(postgres_ledger, "SELECT id FROM attempts")) == 10


def cut_all(url: str) -> None:
    """End all other connections to the database, as a server does that goes down."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_what_a_dying_database_had_acknowledged_is_there_when_it_is_back(
    own_postgres, tmp_path, caplog
):
    caplog.set_level(logging.CRITICAL)
    url = own_postgres.url(own_postgres.fresh())
    with Ledger.open(url) as ledger:
        ledger.attend("process-1", tmp_path / "spool")
        stop = asyncio.Event()

        async def forever(who: int) -> list[str]:
            told = []
            while not stop.is_set():
                name = f"{who}-{len(told)}"
                await ledger.append(outcome(name))
                told.append(name)
            return told

        writing = asyncio.gather(*(forever(who) for who in range(8)))
        for _ in range(2):
            await asyncio.sleep(0.2)
            await asyncio.to_thread(own_postgres.kill)
            await asyncio.sleep(0.1)
            assert ledger.spooled > 0
            await asyncio.to_thread(own_postgres.start)
        await asyncio.sleep(0.1)
        stop.set()
        told = {name for names in await writing for name in names}
        async with asyncio.timeout(30):
            while ledger.spooled:  # noqa: ASYNC110 - a thread gives back
                await asyncio.sleep(0.05)
    booked = [row["id"] for row in rows(url, "SELECT id FROM requests")]
    assert told == set(booked)
    assert len(booked) == len(told) > 100
