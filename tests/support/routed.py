"""Finished requests of a two-tier ladder, as routing learns from them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rung.core.outcome import Outcome
from rung.core.plan import Plan, Policy, Route, Rung, Step
from rung.core.trials import Call, Past
from rung.core.types import Answer, Attempt, Kind
from rung.core.verdicts import Check, Status, Verdict, Weight
from support.outcomes import outcome

TIERS = ("tiny", "large")
LADDER = Policy("default", tuple(Rung(tier) for tier in TIERS))
GATE = Check("tests", Weight.REQUIRED)
PRICES = {"tiny": 600, "large": 1000}


def call(tier: str, *, cost: int | None = None, seconds: float = 1.0) -> Call:
    """A call that gave an answer."""
    price = PRICES[tier] if cost is None else cost
    return Call(tier, answered=True, fault=None, cost_nanousd=price, seconds=seconds)


def past(passes: Sequence[bool], category: str = "coding", **more: object) -> Past:
    """A request that climbed from the bottom until a tier passed."""
    calls = tuple(call(tier) for tier, _ in zip(TIERS, passes, strict=False))
    served = len(passes) - 1 if passes[-1] else None
    return Past("default", calls, served, passes[-1], category, **more)  # type: ignore[arg-type]


def finished(
    name: str,
    passes: Sequence[bool],
    category: str = "coding",
    traits: tuple[int, ...] = (),
    tiers: Sequence[str] = TIERS,
) -> Outcome:
    """The same as an outcome that the ledger can store; ``tiers`` are those that were called."""
    made = [
        _attempt(f"{name}.{place}", tiers[place], passed) for place, passed in enumerate(passes)
    ]
    plan = Plan("default", tuple(Step(tier, (GATE,)) for tier in TIERS))
    served = len(passes) - 1 if passes[-1] else None
    base = outcome(name)
    return replace(
        base,
        plan=replace(plan, route=Route(category=category, difficulty="simple")),
        attempts=tuple(made),
        served=served,
        verified=passes[-1],
        traits=traits,
    )


def world(count: int, seed: int = 0) -> Iterator[Outcome]:
    """Easy requests pass below, hard ones hardly ever; a trait tells them apart."""
    draws = random.Random(seed)
    for number in range(count):
        hard = draws.random() < 0.5
        noise = sorted(draws.sample(range(100, 300), 10))
        below = draws.random() < (0.05 if hard else 0.95)
        passes = [True] if below else [False, draws.random() < 0.98]
        yield finished(f"r{number:05d}", passes, traits=(7 if hard else 8, *noise))


def _attempt(name: str, tier: str, passed: bool) -> Attempt:
    status = Status.PASSED if passed else Status.FAILED
    base = outcome().attempts[0]
    return replace(
        base,
        id=name,
        tier=tier,
        kind=Kind.FIRST,
        answer=Answer("42"),
        cost_nanousd=PRICES.get(tier, 1000),
        verdicts=(Verdict("tests", status, "ran", at=1.0),),
    )
