"""Labelled answers whose true chances are known."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace

from hypothesis import strategies as st

from rung.core.calibration import logistic, logit
from rung.core.fitting import Labelled
from rung.core.outcome import Outcome
from rung.core.plan import Plan, Step
from rung.core.types import Answer, Attempt
from rung.core.verdicts import Check, Status, Verdict, Weight
from rung.core.vote import AGREEMENT
from support.outcomes import outcome

SCORES = st.floats(0, 1)
NAMES = ("agreement", "hedging", "logprobs")


def truth(scores: Mapping[str, float]) -> float:
    """A model that is surer of itself than it should be, and is right more often where it agrees.

    Hedging says something only of answers that hedge.
    """
    evidence = logit(scores["agreement"]) - 1.0
    evidence += 0.5 * logit(scores["logprobs"]) if "logprobs" in scores else 0.0
    return logistic(evidence - (0.8 if "hedging" in scores else 0.0))


def drawn(chance: random.Random) -> dict[str, float]:
    """The scores of one answer."""
    scores = {"agreement": chance.choice([1 / 3, 2 / 3, 1.0])}
    if chance.random() < 0.8:
        scores["logprobs"] = chance.betavariate(4, 2)
    if chance.random() < 0.2:
        scores["hedging"] = 0.3
    return scores


def simulated(count: int, seed: int = 0) -> list[Labelled]:
    """Answers with labels drawn at their true chances."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        scores = drawn(chance)
        made.append(Labelled(scores, chance.random() < truth(scores)))
    return made


@st.composite
def labels(draw, least: int = 0, most: int = 60) -> list[Labelled]:
    """Any labels: signals that are there or not, scores that are none, one kind only."""
    scores = st.dictionaries(st.sampled_from(NAMES), SCORES | st.floats(), max_size=3)
    weights = st.sampled_from([1.0, 1.0, 1.0, 0.0, 0.25, 30.0])
    each = st.builds(Labelled, scores, st.booleans(), weights)
    return draw(st.lists(each, min_size=least, max_size=most))


# ------------------------------------------------------------------ in the ledger

GATE = "json_schema"


def attempt(
    name: str,
    tier: str,
    scores: Mapping[str, float | None],
    *,
    text: str = "42",
    passed: bool = True,
) -> Attempt:
    """An answer with one gate and the signals that said something; the others abstained.

    A signal of ``None`` passed without a score.
    """
    found = [Verdict(GATE, Status.PASSED if passed else Status.FAILED, "looked", at=1.0)]
    for signal in NAMES:
        status = Status.PASSED if signal in scores else Status.ABSTAINED
        found.append(Verdict(signal, status, "said", score=scores.get(signal), at=1.0))
    base = outcome().attempts[0]
    return replace(base, id=name, tier=tier, answer=Answer(text), verdicts=tuple(found))


def told(
    name: str, attempts: Iterable[Attempt], *, ladder: str = "default", served: int | None = 0
) -> Outcome:
    """A request whose attempts these are."""
    checks = (
        Check(GATE, Weight.IMPLIED),
        *(Check(signal, Weight.SIGNAL) for signal in NAMES if signal != AGREEMENT),
        Check(AGREEMENT, Weight.SIGNAL),
    )
    steps = tuple(Step(tier, checks, samples=3) for tier in ("tiny", "large"))
    base = outcome(name)
    return replace(base, plan=Plan(ladder, steps), attempts=tuple(attempts), served=served)
