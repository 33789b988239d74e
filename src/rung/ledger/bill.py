"""The bill: what was asked, what it cost, what it would have cost, and what was thrown away.

Every amount is an exact integer of nano-dollars, summed by the database from the rows themselves:
the bill equals the ledger to the last digit.

A request that was sent again because its stream broke is one request: its newest repetition stands
for it, with its outcome, its time and its baseline. What the others cost is spent, and wasted,
where and when it was spent.

Audits are no requests: they count in no figure of traffic. What they cost is spent, on a line of
its own, and savings have it inside, with the request that was looked at again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from rung.core.errors import LedgerError
from rung.core.stats import Rate
from rung.ledger import summing
from rung.ledger.store import Ledger

MOST_UNSUMMED = 20_000
"""Requests without a sum of which a bill reads the rows."""


class BillBy(StrEnum):
    """What the bill can be split by. TIER and MODEL split attempts, the others requests."""

    TIER = "tier"
    MODEL = "model"
    PROJECT = "project"
    LANE = "lane"
    DAY = "day"
    LADDER = "ladder"
    CATEGORY = "category"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Sums of the counters. Cached and image tokens are inside the input, reasoning in the output.

    ``server_tools`` counts uses of tools that providers ran and billed by the piece.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    image: int = 0
    server_tools: int = 0


@dataclass(frozen=True, slots=True)
class Sparing:
    """What a set of attempts was spared by providers' prompt caches and by shortened tool output.

    ``told_tokens`` is the input of the calls whose providers count, ``read_tokens`` what of it came
    from caches. ``cache_nanousd`` is what the input cost less than it would have without a cache,
    writing to it included; negative where it cost more. ``shortened_tokens`` were kept off calls
    (estimated); ``shortened_nanousd`` is what they would have cost there, each like the call's
    other input: what would have been read from a cache counts at the cache's price.
    """

    told_tokens: int = 0
    read_tokens: int = 0
    cache_nanousd: int = 0
    shortened_tokens: int = 0
    shortened_nanousd: int = 0

    @property
    def hit_rate(self) -> float | None:
        """The share of the input that came from caches; None where no provider counted any."""
        return self.read_tokens / self.told_tokens if self.told_tokens else None


@dataclass(frozen=True, slots=True)
class Spend:
    """What a set of attempts cost.

    Wasted is what went into attempts that were not the one served. ``estimated`` is the share of
    attempts with token counts whose counts are not the provider's own.
    """

    attempts: int
    spend_nanousd: int
    wasted_nanousd: int
    wasted_seconds: float
    tokens: Tokens
    estimated: Rate
    sparing: Sparing = Sparing()


@dataclass(frozen=True, slots=True)
class Beside:
    """What was billed beside the calls that answer requests.

    ``checks_nanousd`` are the checks' own calls (a judge's), of it ``checks_wasted_nanousd`` on
    answers that were not served. ``audited`` requests were looked at again, in ``audit_calls``.
    """

    checks_nanousd: int = 0
    checks_wasted_nanousd: int = 0
    audited: int = 0
    audit_calls: int = 0
    audits_nanousd: int = 0


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How tool calls and requests came through in a set of attempts.

    ``tool_answers`` called tools; ``salvaged`` is how many of them wrote their calls as text.
    ``tool_failures`` counts answers whose calls the gate on them rejected, ``lossy`` attempts whose
    dialect could not carry all of the request.
    """

    tool_answers: int = 0
    salvaged: int = 0
    tool_failures: int = 0
    lossy: int = 0


@dataclass(frozen=True, slots=True)
class Saving:
    """One baseline against the spend of those requests, and only those, for which it is known.

    The spend of a request that was sent again is that of all its repetitions, and audits of it are
    inside.
    """

    name: str
    requests: int
    baseline_nanousd: int
    spend_nanousd: int

    @property
    def saved_nanousd(self) -> int:
        """What the cascade saved; negative where it cost more."""
        return self.baseline_nanousd - self.spend_nanousd

    @property
    def savings(self) -> float | None:
        """1 - spend / baseline; None against a baseline that costs nothing."""
        if not self.baseline_nanousd:
            return None
        return float(1 - Fraction(self.spend_nanousd, self.baseline_nanousd))


@dataclass(frozen=True, slots=True)
class RequestLine:
    """The figures of a set of requests.

    ``verified`` and ``unverified`` are the answered ones with and without a proof; ``flagged``,
    part of the unverified, were served in spite of a failed check. ``exhausted`` counts those that
    no tier passed, answered or not; ``by_human`` those of the ``inbox`` that a human has answered
    since. ``escalation`` is among requests that began below the top of
    their plan. ``fallbacks`` counts calls of another tier because of an error. ``resent`` are the
    ledger's further requests, for which a repetition stands. ``ungated`` ones let bytes go that
    nothing held back, as their stream's mode asked. ``spend`` is that of their calls, ``beside``
    what was billed beside them. ``served_again`` were given an answer of another request, and
    nothing was called; ``spared_nanousd`` is what those answers had cost. ``recovered`` ones are
    known only by what was set aside for them, which they count: their process died.
    """

    key: str | None
    requests: int
    resent: int
    answered: int
    verified: int
    unverified: int
    flagged: int
    exhausted: int
    inbox: int
    by_human: int
    ungated: int
    spend: Spend
    fidelity: Fidelity
    escalation: Rate
    fallbacks: int
    median_seconds: float | None
    p90_seconds: float | None
    savings: tuple[Saving, ...]
    beside: Beside = Beside()
    served_again: int = 0
    spared_nanousd: int = 0
    recovered: int = 0

    @property
    def spend_nanousd(self) -> int:
        """All that was spent: calls, checks and audits."""
        beside = self.beside.checks_nanousd + self.beside.audits_nanousd
        return self.spend.spend_nanousd + beside

    @property
    def wasted_nanousd(self) -> int:
        """What went into answers that were not served, with their checks."""
        return self.spend.wasted_nanousd + self.beside.checks_wasted_nanousd

    @property
    def blended_nanousd(self) -> int | None:
        """All that was spent, a request, to the nearest nano-dollar."""
        return round(Fraction(self.spend_nanousd, self.requests)) if self.requests else None


@dataclass(frozen=True, slots=True)
class TierLine:
    """The figures of the attempts at one tier, or with one model (None where none answered).

    Of the calls alone: with what the bill's total has ``beside`` them, its lines add up to it.

    ``served`` is in requests, of all requests of the bill. ``passed`` is among the answers that a
    gate judged: no gate failed, and every required one passed.
    """

    key: str | None
    spend: Spend
    fidelity: Fidelity
    failures: int
    served: Rate
    passed: Rate

    @property
    def spend_nanousd(self) -> int:
        """What the calls cost."""
        return self.spend.spend_nanousd

    @property
    def wasted_nanousd(self) -> int:
        """What went into calls whose answers were not served."""
        return self.spend.wasted_nanousd


@dataclass(frozen=True, slots=True)
class Bill:
    """The report over the requests that began in [``since_unix``, ``until_unix``)."""

    since_unix: float | None
    until_unix: float | None
    by: BillBy | None
    baseline: str | None
    total: RequestLine
    tiers: tuple[TierLine, ...]
    lines: tuple[RequestLine, ...] | tuple[TierLine, ...]


def bill(
    ledger: Ledger,
    *,
    since_unix: float | None = None,
    until_unix: float | None = None,
    by: BillBy | None = None,
    baseline: str | None = None,
) -> Bill:
    """Add the ledger up. Blocks: a fifth of a second for a million requests that are summed.

    Where many are not yet, it sums them first, once: 40 to 80 s a million. Quantiles are exact for
    spans of up to 20,000 requests, and right to one percent for others.

    ``baseline`` keeps one baseline only; RequestError where no request has one of that name.
    """
    # SQLAlchemy takes 0.4 s to import, which only those who ask for a bill should pay.
    from rung.ledger.figures import Figures

    _catch_up(ledger)
    with ledger.reading() as connection:
        figures = Figures(connection, since_unix, until_unix, baseline)
        (total,) = figures.by_request(None)
        tiers = tuple(figures.by_attempt(BillBy.TIER, total.requests))
        lines: tuple[RequestLine, ...] | tuple[TierLine, ...] = ()
        if by is BillBy.TIER:
            lines = tiers
        elif by is BillBy.MODEL:
            lines = tuple(figures.by_attempt(by, total.requests))
        elif by is not None:
            lines = tuple(figures.by_request(by))
    return Bill(since_unix, until_unix, by, baseline, total, tiers, lines)


def _catch_up(ledger: Ledger) -> None:
    """Sum what no process has summed, where it is much: else every bill would read all of it."""
    with ledger.reading() as connection:
        behind = summing.unsummed(connection, MOST_UNSUMMED + 1) > MOST_UNSUMMED
    with suppress(LedgerError):  # of a ledger that cannot be written now, the rows are added up
        while behind:
            with ledger.writing() as connection:
                behind = summing.sum_up(connection, MOST_UNSUMMED) == MOST_UNSUMMED
