"""What a finished request teaches of the tiers it came to: did they do the work, and at what price?

Counted is what was found out, not what was served: a gate that passed or failed, an answer that was
turned down, a label. An answer that was served without any proof teaches nothing. Tiers below the
entry and above the one that served were not tried, and nothing is taken for granted of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rung.core.outcome import Outcome
from rung.core.types import Fault

TELLING = frozenset({Fault.TIMEOUT, Fault.CONTEXT_TOO_LONG, Fault.INVALID_RESPONSE})
"""Faults that come of the work. All others pass by themselves or are the operator's, and say
nothing of what a tier can do."""


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt, as far as it tells of its tier. Money is nano-dollars, checks included."""

    tier: str
    answered: bool
    fault: Fault | None
    cost_nanousd: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Past:
    """A finished request. ``served`` is the place of the call whose answer left.

    ``verified`` is ``None`` where nothing was proven; ``labels`` say of answers by place whether
    they were right. ``propensity`` (0..1) is the chance that it had of starting where it did, with
    that of following its rule in it where one was drawn.
    """

    ladder: str
    calls: tuple[Call, ...]
    served: int | None = None
    verified: bool | None = None
    category: str = ""
    traits: tuple[int, ...] = ()
    labels: Mapping[int, bool] = field(default_factory=dict)
    propensity: float = 1.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What one tier made of a request, all its calls together."""

    tier: str
    passed: bool
    cost_nanousd: int
    seconds: float


def trials(past: Past) -> Iterator[Trial]:
    """One for each tier of which something was found out, in the order they were called."""
    tiers = dict.fromkeys(call.tier for call in past.calls)
    for tier in tiers:
        places = [place for place, call in enumerate(past.calls) if call.tier == tier]
        passed = _passed(past, places)
        if passed is not None:
            calls = [past.calls[place] for place in places]
            cost = sum(call.cost_nanousd for call in calls)
            yield Trial(tier, passed, cost, sum(call.seconds for call in calls))


def past_of(outcome: Outcome) -> Past:
    """The same of an outcome that has just ended. Calls beside the one that answered are none."""
    places = [place for place, each in enumerate(outcome.attempts) if not each.beside]
    calls = []
    for place in places:
        each = outcome.attempts[place]
        fault = None if each.failure is None else each.failure.fault
        cost = each.cost_nanousd + each.checking_nanousd
        calls.append(Call(each.tier, each.answer is not None, fault, cost, each.seconds))
    served = places.index(outcome.served) if outcome.served in places else None
    route = outcome.plan.route
    return Past(
        outcome.plan.ladder,
        tuple(calls),
        served,
        outcome.verified,
        route.category,
        outcome.traits,
        propensity=route.propensity,
    )


def _passed(past: Past, places: list[int]) -> bool | None:
    """Whether a tier did the work, ``None`` where nobody knows."""
    told = [past.labels[place] for place in places if place in past.labels]
    if told:
        return told[-1]
    if past.served in places:
        return past.verified
    last = past.calls[places[-1]]
    if not any(past.calls[place].answered for place in places):
        return False if last.fault in TELLING else None
    # Without a later call the caller left, or a limit was reached, before it was judged.
    judged = places[-1] + 1 < len(past.calls) or past.verified is False
    return False if judged else None
