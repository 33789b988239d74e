"""A policy by columns of what was seen, and what it is expected to come to by the means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from rung.core.errors import RequestError
from rung.core.plan import Policy
from rung.tuner.aims import Tuned
from rung.tuner.censored import Censored
from rung.tuner.conditional import Steps
from rung.tuner.outcomes import Floats, Ints


@dataclass(frozen=True)
class Way:
    """A ladder by columns. ``reach``: the share that may come so high; ``most``: give up above."""

    columns: tuple[int, ...]
    reach: tuple[float, ...]
    most: tuple[float, ...]


def ways_of(seen: Censored, tuned: Tuned) -> Mapping[Way, list[int]]:
    """Each ladder of the policy with the categories that it is for.

    Raises RequestError for what the ledger cannot tell of.
    """
    found: dict[Way, list[int]] = {}
    for at, category in enumerate(seen.outcomes.categories):
        found.setdefault(_way(seen, tuned.of(category)), []).append(at)
    return found


def _way(seen: Censored, policy: Policy) -> Way:
    if not policy.rungs:
        raise RequestError("a policy without tiers has no value.")
    columns, reach, least = [], [], 1.0
    for place, rung in enumerate(policy.rungs):
        if rung.tier not in seen.outcomes.place:
            known = ", ".join(seen.outcomes.models)
            said = f"ladder {seen.ladder!r} has no tier {rung.tier!r}; the ledger tells of {known}."
            raise RequestError(said, fix="probe it beside them: rung probe run --tiers A,B")
        if rung.min_confidence is not None or rung.samples > 1:
            what = "a threshold" if rung.min_confidence is not None else "further draws"
            said = f"the ledger does not tell what {what} at {rung.tier!r} would do."
            raise RequestError(said, fix="give outcomes with confidences: --outcomes FILE")
        columns.append(seen.outcomes.place[rung.tier])
        least = min(least, rung.reach) if place else 1.0
        reach.append(least)
    return Way(tuple(columns), tuple(reach), tuple(_most(policy)))


def _most(policy: Policy) -> Iterator[float]:
    """What may have been spent at most for each tier to be called.

    The engine holds a cap against the worst that a call could cost; here nobody knows that.
    """
    cap = np.inf if policy.cost_cap_nanousd is None else float(policy.cost_cap_nanousd)
    for rung in policy.rungs:
        own = np.inf if rung.most_spent_nanousd is None else float(rung.most_spent_nanousd)
        yield min(own, cap)


@dataclass(frozen=True, slots=True)
class Model:
    """The means that a way is expected by."""

    way: Way
    means: Steps

    def ahead(self, step: int, category: Ints, spent: Floats) -> Floats:
        """3 x N: the quality, cost and calls from a step on, of requests that come to it."""
        if step == len(self.way.columns):
            return np.zeros((3, len(spent)))
        came: Floats = self.going(step, spent) * self.called(step, category, spent)
        return came

    def called(self, step: int, category: Ints, spent: Floats) -> Floats:
        """The same of requests for which this step's tier is called."""
        passes, cost = self.means.passes[step, category], self.means.cost[step, category]
        right = passes * self.means.right[step, category]
        own = np.stack([right, cost, np.ones(len(spent))])
        came: Floats = own + (1 - passes) * self.ahead(step + 1, category, spent + cost)
        return came

    def going(self, step: int, spent: Floats) -> Floats:
        """N: the chance that this step's tier is called, of requests that the one before failed."""
        if step == len(self.way.columns):
            return np.zeros(len(spent))
        if not step:
            return np.ones(len(spent))
        before = self.way.reach[step - 1]
        drawn = self.way.reach[step] / before if before else 0.0
        going: Floats = np.where(spent <= self.way.most[step], drawn, 0.0)
        return going
