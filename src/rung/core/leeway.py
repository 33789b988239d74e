"""What may be learned of where to start without breaking what was promised of a ladder.

A tier that is skipped is not tried afterwards either, so what it alone would have passed is lost.
That costs no promised quality where the promise is the reference's: as long as the reference stands
on top, is reached by every request that nothing below passed, and the check is sound, whatever the
reference would have done right is done right, wherever a request starts. A promise that rests on
tests is of all its tiers together; one under which requests end early is of each request's whole
way. There nothing that was learned moves the entry.
"""

from __future__ import annotations

from dataclasses import dataclass

from rung.core.plan import Policy


@dataclass(frozen=True, slots=True)
class Promise:
    """What a certificate in force rests on.

    ``reference`` is the tier whose quality was promised, by being kept; ``None`` where the promise
    rests on anything else. ``sound``: the check lets nothing wrong pass and turns nothing right
    down, as far as the certificate reckons.
    """

    reference: str | None
    sound: bool = True


def may_skip(policy: Policy, promise: Promise | None) -> bool:
    """Whether requests may start above the bottom by what was learned; ``None``: nothing promised.

    The top is never skipped, so whatever entry is chosen is at or below the reference.
    """
    if promise is None:
        return True
    kept = bool(policy.rungs) and policy.rungs[-1].tier == promise.reference
    return kept and promise.sound and not _ends_early(policy)


def _ends_early(policy: Policy) -> bool:
    """Whether a request may end below the top though nothing passed it."""
    if policy.cost_cap_nanousd is not None:
        return True
    return any(rung.reach < 1 or rung.most_spent_nanousd is not None for rung in policy.rungs)
