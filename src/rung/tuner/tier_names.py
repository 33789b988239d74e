"""Which tier of the configuration a model of the outcomes is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rung.core.errors import Problem
from rung.core.nearest import nearest
from rung.file_tables import TierTable

PLACE = "--tiers"


def matched(
    models: Iterable[str], tables: Mapping[str, TierTable], named: Mapping[str, str]
) -> tuple[dict[str, str], list[Problem]]:
    """A tier for each model, and the faults where there is none or no one.

    ``named`` says which tier a model is; else it is the tier of that name, else the only one that
    calls that model.
    """
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for model in dict.fromkeys(models):
        told = _tier(model, tables, named)
        if isinstance(told, Problem):
            problems.append(told)
        elif told in found.values():
            other = next(each for each, tier in found.items() if tier == told)
            said = f"{shown(other)} and {shown(model)} are both taken for tier {told!r}."
            problems.append(Problem(PLACE, said, "say which tier each is: --tiers model=tier"))
        else:
            found[model] = told
    return found, problems


def tier_of(model: str, tables: Mapping[str, TierTable], named: Mapping[str, str]) -> str | None:
    """One model's tier, ``None`` where it has none or several could be meant."""
    told = _tier(model, tables, named)
    return None if isinstance(told, Problem) else told


def _tier(model: str, tables: Mapping[str, TierTable], named: Mapping[str, str]) -> str | Problem:
    if model in named:
        tier = named[model]
        if tier in tables:
            return tier
        near = nearest(tier, list(tables)) or f"add [tiers.{tier}]"
        return Problem(PLACE, f"there is no tier {tier!r}.", near)
    if model in tables:
        return model
    calling = [tier for tier, table in tables.items() if table.model == model]
    if len(calling) == 1:
        return calling[0]
    example = f"as in --tiers {shown(model)}={(calling or list(tables))[0]}"
    if calling:
        said = f"several tiers call {shown(model)}: {', '.join(calling)}."
        return Problem(PLACE, said, f"say which one: {example}")
    said = f"no tier is called {shown(model)} and none calls such a model."
    known = [*tables, *(each.model for each in tables.values() if each.model)]
    fixes = (nearest(model, known), f"say which tier it is, {example}")
    return Problem(PLACE, said, "; ".join(filter(None, fixes)))


def shown(model: str) -> str:
    """A name out of a file, as it can be printed."""
    return "".join(sign if sign.isprintable() else "?" for sign in model[:80])
