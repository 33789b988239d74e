"""How far each verifier can be relied on: its verdicts held against the labels of the same answers.

Verdicts are counted over all requests of a span, second looks left out. Of each answer the label of
its best source counts (`core.labels.BELIEVED`). Rates and their assumptions: `core.error_rates`;
"drawn" there are the labels of audits, "chosen" all others.

A verdict that passed because there was nothing to judge is counted apart, as one that abstained is:
neither says anything of the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from rung.core.error_rates import (
    NOTHING_KNOWN,
    Estimate,
    Judged,
    Labelled,
    false_accepts,
    false_rejects,
    labels_lacking,
    wrong_among,
)
from rung.core.money import exact
from rung.core.verdicts import Weight
from rung.ledger.store import Ledger

RELIED_ON = 0.2
"""A required gate whose rate of one error is surely above this is not to be relied on."""


class JudgedBy(StrEnum):
    """What lines are split by: TIER no further, LADDER too, SOURCE by who labelled."""

    TIER = "tier"
    LADDER = "ladder"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Key:
    """Whose figures a line has. ``ladder`` and ``source`` are ``None`` where not split by them."""

    verifier: str
    tier: str
    trust: str
    ladder: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class VerifierLine:
    """One verifier at one tier.

    ``weight`` is the greatest that any plan gave it. ``passed`` and ``failed`` are the answers that
    it judged, with their labels; ``vacuous`` and ``abstained`` count those that it did not.
    ``median_seconds`` and ``cost_nanousd`` are those of its runs.
    """

    key: Key
    weight: Weight
    passed: Judged
    failed: Judged
    abstained: int
    vacuous: int
    median_seconds: float | None
    cost_nanousd: int

    @property
    def runs(self) -> int:
        """How often it ran."""
        return self.passed.answers + self.failed.answers + self.abstained + self.vacuous

    @property
    def labelled(self) -> Labelled:
        """The labels of all answers that it judged."""
        return self.passed.labelled + self.failed.labelled

    @property
    def drawn(self) -> bool:
        """Whether any of them was drawn at random; without, the rates are those of the chosen."""
        return bool(self.passed.drawn.answers or self.failed.drawn.answers)

    @property
    def false_accepts(self) -> Estimate:
        """P(passed | wrong)."""
        return false_accepts(self.passed, self.failed) if self.labelled.answers else NOTHING_KNOWN

    @property
    def false_rejects(self) -> Estimate:
        """P(failed | right)."""
        return false_rejects(self.passed, self.failed) if self.labelled.answers else NOTHING_KNOWN

    @property
    def wrong_passed(self) -> Estimate:
        """P(wrong | passed): what it lets through, of all that it passes."""
        return wrong_among(self.passed) if self.passed.answers else NOTHING_KNOWN

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is sure enough to act on. Only of gates that somebody asked for: they decide."""
        return tuple(_findings(self)) if self.weight is Weight.REQUIRED else ()


class Fault(StrEnum):
    """What a verifier is found out at."""

    PASSES_WRONG = "passes_wrong"
    FAILS_RIGHT = "fails_right"


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault, with the rate that shows it."""

    fault: Fault
    rate: Estimate


@dataclass(frozen=True, slots=True)
class AuditSpend:
    """``audited`` requests were looked at again, in ``calls``; ``labelled`` answers came of it.

    ``failed`` calls gave no answer.
    """

    audited: int = 0
    calls: int = 0
    labelled: int = 0
    cost_nanousd: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Verifiers:
    """The report over the requests that began in [``since_unix``, ``until_unix``)."""

    since_unix: float | None
    until_unix: float | None
    by: JudgedBy
    lines: tuple[VerifierLine, ...]
    audits: AuditSpend = field(default_factory=AuditSpend)


def judged(
    ledger: Ledger,
    *,
    since_unix: float | None = None,
    until_unix: float | None = None,
    by: JudgedBy = JudgedBy.TIER,
) -> Verifiers:
    """Hold verdicts against labels. Blocks: some seconds for 100,000 requests."""
    # SQLAlchemy takes 0.4 s to import, which only those who ask for this should pay.
    from rung.ledger.verdict_counts import VerdictCounts

    with ledger.reading() as connection:
        counts = VerdictCounts(connection, since_unix, until_unix, by)
        lines, audits = tuple(counts.lines()), counts.audits()
    return Verifiers(since_unix, until_unix, by, lines, audits)


def lacking(line: VerifierLine) -> int:
    """About how many more labelled answers, of its rarer kind, tell how far it can be relied on."""
    wrong, right = line.labelled.wrong, line.labelled.right
    return max(
        labels_lacking(line.false_accepts, wrong) if line.false_accepts.value != 0 else 0,
        labels_lacking(line.false_rejects, right),
    )


def _findings(line: VerifierLine) -> Iterator[Finding]:
    accepts, rejects = line.false_accepts, line.false_rejects
    if accepts.value is not None and accepts.low > RELIED_ON:
        yield Finding(Fault.PASSES_WRONG, accepts)
    if rejects.value is not None and rejects.low > RELIED_ON:
        yield Finding(Fault.FAILS_RIGHT, rejects)


# ------------------------------------------------------------------ as JSON


def to_json(report: Verifiers) -> dict[str, Any]:
    """The report as plain JSON values."""
    audits = asdict(report.audits) | {"cost_usd": exact(report.audits.cost_nanousd)}
    return {
        "since_unix": report.since_unix,
        "until_unix": report.until_unix,
        "by": report.by.value,
        "verifiers": [_line(line) for line in report.lines],
        "audits": audits,
    }


def _line(line: VerifierLine) -> dict[str, Any]:
    return {
        **asdict(line.key),
        "weight": line.weight.value,
        "runs": line.runs,
        "passed": _judged(line.passed),
        "failed": _judged(line.failed),
        "abstained": line.abstained,
        "vacuous": line.vacuous,
        "false_accepts": asdict(line.false_accepts),
        "false_rejects": asdict(line.false_rejects),
        "wrong_passed": asdict(line.wrong_passed),
        "labels_lacking": lacking(line),
        "drawn": line.drawn,
        "found": [finding.fault.value for finding in line.findings],
        "median_seconds": line.median_seconds,
        "cost_nanousd": line.cost_nanousd,
        "cost_usd": exact(line.cost_nanousd),
    }


def _judged(judged: Judged) -> dict[str, int]:
    return {
        "answers": judged.answers,
        "labelled": judged.labelled.answers,
        "right": judged.labelled.right,
        "wrong": judged.labelled.wrong,
        "drawn": judged.drawn.answers,
    }
