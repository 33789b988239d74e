"""What is known of tiers' speeds, and who is sent past a tier for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rung.core.features import features
from rung.core.guidance import NO_PACE, NOTHING_KNOWN, Known, Paced
from rung.core.parts import Message, Role, Text
from rung.core.plan import Policy, Rung
from rung.core.speed import Timing
from rung.core.types import (
    Answer,
    Attempt,
    Directions,
    Failure,
    Fault,
    Kind,
    Lane,
    Phase,
    Price,
    Request,
    Usage,
    UsageSource,
)
from rung.ledger.speeds import Probed, Timed
from rung.orders import Tier
from rung.pace import MeasuredPace
from rung.pricing.fixed import FixedPricer
from rung.providers.base import Ask, Stay
from rung.providers.queueing import Slots, queueing
from rung.providers.scripted import ScriptedProvider
from support.outcomes import outcome

POLICY = Policy("default", (Rung("a"), Rung("b")))
SLOW = [Timing(1000, 20, 3.0, 2.0), Timing(3000, 20, 7.0, 6.0), Timing(500, 20, 2.1, 1.1)]
"""About 500 tokens a second."""


def tier(name: str, provider: object = None, model: str = "qwen3") -> Tier:
    price = FixedPricer(Price("free"))
    return Tier(name, model, local=True, provider=provider or ScriptedProvider("yes"), pricer=price)  # type: ignore[arg-type]


class Archive:
    def __init__(self, *timed: Timed, probes: tuple[Probed, ...] = ()) -> None:
        self._timed, self._probes = timed, probes

    def timed(self, limit: int) -> tuple[Timed, ...]:
        return self._timed[:limit]

    def probed(self, limit: int) -> tuple[Probed, ...]:
        return self._probes[:limit]


def pace(*timings: Timing, model: str = "qwen3", **tiers: object) -> MeasuredPace:
    """One that read these calls of tier a, newest last, from a ledger."""
    timed = [Timed(float(n), "a", model, each) for n, each in enumerate(timings)]
    known = {name: tier(name, tiers.get(name)) for name in "ab"}
    made = MeasuredPace(known, Archive(*reversed(timed)))
    made.refresh()
    return made


def request(
    words: int = 10, lane: Lane = Lane.INTERACTIVE, deadline: float | None = None
) -> Request:
    message = Message(Role.USER, (Text("word" * words),))
    directions = Directions(lane=lane, deadline_seconds=deadline)
    return Request("r", "chat", (message,), directions=directions)


def paced(
    of: MeasuredPace, asked: Request, known: Known = NOTHING_KNOWN, policy: Policy = POLICY
) -> Paced:
    return of.of(policy, asked, features(asked), known)


def attempt(**changed: object) -> Attempt:
    used = Usage(1000, 20, source=UsageSource.PROVIDER)
    made = Attempt("x", "a", Kind.FIRST, 0.0, 3.0, Answer("yes", model="qwen3"), usage=used)
    return replace(made, **{"first_token_seconds": 2.0, **changed})  # type: ignore[arg-type]


def test_who_knows_nothing_sends_nobody_past_a_tier():
    assert paced(pace(), request(20_000, deadline=1.0)) is NO_PACE


def test_a_person_with_a_deadline_is_sent_past_a_slow_reader():
    found = paced(pace(*SLOW), request(20_000, deadline=3.0))
    assert found.passed_over.keys() == {"a"}
    assert "tokens/s: past the deadline of 3 s" in found.passed_over["a"]
    assert found.expected["a"].first_token_seconds > 30


@pytest.mark.parametrize("lane", [Lane.BACKGROUND, Lane.BATCH])
def test_background_work_is_sent_past_nobody_and_told_what_to_expect(lane):
    found = paced(pace(*SLOW), request(20_000, lane, deadline=3.0))
    assert found.passed_over == {}
    assert found.expected["a"].seconds > 30


def test_without_a_deadline_a_slow_tier_is_as_good_as_any():
    assert paced(pace(*SLOW), request(20_000)).passed_over == {}


def test_the_ladders_own_deadline_counts():
    policy = replace(POLICY, deadline_seconds=3.0)
    assert paced(pace(*SLOW), request(20_000), policy=policy).passed_over.keys() == {"a"}


def test_what_the_conversations_cache_holds_need_not_be_read():
    asked = request(20_000, deadline=3.0)
    assert paced(pace(*SLOW), asked, Known(cached={"a": 19_950})).passed_over == {}


def test_calls_of_another_model_say_nothing_of_this_one():
    assert paced(pace(*SLOW, model="llama2"), request(20_000, deadline=3.0)) is NO_PACE
    dated = pace(*SLOW, model="org/Qwen3-2026-10")
    assert paced(dated, request(20_000, deadline=3.0)).passed_over.keys() == {"a"}


def test_a_name_that_this_process_has_heard_from_the_tier_is_the_tiers():
    timed = [Timed(float(n), "a", "alias", each) for n, each in enumerate(SLOW)]
    made = MeasuredPace({"a": tier("a")}, Archive(*timed))
    made.refresh()
    assert made.speed("a") is None
    made.note(outcome(attempts=(attempt(answer=Answer("yes", model="alias")),)))
    made.refresh()
    found = made.speed("a")
    assert found is not None
    assert found.calls == len(SLOW)


def test_a_probe_counts_for_the_model_that_it_measured():
    slow = Probed(1.0, "a", "qwen3", tuple(SLOW))
    for probe, known in ((slow, True), (replace(slow, model="qwen2"), False)):
        made = MeasuredPace({"a": tier("a")}, Archive(probes=(probe,)))
        made.refresh()
        assert (made.speed("a") is not None) is known


def test_a_finished_call_is_learned_from_at_once():
    made = pace()
    made.note(outcome(attempts=(attempt(), attempt(ended_at=2.5))))
    found = made.speed("a")
    assert found is not None
    assert found.calls == 2


@pytest.mark.parametrize(
    "nothing",
    [
        attempt(beside=True),
        attempt(phase=Phase.STREAM),
        attempt(answer=None, failure=Failure(Fault.OVERLOADED, "busy"), phase=Phase.HEADERS),
        attempt(answer=None, failure=Failure(Fault.CANCELLED, "left"), first_token_seconds=None),
        attempt(
            answer=None,
            failure=Failure(Fault.TIMEOUT, "busy with other calls"),
            phase=Phase.CONNECT,
            first_token_seconds=None,
        ),
        attempt(usage=Usage(1000, 0)),
        attempt(answer=Answer("one", more=("two",))),
        attempt(tier="gone"),
    ],
)
def test_what_says_nothing_of_a_speed_is_not_learned_from(nothing):
    made = pace()
    made.note(outcome(attempts=(nothing,)))
    assert made.speed("a") is None


def test_an_answer_from_the_cache_is_not_learned_from():
    made = pace()
    made.note(outcome(attempts=(attempt(),), cached_of="before"))
    assert made.speed("a") is None


def test_time_in_a_queue_and_in_a_load_is_no_reading():
    made, plain = pace(), pace()
    made.note(outcome(attempts=(attempt(ended_at=43.0, load_seconds=10.0, queued_seconds=30.0),)))
    plain.note(outcome(attempts=(attempt(),)))
    found, other = made.speed("a"), plain.speed("a")
    assert found is not None
    assert other is not None
    assert found.read_tokens_per_second == pytest.approx(other.read_tokens_per_second)
    assert found.load_seconds == 10.0


def test_requests_that_ran_out_of_time_teach_without_any_answer():
    made = pace()
    late = attempt(
        answer=None,
        failure=Failure(Fault.TIMEOUT, "no answer within 3 s"),
        phase=Phase.HEADERS,
        first_token_seconds=None,
        usage=Usage(20_000, 0, source=UsageSource.ESTIMATED),
    )
    for _ in range(3):
        made.note(outcome(attempts=(late,)))
    assert paced(made, request(20_000, deadline=3.0)).passed_over.keys() == {"a"}


# ------------------------------------------------------------------ busy and cold tiers


async def busy(seconds: float) -> tuple[MeasuredPace, Slots]:
    """Tier a has one place, and a call in it that should take so long."""
    slots = Slots(1)
    made = pace(a=queueing(ScriptedProvider("yes"), slots, lambda _: seconds))
    asked = request()
    slots.enter(
        Ask(asked, asked.messages, as_it_came=True, stream=False, timeout_seconds=60.0),
        lambda _: seconds,
    )
    return made, slots


async def test_a_person_is_sent_past_a_tier_that_is_busy_for_long():
    made, _ = await busy(25.0)
    found = paced(made, request())
    assert found.passed_over["a"].startswith("about 25 s until calls before it are served")


async def test_a_short_wait_is_waited_for():
    made, _ = await busy(5.0)
    assert paced(made, request()).passed_over == {}


async def test_the_last_tier_is_waited_for_however_long():
    made, _ = await busy(500.0)
    alone = Policy("default", (Rung("b"), Rung("a")))
    assert paced(made, request(), policy=alone).passed_over == {}


async def test_background_work_waits_at_a_busy_tier():
    made, _ = await busy(500.0)
    assert paced(made, request(lane=Lane.BACKGROUND)).passed_over == {}


class Residence(ScriptedProvider):
    def __init__(self, stay: Stay) -> None:
        super().__init__("yes")
        self.found = stay

    def stay(self) -> Stay:
        return self.found

    async def keep(self) -> None: ...


LOADED = [replace(each, load_seconds=14.0) for each in SLOW]


def test_a_person_is_sent_past_a_cold_model_that_is_then_loaded_all_the_same():
    made = pace(*LOADED, a=Residence(Stay(resident=False)))
    woken: list[str] = []
    made.cold = woken.append
    found = paced(made, request(10, deadline=5.0))
    assert "until its model is loaded" in found.passed_over["a"]
    assert woken == ["a"]


@pytest.mark.parametrize(
    "stay",
    [Stay(resident=True), Stay(resident=None), Stay(resident=False, loading_seconds=13.0)],
)
def test_a_model_that_is_there_or_soon_will_be_is_not_passed(stay):
    made = pace(*LOADED, a=Residence(stay))
    assert paced(made, request(10, deadline=5.0)).passed_over == {}


def test_where_no_load_was_ever_seen_nobody_is_sent_past_it():
    made = pace(*SLOW, a=Residence(Stay(resident=False)))
    assert paced(made, request(10, deadline=5.0)).passed_over == {}


def test_a_forecast_is_what_the_call_should_take():
    made = pace(*SLOW)
    asked = request(2000)
    ask = Ask(asked, asked.messages, as_it_came=True, stream=False, timeout_seconds=60.0)
    assert made.forecast("a")(ask) == pytest.approx(5, rel=0.3)
    assert made.forecast("b")(ask) == 0.0
