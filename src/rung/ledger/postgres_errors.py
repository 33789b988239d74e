"""What Postgres and the way to it say went wrong, as an error that names the fix."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from rung.core.errors import LedgerError

BUSY: Final = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)
"""Somebody else's transaction is all that was in the way."""


class _Case(NamedTuple):
    """``kinds`` are what the driver raises for it."""

    kinds: tuple[type[Exception], ...]
    said: str
    fix: str


_USER: Final = _Case(
    (errors.InvalidPassword, errors.InvalidAuthorizationSpecification),
    "refused this user",
    "set RUNG_LEDGER_PASSWORD, or mend the user in the URL.",
)
_DATABASE: Final = _Case(
    (errors.InvalidCatalogName,), "has no such database", "make it: createdb NAME."
)
_FULL: Final = _Case(
    (errors.TooManyConnections,), "has no connection left", "raise max_connections there."
)
_CASES: Final = (
    _USER,
    _DATABASE,
    _FULL,
    _Case(
        (errors.DiskFull,),
        "cannot grow: the disk is full",
        "free some space there; rung then goes on.",
    ),
    _Case(
        (errors.InsufficientPrivilege,),
        "may not be written by this user",
        "GRANT CREATE ON DATABASE to it, or make the schema `rung` for it.",
    ),
    _Case(
        (errors.ReadOnlySqlTransaction,),
        "cannot be written: the server is a standby, or read-only",
        "name the primary in the URL.",
    ),
    _Case(BUSY, "is locked by another transaction", "end it, or wait until it is done."),
    _Case((errors.QueryCanceled,), "took too long", "look at what else the server does."),
    _Case(
        (psycopg.OperationalError,),
        "cannot be reached",
        "start the server, or mend the URL; rung then goes on.",
    ),
    _Case(
        (psycopg.InterfaceError,),
        "was disconnected",
        "look at the server; rung connects anew by itself.",
    ),
)

_AT_THE_DOOR: Final = (
    (re.compile(r"password authentication|no password supplied|pg_hba\.conf|role \".*\""), _USER),
    (re.compile(r"database \".*\" does not exist"), _DATABASE),
    (re.compile(r"too many (?:connections|clients)|connection slots"), _FULL),
)
"""A connection that is refused comes without a code: only its words tell, where they are English.
"""


def explained(name: str, error: Exception) -> LedgerError:
    """An error of the driver's; ``name`` is how messages call the ledger."""
    case = _case_of(error)
    if case is None:
        return LedgerError(f"The ledger {name} refused the statement ({_told(error)}).")
    return LedgerError(
        f"The ledger {name} {case.said} ({_told(error)}).", fix=case.fix, passing=True
    )


def _case_of(error: Exception) -> _Case | None:
    found = next((case for case in _CASES if isinstance(error, case.kinds)), None)
    if not isinstance(error, psycopg.OperationalError) or error.sqlstate is not None:
        return found
    words = str(error)
    return next((case for pattern, case in _AT_THE_DOOR if pattern.search(words)), found)


def _told(error: Exception) -> str:
    """What the server said, on one line, without the rows that it quotes."""
    return str(error).strip().partition("\n")[0]


def must_be_readable(name: str, url: str) -> None:
    """Raises LedgerError for a URL that the driver cannot read; its own words quote passwords."""
    if not _is_readable(url):
        raise LedgerError(
            f"The address of the ledger, {name}, cannot be read.",
            fix="write postgresql://USER@HOST:PORT/DATABASE, with special characters as %40 for @.",
        )


def _is_readable(url: str) -> bool:
    try:
        conninfo_to_dict(url)
    except psycopg.Error:
        return False
    return True
