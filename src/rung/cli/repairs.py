"""`rung repairs`: whether repairs and carried drafts have paid, by ladder and tier."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

from cyclopts import Parameter, validators

from rung.cli.output import console, money, one_line, print_json, table
from rung.cli.settings import ConfigPath, Json, load, open_ledger
from rung.core.mending import LEAST_TRIALS, Tries, Way, carrying_pays, lessons, repairs_pay
from rung.core.money import exact
from rung.core.stats import rate
from rung.experience import EXPLORED

Counts = dict[tuple[str, str], dict[Way, Tries]]

LOOKED_BACK = 20_000


def repairs(
    *,
    last: Annotated[int, Parameter(validator=validators.Number(gte=1))] = LOOKED_BACK,
    path: ConfigPath = None,
    json: Json = False,
) -> None:
    """Show whether repairs and carried drafts have paid, by ladder and tier.

    A repair pays where it passes often enough to save the climb after it. With `repairs = "auto"`,
    the default, one that does not pay is left out of all but a small share of requests, so that a
    change is noticed. A carried draft pays where the tier above passes more often with it.

    Args:
        last: How many requests to look at, of those that made more than one call.
    """
    with open_ledger(load(path, parts=False)) as ledger:
        counts = _counted(ledger.climbs(last))
    rows = [_row(ladder, tier, tries) for (ladder, tier), tries in sorted(counts.items())]
    if json:
        print_json(rows)
        return
    _show(rows)


def _counted(past: Any) -> Counts:
    counts: Counts = defaultdict(dict)
    for plan, history in past:
        for lesson in lessons(plan, history):
            tries = counts[plan.ladder, lesson.tier]
            tries[lesson.way] = tries.get(lesson.way, Tries()).with_(lesson)
    return counts


def _row(ladder: str, tier: str, tries: dict[Way, Tries]) -> dict[str, Any]:
    found = {way: tries.get(way, Tries()) for way in Way}
    carrying = carrying_pays(found[Way.CARRIED], found[Way.PLAIN])
    repairs = found[Way.REPAIR]
    enough = repairs.tried >= LEAST_TRIALS
    return {
        "ladder": ladder,
        "tier": tier,
        **{way.value: _told(each) for way, each in found.items()},
        "repairs_pay": repairs_pay(repairs, found[Way.CLIMB]) if enough else None,
        "carrying_pays": carrying,
    }


def _told(tries: Tries) -> dict[str, Any]:
    share = rate(tries.passed, tries.tried)
    return {
        "tried": tries.tried,
        "passed": tries.passed,
        "share": share.value,
        "low": round(share.low, 4),
        "high": round(share.high, 4),
        "mean_cost_usd": exact(round(tries.mean_cost)),
        "seconds": round(tries.seconds, 3),
    }


def _show(rows: list[dict[str, Any]]) -> None:
    to = console()
    if not rows:
        to.print("No answer was turned down and tried again yet.")
        return
    columns = [("tier", "left"), ("passed", "right"), ("cost", "right")]
    repaired = table("Repairs", [*columns, ("the climb saved", "right"), ("pays", "left")])
    for row in rows:
        if row["repair"]["tried"]:
            told = row["repair"]
            pays = _verdict(row["repairs_pay"])
            repaired.add_row(_where(row), _share(told), _cost(told), _cost(row["climb"]), pays)
    carried = table(
        "Asked after another tier's draft was turned down",
        [
            ("tier", "left"),
            ("with the draft", "right"),
            ("without", "right"),
            ("carrying pays", "left"),
        ],
    )
    for row in rows:
        if row["carried"]["tried"] or row["plain"]["tried"]:
            shares = _share(row["carried"]), _share(row["plain"])
            carried.add_row(_where(row), *shares, _verdict(row["carrying_pays"]))
    for each in (repaired, carried):
        if each.row_count:
            to.print(each)
            to.print()
    least = f"Nothing is concluded from fewer than {LEAST_TRIALS}."
    to.print(f"[dim]{least} With `auto`, what does not pay is still tried on {EXPLORED:.0%}.[/]")


def _where(row: dict[str, Any]) -> str:
    return one_line(f"{row['tier']} of {row['ladder']}", 50)


def _share(told: dict[str, Any]) -> str:
    if not told["tried"]:
        return "-"
    return f"{told['passed']} of {told['tried']} [{told['low']:.0%}-{told['high']:.0%}]".replace(
        "[", r"\["
    )


def _cost(told: dict[str, Any]) -> str:
    return money(round(float(told["mean_cost_usd"]) * 1e9)) if told["tried"] else "-"


def _verdict(pays: bool | None) -> str:
    return {True: "yes", False: "no", None: "not known yet"}[pays]
