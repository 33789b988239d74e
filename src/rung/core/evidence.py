"""What the checks say of an answer: alone and, where a tier drew several, of their vote."""

from __future__ import annotations

from rung.core.plan import Plan, Step
from rung.core.saying import said
from rung.core.types import Attempt, History, Kind
from rung.core.verdicts import Status, Weight
from rung.core.vote import AGREEMENT, Tally, tally

DRAWS = frozenset({Kind.FIRST, Kind.SAMPLE})
"""Calls that draw another answer. Retries and repairs stand in for the draw that they mend."""

FAILED = {Status.FAILED: 0.0}
"""What a signal that gave no score says of the answer."""

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
    return not _required(step).isdisjoint(_checks_with(attempt, Status.FAILED))


def confidence(step: Step, history: History, index: int) -> float | None:
    """The chance, 0..1, that this answer is right, as far as its signals tell; ``None``: nothing.

    With a calibration it is one that labelled answers bear out. Without, it is the lowest score
    that any signal gave.
    """
    scores = _scores(step, history, index)
    if step.calibration is not None:
        return step.calibration.probability(scores)
    # One that is no number stands first: nothing is known then.
    return min(scores.values(), key=lambda score: (score == score, score), default=None)  # noqa: PLR0124


def doubted(plan: Plan, step: Step, history: History, index: int) -> bool:
    """Whether the confidence in this answer, or in its tier's vote, is below the plan's threshold.

    A vote that is still open is a doubt too.
    """
    sure = confidence(step, history, index)
    # Not written as "<", so that a score that is no number doubts.
    return not (sure is None or sure >= plan.min_confidence) or undecided(step, history)


def _scores(step: Step, history: History, index: int) -> dict[str, float]:
    """By signal. One that passed without a score, or abstained, has said nothing."""
    signals = {c.name for c in step.checks if c.weight is Weight.SIGNAL} - {AGREEMENT}
    about = [v for v in history[index].verdicts if v.verifier in signals]
    if votes(step):
        here = (v for a in history if a.tier == step.tier for v in a.verdicts)
        about += [v for v in here if v.verifier == AGREEMENT]
    spoken = (v for v in about if v.status is not Status.ABSTAINED)
    told = ((v.verifier, FAILED.get(v.status) if v.score is None else v.score) for v in spoken)
    return {name: score for name, score in told if score is not None}


def _required(step: Step) -> set[str]:
    """Agreement is no gate: it is about several draws and cannot reject one of them."""
    found = {check.name for check in step.checks if check.weight is Weight.REQUIRED}
    return found - {AGREEMENT} if found else found


def _checks_with(attempt: Attempt, status: Status) -> set[str]:
    return {verdict.verifier for verdict in attempt.verdicts if verdict.status is status}


# ------------------------------------------------------------------ several answers


def votes(step: Step) -> bool:
    """Whether answers drawn at this tier are compared with one another."""
    return any(check.name == AGREEMENT for check in step.checks)


def undecided(step: Step, history: History) -> bool:
    """Whether a further draw could still change which answer a tier's vote chooses."""
    if not votes(step):
        return False
    ballot = _ballot(step, history)
    if not ballot:
        return True
    vote = _tally(history, ballot)
    # A draw that a gate rejected has voted for nothing, but it was drawn.
    drawn = sum(a.tier == step.tier and a.kind in DRAWS for a in history)
    return not Tally(vote.leader, vote.votes, vote.runner_up, drawn).decided(step.samples)


def servable(step: Step, history: History) -> list[int]:
    """A tier's answers that could be served: of a vote, only the one that it chose."""
    ballot = _ballot(step, history) if votes(step) else []
    if ballot:
        return [ballot[_tally(history, ballot).leader]]
    return [i for i, a in enumerate(history) if a.tier == step.tier and _whole(a)]


def _ballot(step: Step, history: History) -> list[int]:
    return [
        i
        for i, a in enumerate(history)
        if a.tier == step.tier and _whole(a) and not rejected(step, a) and not unproven(step, a)
    ]


def _whole(attempt: Attempt) -> bool:
    return attempt.answer is not None and not attempt.aborted


def _tally(history: History, ballot: list[int]) -> Tally:
    answers = (history[i].answer for i in ballot)
    return tally([said(answer) for answer in answers if answer is not None])
