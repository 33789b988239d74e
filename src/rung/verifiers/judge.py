"""Another tier's opinion of the answer: a signal, and a gate only where its errors were measured.

A judge is a model: it can be wrong, flattered and talked to. What it says moves the estimated
chance of being right by less than it claims. To let it reject or prove an answer by itself, the
operator states an upper bound of its false accepts, as `rung verifiers` measures it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rung.core.errors import RungError
from rung.core.types import Request
from rung.core.verdicts import Trust, Weight
from rung.verifiers.base import Finding, Subject, abstained, failed, passed
from rung.verifiers.judging import (
    Judgement,
    UnjudgeableError,
    partly_shown,
    question,
    read,
)
from rung.verifiers.kit import Kit, Tiers
from rung.verifiers.material import SCORE
from rung.verifiers.options import Options, flag, seconds, text, weight, wrong

SECONDS = 60.0
MARGIN_SECONDS = 2.0
"""What the check may take beyond its call, so that a call that ran out of time is still billed."""

OPTIONS = ("tier", "rubric", "self", "gate", "measured_false_accept", "timeout_seconds")
EXAMPLE = 'kind = "judge"\ntier = "workhorse"\nrubric = "every claim is in the source"'

EVEN = 0.5
HIGHEST_SCORE = 0.9
"""What a judge's own word is worth at most; a guess until outcomes have calibrated it."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Passes an answer that the model of ``tier`` calls right.

    ``own`` lets a tier judge what it wrote itself. ``measured_false_accept`` is the share of wrong
    answers (0..1) that it accepts at most; without it the check is a signal. ``nonce`` gives a new
    random text for each call.
    """

    tier: str
    rubric: str = ""
    own: bool = False
    measured_false_accept: float | None = None
    seconds: float = SECONDS
    tiers: Tiers | None = field(default=None, repr=False)
    nonce: Callable[[], str] = field(default=secrets.token_hex, repr=False)
    name: str = "judge"
    weight: Weight = Weight.SIGNAL
    trust: Trust = Trust.JUDGE

    @property
    def timeout_seconds(self) -> float:
        return self.seconds + MARGIN_SECONDS

    def equipped(self, kit: Kit) -> Judge:
        """The same judge with tiers to ask."""
        return self if self.tiers is not None else replace(self, tiers=kit.tiers)

    async def check(self, subject: Subject) -> Finding:
        """Ask the tier once."""
        answer = subject.answer
        if self.tiers is None:
            return abstained("there are no tiers to ask")
        if subject.attempt.tier == self.tier and not self.own:
            return abstained(f"{self.tier} wrote the answer, and does not judge itself")
        if not (answer.text.strip() or answer.tool_calls or answer.refusal):
            return failed("the answer is empty", 0.0 if self.weight is Weight.SIGNAL else None)
        try:
            asked = question(subject.request, answer, self.nonce(), rubric=self.rubric)
        except UnjudgeableError as error:
            return abstained(error.message)
        asked = _on_account_of(subject.request, asked, subject.left_nanousd)
        seconds = min(self.seconds, subject.left_seconds)
        try:
            reply = await self.tiers.ask(self.tier, asked, seconds)
        except RungError as error:
            # A call without an answer may have been billed; the error of one that was says so.
            spent, left = getattr(error, "cost_nanousd", 0), getattr(error, "left", False)
            found = abstained(f"no judgement: {error.message}")
            return replace(found, cost_nanousd=spent, left=left)
        found = self._finding(read(reply.answer), whole=not partly_shown(answer))
        return replace(found, cost_nanousd=reply.cost_nanousd, left=reply.left)

    def _finding(self, said: Judgement, *, whole: bool) -> Finding:
        if said.right is None or said.confidence is None:
            return abstained(said.reason)
        gate = self.weight is not Weight.SIGNAL
        told = f"{self.tier} is {said.confidence:.0%} sure, uncalibrated"
        if not said.right:
            score = min(SCORE, 2 * SCORE * (1 - said.confidence))
            return failed(said.reason) if gate else failed(f"{said.reason} ({told})", score)
        if not whole:
            return abstained(f"no fault in what was shown of a long answer ({told})")
        if not gate:
            return passed(f"{said.reason} ({told})", cautious(said.confidence))
        if said.confidence < EVEN:
            return abstained(f"{said.reason}, but {told}")
        return passed(f"{said.reason} (accepts {self.measured_false_accept:.2%} of wrong ones)")


def _on_account_of(request: Request, asked: Request, left_nanousd: int | None) -> Request:
    """The question as one of the request's own: what holds for that, and who pays for it."""
    own = request.directions
    held = replace(
        asked.directions,
        max_cost_nanousd=left_nanousd,
        private=own.private,
        project=own.project,
        lane=own.lane,
    )
    return replace(asked, directions=held, key=request.key, conversation=request.conversation)


def cautious(confidence: float) -> float:
    """The chance of being right to go by where a judge says ``confidence``; it only ever lowers it.

    Half at even odds, at most `HIGHEST_SCORE`: models claim more than they keep.
    """
    return min(confidence, EVEN + (HIGHEST_SCORE - EVEN) * (2 * confidence - 1))


def judge(
    tier: str,
    *,
    rubric: str = "",
    measured_false_accept: float | None = None,
    timeout_seconds: float = SECONDS,
) -> Judge:
    """A judge for Python: a gate where its false accepts were measured. Raises ConfigError."""
    options = {"tier": tier, "rubric": rubric, "timeout_seconds": timeout_seconds}
    if measured_false_accept is not None:
        options |= {"gate": True, "measured_false_accept": measured_false_accept}
    return from_options(options)


def from_options(options: Options) -> Judge:
    """The check that a table of the configuration asks for. Raises ConfigError."""
    bound = _bound(options)
    return Judge(
        tier=text(options, "tier", 'tier = "workhorse"'),
        rubric=text(options, "rubric", 'rubric = "no claim is made up"', otherwise=""),
        own=flag(options, "self"),
        measured_false_accept=bound,
        seconds=seconds(options, SECONDS),
        weight=weight(options, otherwise=Weight.SIGNAL),
    )


def _bound(options: Options) -> float | None:
    gate, value = flag(options, "gate"), options.get("measured_false_accept")
    fix = "measure it: `rung verifiers` shows its false accepts with their upper bound"
    if value is None:
        if gate:
            said = "a judge may be a gate only where its false accepts were measured."
            raise wrong("gate", said, f"{fix}; then write measured_false_accept = 0.03")
        return None
    if not gate:
        said = "measured_false_accept does nothing without gate = true."
        raise wrong("measured_false_accept", said, "add gate = true, or remove it")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= EVEN:
        said = f"measured_false_accept must be a share above 0 and up to {EVEN:g}."
        raise wrong("measured_false_accept", said, fix)
    return float(value)
