"""What replicas share: breakers, sessions that are private, models that are in memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable

import pytest

from rung.breakers import FAIR_CONNECT_SECONDS, TOPIC, SharedBreakers, place_name
from rung.core.breaker import Limits, State
from rung.core.parts import Message, Role, Text
from rung.core.types import Failure, Fault, Phase, Request
from rung.ledger.notices import Notice
from rung.marks import PrivateMarks
from rung.providers.base import (
    Ask,
    CallError,
    Counting,
    Done,
    Event,
    Health,
    Provider,
    Residing,
    Stay,
)
from rung.providers.guarding import guarded
from rung.providers.scripted import Reply, ScriptedProvider
from rung.warmth import LOOK_SECONDS, SharedStay

BROKEN = Reply("", failure=Failure(Fault.SERVER_ERROR, "", 500))
PLACE = ("chat", "http://user:secret@host/v1", None, "m", "KEY")


class Hall:
    """Boards that hear each other at once; what they hear is ``age`` seconds old by then."""

    def __init__(self) -> None:
        self.boards: list[Board] = []
        self.told: list[tuple[str, str, dict]] = []
        self.age = 0.0

    def board(self) -> Board:
        self.boards.append(Board(self))
        return self.boards[-1]


class Board:
    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self.heeds: dict[str, Callable] = {}

    def tell(self, topic, name, value) -> None:
        self._hall.told.append((topic, name, value))
        notice = Notice(topic, name, value, self._hall.age, "other")
        for board in self._hall.boards:
            if board is not self and topic in board.heeds:
                board.heeds[topic](notice)

    def follow(self, topic, heed) -> None:
        self.heeds[topic] = heed


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Replica:
    def __init__(self, hall: Hall, *replies, seconds: float = 30.0, place=PLACE) -> None:
        self.clock = Clock()
        self.provider = ScriptedProvider(list(replies), cycle=True)
        self.breakers = SharedBreakers(Limits(3, 10.0), self.clock, lambda: 0.0)
        self.tier = self.breakers.before("a", self.provider, seconds, place)
        self.breakers.share(hall.board())
        self.count = 0

    def ask(self, seconds: float = 30.0) -> Done:
        self.count += 1
        return asyncio.run(done(self.tier, asked(f"{id(self)}{self.count}", seconds)))

    def fail(self, times: int) -> None:
        for _ in range(times):
            with pytest.raises(CallError):
                self.ask()


async def done(provider: Provider, ask: Ask) -> Done:
    [*_, last] = [event async for event in provider.call(ask)]
    assert isinstance(last, Done)
    return last


def asked(name: str = "r", seconds: float = 30.0) -> Ask:
    message = Message(Role.USER, (Text("hi"),))
    request = Request(name, "test", (message,))
    return Ask(request, (message,), as_it_came=True, stream=False, timeout_seconds=seconds)


# ------------------------------------------------------------------ breakers


def test_what_one_replica_finds_the_others_know() -> None:
    hall = Hall()
    one, other = Replica(hall, BROKEN), Replica(hall, "hello")
    one.fail(3)
    with pytest.raises(CallError) as refused:
        other.ask()
    assert (refused.value.phase, refused.value.failure.fault) == (Phase.PLAN, Fault.UNAVAILABLE)
    assert refused.value.failure.retry_after_seconds == 10
    assert not other.provider.calls
    assert list(other.breakers.of(["a", "unknown"])) == ["a"]
    other.clock.now += 10
    assert other.ask().answer.text == "hello"
    assert one.breakers.of(["a"]) == {}


def test_what_took_a_while_to_be_heard_holds_for_as_much_less() -> None:
    hall = Hall()
    one, other = Replica(hall, BROKEN), Replica(hall, "hello")
    hall.age = 4.0
    one.fail(3)
    assert other.breakers.of(["a"])["a"].seconds == 6
    assert other.breakers.standings()["a"].state is State.OPEN


def test_only_those_who_call_the_same_model_alike_hear_of_it() -> None:
    hall = Hall()
    one, other = Replica(hall, BROKEN), Replica(hall, "hello", place=(*PLACE[:-1], "OTHER_KEY"))
    one.fail(3)
    assert other.ask().answer.text == "hello"


def test_a_tier_of_one_process_alone_is_told_to_nobody() -> None:
    hall = Hall()
    one = Replica(hall, BROKEN, place=None)
    one.fail(3)
    assert hall.told == []


def test_nothing_that_is_told_holds_an_address_or_a_provider_s_words() -> None:
    hall = Hall()
    words = Reply("", failure=Failure(Fault.SERVER_ERROR, "sk-canary secret words", 500))
    Replica(hall, words).fail(3)
    assert hall.told
    assert not any(word in repr(hall.told) for word in ("canary", "secret", "host", "KEY"))


def test_tiers_that_are_called_alike_have_one_breaker() -> None:
    clock = Clock()
    breakers = SharedBreakers(Limits(2, 10.0), clock, lambda: 0.0)
    tiers = [
        breakers.before(name, ScriptedProvider([BROKEN], cycle=True), 30.0, PLACE) for name in "ab"
    ]
    for number, tier in enumerate(tiers):
        with pytest.raises(CallError):
            asyncio.run(done(tier, asked(str(number))))
    assert sorted(breakers.of(["a", "b"])) == ["a", "b"]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"state": "open"},
        {"state": "wide", "times": 1, "fault": None, "seconds": 1},
        {"state": "open", "times": "x", "fault": "billing", "seconds": 1},
        {"state": "open", "times": 1, "fault": "nonsense", "seconds": 1},
        {"state": "open", "times": 1, "fault": "billing", "seconds": "soon"},
    ],
)
def test_junk_is_refused_and_changes_nothing(value) -> None:
    hall = Hall()
    one, teller = Replica(hall, "hello"), hall.board()
    with pytest.raises((ValueError, TypeError, KeyError)):
        teller.tell(TOPIC, place_name(PLACE), value)
    assert one.ask().answer.text == "hello"


LATE = Reply("", failure=Failure(Fault.TIMEOUT, "late"))


@pytest.mark.parametrize(
    ("given", "phase", "took", "counts"),
    [
        (30.0, Phase.HEADERS, 30.0, True),
        (1.0, Phase.HEADERS, 1.0, False),
        (0.05, Phase.CONNECT, 0.05, False),
        (5.0, Phase.CONNECT, FAIR_CONNECT_SECONDS, True),
    ],
)
def test_a_time_out_counts_where_the_tier_had_its_time(given, phase, took, counts) -> None:
    replica = Replica(Hall())
    switch = replica.tier._switch
    for _ in range(3):
        watched = switch.enter(asked(str(given), given))
        replica.clock.now += took
        watched.failed(CallError(Failure(Fault.TIMEOUT, ""), phase))
    assert (replica.breakers._by_tier["a"].breaker.failures > 0) is counts


# ------------------------------------------------------------------ a call behind its breaker


class Halting:
    """Says one word, then nothing."""

    dialect = "halting"

    async def call(self, ask: Ask) -> AsyncGenerator[Event, None]:
        from rung.core.growth import Delta

        yield Delta("word")
        await asyncio.Event().wait()

    async def health(self) -> Health:
        return Health(ok=True, message="")

    async def warm(self) -> None: ...

    async def close(self) -> None: ...


class Noted:
    def __init__(self) -> None:
        self.said: list[str] = []

    def enter(self, ask: Ask) -> Noted:
        return self

    def spoke(self) -> None:
        self.said.append("spoke")

    def answered(self) -> None:
        self.said.append("answered")

    def failed(self, error: CallError) -> None:
        self.said.append(error.failure.fault.value)

    def left(self) -> None:
        self.said.append("left")


async def test_a_call_that_is_broken_off_is_told_as_left() -> None:
    noted = Noted()
    events = guarded(Halting(), noted).call(asked())
    await anext(events)
    await events.aclose()
    assert noted.said == ["spoke", "left"]


async def test_an_answer_is_told_before_whoever_asked_has_it() -> None:
    noted = Noted()
    async for event in guarded(ScriptedProvider("hello"), noted).call(asked()):
        if isinstance(event, Done):
            assert "answered" in noted.said
    assert noted.said[-1] == "left"


def test_behind_its_breaker_a_provider_can_do_what_it_could() -> None:
    class Resides(Halting):
        def stay(self) -> Stay:
            return Stay(resident=True)

        async def keep(self) -> None: ...

    class Counts(Halting):
        async def count(self, request: Request) -> int:
            return 7

    plain, resides, counts = (guarded(each(), Noted()) for each in (Halting, Resides, Counts))
    assert [isinstance(each, Residing) for each in (plain, resides, counts)] == [False, True, False]
    assert [isinstance(each, Counting) for each in (plain, resides, counts)] == [False, False, True]
    assert resides.stay().resident


# ------------------------------------------------------------------ private sessions


def test_a_session_that_is_private_to_one_is_private_to_all_at_once() -> None:
    hall = Hall()
    one, other = PrivateMarks(), PrivateMarks()
    for each in (one, other):
        each.share(hall.board())
    one.add("scope")
    one.add("scope")
    assert "scope" in other
    assert len(hall.told) == 1
    other.add("from the ledger", told=True)
    assert "from the ledger" not in one


def test_marks_are_bounded_whoever_makes_them(monkeypatch) -> None:
    monkeypatch.setattr("rung.marks.MOST_PRIVATE", 10)
    hall = Hall()
    one, other = PrivateMarks(), PrivateMarks()
    for each in (one, other):
        each.share(hall.board())
    for number in range(30):
        one.add(str(number))
    assert len(one) == len(other) == 10
    assert "29" in other
    assert isinstance(one._scopes, OrderedDict)


# ------------------------------------------------------------------ models in memory


def test_a_model_that_another_process_has_just_used_is_in_memory() -> None:
    hall, clock = Hall(), Clock()
    names = {"a": ("place", 600.0)}
    one, other = (SharedStay(names, hall.board(), clock) for _ in range(2))
    assert not other.elsewhere("a")
    one.used("a")
    assert other.elsewhere("a")
    assert not one.elsewhere("a")
    clock.now += 600
    assert not other.elsewhere("a")


def test_it_is_told_now_and_then_and_not_with_every_answer() -> None:
    hall, clock = Hall(), Clock()
    one = SharedStay({"a": ("place", 600.0)}, hall.board(), clock)
    for _ in range(100):
        one.used("a")
        one.used("of no server that is shared")
        clock.now += 1
    assert len(hall.told) == -(-100 // LOOK_SECONDS)


def test_what_was_told_long_ago_is_not_taken_for_now() -> None:
    hall, clock = Hall(), Clock()
    one, other = (SharedStay({"a": ("place", 600.0)}, hall.board(), clock) for _ in range(2))
    hall.age = 700.0
    one.used("a")
    assert not other.elsewhere("a")


def test_names_of_places_say_nothing_of_them() -> None:
    name = place_name(PLACE)
    assert len(name) == 24
    assert name.isalnum()
