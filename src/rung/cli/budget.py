"""`rung budget`: what may be spent, what is, and starting a budget anew."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import Parameter

from rung.budgeting import budgets_of
from rung.cli.output import NOTHING, console, money, one_line, print_json, table, when
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.core.budgets import Budget, Counter, Level, Per, Scope, end_of
from rung.core.errors import RequestError
from rung.core.keyring import Keyring
from rung.core.money import exact
from rung.core.nearest import nearest
from rung.ledger import Ledger, accounts, keys
from rung.ledger.accounts import Line

MOST_SHOWN = 10
"""Of those who have one budget each, how many are listed."""

Of = Annotated[str | None, Parameter(help="Whose, where a project, key or conversation has it.")]

WHENS = {Per.DAY: "a day", Per.WEEK: "a week", Per.MONTH: "a month", Per.EVER: "in all"}

SIGNS = {
    "open": "open",
    "warn": "[yellow]warned[/]",
    "degrade": "[yellow]cheaper tiers[/]",
    "pause": "[yellow]paused[/]",
    "stop": "[red]spent[/]",
}


def list(  # noqa: A001 the word people type
    *,
    all: Annotated[bool, Parameter(negative="")] = False,  # noqa: A002 the word people type
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """List the budgets in force with what is spent and held: `[[budgets]]` and the caps of keys.

    Of a budget that each project, key or conversation has, the fullest are shown.

    Args:
        all: Every one of them.
    """
    found = load(path, parts=False)
    with open_ledger(found) as ledger:
        budgets, ring = _budgets(ledger, budgets_of(found))
        lines = _lines(ledger, budgets)
    shown = [line for group in _grouped(budgets, lines) for line in (group if all else _top(group))]
    if json:
        print_json([_json(line, ring) for line in shown])
        return
    to = console()
    if not budgets:
        to.print("No budgets. `[[budgets]]` in rung.toml sets one; see docs/budgets.md.")
        return
    columns = [("budget", "left"), ("of", "left"), ("spent", "right"), ("of", "left")]
    columns += [("held", "right"), ("state", "left")]
    rows = table("budgets", columns)
    for line in shown:
        rows.add_row(
            one_line(line.budget.name, 16),
            one_line(_whose(line, ring), 16),
            money(line.level.spent_nanousd),
            f"{money(line.budget.cap_nanousd)} {WHENS[line.budget.per]}",
            money(line.level.held_nanousd),
            SIGNS[line.state],
        )
    to.print(rows)
    if len(shown) < len(lines):
        to.print(f"[dim]{len(lines) - len(shown)} more: rung budget list --all[/]")


def show(
    name: str,
    /,
    *,
    of: Of = None,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Show one budget: what is left of it, its marks, and its earlier periods.

    Args:
        name: The budget's name, or the name of a key that has caps.
    """
    found = load(path, parts=False)
    with open_ledger(found) as ledger:
        budgets, ring = _budgets(ledger, budgets_of(found))
        shown = _chosen(ledger, budgets, ring, name, of)
        with ledger.reading() as connection:
            past = [accounts.past(connection, _counter(line)) for line in shown]
    if json:
        print_json([_json(line, ring, levels) for line, levels in zip(shown, past, strict=True)])
        return
    for line, levels in zip(shown, past, strict=True):
        _show(line, levels, ring)


def reset(
    name: str,
    /,
    *,
    of: Of = None,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Start a budget's present period anew: nothing counts as spent, what calls hold stays held.

    The bill is not changed by it. Budgets of one scope and period share their count, and start anew
    together. That it was done is kept in the ledger.

    Args:
        name: The budget's name, or the name of a key that has caps.
    """
    found, now = load(path, parts=False), time.time()
    with open_ledger(found) as ledger:
        budgets, ring = _budgets(ledger, budgets_of(found))
        chosen = _chosen(ledger, budgets, ring, name, of)
        if len(chosen) > 1:
            names = ", ".join(one_line(_whose(line, ring), 40) for line in chosen[:MOST_SHOWN])
            said = f"{len(chosen)} have budget {name!r} each."
            raise RequestError(said, param="of", fix=f"say whose with --of: {names}")
        (line,) = chosen
        sharing = [b for b in budgets if (b.scope, b.per) == (line.budget.scope, line.budget.per)]
        with ledger.writing() as connection:
            accounts.reset(connection, line, now, sharing)
    if json:
        print_json(_json(line, ring) | {"reset": True})
        return
    was = f"{money(line.level.spent_nanousd)} of {money(line.budget.cap_nanousd)}"
    console().print(f"{one_line(name)} starts anew: {was} had been spent.")


# ------------------------------------------------------------------ which


def _budgets(ledger: Ledger, configured: tuple[Budget, ...]) -> tuple[tuple[Budget, ...], Keyring]:
    """All budgets there are, those on one key by its id, with the keys that give them names."""
    with ledger.reading() as connection:
        ring = keys.read(connection)
    now = time.time()
    return (*_of_ids(configured, ring), *_of_keys(ring, now)), ring


def _of_ids(configured: tuple[Budget, ...], ring: Keyring) -> Iterator[Budget]:
    for budget in configured:
        if budget.scope is not Scope.KEY or budget.of is None:
            yield budget
            continue
        ids = [key.id for key in ring.all() if budget.of in {key.id, key.name}]
        for key_id in ids or [budget.of]:
            yield _for(budget, key_id)


def _for(budget: Budget, key_id: str) -> Budget:
    return Budget(budget.name, budget.cap_nanousd, budget.scope, key_id, budget.per, budget.marks)


def _of_keys(ring: Keyring, now: float) -> Iterator[Budget]:
    for key in ring.all():
        holder = ring.holder(key.id, now)
        caps = None if holder is None else holder.rights.caps
        for per, cap in (caps or {}).items():
            yield Budget(key.name, cap, Scope.KEY, key.id, per)


def _lines(ledger: Ledger, budgets: tuple[Budget, ...]) -> tuple[Line, ...]:
    with ledger.reading() as connection:
        return tuple(accounts.lines(connection, budgets, time.time()))


def _grouped(budgets: tuple[Budget, ...], lines: tuple[Line, ...]) -> Iterator[tuple[Line, ...]]:
    for budget in budgets:
        yield tuple(line for line in lines if line.budget is budget)


def _top(group: tuple[Line, ...]) -> tuple[Line, ...]:
    return group[:MOST_SHOWN]


def _chosen(
    ledger: Ledger, budgets: tuple[Budget, ...], ring: Keyring, name: str, of: str | None
) -> tuple[Line, ...]:
    """The counters that are meant. Raises RequestError for a name that is none."""
    wanted = tuple(budget for budget in budgets if budget.name == name)
    if not wanted:
        near = nearest(name, {budget.name for budget in budgets})
        said = f"there is no budget {name!r}."
        fix = near or "`[[budgets]]` in rung.toml sets one"
        raise RequestError(said, status=404, param="name", fix=fix)
    lines = _lines(ledger, wanted)
    if of is not None:
        lines = tuple(line for line in lines if of in {line.name, _whose(line, ring)})
    if not lines:
        said = f"nothing of budget {name!r} was used in this period" + (f" by {of!r}" if of else "")
        fix = "`rung budget list --all` shows who has used any"
        raise RequestError(f"{said}.", status=404, param="of", fix=fix)
    return lines


def _counter(line: Line) -> Counter:
    return Counter(line.budget.scope.value, line.name, line.budget.per.value)


# ------------------------------------------------------------------ how it is told


def _whose(line: Line, ring: Keyring) -> str:
    """The project, the conversation, the key by its name."""
    if line.budget.scope is Scope.TOTAL:
        return NOTHING
    key = ring.key(line.name) if line.budget.scope is Scope.KEY else None
    return line.name if key is None else key.name


def _anew(ends_unix: int | None) -> str:
    if ends_unix is None:
        return "never"
    return f"{datetime.fromtimestamp(ends_unix, UTC):%Y-%m-%d}"


def _show(line: Line, levels: Sequence[Level], ring: Keyring) -> None:
    to, budget, level = console(), line.budget, line.level
    whose = f"of {budget.scope.value} {_whose(line, ring)}"
    told = "in all" if budget.scope is Scope.TOTAL else one_line(whose, 100)
    to.print(f"[bold]{one_line(budget.name)}[/]  {told}  {SIGNS[line.state]}")
    left = line.left_nanousd
    lines = {
        "spent": f"{money(level.spent_nanousd)} of {money(budget.cap_nanousd)} {WHENS[budget.per]}",
        "held": f"{money(level.held_nanousd)} by calls under way",
        "left": money(left) if left >= 0 else f"nothing; {money(-left)} more than the cap",
        "starts anew": _anew(line.ends_unix),
    }
    lines |= {f"{mark.value} at": money(amount) for mark, amount in budget.marks.items()}
    for label, value in lines.items():
        to.print(f"  {label:<12} {value}")
    earlier = [each for each in levels if each.start_unix < level.start_unix]
    if earlier:
        rows = table("earlier", [("from", "left"), ("spent", "right")])
        for each in earlier:
            rows.add_row(when(each.start_unix), money(each.spent_nanousd))
        to.print(rows)


def _json(line: Line, ring: Keyring, levels: Any = None) -> dict[str, Any]:
    budget, level = line.budget, line.level
    document = {
        "name": budget.name,
        "scope": budget.scope.value,
        "of": line.name or None,
        "called": None if budget.scope is Scope.TOTAL else _whose(line, ring) or None,
        "per": budget.per.value,
        "state": line.state,
        "start_unix": level.start_unix,
        "ends_unix": line.ends_unix,
        **_amounts("cap", budget.cap_nanousd),
        **_amounts("spent", level.spent_nanousd),
        **_amounts("held", level.held_nanousd),
        **_amounts("left", line.left_nanousd),
        "marks": {mark.value: exact(amount) for mark, amount in budget.marks.items()},
    }
    if levels is not None:
        document["periods"] = [
            {
                "start_unix": each.start_unix,
                "ends_unix": end_of(budget.per.value, each.start_unix),
                **_amounts("spent", each.spent_nanousd),
                **_amounts("held", each.held_nanousd),
            }
            for each in levels
        ]
    return document


def _amounts(name: str, nanousd: int) -> dict[str, Any]:
    return {f"{name}_nanousd": nanousd, f"{name}_usd": exact(nanousd)}
