"""Do the answers drawn at one tier agree?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from rung.core.evidence import counted
from rung.core.plan import Step
from rung.core.types import Attempt, Kind
from rung.core.verdicts import Check, Trust, Weight
from rung.core.vote import AGREEMENT
from rung.verifiers.base import Finding, Subject, abstained, failed, passed


@dataclass(frozen=True, slots=True)
class Agreement:
    """A signal: the share of all answers drawn that say the same as the most common one.

    They are compared as the plan says, by the engine's own count. The engine serves that most
    common answer, so the score is its chance, not the last draw's. Answers that a gate rejected
    count as drawn and vote for nothing, unless they were repaired.
    """

    name: str = AGREEMENT
    weight: Weight = Weight.SIGNAL
    trust: Trust = Trust.SELF
    timeout_seconds: float = 5.0
    inline: ClassVar[bool] = True

    def check(self, subject: Subject) -> Finding:
        """Count the votes; one answer alone is no vote."""
        own = replace(subject.attempt, answer=subject.answer)
        answered = [*_others(subject), own]
        if any(each.answer is not None and each.answer.tool_calls for each in answered):
            return abstained("tool calls are not compared")
        # A repair stands in for the answer that it mends.
        drawn = sum(each.kind is not Kind.REPAIR for each in answered)
        vote = counted(_step(subject), tuple(answered))
        if vote is None or drawn < 2:
            return abstained("only one answer was drawn" if vote else "no answer has a vote")
        drawn = max(drawn, vote.drawn)
        share = vote.votes / drawn
        reason = f"{vote.votes} of {drawn} answers agree (uncalibrated)"
        return passed(reason, share) if share > 0.5 else failed(reason, share)


def _step(subject: Subject) -> Step:
    """The tier's place on the plan; outside of one, every answer has a vote."""
    return subject.step or Step(subject.attempt.tier, (Check(AGREEMENT, Weight.SIGNAL),))


def _others(subject: Subject) -> list[Attempt]:
    own = subject.attempt.id
    return [one for one in subject.siblings if one.id != own and one.answer is not None]
