"""What the checks say of an answer: alone and, where a tier drew several, of their vote."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rung.core.plan import Plan, Step
from rung.core.saying import sayings
from rung.core.types import Attempt, History, Kind
from rung.core.verdicts import Status, Verdict, Weight
from rung.core.vote import AGREEMENT, Tally, tally

DRAWS = frozenset({Kind.FIRST, Kind.SAMPLE})
"""Calls that draw another answer. Retries and repairs stand in for the draw that they mend."""

# ------------------------------------------------------------------ one answer


def proven(step: Step, attempt: Attempt) -> bool:
    """Whether a required gate has passed that found something to judge."""
    required = _required(step)
    return bool(required) and any(
        v.verifier in required and v.status is Status.PASSED and not v.vacuous
        for v in attempt.verdicts
    )


def rejected(step: Step, attempt: Attempt) -> bool:
    """Whether a gate has failed."""
    failed = _checks_with(attempt, Status.FAILED)
    if not failed:
        return False
    return any(
        check.name in failed and check.weight is not Weight.SIGNAL and check.name != AGREEMENT
        for check in step.checks
    )


def unproven(step: Step, attempt: Attempt) -> bool:
    """Whether a required gate has not passed: it failed, abstained or was never run."""
    required = _required(step)
    return bool(required) and not required <= _checks_with(attempt, Status.PASSED)


def mendable(step: Step, attempt: Attempt) -> bool:
    """Whether a gate that somebody asked for has failed: it says what to put right."""
    failed = _checks_with(attempt, Status.FAILED)
    return bool(failed) and not failed.isdisjoint(_required(step))


@dataclass(frozen=True, slots=True)
class Confidence:
    """The chance, 0..1, that an answer is right. ``labels``: how many bear it out, 0 for none."""

    value: float
    labels: int = 0

    @property
    def words(self) -> str:
        """As people read it."""
        proof = f"by {self.labels} labels" if self.labels else "uncalibrated"
        return f"{self.value:.2f} ({proof})"


def confidence_of(plan: Plan, history: History, index: int) -> Confidence | None:
    """What the signals say of one answer of a history, ``None`` where they say nothing.

    Of an answer that no tier of the plan gave, a human's, they say nothing.
    """
    step = plan.step(history[index].tier)
    value = None if step is None else confidence(step, history, index)
    if step is None or value is None:
        return None
    return Confidence(value, 0 if step.calibration is None else step.calibration.labels)


def confidence(step: Step, history: History, index: int) -> float | None:
    """The chance, 0..1, that this answer is right, as far as its signals tell; ``None``: nothing.

    With a calibration it is one that labelled answers bear out. Without, it is the lowest score
    that any signal gave.
    """
    return _weighed(step, _scores(step, history, index))


def _weighed(step: Step, scores: dict[str, float]) -> float | None:
    if step.calibration is not None:
        return step.calibration.probability(scores)
    if not scores:
        return None
    # One that is no number stands first: nothing is known then.
    return min(scores.values(), key=lambda score: (score == score, score))  # noqa: PLR0124


def doubted(plan: Plan, step: Step, history: History, index: int) -> bool:
    """Whether the confidence in this answer, or in its tier's vote, is below what its tier needs.

    Of a vote that is still open see `undecided`.
    """
    return not _sure(plan, step, confidence(step, history, index))


def _sure(plan: Plan, step: Step, chance: float | None) -> bool:
    # Written so that a score that is no number doubts.
    return chance is None or chance >= plan.needed(step)


def _scores(step: Step, history: History, index: int) -> dict[str, float]:
    """By signal."""
    told = _told_by(history[index].verdicts)
    if told:
        signals = {check.name for check in step.checks if check.weight is Weight.SIGNAL}
        told = {name: told[name] for name in told if name in signals and name != AGREEMENT}
    if votes(step):
        here = (v for a in history if a.tier == step.tier for v in a.verdicts)
        told |= _told_by(v for v in here if v.verifier == AGREEMENT)
    return told


def _told_by(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Scores by check.

    One that failed without a score leaves the answer no chance. One that passed without a score, or
    abstained, has said nothing.
    """
    told: dict[str, float] = {}
    for verdict in verdicts:
        score = verdict.score
        if score is None and verdict.status is Status.FAILED:
            score = 0.0
        if score is not None and verdict.status is not Status.ABSTAINED:
            told[verdict.verifier] = score
    return told


def _required(step: Step) -> set[str]:
    """Agreement is no gate: it is about several draws and cannot reject one of them."""
    found = {check.name for check in step.checks if check.weight is Weight.REQUIRED}
    return found - {AGREEMENT} if found else found


def _checks_with(attempt: Attempt, status: Status) -> set[str]:
    return {verdict.verifier for verdict in attempt.verdicts if verdict.status is status}


# ------------------------------------------------------------------ several answers


def votes(step: Step) -> bool:
    """Whether answers drawn at this tier are compared with one another."""
    # Of a list: `any` with a generator takes twice as long, and every decision asks this.
    return AGREEMENT in [check.name for check in step.checks]


def undecided(plan: Plan, step: Step, history: History) -> bool:
    """Whether a further draw could still change what comes of a tier's vote.

    At the top that is who leads. Below, it is first of all whether enough agree to be served.
    """
    if not votes(step):
        return False
    led = _led(step, history)
    # A draw that a gate rejected has voted for nothing, but it was drawn.
    drawn = sum(a.tier == step.tier and a.kind in DRAWS for a in history)
    if led is None or drawn >= step.samples:
        return led is None
    leader, vote = led[0], replace(led[1], drawn=drawn)
    decided = vote.decided(step.samples, step.vote.certainty)
    if step.tier == plan.steps[-1].tier:
        return not decided
    scores = _scores(step, history, leader)
    least, most = vote.bounds(step.samples)
    if not _would_do(plan, step, scores, most):
        return False
    likely = _would_do(plan, step, scores, least) or vote.likely(step.vote.certainty)
    return not (decided and likely)


def _would_do(plan: Plan, step: Step, scores: dict[str, float], share: float) -> bool:
    """Whether the leading answer would be served if this share of all draws said the same."""
    return _sure(plan, step, _weighed(step, scores | {AGREEMENT: share}))


def servable(step: Step, history: History) -> list[int]:
    """A tier's answers that could be served: of a vote, only the one that it chose."""
    led = _led(step, history) if votes(step) else None
    return _whole(step, history) if led is None else [led[0]]


def counted(step: Step, history: History) -> Tally | None:
    """The vote among a tier's answers, ``None`` where none has one; ``drawn`` are those that have.

    Whatever comes later, what was said before stays in the groups that it was in, unless a check
    tells more of it: so a vote that is replayed is decided where it was.
    """
    led = _led(step, history)
    return None if led is None else led[1]


def _led(step: Step, history: History) -> tuple[int, Tally] | None:
    """The answer that leads the vote, and the vote; ``None`` where no answer has one."""
    whole = _whole(step, history)
    ballot = [i for i in whole if _has_a_vote(step, history[i])]
    if not ballot:
        return None
    # Answers without a vote are compared too, so that losing it regroups nobody.
    meanings = dict(zip(whole, _meanings(step, [history[i] for i in whole]), strict=True))
    vote = tally([meanings[i] for i in ballot])
    return ballot[vote.leader], vote


def _meanings(step: Step, attempts: list[Attempt]) -> list[str]:
    """One key an answer: what checks say that it means, where they say so of any; else its text."""
    told = [_told(attempt) for attempt in attempts]
    if any(told):
        # What no check could make sense of agrees with nothing.
        return [each or f"alone:{place}" for place, each in enumerate(told)]
    answers = [attempt.answer for attempt in attempts if attempt.answer is not None]
    return sayings(answers, step.vote)


def _told(attempt: Attempt) -> str:
    each = sorted((v.verifier, v.says) for v in attempt.verdicts if v.says is not None)
    return f"told:{each}" if each else ""


def _whole(step: Step, history: History) -> list[int]:
    return [
        i
        for i, a in enumerate(history)
        if a.tier == step.tier and a.answer is not None and not a.aborted
    ]


def _has_a_vote(step: Step, attempt: Attempt) -> bool:
    return not rejected(step, attempt) and not unproven(step, attempt)
