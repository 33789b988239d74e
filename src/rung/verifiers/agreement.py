"""Do the answers drawn at one tier agree?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rung.core.types import Answer, Attempt
from rung.core.verdicts import Status, Trust, Weight
from rung.core.vote import tally
from rung.verifiers.base import Finding, Subject, abstained, failed, passed


@dataclass(frozen=True, slots=True)
class Agreement:
    """A signal: the share of all answers drawn that say the same as the most common one.

    The engine serves that most common answer, so the score is its chance, not the last draw's.
    Answers that a gate rejected count as drawn and vote for nothing.
    """

    name: str = "agreement"
    weight: Weight = Weight.SIGNAL
    trust: Trust = Trust.SELF
    timeout_seconds: float = 1.0
    inline: ClassVar[bool] = True

    def check(self, subject: Subject) -> Finding:
        """Count the votes; one answer alone is no vote."""
        drawn = [_answer(attempt) for attempt in _others(subject)]
        answers = [answer for answer in drawn if answer is not None]
        if any(answer.tool_calls for answer in (*answers, subject.answer)):
            return abstained("tool calls are not compared")
        if not drawn:
            return abstained("only one answer was drawn")
        vote = tally([*(answer.text for answer in answers), subject.answer.text])
        share = vote.votes / (len(drawn) + 1)
        reason = f"{vote.votes} of {len(drawn) + 1} answers agree (uncalibrated)"
        return passed(reason, share) if share > 0.5 else failed(reason, share)


def _others(subject: Subject) -> list[Attempt]:
    own = subject.attempt.id
    return [one for one in subject.siblings if one.id != own and one.answer is not None]


def _answer(attempt: Attempt) -> Answer | None:
    """The answer, if it votes. A verdict without a score is a gate's."""
    rejected = any(v.status is Status.FAILED and v.score is None for v in attempt.verdicts)
    return None if rejected else attempt.answer
