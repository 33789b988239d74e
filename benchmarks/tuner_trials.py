"""One trial: draw a sample, tune on it, and hold the answer against the population's truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from tuner_counts import interval
from tuner_populations import rows_drawn
from tuner_truth import Truth, truth

from rung.tuner.aims import SOUND, Aim, Errors, Mode, Recommendation, Tuned
from rung.tuner.outcomes import Outcomes
from rung.tuner.tuning import tune

ROUNDING = 1e-9
CONFIDENCE = 0.9
SHOWN = 5

WAYS: Mapping[str, Mapping[str, Any]] = {
    "default": {"mode": Mode.DEFAULT},
    "plain": {"mode": Mode.DEFAULT, "give_up": False},
    "proof": {"mode": Mode.PROOF},
    "none": {"mode": Mode.NONE},
    "number": {"mode": Mode.DEFAULT},
}
"""Ways to ask; ``plain`` deals no requests out and never gives up, ``number`` has no reference."""


@dataclass(frozen=True)
class Question:
    """A population, and what is asked of samples from it.

    ``target``: the quality that the promise is about, the reference's true one less the margin.
    """

    name: str
    population: Outcomes
    reference: str
    margin: float = 0.0
    max_tiers: int = 3
    by_category: bool = False
    errors: Errors = SOUND
    known: dict[str, Truth] = field(default_factory=dict)

    @property
    def alone(self) -> Truth:
        """The reference without any ladder: its answers are served as they are."""
        column = self.population.place[self.reference]
        return Truth(
            float(self.population.correct[:, column].mean()),
            float(self.population.cost[:, column].mean()),
            {},
        )

    @property
    def target(self) -> float:
        return self.alone.quality - self.margin

    def of(self, tuned: Tuned) -> Truth:
        """The truth of a policy; the reference alone is served unchecked."""
        simple = not tuned.by_category and tuned.part is None
        if simple and [rung.tier for rung in tuned.whole.rungs] == [self.reference]:
            return self.alone
        key = repr(tuned)
        if key not in self.known:
            self.known[key] = truth(self.population, tuned, self.errors)
        return self.known[key]

    def aim(self, way: str, seed: int) -> Aim:
        """What the tuner is asked."""
        options = dict(WAYS[way])
        if way == "number":
            options["quality"] = self.target
        else:
            options |= {"baseline": self.reference, "max_loss": self.margin}
        return Aim(
            confidence=CONFIDENCE,
            max_tiers=self.max_tiers,
            by_category=self.by_category,
            errors=self.errors,
            seed=seed,
            **options,
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one sample; costs are in units of the reference's true cost."""

    short: float
    cost: float
    seconds: float
    certified: bool = False
    basis: str = ""
    over_cost_upper: bool = False
    under_quality_lower: bool = False
    saved_told: float = 0.0
    worst_category: float = 0.0
    shape: str = "nothing"


def tried(question: Question, way: str, size: int, draw: int) -> Trial:
    """One draw of ``size`` queries."""
    population = question.population
    rows = rows_drawn(question.name, size, draw, len(population))
    return judged(question, tune(population.rows(rows), question.aim(way, draw)))


def judged(question: Question, found: Recommendation) -> Trial:
    """A recommendation by its truth. Without a policy the reference goes on alone."""
    alone = question.alone
    if found.tuned is None:
        return Trial(-question.margin, 1.0, found.seconds)
    true = question.of(found.tuned)
    per_unit = alone.cost or 1.0
    told = found.saved.value if found.saved else 1 - found.cost_usd.value * 1e9 / per_unit
    return Trial(
        short=question.target - true.quality,
        cost=true.cost / per_unit,
        certified=found.certified,
        basis=found.certificate.basis.value,
        over_cost_upper=bool(true.cost > found.cost_upper * 1e9 * (1 + ROUNDING)),
        under_quality_lower=bool(true.quality < found.quality_lower - ROUNDING),
        saved_told=told,
        worst_category=max(
            (target - true.of_category[name] for name, target in _targets(question).items())
            if true.of_category
            else (0.0,)
        ),
        shape=shape(found.tuned),
        seconds=found.seconds,
    )


def _targets(question: Question) -> dict[str, float]:
    population = question.population
    right = population.correct[:, population.place[question.reference]]
    return {
        name: float(right[population.category == place].mean()) - question.margin
        for place, name in enumerate(population.categories)
        if (population.category == place).any()
    }


def shape(tuned: Tuned) -> str:
    """What a policy makes use of, for counting."""
    ladders = [tuned.whole, *tuned.by_category.values()]
    if tuned.part is not None:
        ladders.append(tuned.part.policy)
    rungs = [rung for ladder in ladders for rung in ladder.rungs]
    used = {
        f"{len(tuned.whole.rungs)} tiers": True,
        "give-up": any(rung.most_spent_nanousd is not None for rung in rungs),
        "mixture": tuned.part is not None or any(rung.reach < 1 for rung in rungs),
        "samples": any(rung.samples > 1 for rung in rungs),
        "thresholds": any(rung.min_confidence is not None for rung in rungs),
        "categories": bool(tuned.by_category),
    }
    return " + ".join(name for name, is_used in used.items() if is_used)


def cell(question: Question, way: str, size: int, draws: int) -> dict[str, Any]:
    """All trials of one cell, in figures."""
    return summary([tried(question, way, size, draw) for draw in range(draws)])


def summary(trials: Sequence[Trial]) -> dict[str, Any]:
    """Counts and means; the cost of an answer without a policy is the reference's."""
    violated = [at for at, one in enumerate(trials) if one.short > ROUNDING]

    def mean(of: Callable[[Trial], float]) -> float:
        return fmean(of(one) for one in trials)

    return {
        "draws": len(trials),
        "violations": len(violated),
        "violated_draws": violated[:SHOWN],
        "worst_short": max(one.short for one in trials),
        "uncertified": sum(not one.certified for one in trials),
        "cost": mean(lambda one: one.cost),
        "saved_told": mean(lambda one: one.saved_told),
        "over_cost_upper": sum(one.over_cost_upper for one in trials),
        "under_quality_lower": sum(one.under_quality_lower for one in trials),
        "worst_category": max(one.worst_category for one in trials),
        "bases": dict(Counter(one.basis for one in trials)),
        "shapes": dict(Counter(one.shape for one in trials).most_common()),
        "seconds": mean(lambda one: one.seconds),
    }


def rate(hits: int, trials: int) -> dict[str, float]:
    """A share with its exact 95% interval."""
    low, high = interval(hits, trials)
    return {"share": hits / trials if trials else 0.0, "low": low, "high": high}
