"""What remains of a finished request: what the caller gets, the ledger keeps, a replay reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rung.core.engine import Accept, Exhausted
from rung.core.evidence import Confidence, confidence_of
from rung.core.plan import Plan, StreamMode
from rung.core.types import (
    Answer,
    Attempt,
    EndedBy,
    History,
    Phase,
    Request,
)
from rung.core.verdicts import Weight


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished request with all its attempts.

    ``served`` is the index of the attempt whose answer left, ``None`` when none did. ``baselines``
    maps a baseline's name to what the served tokens would have cost there, in nano-dollars.
    ``inbox`` says that the request waits for a human. ``started_unix`` is seconds since 1970, UTC.
    ``cached_of`` is the request whose answer was served again; ``traits`` are hashes of what was
    asked, to learn from. ``recovered``: it is what was found of a request whose process died.
    """

    request: Request
    plan: Plan
    attempts: History
    decision: Accept | Exhausted | None
    served: int | None
    verified: bool | None
    started_unix: float
    seconds: float
    ended_by: EndedBy = EndedBy.UPSTREAM
    phase: Phase = Phase.DONE
    baselines: Mapping[str, int] = field(default_factory=dict)
    inbox: bool = False
    cached_of: str | None = None
    traits: tuple[int, ...] = ()
    recovered: bool = False

    @property
    def cost_nanousd(self) -> int:
        """What all attempts and their checks together cost."""
        return sum(attempt.cost_nanousd + attempt.checking_nanousd for attempt in self.attempts)

    @property
    def best(self) -> Attempt | None:
        """The served attempt, else the least bad one that no required gate let through."""
        if self.served is not None:
            return self.attempts[self.served]
        if isinstance(self.decision, Exhausted) and self.decision.best is not None:
            return self.attempts[self.decision.best]
        return None

    @property
    def answer(self) -> Answer | None:
        """The answer that left, if one did."""
        return None if self.served is None else self.attempts[self.served].answer

    @property
    def confidence(self) -> Confidence | None:
        """How likely the served answer, else the least bad one, is right by its signals."""
        best = self.best
        if best is None:
            return None
        return confidence_of(self.plan, self.attempts, self.attempts.index(best))

    @property
    def ungated(self) -> bool:
        """Whether bytes left as they came because the stream's mode asked for no gate."""
        if self.plan.stream_mode is not StreamMode.PASS:
            return False
        gated = {
            step.tier
            for step in self.plan.steps
            if any(check.weight is Weight.REQUIRED for check in step.checks)
        }
        return any(attempt.released and attempt.tier not in gated for attempt in self.attempts)

    @property
    def escalated(self) -> bool:
        """Whether an answer was turned down and a higher tier called because of it."""
        tiers = [attempt.tier for attempt in self.attempts]
        return any(
            attempt.answer is not None and later != attempt.tier
            for attempt, later in zip(self.attempts, tiers[1:], strict=False)
        )
