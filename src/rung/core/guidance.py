"""What those who have a say in a plan tell the planner, each in a shape of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rung.core.plan import NO_LEAD, Expected, Lead
from rung.core.types import Answer, Attempt, Kind, Request, Usage
from rung.core.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a conversation; nothing, at its first turn.

    ``tier`` is where it sits. ``cached`` is how many of its tokens each tier's cache may still
    hold, ``prompt_tokens`` how many a model's would that had led it alone: those of its last turn,
    none once caches have expired. ``private``: nothing of it may leave this machine.
    """

    tier: str | None = None
    private: bool = False
    turns: int = 0
    cached: Mapping[str, int] = field(default_factory=dict)
    prompt_tokens: int = 0


NOTHING_KNOWN = Known()


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A request as it is sent: new results of tools are shortened by ``spared_tokens``."""

    request: Request
    spared_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Taught:
    """What outcomes teach of where to start.

    ``other`` is what would have been proposed had the draw gone the other way, where there was one.
    ``traits`` are kept, to learn from this request.
    """

    lead: Lead = NO_LEAD
    other: Lead = NO_LEAD
    traits: tuple[int, ...] = ()
    category: str = ""
    difficulty: str = ""


NOTHING_TAUGHT = Taught()


@dataclass(frozen=True, slots=True)
class Paced:
    """How long tiers are expected to take, and which are too slow for this request, with why."""

    expected: Mapping[str, Expected] = field(default_factory=dict)
    passed_over: Mapping[str, str] = field(default_factory=dict)


NO_PACE = Paced()


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer with its proof, to be served again.

    ``of`` is the request that it was given to, ``usage`` what it took then.
    """

    of: str
    tier: str
    answer: Answer
    usage: Usage
    verdicts: tuple[Verdict, ...]
    losses: tuple[str, ...] = ()

    def attempt(self, attempt_id: str) -> Attempt:
        """The answer as an attempt that called nobody, and so took and cost nothing."""
        return Attempt(
            id=attempt_id,
            tier=self.tier,
            kind=Kind.FIRST,
            started_at=0.0,
            ended_at=0.0,
            answer=self.answer,
            verdicts=self.verdicts,
            losses=self.losses,
            local=True,
        )
