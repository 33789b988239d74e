"""Is there an answer at all?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rung.core.verdicts import Trust, Weight
from rung.verifiers.base import Finding, Subject, failed, passed


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """Passes an answer with visible text, a tool call, or a refusal in words."""

    name: str = "not_empty"
    weight: Weight = Weight.IMPLIED
    trust: Trust = Trust.DATA
    timeout_seconds: float = 1.0
    inline: ClassVar[bool] = True

    def check(self, subject: Subject) -> Finding:
        """Fail an answer that holds nothing."""
        answer = subject.answer
        if answer.tool_calls:
            return passed("there is a tool call")
        if _visible(answer.text):
            return passed("there is text")
        if _visible(answer.refusal or ""):
            return passed("there is a refusal")
        return failed("the answer is empty")


def _visible(text: str) -> bool:
    """Whether anything shows. Zero-width marks do not, although ``strip`` keeps them."""
    return any(char.isprintable() and not char.isspace() for char in text)
