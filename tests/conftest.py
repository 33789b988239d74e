"""What all tests share: databases on a real Postgres (support/postgres.py), how examples run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.postgres import Server, remove_copies, why_not

# How long an example takes says more of the machine than of the code.
settings.register_profile("rung", deadline=None)
settings.load_profile("rung")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server that all tests of this process share; they do not stop it."""
    _needs_postgres()
    with Server() as server:
        yield server
    remove_copies()


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    """A server that a test may stop, kill and start; it waits for the disk."""
    _needs_postgres()
    with Server(durable=True) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """The URL of an empty database."""
    name = postgres.fresh()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def postgres_ledger(postgres: Server) -> Iterator[str]:
    """The URL of a database that holds an empty ledger."""
    name = postgres.fresh_ledger()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a ledger may be kept, as in rung.toml: a file not yet made, then a database."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return str(request.getfixturevalue("postgres_ledger"))


def _needs_postgres() -> None:
    if reason := why_not():
        pytest.skip(reason)
