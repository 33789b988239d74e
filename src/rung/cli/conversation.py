"""`rung conversation`: its turns, what they cost, and what one model alone would have cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter, validators
from rich.console import Console

from rung.cli.output import console, money, one_line, print_json, table, when
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.core.conversation import scope
from rung.core.errors import RequestError
from rung.core.money import exact, from_usd
from rung.ledger import StoredOutcome

LAST = "last"
MOST_TURNS = 200


def conversation(
    key: str = LAST,
    /,
    *,
    session: bool = False,
    last: Annotated[int, Parameter(validator=validators.Number(gte=1))] = MOST_TURNS,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Show one conversation turn by turn: the tier, why it started there, the cache, the cost.

    Args:
        key: The conversation's key, or the beginning of it; the id of one of its requests; `last`
            is the newest request's.
        session: With its sub-agents and small errands: all that the client sent in that session.
        last: How many turns to show, the newest.
    """
    with open_ledger(load(path, parts=False)) as ledger:
        found = ledger.of_conversations(key, last) if key != LAST else []
        if not found or session:
            name = found[0].request.conversation if found else ledger.find(key).request.conversation
            wanted = scope(name or "") if session else name
            found = ledger.of_conversations(wanted or "", last)
    if not found:
        raise RequestError(
            f"the request {key!r} belongs to no conversation.",
            status=404,
            param="key",
            fix="`rung explain` shows it by itself",
        )
    turns = found[::-1]
    told = _told(turns)
    if json:
        print_json(told)
        return
    _show(told, console())


def _told(turns: Sequence[StoredOutcome]) -> dict[str, Any]:
    rows = [_turn(number, each) for number, each in enumerate(turns, 1)]
    read, sent = (sum(row[name] for row in rows) for name in ("cache_read_tokens", "input_tokens"))
    baselines: dict[str, int] = {}
    for each in turns:
        for name, cost in each.baselines.items():
            baselines[name] = baselines.get(name, 0) + cost
    return {
        "conversations": sorted({row["conversation"] for row in rows}),
        "turns": rows,
        "cost_usd": exact(sum(each.cost_nanousd for each in turns)),
        "baselines_usd": {name: exact(cost) for name, cost in sorted(baselines.items())},
        "cache_hit_rate": round(read / sent, 4) if sent else None,
        "tiers": _tiers(rows),
    }


def _turn(number: int, each: StoredOutcome) -> dict[str, Any]:
    served = None if each.served is None else each.history[each.served]
    calls = [attempt.usage for attempt in each.history] if each.request.cached_of is None else []
    return {
        "turn": number,
        "id": each.request.id,
        "started_unix": each.started_unix,
        "conversation": each.request.conversation,
        "agent": each.request.agent,
        "entry": each.history[0].tier if each.history else None,
        "tier": None if served is None else served.tier,
        "escalated": each.escalated,
        "private": each.request.private,
        "why": each.plan.route.why,
        "input_tokens": sum(usage.input_tokens for usage in calls),
        "cache_read_tokens": sum(usage.cache_read_tokens for usage in calls),
        "cost_usd": exact(each.cost_nanousd),
        "cost_nanousd": each.cost_nanousd,
    }


def _tiers(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many turns each tier answered."""
    found: dict[str, int] = {}
    for row in rows:
        if row["tier"] is not None:
            found[row["tier"]] = found.get(row["tier"], 0) + 1
    return found


def _show(told: dict[str, Any], to: Console) -> None:
    rows = told["turns"]
    columns = [("", "right"), ("request", "left"), ("answered by", "left")]
    columns += [("tokens in", "right"), ("cached", "right"), ("cost", "right")]
    shown = table(_heading(told), columns)
    for row in rows:
        shown.add_row(
            str(row["turn"]),
            row["id"],
            _way(row),
            f"{row['input_tokens']:,}",
            _share(row["cache_read_tokens"], row["input_tokens"]),
            money(row["cost_nanousd"]),
        )
    to.print(shown)
    for row in rows:
        if row["why"]:
            to.print(f"{row['turn']}: {one_line(row['why'], 300)}")
    tiers = ", ".join(f"{one_line(tier)} {count}" for tier, count in told["tiers"].items())
    hits = told["cache_hit_rate"]
    cached = "" if hits is None else f"; {hits:.0%} of the prompt tokens came from caches"
    turns = "1 turn" if len(rows) == 1 else f"{len(rows)} turns"
    to.print(f"{turns}, {_usd(told['cost_usd'])}; by {tiers or 'nobody'}{cached}")
    for name, cost in told["baselines_usd"].items():
        to.print(f"{one_line(name)} alone would have been {_usd(cost)}")


def _heading(told: dict[str, Any]) -> str:
    keys, rows = told["conversations"], told["turns"]
    named = keys[0] if len(keys) == 1 else f"{len(keys)} of session {scope(keys[0])}"
    return f"conversation {named}, from {when(rows[0]['started_unix'])}"


def _way(row: dict[str, Any]) -> str:
    entry, tier = row["entry"], row["tier"]
    by = f" ({one_line(row['agent'], 24)})" if row["agent"] else ""
    if tier is None:
        return f"{one_line(entry or '')} -> nobody{by}"
    way = one_line(tier) if entry in {tier, None} else f"{one_line(entry)} -> {one_line(tier)}"
    return way + by


def _usd(amount: str) -> str:
    return money(from_usd(amount))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else ""
