"""The commit point: what of a streamed answer may leave while it is still being written."""

from __future__ import annotations

from enum import Enum, auto

from rung.core.evidence import votes
from rung.core.limits import spent_nanousd
from rung.core.plan import TOOL_CALLS, Plan, Step, StreamMode
from rung.core.types import History
from rung.core.verdicts import Weight
from rung.core.vote import AGREEMENT

EVEN = 0.5
"""A signal that has failed gives an answer less than even odds."""


class Release(Enum):
    """What of a streamed answer may leave before it is accepted.

    PREAMBLE: text, once it is longer than what usually stands before a tool call. TEXT: text at
    once. Tool calls leave early only with ALL.
    """

    NOTHING = auto()
    PREAMBLE = auto()
    TEXT = auto()
    ALL = auto()


def release(plan: Plan, index: int) -> Release:
    """The commit point's rule: bytes may leave that nothing still to run can reject.

    At the top there is nowhere to climb, so only what somebody asked for holds text back.
    """
    step = plan.steps[index]
    if not plan.stream or votes(step):
        return Release.NOTHING
    top = index == len(plan.steps) - 1
    asked = {check.name for check in step.checks if check.weight is Weight.REQUIRED}
    if not step.checks or (not asked and (top or plan.stream_mode is StreamMode.PASS)):
        return Release.ALL
    if asked <= {TOOL_CALLS} and plan.stream_mode is not StreamMode.HOLD:
        return Release.TEXT if top and not step.repairs else Release.PREAMBLE
    return Release.NOTHING


def watched(plan: Plan, history: History, index: int) -> frozenset[str]:
    """With nothing above that could be paid for, even an answer that fails is of more use whole.

    Agreement is about several answers and can break none of them off; a signal that fails says less
    than one half, and only where that would climb it may end an answer.
    """
    step = plan.steps[index]
    spent = spent_nanousd(history) + step.worst_cost_nanousd
    if not any(_payable(plan, above, spent) for above in plan.steps[index + 1 :]):
        return frozenset()
    doubts = plan.needed(step) >= EVEN
    return frozenset(
        check.name
        for check in step.checks
        if check.name != AGREEMENT and (doubts or check.weight is not Weight.SIGNAL)
    )


def _payable(plan: Plan, step: Step, spent: int) -> bool:
    """Whether a first call of this tier is allowed once so much has been spent."""
    cap, most = plan.cost_cap_nanousd, step.most_spent_nanousd
    within = cap is None or spent + step.worst_cost_nanousd <= cap
    return within and (most is None or spent <= most)
