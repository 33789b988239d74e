"""Outcomes as the engine makes them: random plans played out against random answers."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from rung.core.engine import Accept, Action, Call, Exhausted, Verify, next_action
from rung.core.outcome import Outcome
from rung.core.parts import Message, Role, Text, Tool, ToolCall
from rung.core.plan import TOOL_CALLS, Excluded, OnExhausted, Plan, Step, StreamMode
from rung.core.release import Release
from rung.core.types import (
    Answer,
    Attempt,
    Directions,
    EndedBy,
    Failure,
    Fault,
    Finish,
    History,
    Kind,
    Lane,
    Need,
    Phase,
    Price,
    Request,
    Usage,
    UsageSource,
)
from rung.core.verdicts import Check, Status, Trust, Verdict, Weight
from rung.core.vote import Comparison, Vote

TIERS = ("tiny", "middle", "large")
CHECKS = (
    Check("not_empty", Weight.IMPLIED),
    Check("json_schema", Weight.REQUIRED),
    Check(TOOL_CALLS, Weight.REQUIRED),
    Check("pytest", Weight.REQUIRED),
    Check("logprobs", Weight.SIGNAL),
)
WORDS = st.sampled_from(
    ["", "yes", "Yes.", "no", "42", '{"a": 1}', "\ud800\x00", "naïve \U0001f600"]
)
VOTES = st.builds(
    Vote,
    st.sampled_from(Comparison),
    st.sampled_from([(), ("a",)]),
    st.sampled_from([0.5, 0.8, 0.95, 1.0]),
)
SENTENCE = "the sun is out and it is warm in the garden today"
TEXTS = WORDS | st.sampled_from(
    [
        *("42.0", "#### 42", "so 42 apples", "sha256:42", "SHA256:42"),
        *('{"a": 1.0}', 'here: {"a": 1, "b": 2}', "```\n[1]\n```"),
        *(SENTENCE, f"{SENTENCE} too", f"{SENTENCE} too I think", f"and {SENTENCE} it seems"),
    ]
)
TOOLS = (Tool("search"), Tool("search", namespace="files"), Tool("\ud800"))
SECONDS = st.floats(0, 20, allow_subnormal=False)
COSTS = st.integers(0, 10**12)
FEW = st.integers(0, 2)
SHARES = st.sampled_from((1.0, 1.0, 0.6, 0.0))


@st.composite
def plans(draw) -> Plan:
    """A ladder of one to three tiers with any limits."""
    checks = tuple(draw(st.lists(st.sampled_from(CHECKS), unique=True, max_size=3)))
    steps = []
    for tier in TIERS[: draw(st.integers(1, 3))]:
        samples = draw(st.integers(1, 6))
        voted = samples > 1 and not any(check.weight is Weight.REQUIRED for check in checks)
        steps.append(
            Step(
                tier,
                (*checks, Check("agreement", Weight.SIGNAL)) if voted else checks,
                worst_cost_nanousd=draw(COSTS),
                timeout_seconds=draw(st.floats(0.1, 60)),
                retries=draw(st.integers(0, 1)),
                repairs=draw(st.integers(0, 1)),
                samples=samples,
                vote=draw(VOTES),
                min_confidence=draw(st.none() | st.floats(0, 1)),
                most_spent_nanousd=draw(st.none() | COSTS),
                reach=draw(SHARES),
            )
        )
    return Plan(
        ladder=draw(st.sampled_from(["default", "cheap"])),
        steps=tuple(steps),
        stream=draw(st.booleans()),
        stream_mode=draw(st.sampled_from(StreamMode)),
        cost_cap_nanousd=draw(st.none() | COSTS),
        deadline_seconds=draw(st.none() | st.floats(0.5, 60)),
        on_exhausted=draw(st.sampled_from(OnExhausted)),
        min_confidence=draw(st.floats(0, 1)),
        seed=draw(st.integers(0, 2**63)),
        excluded=(Excluded("huge", draw(WORDS), draw(SHARES)),) if draw(st.booleans()) else (),
    )


@st.composite
def usages(draw) -> Usage:
    """Token counters, sometimes with none of them known."""
    source = draw(st.sampled_from(UsageSource))
    if source is UsageSource.NONE:
        return Usage()
    sent, said = draw(st.integers(0, 10**6)), draw(st.integers(0, 10**6))
    read = draw(st.integers(0, sent))
    return Usage(
        sent,
        said,
        read,
        draw(st.integers(0, sent - read)),
        draw(st.integers(0, said)),
        source,
        image_tokens=draw(FEW),
        server_tools=draw(FEW),
        audio_tokens=draw(FEW),
        file_searches=draw(FEW),
    )


@st.composite
def tool_calls(draw) -> ToolCall:
    """A call of a tool, offered or not, with any arguments."""
    named = draw(st.sampled_from([("search", ""), ("search", "files"), ("\ud800", ""), ("no", "")]))
    return ToolCall(draw(WORDS), named[0], draw(WORDS), named[1], custom=draw(st.booleans()))


@st.composite
def answers(draw, *, calls: bool) -> Answer:
    """What a tier said, with tool calls where ``calls`` allows them."""
    return Answer(
        draw(TEXTS),
        draw(st.sampled_from(Finish)),
        draw(st.sampled_from(["", "llama", "gpt-6-luna"])),
        tool_calls=tuple(draw(st.lists(tool_calls(), max_size=2))) if calls else (),
        dialect=draw(st.sampled_from(["", "chat", "messages"])),
        salvaged=draw(st.sampled_from(["", "hermes"])),
    )


@st.composite
def _attempts(draw, plan: Plan, call: Call, name: str, began: float) -> Attempt:
    seconds = draw(SECONDS)
    attempt = Attempt(
        id=name,
        tier=call.tier,
        kind=call.kind,
        started_at=began + call.wait_seconds,
        ended_at=began + call.wait_seconds + seconds,
        usage=draw(usages()),
        cost_nanousd=draw(COSTS),
        price=draw(st.none() | st.just(Price("local")) | st.builds(Price, WORDS, COSTS, COSTS)),
        load_seconds=draw(st.floats(0, 1)),
        queued_seconds=draw(st.floats(0, 1)),
        first_token_seconds=draw(st.none() | st.floats(0, 1)),
        released=call.release is not Release.NOTHING and draw(st.booleans()),
        losses=tuple(draw(st.lists(WORDS, max_size=2))),
    )
    if draw(st.integers(0, 3)):
        answer = draw(answers(calls=draw(st.booleans())))
        broken_off = bool(call.watched) and not draw(st.integers(0, 4))
        return replace(attempt, answer=answer, phase=Phase.STREAM if broken_off else Phase.DONE)
    failure = Failure(
        draw(st.sampled_from(Fault)),
        draw(WORDS),
        draw(st.none() | st.integers(400, 599)),
        draw(st.none() | st.floats(0, 100)),
    )
    phase, ended_by = draw(st.sampled_from(Phase)), draw(st.sampled_from(EndedBy))
    return replace(attempt, failure=failure, phase=phase, ended_by=ended_by)


def _elapsed(history: History) -> float:
    moments = [a.ended_at for a in history] + [v.at for a in history for v in a.verdicts]
    return max(moments, default=0.0)


@st.composite
def _verdicts(draw, check: Check, now: float) -> Verdict:
    seconds, status = draw(st.floats(0, 1)), draw(st.sampled_from(Status))
    return Verdict(
        verifier=check.name,
        status=status,
        reason=draw(WORDS),
        trust=draw(st.sampled_from(Trust)),
        score=draw(st.floats(0, 1)) if check.weight is Weight.SIGNAL else None,
        seconds=seconds,
        at=now + seconds,
        vacuous=status is Status.PASSED and draw(st.booleans()),
        says=draw(st.sampled_from([None, None, "this", "that"])),
    )


@st.composite
def _played(draw, plan: Plan, name: str) -> tuple[History, Accept | Exhausted | None]:
    """The history that the engine itself asks for, cut short now and then by a caller who left."""
    history: History = ()
    patience = draw(st.none() | st.integers(0, 6))
    while patience is None or patience > 0:
        match next_action(plan, history):
            case Call() as call:
                made = draw(_attempts(plan, call, f"{name}.{len(history)}", _elapsed(history)))
                history = (*history, made)
            case Verify(check):
                verdict = draw(_verdicts(check, _elapsed(history)))
                history = (*history[:-1], history[-1].with_verdict(verdict))
            case end:
                return history, end
        patience = None if patience is None else patience - 1
    return history, None


@st.composite
def requests(draw, name: str) -> Request:
    """A request of one message from anyone, now and then sent again."""
    return Request(
        id=name,
        dialect="chat",
        messages=(Message(Role.USER, (Text(draw(WORDS)),)),),
        model=draw(st.sampled_from(["rung", "gpt-6-luna"]) | WORDS),
        tools=draw(st.sampled_from([(), TOOLS[:1], TOOLS])),
        needs=draw(st.frozensets(st.sampled_from(Need))),
        stream=draw(st.booleans()),
        body=draw(st.binary(max_size=20)),
        resend_of=draw(st.none() | st.sampled_from(["req-000", "req-001", "req-002", "unknown"])),
        directions=Directions(
            project=draw(st.sampled_from([None, "", "alpha", "beta"])),
            lane=draw(st.sampled_from(Lane)),
        ),
    )


@st.composite
def outcomes(draw, name: str = "req-1") -> Outcome:
    """One finished request with all its attempts."""
    plan = draw(plans())
    history, decision = draw(_played(plan, name))
    accepted = isinstance(decision, Accept)
    best = isinstance(decision, Exhausted) and plan.on_exhausted is OnExhausted.BEST
    return Outcome(
        request=draw(requests(name)),
        plan=plan,
        attempts=history,
        decision=decision,
        served=decision.index if accepted else decision.best if best else None,
        verified=decision.verified if accepted else False if best else None,
        started_unix=draw(st.floats(0, 10 * 86_400)),
        seconds=_elapsed(history),
        baselines=draw(st.dictionaries(st.sampled_from(["requested", "large"]), COSTS)),
        inbox=isinstance(decision, Exhausted) and plan.on_exhausted is OnExhausted.INBOX,
    )


@st.composite
def books(draw, most: int = 6) -> list[Outcome]:
    """Several outcomes with ids of their own."""
    return [draw(outcomes(f"req-{n:03d}")) for n in range(draw(st.integers(0, most)))]


def actions(plan: Plan, history: History) -> list[Action]:
    """What the engine decides at each moment of a history, its end included."""
    decided: list[Action] = []
    for place, attempt in enumerate(history):
        decided.append(next_action(plan, history[:place]))
        for count in range(len(attempt.verdicts)):
            seen = replace(attempt, verdicts=attempt.verdicts[:count])
            decided.append(next_action(plan, (*history[:place], seen)))
    return [*decided, next_action(plan, history)]


def outcome(name: str = "req-1", **changed: object) -> Outcome:
    """A plain outcome: asked once, answered once by the tiny tier, proven."""
    checks = (Check("json_schema", Weight.REQUIRED),)
    plan = Plan("default", (Step("tiny", checks), Step("large", checks, 500)))
    verdict = Verdict("json_schema", Status.PASSED, "valid", at=1.0)
    attempt = Attempt(
        id=f"{name}.0",
        tier="tiny",
        kind=Kind.FIRST,
        started_at=0.0,
        ended_at=1.0,
        answer=Answer('{"a": 1}', model="llama"),
        usage=Usage(10, 5, source=UsageSource.PROVIDER),
        cost_nanousd=100,
        price=Price("local"),
        verdicts=(verdict,),
    )
    request = Request(name, "chat", (Message(Role.USER, (Text("the secret question"),)),))
    made = Outcome(
        request=request,
        plan=plan,
        attempts=(attempt,),
        decision=Accept(0, verified=True),
        served=0,
        verified=True,
        started_unix=1_700_000_000.0,
        seconds=1.0,
        baselines={"requested": 400},
    )
    return replace(made, **changed)
