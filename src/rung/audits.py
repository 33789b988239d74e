"""A second look at a random share of answers, once their callers have them.

What a cascade saves rests on its checks, and nobody sees what they let through. So of a share of
the requests, drawn by a hash of the id, the served answer of a cheap tier is compared with that of
a better one, and so are the drafts that a gate turned down. What comes of it is a label; labels
and verdicts together give each check's error rates (`rung verifiers`).

The calls are booked as requests of their own that name the audited one: spent, but no traffic. The
text lives in memory alone, so an audit that does not end before the process is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Protocol

from rung.core.comparing import keys
from rung.core.engine import Accept
from rung.core.errors import RungError
from rung.core.evidence import rejected
from rung.core.labels import Label, LabelSource
from rung.core.outcome import Outcome
from rung.core.parts import HostedTool
from rung.core.saying import said
from rung.core.types import Answer, Need, Request
from rung.core.vote import Comparison, Vote
from rung.desk import HUMAN
from rung.intake import Intake
from rung.orders import Pricer
from rung.verifiers import judging
from rung.verifiers.base import Verifier
from rung.ways import TIER_PREFIX

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 4
"""Audits under way: they share the providers with the callers."""

MOST_KEPT = 100
"""Audits under way and waiting; each holds a request's text. Above it, further ones are dropped."""

LAST_SECONDS = 5.0
"""How long audits under way have when the process is to end. Those that wait are dropped."""

_STRICTER = {Comparison.TEXT: Comparison.AUTO}
"""Of ten words the one that differs may be the wrong one: such answers are judged."""

_EXACT = frozenset({Comparison.EXACT, Comparison.NUMBER})
_NUMBERS = "number:"
"""Begins the keys of answers that are one number."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``share`` (0..1) of a ladder's requests is looked at by the tier ``by``, or by a human."""

    share: float
    by: str


class Book(Protocol):
    """Where labels are kept, and what waits for a human's."""

    def add_label(self, given: Label, /) -> object:
        """Store a label. Blocks; raises RungError."""
        ...

    def queue_audit(self, outcome: Outcome, /) -> None:
        """Put a served request where a human can read and label it. Blocks; raises RungError."""
        ...


class NoBaselines:
    """An audit stands for no request, so nothing else would have answered it."""

    def named(self) -> Iterable[tuple[str, Pricer]]:
        """None."""
        return ()

    def requested(self, model: str) -> Pricer | None:  # noqa: ARG002 the contract's
        """None."""
        return None


@dataclass(frozen=True, slots=True)
class Auditors:
    """Who looks again. Each ladder of theirs is one tier, the auditing one.

    ``again`` asks it what the request asks, with the request's own gates; ``judge`` asks it about
    an answer.
    """

    again: Intake
    judge: Intake


@dataclass(slots=True)
class Audits:
    """Draws requests and looks at them in the background. ``wall`` is seconds since 1970."""

    rules: Mapping[str, Rule]
    auditors: Auditors
    book: Book
    wall: Callable[[], float]
    last_seconds: float = LAST_SECONDS
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))
    _ending: bool = False

    def consider(self, outcome: Outcome, extra: tuple[Verifier, ...] = ()) -> None:
        """Begin an audit if this request is drawn. Returns at once and never raises.

        ``extra`` are the checks that the caller brought.
        """
        rule = self.rules.get(outcome.plan.ladder)
        if rule is None or self._ending or not drawn(outcome.request.id, rule.share):
            return
        if unaudited(outcome, rule.by) is not None:
            return
        if len(self._tasks) >= MOST_KEPT:
            logger.warning("too many audits wait, %s gets none", outcome.request.id)
            return
        task = asyncio.ensure_future(self._begin(outcome, extra, rule))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give what is under way its last seconds; drop the rest."""
        self._ending = True
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=self.last_seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        await self.auditors.again.close()
        await self.auditors.judge.close()

    async def _begin(self, outcome: Outcome, extra: tuple[Verifier, ...], rule: Rule) -> None:
        async with self._turns:
            if self._ending:
                return
            name = outcome.request.id
            try:
                if rule.by == HUMAN:
                    await asyncio.to_thread(self.book.queue_audit, outcome)
                else:
                    await self._look(outcome, extra, rule.by)
            except RungError as error:
                logger.info("no audit of %s: %s", name, error.message)
            except Exception as error:  # noqa: BLE001 boundary: nobody waits who could be told
                logger.warning("no audit of %s: %s inside of it", name, type(error).__name__)

    async def _look(self, outcome: Outcome, extra: tuple[Verifier, ...], by: str) -> None:
        caps = self.auditors.again.parts.ways.policies
        look = _Look(self.auditors, outcome, by, caps[outcome.plan.ladder].cost_cap_nanousd)
        async for place, right, note in look.findings(extra):
            label = Label(
                outcome.request.id,
                right,
                LabelSource.AUDIT,
                self.wall(),
                place,
                f"{TIER_PREFIX}{by}",
                note,
            )
            await asyncio.to_thread(self.book.add_label, label)


# ------------------------------------------------------------------ what is looked at


def drawn(request_id: str, share: float) -> bool:
    """Whether a request is among the ``share`` (0..1) that is audited. Always the same for an id.

    The draw knows nothing of the answer, so each answer had the same chance, whatever became of it.
    """
    digest = blake2b(request_id.encode("utf-8", "replace"), digest_size=8, person=b"rung audit")
    return int.from_bytes(digest.digest()) < share * 2**64


def unaudited(outcome: Outcome, by: str) -> str | None:
    """Why a request gets no second look by ``by``, if so."""
    request = outcome.request
    pinned = request.directions.tier is not None or request.model.startswith(TIER_PREFIX)
    reasons = {
        "it is a second look itself": request.audit_of is not None,
        "it has not come to an end": outcome.decision is None,
        "its tier was chosen by the caller, not by the cascade": pinned,
        "two models' embeddings do not compare": Need.EMBEDDINGS in request.needs,
        "its bytes left before anything was accepted": outcome.ungated,
        "the provider runs its tools, and would again": _runs_tools(request),
        f"the request may not go to {by}": any(e.tier == by for e in outcome.plan.excluded)
        or by not in (request.directions.tiers or (by,)),
        "it has no answer that could be looked at": accepted(outcome) is None
        and (by == HUMAN or next(turned_down(outcome), None) is None),
    }
    return next((why for why, holds in reasons.items() if holds), None)


def _runs_tools(request: Request) -> bool:
    return any(isinstance(tool, HostedTool) for tool in request.tools)


def comparable(answer: Answer | None) -> bool:
    """Whether it is one text. If a tool call was right shows only in what comes after it."""
    return answer is not None and not answer.tool_calls and not answer.more


def accepted(outcome: Outcome) -> int | None:
    """The place of the served answer, if no gate spoke against it."""
    good = isinstance(outcome.decision, Accept) and outcome.verified is not False
    return outcome.served if good and comparable(outcome.answer) else None


def below(outcome: Outcome, by: str) -> bool:
    """Whether the served answer is of a tier below ``by``; one that is on no plan is above all."""
    assert outcome.served is not None
    tiers = [step.tier for step in outcome.plan.steps]
    tier = outcome.attempts[outcome.served].tier
    if by not in tiers:
        return tier != by
    return tiers.index(tier) < tiers.index(by)


def turned_down(outcome: Outcome) -> Iterator[int]:
    """The places of whole drafts that a gate rejected."""
    steps = {step.tier: step for step in outcome.plan.steps}
    taken = accepted(outcome)
    for place, attempt in enumerate(outcome.attempts):
        whole = place != taken and not attempt.aborted and comparable(attempt.answer)
        if whole and attempt.tier in steps and rejected(steps[attempt.tier], attempt):
            yield place


# ------------------------------------------------------------------ one audit

Found = tuple[int, bool, str]
"""The place of an attempt, whether its answer was right, and how that was found out."""


@dataclass(slots=True)
class _Look:
    """One request looked at again. ``left_nanousd`` is what may still be spent on it."""

    auditors: Auditors
    outcome: Outcome
    by: str
    left_nanousd: int | None
    _judgements: dict[str, judging.Judgement] = field(default_factory=dict)

    async def findings(self, extra: tuple[Verifier, ...]) -> AsyncIterator[Found]:
        """What can be said of the accepted answer, then of the drafts that were turned down."""
        served, reference = accepted(self.outcome), None
        known: dict[int, bool] = {}
        if served is not None and self.outcome.verified:
            reference = self._answer(served)
        if served is not None and below(self.outcome, self.by):
            reference = await self._again(extra)
            found = None if reference is None else await self._compared(served, reference)
            if found is not None:
                known[served] = found[1]
                yield found
        for place in turned_down(self.outcome):
            draft = self._answer(place)
            if served in known and self._same(draft, self._answer(served)):
                yield place, known[served], "the same answer as the one that was served"
                continue
            found = await (
                self._alone(place) if reference is None else self._compared(place, reference)
            )
            if found is not None:
                yield found

    async def _compared(self, place: int, reference: Answer) -> Found | None:
        """Whether an answer is right by a reference that has passed itself; ``None``: undecided."""
        answer = self._answer(place)
        if self._same(answer, reference):
            return place, True, "the same answer as the reference"
        # Each is judged alone: the judge learns neither whose it is nor that there is another.
        first = await self._judged(answer)
        if first.right is None:
            return None
        if first.right and not self._exclusive(answer, reference):
            return place, True, "judged right, in other words than the reference"
        second = await self._judged(reference)
        if second.right is None or second.right is first.right:
            return None  # a judge for whom both are right, or both wrong, has not told them apart
        return place, first.right, first.reason

    async def _alone(self, place: int) -> Found | None:
        """Of a draft where no answer passed there is only the judge's word."""
        found = await self._judged(self._answer(place))
        if found.right is None:
            return None
        return place, found.right, f"judged alone: {found.reason}"

    async def _again(self, extra: tuple[Verifier, ...]) -> Answer | None:
        """The auditing tier's own answer; ``None`` where it does not pass the same gates."""
        outcome = await self._ask(self.auditors.again, self.outcome.request, extra)
        usable = outcome.verified is not False and comparable(outcome.answer)
        return outcome.answer if usable else None

    async def _judged(self, answer: Answer) -> judging.Judgement:
        text = said(answer)
        if text not in self._judgements:
            self._judgements[text] = await self._judge(answer)
        return self._judgements[text]

    async def _judge(self, answer: Answer) -> judging.Judgement:
        if judging.partly_shown(answer):
            return judging.Judgement(None, None, "it is too long to be judged whole")
        whom = self.auditors.judge
        asked = judging.question(self.outcome.request, answer, whom.new_id())
        reply = (await self._ask(whom, asked)).answer
        if reply is None:
            return judging.Judgement(None, None, "the judge gave no answer")
        return judging.read(reply)

    async def _ask(
        self, whom: Intake, request: Request, extra: tuple[Verifier, ...] = ()
    ) -> Outcome:
        audited = self.outcome.request
        asked = replace(
            request,
            id=whom.new_id(),
            stream=False,
            stream_usage=False,
            session="",
            resend_of=None,
            audit_of=audited.id,
            directions=replace(
                audited.directions,
                ladder=self.outcome.plan.ladder,
                verify=request.directions.verify,
                deadline_seconds=None,  # nobody waits
                max_cost_nanousd=self.left_nanousd,
            ),
        )
        outcome = (await whom.answer(asked, extra=extra)).outcome
        if self.left_nanousd is not None:
            self.left_nanousd = max(0, self.left_nanousd - outcome.cost_nanousd)
        return outcome

    def _answer(self, place: int) -> Answer:
        answer = self.outcome.attempts[place].answer
        assert answer is not None
        return answer

    def _same(self, one: Answer, other: Answer) -> bool:
        mine, theirs = keys([said(one), said(other)], self._vote)
        return mine == theirs

    def _exclusive(self, one: Answer, other: Answer) -> bool:
        """Whether of two different answers one at most can be right, whatever a judge says."""
        found = keys([said(one), said(other)], self._vote)
        return self._vote.comparison in _EXACT or all(key.startswith(_NUMBERS) for key in found)

    @property
    def _vote(self) -> Vote:
        """How the ladder compares answers, but for texts that are only nearly the same."""
        vote = self.outcome.plan.steps[0].vote
        return replace(vote, comparison=_STRICTER.get(vote.comparison, vote.comparison))
