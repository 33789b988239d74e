"""Outcomes and an aim in, a recommendation out: the search, its tests, its bounds."""

from __future__ import annotations

from collections.abc import Callable

from rung.tuner.aims import Aim, Recommendation
from rung.tuner.outcomes import Outcomes


def tune(
    outcomes: Outcomes, aim: Aim, tell: Callable[[str], None] = lambda _: None
) -> Recommendation:
    """The cheapest policy that meets the aim with the confidence asked for.

    Deterministic by ``aim.seed``. ``tell`` hears what is being done, for progress.
    Raises RequestError for an aim that the outcomes cannot answer: an unknown baseline, no target.
    """
    raise NotImplementedError
