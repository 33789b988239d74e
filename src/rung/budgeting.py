"""What ``[[budgets]]`` and ``[spending]`` of a configuration mean: terms, faults, a purse."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

import msgspec

from rung.config import Config
from rung.core.budgets import Account, Budget, Mark, Scope, share_of
from rung.core.errors import Problem
from rung.core.money import from_usd
from rung.file_tables import BudgetTable
from rung.ledger.holds import Reached
from rung.providers.registry import is_private_address
from rung.purse import Books, LedgerPurse, Surroundings, Terms
from rung.refusals import notice

NAMELESS: Final = frozenset({Scope.TOTAL, Scope.CONVERSATION})
"""Scopes that hold nobody who could be named in a configuration."""


class Bell(Protocol):
    """What tells somebody of things."""

    def send(self, name: str, body: bytes) -> None:
        """Begin to tell; returns at once. ``name`` is for the log."""
        ...


def budgets_of(config: Config) -> tuple[Budget, ...]:
    """The configured budgets."""
    return tuple(map(_budget, config.file.budgets))


def terms_of(config: Config) -> Terms:
    """How paid calls are let through."""
    table = config.file.spending
    allows = table.ledger_away == "allow"
    return Terms(
        budgets_of(config),
        table.output_tokens,
        table.wait_seconds,
        from_usd(table.allowance_usd) if allows else None,
    )


def purse_of(
    config: Config,
    books: Books,
    process_id: str,
    accounts: Callable[[str | None], Sequence[Account]],
    bell: Callable[[str], Bell],
) -> LedgerPurse:
    """The purse of a process that serves; ``bell`` gives what tells an address."""
    url = config.file.spending.webhook

    def tell(reached: Reached) -> None:
        if url is not None:
            name = f"budget {reached.cap.budget.name}"
            bell(url).send(name, msgspec.json.encode(notice(reached)))

    around = Surroundings(process_id, time.time, accounts, tell)
    return LedgerPurse(books, terms_of(config), around)


def _budget(table: BudgetTable) -> Budget:
    cap = from_usd(table.usd)
    shares = {
        Mark.WARN: table.warn_at,
        Mark.DEGRADE: table.degrade_at,
        Mark.PAUSE: table.pause_at,
    }
    marks = {mark: share_of(cap, share) for mark, share in shares.items() if share is not None}
    return Budget(table.name, cap, table.scope, table.of, table.per, marks)


# ------------------------------------------------------------------ faults


def faults(config: Config) -> Iterator[Problem]:
    """What is wrong with them beside their types."""
    counts = Counter(table.name for table in config.file.budgets)
    for place, table in enumerate(config.file.budgets):
        at = f"budgets.{place}"
        if counts[table.name] > 1:
            yield Problem(f"{at}.name", f"there are two budgets {table.name!r}.", "rename one")
        if table.of is not None and table.scope in NAMELESS:
            said = f"does nothing with scope = {table.scope.value!r}."
            yield Problem(f"{at}.of", said, 'remove it, or set scope = "project" or "key"')
        if table.of is not None and not table.of.strip():
            yield Problem(f"{at}.of", "names nobody.", "remove it: then each has the budget")
    yield from _of_spending(config)


def _of_spending(config: Config) -> Iterator[Problem]:
    table = config.file.spending
    if table.ledger_away == "refuse" and "allowance_usd" in table.model_fields_set:
        said = "does nothing with ledger_away = 'refuse'."
        yield Problem("spending.allowance_usd", said, 'add `ledger_away = "allow"`, or remove it')
    url = table.webhook
    if url is None:
        return
    private = url.startswith("http://") and is_private_address(url)
    if not private and not url.startswith("https://"):
        said = "is neither https nor an address of this machine or network."
        yield Problem("spending.webhook", said, 'as in "http://127.0.0.1:9000/rung"')
