"""Which model savings are held against, and asking for one where nobody named it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rung.cli.output import stripped
from rung.config import Config
from rung.core.errors import RequestError
from rung.core.money import NANOUSD, readable
from rung.core.nearest import nearest

if TYPE_CHECKING:
    from rung.tuner.outcomes import Outcomes

MOST_LISTED = 12


def known_model(name: str, outcomes: Outcomes, config: Config | None) -> str:
    """The model of the outcomes that is meant: by its own name, or by that of its tier.

    Raises RequestError with the nearest name.
    """
    if (found := model_of(name, outcomes, config)) is not None:
        return found
    words = name.casefold().split()
    alike = [each for each in outcomes.models if all(word in each.casefold() for word in words)]
    fix = nearest(name, alike or outcomes.models) or "the outcomes name no model"
    raise RequestError(f"the outcomes have no model {stripped(name)!r}.", fix=stripped(fix))


def configured(config: Config, ladder: str | None, outcomes: Outcomes) -> tuple[str, str] | None:
    """The configured baseline, else the top of the ladder, as far as outcomes have it; and why."""
    ladders = config.file.ladders
    name = ladder or config.default_ladder
    top = ladders[name].tiers[-1] if name in ladders else None
    reasons = ((config.file.baseline, "the configured baseline"), (top, f"the top tier of {name}"))
    for each, why in reasons:
        if each is not None and (found := model_of(each, outcomes, config)) is not None:
            return found, why
    return None


def no_reference(outcomes: Outcomes) -> RequestError:
    """The question for a reference, with what there is to choose from."""
    return RequestError(
        "a target is needed: which model would answer if there were no ladder?\n"
        + "\n".join(_singles(outcomes)),
        fix=f"--baseline {_best(outcomes)!r}, which is never left without an answer; or"
        " --quality 0.74; or --budget 0.05",
    )


def model_of(name: str, outcomes: Outcomes, config: Config | None) -> str | None:
    """A file has models and a ledger tiers: a name may be of the one kind or the other."""
    if name in outcomes.place:
        return name
    tiers = {} if config is None else config.file.tiers
    if name in tiers:
        model = tiers[name].model
        return model if model in outcomes.place else None
    called = (tier for tier, table in tiers.items() if table.model == name)
    return next((tier for tier in called if tier in outcomes.place), None)


def single_figures(outcomes: Outcomes) -> dict[str, tuple[float, float, int]]:
    """Each model's quality (0..1), cost (nano-dollars a request), queries; over what is known."""
    import numpy as np

    weight = np.ones(len(outcomes)) if outcomes.weight is None else outcomes.weight
    found = {}
    for model, column in outcomes.place.items():
        right, cost = outcomes.correct[:, column], outcomes.cost[:, column]
        there = np.isfinite(right) & np.isfinite(cost) & (weight > 0)
        if there.any():
            mine = weight[there] / weight[there].sum()
            found[model] = (
                float(mine @ right[there]),
                float(mine @ cost[there]),
                int(there.sum()),
            )
    return found


def _best(outcomes: Outcomes) -> str:
    figures = single_figures(outcomes)
    return stripped(max(figures, key=lambda model: figures[model][0], default="MODEL"))


def _singles(outcomes: Outcomes) -> Iterator[str]:
    figures = sorted(single_figures(outcomes).items(), key=lambda each: (-each[1][0], each[1][1]))
    width = max((len(stripped(model)) for model, _ in figures[:MOST_LISTED]), default=0)
    for model, (quality, cost, count) in figures[:MOST_LISTED]:
        said = readable(round(cost)) if cost < 1e9 * NANOUSD else "?"
        name = f"{stripped(model):<{width}}"
        yield f"  {name}  {quality:6.1%} right, {said} a request, {count:,} queries"
    if len(figures) > MOST_LISTED:
        yield f"  and {len(figures) - MOST_LISTED} more"
