"""Plans and worlds to try the engine on, and a simulator that plays one against the other.

A world says what each call and each check gives. The simulator does what the runner does, with
neither a clock nor io: it asks the engine, acts on the world, appends to the history, repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Protocol

from hypothesis import strategies as st

from rung.core.engine import (
    PASSES_BY_ITSELF,
    Accept,
    Action,
    Call,
    Exhausted,
    Release,
    Verify,
    next_action,
)
from rung.core.plan import Plan, Step, StreamMode
from rung.core.types import (
    Answer,
    Attempt,
    Failure,
    Fault,
    History,
    Kind,
    Phase,
)
from rung.core.verdicts import Check, Status, Verdict, Weight
from rung.core.vote import PLAIN_VOTE, Comparison, Vote

AGREEMENT = Check("agreement", Weight.SIGNAL)

# ------------------------------------------------------------------ worlds


@dataclass(frozen=True)
class Reply:
    """What a tier gives when it is called: the text, or a fault.

    ``cost_percent`` is the part of the step's worst cost that it takes. ``began`` says that the
    first token had come before the fault, ``long`` that there is more text than a preamble.
    ``doomed`` is broken off by the first check that may, unless bytes have left before. ``silent``
    is what comes of the call beside it, where one may be made: "lost" to this one, or "won".
    """

    text: str = "A"
    fault: Fault | None = None
    seconds: float = 1.0
    cost_percent: int = 100
    retry_after_seconds: float | None = None
    began: bool = True
    long: bool = False
    doomed: bool = False
    load_seconds: float = 0.0
    silent: str = ""


@dataclass(frozen=True)
class Opinion:
    """What a check gives."""

    status: Status = Status.PASSED
    score: float | None = None
    seconds: float = 0.0
    vacuous: bool = False
    says: str | None = None


class World(Protocol):
    """What happens outside of the engine."""

    def reply(self, history: History, call: Call) -> Reply: ...

    def opinion(self, history: History, check: Check) -> Opinion: ...


@dataclass(frozen=True)
class Drawn:
    """A world that goes round its replies and, for each check's name, its opinions."""

    replies: Sequence[Reply]
    opinions: Mapping[str, Sequence[Opinion]] = field(default_factory=dict)

    def reply(self, history: History, call: Call) -> Reply:
        return self.replies[len(history) % len(self.replies)]

    def opinion(self, history: History, check: Check) -> Opinion:
        opinions = self.opinions.get(check.name, (Opinion(),))
        return opinions[(len(history) - 1) % len(opinions)]


# ------------------------------------------------------------------ the simulator


@dataclass(frozen=True)
class Trace:
    """A request from its beginning to its end: each action with the history it was taken on."""

    plan: Plan
    moves: tuple[tuple[History, Action], ...]

    @property
    def history(self) -> History:
        return self.moves[-1][0]

    @property
    def end(self) -> Action:
        return self.moves[-1][1]

    @property
    def calls(self) -> list[tuple[History, Call]]:
        return [(before, move) for before, move in self.moves if isinstance(move, Call)]

    def step(self, tier: str) -> Step:
        return next(step for step in self.plan.steps if step.tier == tier)


def most_actions(plan: Plan) -> int:
    """No request takes more: every limit used up, every check of every call, and the end."""
    return 1 + sum(
        (max(1, step.samples) + step.repairs + step.retries) * (1 + len(step.checks))
        for step in plan.steps
    )


def simulate(
    plan: Plan,
    world: World,
    decide: Callable[[Plan, History], Action] = next_action,
) -> Trace:
    """Play ``plan`` in ``world`` to its end; fails when that takes longer than it ever may."""
    history: History = ()
    moves: list[tuple[History, Action]] = []
    for _ in range(most_actions(plan)):
        action = decide(plan, history)
        moves.append((history, action))
        match action:
            case Call():
                history = _raced(plan, history, action, world, decide)
            case Verify():
                history = (*history[:-1], _verified(history, action.check, world))
            case Accept() | Exhausted():
                return Trace(plan, tuple(moves))
    raise AssertionError(f"no end after {most_actions(plan)} actions: {moves}")


def now(history: History) -> float:
    """When the last thing that is in the history ended."""
    ends = [a.ended_at for a in history] + [v.at for a in history for v in a.verdicts]
    return max(ends, default=0.0)


def elapsed(history: History) -> float:
    """The same without the loading of models, which no deadline counts."""
    return now(history) - sum(attempt.load_seconds for attempt in history)


def _raced(
    plan: Plan,
    history: History,
    call: Call,
    world: World,
    decide: Callable[[Plan, History], Action],
) -> History:
    """What a call leaves in the history: with one beside it, where it keeps silent for long."""
    silent = "" if call.hedge is None else world.reply(history, call).silent
    if call.hedge is None or not silent:
        return (*history, _called(plan, history, call, world))
    beside = call.hedge.call
    step = next(step for step in plan.steps if step.tier == beside.tier)
    started = now(history) + call.hedge.after_seconds
    cut = Attempt(
        id=f"a{len(history)}",
        tier=beside.tier,
        kind=beside.kind,
        started_at=started,
        ended_at=started,
        failure=Failure(Fault.CANCELLED, ""),
        cost_nanousd=step.worst_cost_nanousd,
        beside=True,
    )
    if silent == "lost":
        made = _called(plan, history, call, world)
        if made.ended_at < started:  # it spoke before anybody was asked beside it
            return (*history, made)
        return (*history, cut, replace(made, id=f"a{len(history) + 1}"))
    first = next(step for step in plan.steps if step.tier == call.tier)
    lost = replace(
        cut,
        tier=call.tier,
        started_at=now(history),
        ended_at=started,
        cost_nanousd=first.worst_cost_nanousd,
        beside=False,
    )
    following = decide(plan, (*history, lost))
    if isinstance(following, Call):
        assert (following.tier, following.kind) == (beside.tier, beside.kind)
    return (*history, lost)


def _called(plan: Plan, history: History, call: Call, world: World) -> Attempt:
    reply = world.reply(history, call)
    step = next(step for step in plan.steps if step.tier == call.tier)
    fault = Fault.TIMEOUT if reply.seconds > call.timeout_seconds else reply.fault
    failure = None if fault is None else Failure(fault, "", None, reply.retry_after_seconds)
    started = now(history) + call.wait_seconds
    ended = started + reply.load_seconds + min(reply.seconds, call.timeout_seconds)
    released = leaves(call.release, reply) and (failure is None or reply.began)
    broken_off = reply.doomed and bool(call.watched) and failure is None and not released
    name = next((check.name for check in step.checks if check.name in call.watched), "")
    return Attempt(
        id=f"a{len(history)}",
        tier=call.tier,
        kind=call.kind,
        started_at=started,
        ended_at=ended,
        answer=Answer(reply.text) if failure is None else None,
        failure=failure,
        cost_nanousd=step.worst_cost_nanousd * reply.cost_percent // 100,
        load_seconds=reply.load_seconds,
        released=released,
        phase=Phase.STREAM if broken_off else Phase.DONE,
        verdicts=(Verdict(name, Status.FAILED, "", at=ended),) if broken_off else (),
    )


def leaves(release: Release, reply: Reply) -> bool:
    """Whether bytes of such an answer leave before it is accepted."""
    return release in {Release.TEXT, Release.ALL} or (release is Release.PREAMBLE and reply.long)


def _verified(history: History, check: Check, world: World) -> Attempt:
    said = world.opinion(history, check)
    at = now(history) + said.seconds
    vacuous = said.vacuous and said.status is Status.PASSED
    made = Verdict(check.name, said.status, "", score=said.score, at=at, vacuous=vacuous)
    return history[-1].with_verdict(replace(made, says=said.says))


def prefixes(history: History) -> list[History]:
    """All states that a history went through, attempt by attempt and verdict by verdict.

    What was broken off came with the verdict that did it.
    """
    states: list[History] = [()]
    for index, attempt in enumerate(history):
        first = len(attempt.verdicts) if attempt.aborted else 0
        for verdicts in range(first, len(attempt.verdicts) + 1):
            if attempt.beside:
                break  # it came with the call that it was made beside
            cut = replace(attempt, verdicts=attempt.verdicts[:verdicts])
            states.append((*history[:index], cut))
    return states


# ------------------------------------------------------------------ strategies

WEIGHTS = {
    "schema": tuple(Weight),
    "lint": tuple(Weight),
    "hedging": tuple(Weight),
    "tool_calls": (Weight.REQUIRED, Weight.SIGNAL),
    "agreement": (Weight.SIGNAL,),
}
NAMED_TOGETHER = tuple(names for size in range(4) for names in combinations(WEIGHTS, size))
LIMITS = tuple((r, p, s) for r in range(3) for p in range(3) for s in range(1, 5))
"""Retries, repairs and samples: few enough for all to be used up."""


VOTES = st.just(PLAIN_VOTE) | st.builds(
    Vote,
    st.sampled_from(Comparison),
    st.sampled_from([(), ("x",)]),
    st.sampled_from([0.5, 0.8, 0.95, 1.0]),
)
LINE = "each of these ten words stands here for another one"
NEARLY = (LINE, LINE.replace("ten", "few"), LINE.replace("ten", "few").replace("here", "in"))
"""The second is nearly the first and nearly the last, which are not nearly one another."""

TEXTS = ("A", "A", "a.", "B", "C", "7 B", "#### 7", '{"x": 7}', *NEARLY)
"""Of one group or of several, by how they are compared."""


@st.composite
def check_lists(draw: st.DrawFn) -> tuple[Check, ...]:
    """Up to three checks of any weight, gates first, agreement among the signals."""
    names = draw(st.sampled_from(NAMED_TOGETHER))
    checks = [Check(n, draw(st.sampled_from(WEIGHTS[n]))) for n in names]
    return tuple(sorted(checks, key=lambda check: check.weight is Weight.SIGNAL))


@st.composite
def steps(draw: st.DrawFn, tier: str, checks: tuple[Check, ...] | None = None) -> Step:
    """A tier with any limits."""
    retries, repairs, samples = draw(st.sampled_from(LIMITS))
    return Step(
        tier=tier,
        checks=draw(check_lists()) if checks is None else checks,
        worst_cost_nanousd=draw(st.sampled_from((0, 10, 50, 100))),
        timeout_seconds=draw(st.sampled_from((120.0, 10.0, 0.5))),
        retries=retries,
        repairs=repairs,
        samples=samples,
        vote=draw(VOTES),
        min_confidence=draw(st.sampled_from((None, None, None, 0.0, 0.4, 1.0))),
        most_spent_nanousd=draw(st.sampled_from((None, None, None, 0, 30, 110))),
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """One to five tiers with the same checks, or each with its own; caps and deadlines or none."""
    tiers = draw(st.sampled_from((1, 2, 2, 3, 3, 4, 5)))
    shared = draw(st.none() | check_lists())
    return Plan(
        ladder="any",
        steps=tuple(draw(steps(f"t{n}", shared)) for n in range(tiers)),
        stream=draw(st.booleans()),
        stream_mode=draw(st.sampled_from(StreamMode)),
        cost_cap_nanousd=draw(st.sampled_from((None, None, None, 5, 50, 110, 250))),
        deadline_seconds=draw(st.sampled_from((None, None, None, 2.5, 10.0, 40.0))),
        min_confidence=draw(st.sampled_from((0.0, 0.5, 1.0))),
        max_wait_seconds=draw(st.sampled_from((0.0, 0.2, 5.0))),
        seed=draw(st.integers(0, 9)),
        hedge_seconds=draw(st.sampled_from((None, 0.0, 2.0))),
        patient=draw(st.sampled_from((False, False, True))),
    )


SECONDS = st.sampled_from((0.0, 0.25, 1.0, 1.0, 6.0, 30.0))
FAULTS = (*sorted(PASSES_BY_ITSELF), *Fault)
"""Those that are worth a retry twice, so that retries get used up."""


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    """Answers twice as often as faults of every sort, with and without a word on waiting."""
    percent = draw(st.sampled_from((0, 30, 100)))
    if draw(st.sampled_from((True, True, False))):
        text, load = draw(st.sampled_from(TEXTS)), draw(st.sampled_from((0.0, 0.0, 0.0, 25.0)))
        return Reply(
            text,
            None,
            draw(SECONDS),
            percent,
            long=draw(st.booleans()),
            doomed=draw(st.sampled_from((False, False, True))),
            load_seconds=load,
            silent=draw(SILENT),
        )
    return Reply(
        fault=draw(st.sampled_from(FAULTS)),
        seconds=draw(SECONDS),
        cost_percent=percent,
        retry_after_seconds=draw(st.sampled_from((None, None, -3.0, 0.0, 1.0, 60.0))),
        began=draw(st.booleans()),
        long=draw(st.booleans()),
        silent=draw(SILENT),
    )


SILENT = st.sampled_from(("", "lost", "won"))


@st.composite
def opinions(draw: st.DrawFn) -> Opinion:
    """Any status, most often a failure; with and without a score; at once or after a while."""
    status = draw(st.sampled_from((Status.FAILED, Status.FAILED, *Status)))
    score = draw(st.sampled_from((None, None, 0.0, 0.3, 0.5, 1.0)))
    seconds = draw(st.sampled_from((0.0, 0.0, 0.0, 5.0)))
    says = draw(st.sampled_from((None, None, None, "this", "that")))
    return Opinion(status, score, seconds, vacuous=draw(st.booleans()), says=says)


@dataclass(frozen=True)
class Unwritten:
    """A world made up as it goes: nothing is drawn that is not asked for."""

    draw: st.DrawFn
    dearer_percent: int = 0

    def reply(self, history: History, call: Call) -> Reply:
        reply = self.draw(replies())
        return replace(reply, cost_percent=reply.cost_percent + self.dearer_percent)

    def opinion(self, history: History, check: Check) -> Opinion:
        return self.draw(opinions())


@st.composite
def traces(draw: st.DrawFn, dearer_percent: int = 0) -> Trace:
    """Any plan played in any world; calls cost at most their bound, plus ``dearer_percent``."""
    return simulate(draw(plans()), Unwritten(draw, dearer_percent))


@st.composite
def histories(draw: st.DrawFn, plan: Plan) -> History:
    """Attempts on the plan's tiers in any order with any verdicts, as no engine would make them."""
    names = [check.name for step in plan.steps for check in step.checks] + ["unknown"]
    verdict = st.builds(
        Verdict,
        st.sampled_from(names),
        st.sampled_from(Status),
        st.just(""),
        score=st.none() | st.floats(allow_nan=True),
        at=st.floats(0, 200),
        vacuous=st.booleans(),
        says=st.sampled_from((None, "this", "that")),
    )
    attempt = st.builds(
        Attempt,
        id=st.just("a"),
        tier=st.sampled_from([step.tier for step in plan.steps]),
        kind=st.sampled_from(Kind),
        started_at=st.just(0.0),
        ended_at=st.floats(0, 200),
        answer=st.none() | st.builds(Answer, st.text(max_size=3)),
        failure=st.none()
        | st.builds(
            Failure,
            st.sampled_from(Fault),
            st.just(""),
            retry_after_seconds=st.none() | st.floats(allow_nan=True),
        ),
        cost_nanousd=st.integers(0, 500),
        verdicts=st.lists(verdict, max_size=4).map(tuple),
        released=st.booleans(),
        phase=st.sampled_from((Phase.DONE, Phase.DONE, Phase.STREAM)),
    )
    return tuple(draw(st.lists(attempt, max_size=8)))


@st.composite
def voting_traces(draw: st.DrawFn) -> Trace:
    """Tiers that vote on answers that are easily regrouped, with a gate that takes votes away."""
    checks = (Check("lint", Weight.IMPLIED), Check("hedging", Weight.SIGNAL), AGREEMENT)
    vote = draw(VOTES | st.just(Vote(Comparison.TEXT)) | st.just(Vote(Comparison.TEXT)))
    step = Step("t0", checks, repairs=1, samples=draw(st.integers(2, 6)), vote=vote)
    plan = Plan("any", (step, replace(step, tier="t1")), stream=True, min_confidence=0.4)
    texts = NEARLY if vote.comparison is Comparison.TEXT else TEXTS
    replies = st.builds(Reply, st.sampled_from(texts), doomed=st.sampled_from((False, False, True)))
    passed = st.just(Opinion(says=None))
    lint = passed | st.just(Opinion(Status.FAILED))
    says = st.builds(Opinion, says=st.sampled_from((None, None, None, None, "this", "that")))
    world = Drawn(
        draw(st.lists(replies, min_size=6, max_size=12)),
        {
            "lint": draw(st.lists(passed | lint, min_size=7, max_size=7)),
            "hedging": draw(st.lists(passed | says, min_size=11, max_size=11)),
            "agreement": (Opinion(score=draw(st.sampled_from((0.3, 0.9)))),),
        },
    )
    return simulate(plan, world)
