"""Outcomes as the search needs them: the reference there, nothing missing, draws as tiers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rung.core.errors import RequestError
from rung.core.nearest import nearest
from rung.core.plan import Rung
from rung.tuner.aims import Aim
from rung.tuner.family import TWICE
from rung.tuner.measured import check_errs
from rung.tuner.outcomes import Floats, Outcomes

SUREST = 0.999999
"""The highest confidence: beyond, nothing that is nearly exact says anything."""

MOST_LEFT_OUT = 0.05
"""The share of queries that may go for the sake of a model that was not asked all of them."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Whole outcomes. ``reference`` is the baseline's column, ``None`` without one.

    ``rungs`` are the models as tiers of a ladder, column by column. ``warnings`` say what was left
    out. ``binary``: every answer was right or wrong, nothing between. ``even``: all queries count
    alike.
    """

    outcomes: Outcomes
    rungs: tuple[Rung, ...]
    reference: int | None
    warnings: tuple[str, ...]
    binary: bool
    even: bool


def prepared(outcomes: Outcomes, aim: Aim) -> Prepared:
    """Look at what was asked, and leave out what cannot be compared.

    Raises RequestError for an aim out of range, an unknown baseline, or no whole query.
    """
    _must_make_sense(outcomes, aim)
    whole, warnings = _whole(outcomes, aim.baseline)
    made, rungs = whole, tuple(Rung(model) for model in whole.models)
    if not check_errs(whole, aim.errors):
        # Where the check errs, it may pass the first of two answers that is wrong.
        made, rungs = _with_draws(whole)
    _must_be_possible(made, aim)
    weight = made.weight
    return Prepared(
        made,
        rungs,
        None if aim.baseline is None else made.place[aim.baseline],
        warnings,
        bool(np.isin(made.correct, (0.0, 1.0)).all()),
        weight is None or bool(np.ptp(weight) == 0),
    )


def _must_make_sense(outcomes: Outcomes, aim: Aim) -> None:
    wanted = {
        "confidence": 0.5 <= aim.confidence <= SUREST,
        "max_loss": 0 <= aim.max_loss < 1,
        "quality": aim.quality is None or 0 < aim.quality < 1,
        "budget_usd": aim.budget_usd is None or 0 < aim.budget_usd < float("inf"),
        "max_tiers": 1 <= aim.max_tiers <= 6,
        "slowest_seconds": aim.slowest_seconds is None or 0 < aim.slowest_seconds < float("inf"),
        "seed": aim.seed >= 0,
    }
    for name, fine in wanted.items():
        if not fine:
            raise RequestError(
                f"the aim's {name} cannot be {getattr(aim, name)}.",
                fix=f"confidence from 0.5 to {SUREST}, shares from 0 to below 1, 1 to 6 tiers;"
                " the rest above 0, a seed 0 or more",
            )
    if aim.baseline is None and aim.quality is None and aim.budget_usd is None:
        raise RequestError(
            "nothing was asked for: a ladder is tuned to a reference.",
            fix="name the model you would have used alone as the baseline",
        )
    if aim.baseline is not None and aim.baseline not in outcomes.place:
        raise RequestError(
            f"there are no outcomes of {aim.baseline!r}.", fix=nearest(aim.baseline, outcomes.place)
        )
    timed = outcomes.seconds is not None and np.isfinite(outcomes.seconds).any()
    if aim.slowest_seconds is not None and not timed:
        raise RequestError("a latency was asked for, and no outcome has one.", fix="`latency_s`")


def _must_be_possible(outcomes: Outcomes, aim: Aim) -> None:
    """No ladder is quicker than its first model."""
    if aim.slowest_seconds is None or outcomes.seconds is None:
        return
    means = np.average(outcomes.seconds, axis=0, weights=outcomes.weight)
    model, least = outcomes.models[int(means.argmin())], means.min()
    if least > aim.slowest_seconds:
        raise RequestError(
            f"no model takes {aim.slowest_seconds:g} s or less on the mean: {model}, the quickest,"
            f" takes {least:.3g} s.",
            fix="ask for that or more",
        )


def _whole(outcomes: Outcomes, baseline: str | None) -> tuple[Outcomes, tuple[str, ...]]:
    """The most models on nearly all queries: those asked least go until there are."""
    known = np.isfinite(outcomes.correct) & np.isfinite(outcomes.cost)
    if outcomes.seconds is not None and np.isfinite(outcomes.seconds).any():
        known &= np.isfinite(outcomes.seconds) | ~np.isfinite(outcomes.correct)
    kept = [column for column in range(len(outcomes.models)) if known[:, column].any()]
    if not kept and len(outcomes):
        raise RequestError("no outcome has a cost.", fix="`cost_usd`, or prices by a file")
    column = None if baseline is None else outcomes.place[baseline]
    if column is not None and column not in kept:
        raise RequestError(
            f"{baseline} has no outcome with a cost.", fix="`cost_usd`, or prices by a file"
        )
    rows = np.ones(len(outcomes), bool) if column is None else known[:, column]
    while len(kept) > 1:
        missing = rows.sum() - known[rows][:, kept].sum(axis=0)
        if known[rows][:, kept].all(axis=1).mean() >= 1 - MOST_LEFT_OUT:
            break
        worst = max((each for each in range(len(kept)) if kept[each] != column),
                    key=lambda each: missing[each])  # fmt: skip
        kept.pop(worst)
    rows = rows & known[:, kept].all(axis=1)
    if not rows.any():
        raise RequestError(
            "there is no query that all of these models were asked.",
            fix="record every model's answers",
        )
    gone = [model for each, model in enumerate(outcomes.models) if each not in kept]
    return outcomes.of([outcomes.models[each] for each in kept]).rows(rows), tuple(
        _left_out(gone, len(rows) - int(rows.sum()))
    )


def _left_out(models: list[str], queries: int) -> list[str]:
    found = []
    if models:
        named = ", ".join(models[:5]) + (", ..." if len(models) > 5 else "")
        found.append(
            f"Left out, for want of costs or outcomes: {named}"
            + (f" ({len(models)} models)." if len(models) > 5 else ".")
        )
    if queries:
        found.append(f"Left out: {queries:,} queries that not all of these models were asked.")
    return found


def _with_draws(outcomes: Outcomes) -> tuple[Outcomes, tuple[Rung, ...]]:
    """Models that were drawn twice are two tiers: asked once, and once more where that failed."""
    rungs = [Rung(model) for model in outcomes.models]
    draws = outcomes.draws
    if draws is None:
        return outcomes, tuple(rungs)
    again = [
        j
        for j, model in enumerate(outcomes.models)
        if np.isfinite(draws[:, j, :1]).all() and model + TWICE not in outcomes.place
    ]
    first, second = outcomes.correct[:, again], draws[:, again, 0]
    tries = 2 - first

    def joined(array: Floats | None, more: Floats | None) -> Floats | None:
        return None if array is None or more is None else np.concatenate([array, more], axis=1)

    seconds = outcomes.seconds
    grown = replace(
        outcomes,
        models=(*outcomes.models, *(outcomes.models[j] + TWICE for j in again)),
        correct=np.concatenate([outcomes.correct, 1 - (1 - first) * (1 - second)], axis=1),
        cost=np.concatenate([outcomes.cost, outcomes.cost[:, again] * tries], axis=1),
        seconds=joined(seconds, None if seconds is None else seconds[:, again] * tries),
        confidence=None,
        accepted=None,
        answers=None,
        draws=None,
        tokens_in=None,
        tokens_out=None,
        tokens_cached=None,
    )
    return grown, (*rungs, *(Rung(outcomes.models[j], samples=2) for j in again))
