"""Did the model stop because it ran out of room, not because it was done?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rung.core.types import Finish, UsageSource
from rung.core.verdicts import Trust, Weight
from rung.verifiers.base import Finding, Subject, abstained, failed, passed


@dataclass(frozen=True, slots=True)
class CutOff:
    """Fails an answer that a limit cut short, unless the caller set that limit.

    Where it calls tools it fails in any case: half a call is of no use to anybody.
    """

    name: str = "cut_off"
    weight: Weight = Weight.IMPLIED
    trust: Trust = Trust.DATA
    timeout_seconds: float = 1.0
    inline: ClassVar[bool] = True

    def check(self, subject: Subject) -> Finding:
        """Judge by the reason the model gave for stopping."""
        finish = subject.answer.finish
        if finish is Finish.UNKNOWN:
            return abstained("the model did not say why it stopped")
        if finish is not Finish.LENGTH:
            return passed(f"the model stopped by itself ({finish.value})")
        if subject.answer.tool_calls:
            return failed("the answer was cut off while calling a tool: arguments may be missing")
        limit = subject.request.sampling.max_tokens
        usage = subject.attempt.usage
        counted = usage.source is UsageSource.PROVIDER
        if limit is not None and (not counted or usage.output_tokens >= limit):
            return abstained(f"stopped at the caller's own limit of {limit} tokens")
        written = f" after {usage.output_tokens} tokens" if counted else ""
        return failed(f"the answer was cut off{written}: the model ran out of room")
