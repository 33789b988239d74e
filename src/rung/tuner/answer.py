"""A choice as a recommendation: its figures on the data, its bounds, the words for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor, inf
from time import perf_counter

import numpy as np

from rung.core.money import NANOUSD
from rung.core.plan import Policy, Rung
from rung.tuner import intervals
from rung.tuner.aims import (
    Aim,
    Alternative,
    Baseline,
    Basis,
    Certificate,
    Estimate,
    Mode,
    Part,
    Recommendation,
    Tuned,
)
from rung.tuner.choice import Choice, Columns, Run, Runner, carried_out, run
from rung.tuner.losses import loss_bound
from rung.tuner.outcomes import Floats
from rung.tuner.paired import NORMAL
from rung.tuner.prepared import Prepared

ALIKE = "The queries are drawn independently from what will be asked, and that does not change."
SOUND_CHECK = "The check passes nothing wrong."
ASSUMED = {
    Basis.REFERENCE_KEPT: (
        "The reference is asked wherever all others failed: what it would pass is passed.",
        SOUND_CHECK,
        "No cap, no deadline keeps it from being asked; failed drafts do not change its answers.",
    ),
    Basis.TESTED: (
        ALIKE,
        SOUND_CHECK,
        "Tests are exact, or nearly; their correction for all that was tried is for many queries.",
    ),
    Basis.PROOF: (
        ALIKE,
        SOUND_CHECK,
        "Nothing else: other queries chose what was tested, and the tests hold for any number.",
    ),
    Basis.NOTHING: ("No guarantee: the target may be missed.",),
}
CHEAPEST_OF = 5
"""As many ladders as the cheapest was picked from, about: they share most of their calls."""

FEW = 100
"""Queries below which intervals are wide, and a word is due."""


@dataclass(frozen=True, eq=False)
class Answer:
    """All that a recommendation is made of."""

    made: Prepared
    aim: Aim
    choice: Choice
    began: float
    runner: Runner = run
    check: str = SOUND_CHECK

    def recommendation(self) -> Recommendation:
        """The whole of it."""
        chosen = carried_out(self.made.outcomes, self._done, self.runner)
        alone = self._alone()
        quality = self._quality(chosen.right)
        return Recommendation(
            aim=self.aim,
            tuned=self._tuned() if self._named else None,
            certificate=self._certificate(),
            target=self._target(),
            quality=quality,
            quality_lower=self._lower(chosen.right),
            cost_usd=self._cost(chosen.cost),
            cost_upper=self._upper(chosen.cost),
            saved=None if alone is None else self._saved(chosen.cost, alone.cost),
            baseline=None if alone is None else self._baseline(alone),
            alternatives=self._alternatives(),
            n=len(self.made.outcomes),
            needed=self.choice.needed,
            advice=tuple(self._advice()),
            warnings=(*self.made.warnings, *self._warnings(chosen)),
            seconds=perf_counter() - self.began,
        )

    @property
    def _named(self) -> bool:
        """Whether anything is recommended: at the least the reference is, if there is one."""
        fine = self.choice.basis is not Basis.NOTHING or self.aim.mode is Mode.NONE
        return fine or self.made.reference is not None

    @property
    def _done(self) -> Choice:
        """What is recommended: what was chosen, but the reference alone where that failed."""
        choice, reference = self.choice, self.made.reference
        failed = choice.basis is Basis.NOTHING and self.aim.mode is not Mode.NONE
        if not failed or reference is None:
            return choice
        return replace(choice, ladder=(reference,), share=1.0, rest=(), limit=inf, by_category={})

    # -------------------------------------------------------------- figures

    @property
    def _weight(self) -> Floats:
        weight = self.made.outcomes.weight
        return np.ones(len(self.made.outcomes)) if weight is None else weight

    def _alone(self) -> Run | None:
        reference = self.made.reference
        return None if reference is None else self.runner(self.made.outcomes, (reference,), inf)

    def _quality(self, right: Floats) -> Estimate:
        found = intervals.share(right, self._weight)
        assert found is not None
        return found

    def _cost(self, cost: Floats) -> Estimate:
        """By the normal curve, put right for what leans to the right: it is told of many ladders.

        Source: N. Johnson, Modified t tests (1978), J. Am. Stat. Assoc. 73.
        """
        n = intervals.effective(self._weight)
        mean = float(np.average(cost, weights=self._weight))
        variance = float(np.average((cost - mean) ** 2, weights=self._weight))
        third = float(np.average((cost - mean) ** 3, weights=self._weight))
        shift = third / (6 * max(variance, 1e-300) * max(n, 1))
        half = intervals.Z * float(np.sqrt(variance / max(n, 1)))
        low, high = max(0.0, mean + min(0.0, shift - half)), mean + max(0.0, shift + half)
        return Estimate(mean / NANOUSD, low / NANOUSD, high / NANOUSD)

    def _saved(self, cost: Floats, alone: Floats) -> Estimate | None:
        """One minus a ratio of means over the same queries, with the interval of its residuals."""
        mean = float(np.average(alone, weights=self._weight))
        if mean <= 0:
            return None
        ratio = float(np.average(cost, weights=self._weight)) / mean
        n = intervals.effective(self._weight)
        spread = float(np.average((cost - ratio * alone) ** 2, weights=self._weight)) / max(n, 1)
        half = intervals.Z * float(np.sqrt(spread)) / mean
        return Estimate(1 - ratio, 1 - ratio - half, min(1.0, 1 - ratio + half))

    def _lower(self, right: Floats) -> float:
        """Below the estimate by as much as the best of all that was tried may owe to chance."""
        n = intervals.effective(self._weight)
        z = max(self.choice.bar, NORMAL.inv_cdf(self.aim.confidence))
        mean = float(np.average(right, weights=self._weight))
        # Two queries more of each kind keep it honest near 0 and 1 (A. Agresti, B. Coull, 1998).
        near = (mean * n + z * z / 2) / (n + z * z)
        return max(0.0, near - z * float(np.sqrt(near * (1 - near) / (n + z * z))))

    def _upper(self, cost: Floats) -> float:
        """A bound that reckons with what was not drawn: every tier asked, on the dearest query."""
        outcomes, choice = self.made.outcomes, self._done
        ladders = [choice.ladder, choice.rest, *choice.by_category.values()]
        dearest = max(
            float(outcomes.cost[:, list(ladder)].sum(axis=1).max()) for ladder in ladders if ladder
        )
        if dearest <= 0:
            return 0.0
        # The cheapest of many looks cheaper than it is.
        confidence = 1 - (1 - self.aim.confidence) / CHEAPEST_OF
        bound = loss_bound(-cost / dearest, 1.0, confidence, outcomes.weight)
        return -bound.lower * dearest / NANOUSD

    def _target(self) -> float | None:
        if self.aim.quality is not None or self.aim.budget_usd is not None:
            return self.aim.quality
        alone = self._alone()
        if alone is None:
            return None
        return float(np.average(alone.right, weights=self._weight)) - self.aim.max_loss

    def _baseline(self, alone: Run) -> Baseline:
        assert self.aim.baseline is not None
        return Baseline(self.aim.baseline, self._quality(alone.right), self._cost(alone.cost))

    # -------------------------------------------------------------- policies

    def _tuned(self) -> Tuned:
        choice = self._done
        if choice.share >= 1:
            own = {
                name: replace(self._policy(ladder), ladder=name)
                for name, ladder in choice.by_category.items()
            }
            return Tuned(self._policy(choice.ladder, choice.limit), own)
        part = Part(choice.share, self._policy(choice.ladder, choice.limit))
        return Tuned(self._policy(choice.rest), part=part)

    def _policy(self, ladder: Columns, limit: float = inf) -> Policy:
        """The ladder; where a model is asked once and twice, the tier that asks it twice."""
        rungs: dict[str, Rung] = {}
        for column in ladder:
            rung = self.made.rungs[column]
            if rung.tier not in rungs or rungs[rung.tier].samples < rung.samples:
                rungs[rung.tier] = rung
        if limit < inf:
            last = next(reversed(rungs))
            rungs[last] = replace(rungs[last], most_spent_nanousd=floor(limit))
        return Policy("", tuple(rungs.values()), on_exhausted=self.choice.on_exhausted)

    def _alternatives(self) -> tuple[Alternative, ...]:
        tuned, found = self._tuned() if self._named else None, []
        for other in self.choice.others:
            made = self.runner(self.made.outcomes, other.ladder, inf)
            policy = Tuned(self._policy(other.ladder))
            same = policy == tuned
            found.append(
                Alternative(
                    policy,
                    self._quality(made.right),
                    self._cost(made.cost),
                    other.certified or (same and self.choice.basis is not Basis.NOTHING),
                    "" if same else other.why_not,
                )
            )
        return tuple(found)

    # -------------------------------------------------------------- words

    def _certificate(self) -> Certificate:
        choice = self.choice
        return Certificate(
            choice.basis,
            self.aim.confidence,
            tuple(self.check if said == SOUND_CHECK else said for said in ASSUMED[choice.basis]),
            choice.p_value,
            choice.level,
        )

    def _advice(self) -> list[str]:
        choice, found = self._done, [*self.choice.words]
        models = [rung.tier for rung in self._policy(choice.ladder).rungs]
        kept = choice.basis is not Basis.NOTHING or self.aim.mode is Mode.NONE
        cheapest = kept and self.aim.budget_usd is None
        if cheapest and models == [self.aim.baseline] and choice.share >= 1:
            found.append(
                f"Use one model: nothing that is certified costs less than {models[0]} alone."
            )
        if choice.share < 1:
            stop = " -> ".join(models)
            if choice.limit < inf:
                stop = f"{' -> '.join(models[:-1])} once ${choice.limit / NANOUSD:.3g} is spent"
            found.append(
                f"{choice.share:.0%} of the requests may stop at {stop}: what the rest gains over"
                " the reference pays for what they lose."
            )
        if choice.hope and choice.needed is not None:
            hoped = self.runner(self.made.outcomes, choice.hope, inf)
            cost = float(np.average(hoped.cost, weights=self._weight)) / NANOUSD
            names = " -> ".join(rung.tier for rung in self._policy(choice.hope).rungs)
            found.append(
                f"About {choice.needed:,} queries would certify {names} at ${cost:.3g} a request,"
                " if they went on like these."
            )
        return found

    def _warnings(self, chosen: Run) -> list[str]:
        n, found = len(self.made.outcomes), []
        if n < FEW:
            count = "one query" if n == 1 else f"{n:,} queries"
            found.append(f"Only {count}: intervals are wide, and little can be certified.")
        seconds, most = (
            float(np.average(chosen.seconds, weights=self._weight)),
            self.aim.slowest_seconds,
        )
        if most is not None and seconds > most:
            found.append(
                f"It takes {seconds:.3g} s on the mean, more than the {most:.3g} s asked for:"
                " nothing that quick is certified."
            )
        if not self.made.even:
            effective = intervals.effective(self._weight)
            found.append(f"By their weights these {n:,} queries tell as much as {effective:,.0f}.")
        return found
