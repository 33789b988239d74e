"""Outcomes and an aim in, a recommendation out: the search, its tests, its bounds."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from rung.tuner.aims import Aim, Basis, Recommendation
from rung.tuner.answer import Answer
from rung.tuner.categories import by_category
from rung.tuner.choice import Choice, carried_out
from rung.tuner.erring import assumed, choose_erring, is_plain, runner
from rung.tuner.outcomes import Outcomes
from rung.tuner.prepared import Prepared, prepared
from rung.tuner.sound import choose
from rung.tuner.spending import within_budget


def tune(
    outcomes: Outcomes, aim: Aim, tell: Callable[[str], None] = lambda _: None
) -> Recommendation:
    """The cheapest policy that meets the aim with the confidence asked for.

    Deterministic by ``aim.seed``. ``tell`` hears what is being done, for progress.
    Raises RequestError for an aim that the outcomes cannot answer: an unknown baseline, no target.
    """
    began = perf_counter()
    made = prepared(outcomes, aim)
    tell(f"trying ladders of {len(made.outcomes.models)} models on {len(made.outcomes):,} queries")
    if not is_plain(made, aim):
        check = assumed(made.outcomes, aim.errors)
        erring = runner(aim.errors)
        return Answer(made, aim, choose_erring(made, aim), began, erring, check).recommendation()
    return Answer(made, aim, _choice(made, aim), began).recommendation()


def _choice(made: Prepared, aim: Aim) -> Choice:
    if aim.quality is None and aim.budget_usd is not None:
        return within_budget(made, aim)
    chosen = choose(made, aim)
    if not aim.by_category or aim.quality is not None or aim.slowest_seconds is not None:
        return chosen
    own = by_category(made, aim.max_tiers, aim.seed)
    if own is None:
        return chosen
    kept = Choice(
        own.whole,
        Basis.REFERENCE_KEPT,
        bar=chosen.bar,
        needed=chosen.needed,
        hope=chosen.hope,
        others=chosen.others,
        by_category=own.ladders,
    )
    costs = [carried_out(made.outcomes, each).cost.mean() for each in (chosen, kept)]
    return kept if costs[1] < costs[0] else chosen
