"""Answers that are served again: which are kept, for whom, for how long, and by whose leave."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.calibration import Calibration
from rung.core.engine import Accept, Exhausted, Exhaustion
from rung.core.errors import LedgerError
from rung.core.guidance import Kept
from rung.core.outcome import Outcome
from rung.core.parts import (
    File,
    HostedTool,
    Image,
    Message,
    Opaque,
    Refusal,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from rung.core.plan import OnExhausted, Plan, Step, StreamMode
from rung.core.types import (
    Answer,
    Attempt,
    Directions,
    Finish,
    Kind,
    Lane,
    Need,
    Request,
    Sampling,
    SchemaRequest,
    Usage,
    UsageSource,
)
from rung.core.verdicts import Check, Status, Trust, Verdict, Weight
from rung.core.vote import AGREEMENT
from rung.orders import Order
from rung.replies import OVERHEAD_BYTES, Replies, accepted, kept, key_of, size_of, why_not
from rung.verifiers.function import function
from rung.wire import chat, completions, messages, ollama_front, responses
from rung.wire.front import Arrival
from support.outcomes import outcomes

GATE = Check("team", Weight.REQUIRED)
DOUBT = Check("sure", Weight.SIGNAL)
PASSED = Verdict("team", Status.PASSED, "one of the labels", seconds=0.5, at=2.0, cost_nanousd=7)
USED = Usage(10, 5, 4, 0, 2, UsageSource.PROVIDER)


def asking(text: str = "Which team?", **changes) -> Request:
    return Request("r-1", "library", (Message(Role.USER, (Text(text),)),), **changes)


def planned(*tiers: str, checks: tuple[Check, ...] = (GATE,), **changes) -> Plan:
    steps = tuple(Step(tier, checks) for tier in tiers or ("a", "b"))
    return replace(Plan("default", steps), **changes)


def order(request: Request | None = None, plan: Plan | None = None) -> Order:
    return Order(request or asking(), plan or planned(), 10, {}, {})


def ended(answer: Answer | None = None, *verdicts: Verdict, **changes) -> Outcome:
    """A request whose second tier gave a verified answer."""
    drawn = Attempt("x1", "a", Kind.FIRST, 0.0, 1.0, Answer("what?"), cost_nanousd=3)
    served = Attempt(
        "x2",
        "b",
        Kind.FIRST,
        1.0,
        2.0,
        answer or Answer("billing", model="m", body=b'{"a": 1}', ending=b"end"),
        usage=USED,
        cost_nanousd=100,
        verdicts=verdicts or (PASSED,),
        losses=("effort",),
        released=True,
    )
    made = Outcome(
        request=asking(),
        plan=planned(),
        attempts=(drawn, served),
        decision=Accept(1, verified=True),
        served=1,
        verified=True,
        started_unix=1.0,
        seconds=2.0,
    )
    return replace(made, **changes)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def replies(**changes) -> Replies:
    return Replies(**{"most_bytes": 1 << 20, "seconds": 60.0, "clock": Clock()} | changes)


# ------------------------------------------------------------------ what is kept


def test_an_answer_served_again_takes_and_costs_nothing():
    made = kept(ended())
    assert made is not None
    assert (made.of, made.tier, made.usage) == ("r-1", "b", USED)
    attempt = made.attempt("x9")
    assert attempt.answer == Answer("billing", model="m", body=b'{"a": 1}')
    assert attempt.losses == ("effort",)
    assert (attempt.cost_nanousd, attempt.checking_nanousd, attempt.seconds) == (0, 0, 0)
    assert (attempt.usage, attempt.price, attempt.released) == (Usage(), None, False)
    assert attempt.verdicts == (replace(PASSED, cost_nanousd=0, seconds=0.0, at=0.0),)


def test_a_check_that_sent_the_answer_away_does_so_once():
    made = kept(ended(None, replace(PASSED, left=True)))
    assert made is not None
    assert not made.verdicts[0].left


ODD = (
    Answer("billing", Finish.LENGTH),
    Answer("billing", Finish.UNKNOWN),
    Answer("no", refusal="no"),
    Answer("", tool_calls=(ToolCall("1", "f", "{}"),)),
    Answer("billing", more=("sales",)),
    Answer("billing", salvaged="hermes"),
    Answer("billing", dialect="messages", body=b'{"stop_sequence": "END"}'),
    Answer("billing", dialect="messages", ending=b'data: {"stop_sequence":"END"}'),
    Answer("billing", dialect="messages", body=b'{"citations":[{"cited_text":"x"}]}'),
    Answer("billing", dialect="chat", body=b'{"annotations": [{"type": "url_citation"}]}'),
    Answer("billing", dialect="messages", thinking="hm"),
)


@pytest.mark.parametrize("answer", ODD, ids=str)
def test_only_words_that_came_to_their_own_end_are_kept(answer):
    assert kept(ended(answer)) is None


def test_what_an_answer_only_talks_of_does_not_keep_it_from_being_kept():
    body = rb'{"text":"\"stop_sequence\":\"END\"","stop_sequence":null,"annotations":[]}'
    assert kept(ended(Answer("billing", dialect="chat", thinking="hm", body=body))) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"verified": None},
        {"verified": False},
        {"decision": Accept(1, verified=None)},
        {"decision": Accept(1, verified=False)},
        {"decision": Accept(0, verified=True)},
        {"decision": Exhausted(Exhaustion.TOP_REACHED, 1)},
        {"decision": None},
        {"served": 0},
        {"served": None},
        {"cached_of": "r-0"},
        {"plan": planned("a")},
        {
            "plan": planned(
                stream_mode=StreamMode.PASS, checks=(replace(GATE, weight=Weight.SIGNAL),)
            )
        },
    ],
    ids=str,
)
def test_without_a_proof_of_its_own_nothing_is_kept(changes):
    assert kept(ended(**changes)) is None


def test_the_words_of_a_human_are_not_kept():
    human = Attempt("r-1.human", "human", Kind.FIRST, 2.0, 9.0, Answer("billing", model="human"))
    made = ended()
    by_hand = replace(made, attempts=(*made.attempts, human), served=2)
    assert kept(by_hand) is None


def test_a_command_proves_nothing_for_later():
    assert kept(ended(None, replace(PASSED, trust=Trust.COMMAND))) is None


@given(outcomes())
def test_whatever_is_kept_was_accepted_as_verified(made):
    found = kept(made)
    if found is not None:
        assert isinstance(made.decision, Accept)
        assert made.decision.verified is made.verified is True
        assert found.answer.text == made.attempts[made.served].answer.text


# ------------------------------------------------------------------ which requests

NOT_KEPT = (
    {"tools": (Tool("f"),)},
    {"tools": (HostedTool("web_search", b"{}", "responses"),)},
    {"needs": frozenset({Need.TOOLS})},
    {"needs": frozenset({Need.LOGPROBS})},
    {"needs": frozenset({Need.MANY_CHOICES})},
    {"needs": frozenset({Need.STATE})},
    {"needs": frozenset({Need.EMBEDDINGS})},
    {"extras": ("web_search_options",)},
    {"audit_of": "r-0"},
    {"sampling": Sampling(temperature=0.01)},
    {"sampling": Sampling(top_p=0.9)},
    {"sampling": Sampling(top_k=5)},
    {"sampling": Sampling(seed=0)},
)
PARTS = (
    Image(url="https://127.0.0.1/a.png"),
    File(url="https://127.0.0.1/a.pdf"),
    ToolCall("1", "f", "{}"),
    ToolResult("1", (Text("42"),)),
    Opaque("input_audio", {}),
)


@pytest.mark.parametrize("changes", NOT_KEPT, ids=str)
def test_requests_that_no_kept_answer_serves(changes):
    assert why_not(asking(**changes))
    assert replies().key(order(asking(**changes)), ()) is None


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_what_refers_to_something_outside_of_the_request_is_not_kept(part):
    spoken = Message(Role.USER, (Text("Look:"), part))
    assert why_not(asking() if part is None else replace(asking(), messages=(spoken,)))


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=0),
        Sampling(temperature=0.0, top_p=0.5, seed=42),
        Sampling(top_p=1),
        Sampling(max_tokens=5, stop=(".",), frequency_penalty=0.5),
    ],
    ids=str,
)
def test_what_asks_for_no_draw_is_kept(sampling):
    assert not why_not(asking(sampling=sampling))


def test_checks_that_a_caller_brings_may_differ_under_one_name():
    one, other = (function(lambda _: True, name="same") for _ in range(2))
    store = replies()
    assert store.key(order(), ()) is not None
    assert store.key(order(), (one,)) is None
    assert store.key(order(), (other,)) is None


# ------------------------------------------------------------------ what is the same


def test_who_asks_when_and_how_patiently_changes_nothing():
    same = replace(
        asking(),
        id="r-2",
        session="s",
        conversation="c",
        stream=True,
        stream_usage=True,
        resend_of="r-0",
        directions=Directions(
            lane=Lane.BATCH, deadline_seconds=3.0, max_cost_nanousd=5, fresh=True, agent="x"
        ),
    )
    later = planned(
        deadline_seconds=3.0, cost_cap_nanousd=5, seed=9, stream=True, on_exhausted=OnExhausted.BEST
    )
    assert key_of(order(same, later)) == key_of(order())


DIFFERENT = (
    asking("Which team ?"),
    asking(model="gpt-6-luna"),
    asking(effort="low"),
    asking(caller="ab"),
    asking(schema=SchemaRequest(None)),
    asking(schema=SchemaRequest({"type": "string"})),
    asking(schema=SchemaRequest({"type": "string"}, strict=True)),
    asking(schema=SchemaRequest({"type": "string"}, name="other")),
    asking(schema=SchemaRequest({"a": 1, "b": 2})),
    asking(schema=SchemaRequest({"b": 2, "a": 1})),
    asking(sampling=Sampling(temperature=0)),
    asking(sampling=Sampling(max_tokens=5)),
    asking(sampling=Sampling(stop=("a", "b"))),
    asking(sampling=Sampling(stop=("a, b",))),
    asking(parallel_tool_calls=False),
    asking(passed_on=(("anthropic-beta", "x"),)),
    asking(directions=Directions(project="docs")),
    asking(directions=Directions(project="None")),
    asking(directions=Directions(tier="a")),
    asking(directions=Directions(ceiling="a")),
    replace(asking(), dialect="chat"),
    replace(asking(), messages=(Message(Role.SYSTEM, (Text("Which team?"),)),)),
    replace(asking(), messages=(Message(Role.USER, (Refusal("Which team?"),)),)),
    replace(asking(), messages=(Message(Role.USER, (Text("Which"), Text(" team?"))),)),
    replace(asking(), messages=asking().messages * 2),
)


def test_everything_that_could_change_the_answer_keeps_requests_apart():
    plans = (
        planned(private="it says so"),
        planned(ladder="other"),
        planned(checks=()),
        planned(checks=(GATE, DOUBT)),
        planned(checks=(replace(GATE, weight=Weight.SIGNAL),)),
    )
    orders = [order(), *map(order, DIFFERENT), *(order(None, plan) for plan in plans)]
    keys = [key_of(each) for each in orders]
    assert None not in keys
    assert len(set(keys)) == len(orders)


def test_every_field_of_a_request_has_been_thought_of():
    found = "dialect messages model sampling schema parallel_tool_calls effort body passed_on"
    refused = "tools tool_choice needs extras audit_of"
    nothing = "id stream stream_usage session session_shared conversation resend_of loop trace"
    settled = f"{found} {refused} {nothing} caller key directions"
    assert {field.name for field in fields(Request)} == set(settled.split())
    found = "ladder tier verify project ceiling private tiers"
    nothing = "lane deadline_seconds max_cost_nanousd fresh agent ladders"
    assert {field.name for field in fields(Directions)} == {*found.split(), *nothing.split()}


def test_a_schema_that_only_its_class_can_tell_is_not_kept():
    class Odd(dict):
        def __repr__(self) -> str:
            return "Odd()"

    one, other = Odd(a=1), Odd(a=2)
    keys = {key_of(order(asking(schema=SchemaRequest(each)))) for each in (one, other)}
    assert len(keys) == 2
    assert key_of(order(asking(schema=SchemaRequest({"a": object()})))) is None


FRONTS = {
    chat.FRONT: b'{"model":"rung","messages":[{"role":"user","content":"hi"}]%b}',
    messages.FRONT: b'{"max_tokens":5,"messages":[{"role":"user","content":"hi"}]%b}',
    responses.FRONT: b'{"model":"rung","input":"hi"%b}',
    completions.FRONT: b'{"model":"rung","prompt":"hi"%b}',
    ollama_front.FRONT: b'{"model":"rung","messages":[{"role":"user","content":"hi"}]%b}',
}


def arrived(front, more: bytes = b"") -> Request:
    return front.decode_request(FRONTS[front] % more, Arrival("r-1", Directions(), {}))


@pytest.mark.parametrize("front", FRONTS, ids=lambda front: front.dialect)
def test_a_stream_is_the_same_request_in_every_dialect(front):
    plain, streamed = arrived(front, b',"stream":false'), arrived(front, b' , "stream": true')
    assert plain.stream is not streamed.stream
    assert not why_not(plain)
    assert key_of(order(plain)) == key_of(order(streamed)) is not None


@pytest.mark.parametrize("front", FRONTS, ids=lambda front: front.dialect)
@pytest.mark.parametrize(
    "drawn", [b',"temperature":0.5', b',"x_new":1', b',"web_search_options":{}']
)
def test_a_draw_and_what_nobody_knows_are_seen_in_every_dialect(front, drawn):
    if front is ollama_front.FRONT and b"temp" in drawn:
        drawn = b',"options":{"temperature":0.5}'
    request = arrived(front, drawn)
    assert why_not(request) or key_of(order(request)) is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_two_prompts_are_the_same_only_if_they_are(one, other):
    keys = {key_of(order(asking(text))) for text in (one, other)}
    assert len(keys) == len({one, other})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "a", "1", "ü"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("ab"), inner, min_size=1, max_size=2)
    ),
    max_leaves=4,
)
BODIES = st.dictionaries(st.sampled_from(["a", "b", "ab", "stream", "1"]), VALUES, max_size=4)


@given(BODIES, BODIES, st.randoms())
def test_two_bodies_are_the_same_only_if_every_field_is(one, other, random):
    shuffled = list(other.items())
    random.shuffle(shuffled)
    keys = {
        key_of(order(asking(body=json.dumps(dict(body)).encode())))
        for body in (one.items(), shuffled)
    }
    said = [
        {name: json.dumps(body[name]) for name in body if name != "stream"} for body in (one, other)
    ]
    assert None not in keys
    assert (len(keys) == 1) is (said[0] == said[1])


# ------------------------------------------------------------------ whether it would be accepted


def served_again(plan: Plan, *verdicts: Verdict) -> bool:
    made = kept(ended(None, *verdicts))
    assert made is not None
    return accepted(made, plan)


def test_the_plan_has_to_hold_the_tier():
    assert served_again(planned("a", "b"))
    assert served_again(planned("b"))
    assert not served_again(planned("a"))
    assert not served_again(planned("a", "c"))


def test_a_check_that_it_never_passed_speaks_against_it():
    assert not served_again(planned(checks=(GATE, Check("new", Weight.REQUIRED))))
    assert not served_again(planned(checks=(GATE, Check("new", Weight.SIGNAL))))


def test_what_is_doubted_by_now_climbs_as_any_answer_would():
    unsure = Verdict("sure", Status.PASSED, "fairly", score=0.6)
    checks = (GATE, DOUBT)
    assert served_again(planned("b", "c", checks=checks, min_confidence=0.5), PASSED, unsure)
    assert not served_again(planned("b", "c", checks=checks, min_confidence=0.8), PASSED, unsure)
    # Nobody is above the top.
    assert served_again(planned("a", "b", checks=checks, min_confidence=0.8), PASSED, unsure)
    doubting = Calibration(("sure",), (0.0,), -5.0, labels=100)
    steps = tuple(Step(tier, checks, calibration=doubting) for tier in ("b", "c"))
    assert not served_again(Plan("default", steps, min_confidence=0.5), PASSED, unsure)


def test_a_tier_that_votes_is_not_answered_for_by_one_answer():
    voting = (GATE, Check(AGREEMENT, Weight.SIGNAL))
    steps = (Step("b", voting, samples=3), Step("c", voting))
    assert not served_again(Plan("default", steps))


# ------------------------------------------------------------------ for how long, and how many


class Said:
    """Labels, and how often they were asked for."""

    def __init__(self, *wrong: str, error: bool = False) -> None:
        self.wrong, self.error, self.asked = set(wrong), error, 0

    def said_wrong(self, request_id: str) -> bool:
        self.asked += 1
        if self.error:
            raise LedgerError("locked.")
        return request_id in self.wrong


async def found(store: Replies, made: Order) -> Kept | None:
    key = store.key(made, ())
    assert key is not None
    return await store.get(key, made)


def keep(store: Replies, made: Order, outcome: Outcome) -> None:
    key = store.key(made, ())
    assert key is not None
    store.put(key, outcome)


async def test_what_is_kept_is_found_until_it_is_too_old():
    clock = Clock()
    store = replies(clock=clock, seconds=60.0)
    assert await found(store, order()) is None
    keep(store, order(), ended())
    clock.now += 59.9
    assert await found(store, order()) == kept(ended())
    clock.now += 0.1
    assert await found(store, order()) is None
    assert (len(store), store.bytes) == (0, 0)


async def test_being_served_makes_no_answer_younger():
    clock = Clock()
    store = replies(clock=clock, seconds=60.0)
    keep(store, order(), ended())
    for _ in range(3):
        clock.now += 19.0
        assert await found(store, order()) is not None
    clock.now += 19.0
    assert await found(store, order()) is None


async def test_the_bytes_are_bounded_and_the_least_used_answer_goes():
    made = kept(ended())
    assert made is not None
    one = size_of(made)
    store = replies(most_bytes=3 * one)
    orders = [order(asking(f"Question {number}")) for number in range(4)]
    for each in orders[:3]:
        keep(store, each, ended())
    assert await found(store, orders[0]) is not None
    keep(store, orders[3], ended())
    there = [await found(store, each) is not None for each in orders]
    assert there == [True, False, True, True]
    assert store.bytes <= 3 * one


def test_an_answer_larger_than_all_that_may_be_kept_is_not():
    store = replies(most_bytes=OVERHEAD_BYTES + 1000)
    keep(store, order(), ended(Answer("x" * 2000)))
    assert len(store) == 0


def test_all_that_is_kept_counts():
    plain = kept(ended(Answer("")))
    assert plain is not None
    for changes in ({"text": "x" * 999}, {"body": b"x" * 999}, {"thinking": "x" * 999}):
        large = replace(plain, answer=replace(plain.answer, **changes))
        assert size_of(large) >= size_of(plain) + 999
    verdict = replace(PASSED, reason="x" * 999)
    assert size_of(replace(plain, verdicts=(verdict,))) >= size_of(plain) + 900


async def test_a_fresh_answer_takes_the_place_of_the_kept_one():
    store = replies()
    keep(store, order(), ended())
    fresh = order(asking(directions=Directions(fresh=True)))
    assert await found(store, fresh) is None
    keep(store, fresh, ended(Answer("sales")))
    again = await found(store, order())
    assert again is not None
    assert again.answer.text == "sales"
    assert len(store) == 1


async def test_what_somebody_calls_wrong_is_forgotten():
    said = Said()
    store = replies(labels=said)
    keep(store, order(), ended())
    assert await found(store, order()) is not None
    said.wrong.add("r-1")
    assert await found(store, order()) is None
    assert len(store) == 0
    assert said.asked == 2


async def test_while_nobody_knows_what_was_said_a_tier_is_asked():
    store = replies(labels=Said(error=True))
    keep(store, order(), ended())
    assert await found(store, order()) is None
    assert len(store) == 1
