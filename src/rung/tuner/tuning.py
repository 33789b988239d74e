"""Outcomes and an aim in, a recommendation out: the search, its tests, its bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter

from rung.tuner.aims import Aim, Basis, Mode, Recommendation
from rung.tuner.answer import SOUND_CHECK, Answer
from rung.tuner.categories import by_category
from rung.tuner.category_path import along_categories
from rung.tuner.choice import Choice, carried_out
from rung.tuner.erring import assumed, choose_erring, is_plain, runner
from rung.tuner.measured import check_errs
from rung.tuner.outcomes import Outcomes
from rung.tuner.prepared import Prepared, prepared
from rung.tuner.sound import choose
from rung.tuner.spending import within_budget

BAR = 2.5
"""Deviates that bounds allow for where a part of the data chose the policy."""


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
        errs = check_errs(made.outcomes, aim.errors)
        check = assumed(made.outcomes, aim.errors) if errs else SOUND_CHECK
        erring = runner(aim.errors)
        return Answer(made, aim, choose_erring(made, aim), began, erring, check).recommendation()
    return Answer(made, aim, _choice(made, aim), began).recommendation()


def _choice(made: Prepared, aim: Aim) -> Choice:
    if aim.quality is None and aim.budget_usd is not None:
        return within_budget(made, aim)
    if not aim.by_category or aim.quality is not None or aim.slowest_seconds is not None:
        return choose(made, aim)
    # Two ways to lower the cost are tried, each with half of the doubt.
    halved = replace(aim, confidence=1 - (1 - aim.confidence) / 2)
    first = choose(made, halved)
    tried = [first, *_by_category(made, aim)]
    best = min(tried, key=lambda each: float(carried_out(made.outcomes, each).cost.mean()))
    return replace(best, others=first.others, hope=first.hope, needed=first.needed)


def _by_category(made: Prepared, aim: Aim) -> Iterator[Choice]:
    """Ladders that keep the reference in each category, and ladders that were tested together."""
    own = by_category(made, aim.max_tiers, aim.seed)
    if own is not None:
        yield Choice(own.whole, Basis.REFERENCE_KEPT, by_category=own.ladders)
    doubt = (1 - aim.confidence) / 2
    along = None if aim.mode is Mode.NONE else along_categories(made, aim, doubt)
    if along is not None and made.reference is not None:
        basis = Basis.PROOF if aim.mode is Mode.PROOF else Basis.TESTED
        whole = (made.reference,) if own is None else own.whole
        yield Choice(
            whole, basis, p_value=along.p_value, level=doubt, bar=BAR, by_category=along.ladders
        )
