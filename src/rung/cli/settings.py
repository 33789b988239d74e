"""Finding the configuration in force for a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from rung import config
from rung.config import Config
from rung.core.errors import LedgerError

if TYPE_CHECKING:
    from rung.ledger import Ledger

ConfigPath = Annotated[
    Path | None,
    Parameter(name=["--config"], help="A rung.toml; else $RUNG_CONFIG, ./rung.toml, your own."),
]
Json = Annotated[bool, Parameter(name=["--json"], negative="", help="Print one JSON document.")]


def load(path: Path | None, *, parts: bool = True) -> Config:
    """The configuration named, found, or built in.

    Without ``parts`` only its shape is checked: to read a bill, no key has to be set.
    """
    env = config.environment()
    found = path or config.find(env, Path.cwd())
    if found is None:
        return config.built_in(env)
    if not parts:
        return config.load(found, env)
    from rung.inspection import problems

    return config.load(found, env, problems)


def open_ledger(found: Config) -> Ledger:
    """The ledger of a configuration, for reading; it must exist."""
    from rung.ledger import Ledger

    if isinstance(found.ledger, Path) and not found.ledger.exists():
        message = f"there is no ledger at {found.ledger} yet."
        raise LedgerError(message, fix='make a first request: `rung demo`, or `rung ask "..."`')
    return Ledger.open(found.ledger)
