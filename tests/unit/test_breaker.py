"""When a breaker opens, whom it lets look again, and what it takes from other processes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rung.core.breaker import (
    GRAVITY,
    JITTER,
    LASTING_SECONDS,
    MOST_OPEN_SECONDS,
    RESTING,
    RUN_SECONDS,
    SUSTAINED_SECONDS,
    Breaker,
    Entry,
    Gravity,
    Limits,
    News,
    Refusal,
    State,
)
from rung.core.types import Failure, Fault

LIMITS = Limits(failures=5, open_seconds=10.0)
BROKEN = Failure(Fault.SERVER_ERROR, "", 500)
UNREACHED = Failure(Fault.CONNECT, "")


class Bench:
    """A breaker on a clock of its own, and no jitter."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.breaker = Breaker(limits)
        self.now = 1000.0
        self.asked = 0

    @property
    def state(self) -> State:
        return self.breaker.state

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def begin(self, about: str | None = None) -> Entry:
        self.asked += 1
        found = self.breaker.enter(about or str(self.asked), self.now, 0.0)
        assert isinstance(found, Entry), found
        return found

    def refused(self) -> Refusal:
        found = self.breaker.enter("another", self.now, 0.0)
        assert isinstance(found, Refusal), found
        return found

    def fail(self, failure: Failure = BROKEN, times: int = 1, about: str | None = None) -> None:
        for _ in range(times):
            self.end(self.begin(about), failure)

    def end(self, entry: Entry, failure: Failure) -> bool:
        return self.breaker.failed(entry, failure, self.now, 0.0)

    def answer(self) -> None:
        self.breaker.answered(self.begin(), self.now)

    def opened(self) -> Bench:
        self.fail(times=5)
        assert self.state is State.OPEN
        return self


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ------------------------------------------------------------------ opening


def test_five_failures_in_a_row_open_it_and_not_four(bench: Bench) -> None:
    bench.fail(times=4)
    assert bench.state is State.CLOSED
    bench.fail()
    assert bench.refused().why.startswith(f"{RESTING} for 10 s after 5 failures in a row")


def test_an_answer_in_between_begins_the_row_anew(bench: Bench) -> None:
    bench.fail(times=4)
    bench.answer()
    bench.fail(times=4)
    assert bench.state is State.CLOSED


def test_three_failures_are_enough_where_nothing_else_came_for_a_second(bench: Bench) -> None:
    bench.fail(times=2)
    bench.wait(SUSTAINED_SECONDS)
    bench.fail()
    assert bench.state is State.OPEN


def test_one_request_alone_however_often_tried_again_does_not_open_it(bench: Bench) -> None:
    bench.fail(times=9, about="odd")
    bench.wait(SUSTAINED_SECONDS)
    bench.fail(about="odd")
    assert bench.state is State.CLOSED
    bench.fail(about="another one")
    assert bench.state is State.OPEN


def test_failures_of_long_ago_are_no_part_of_a_row(bench: Bench) -> None:
    bench.fail(times=4)
    bench.wait(RUN_SECONDS + 1)
    bench.fail()
    assert bench.state is State.CLOSED


@pytest.mark.parametrize("fault", [f for f, grave in GRAVITY.items() if grave is Gravity.NONE])
def test_a_fault_that_is_not_the_tiers_never_counts(bench: Bench, fault: Fault) -> None:
    bench.fail(Failure(fault, "", 400), times=50)
    assert (bench.state, bench.breaker.failures) == (State.CLOSED, 0)


def test_every_fault_has_its_gravity() -> None:
    assert set(GRAVITY) == set(Fault)


@pytest.mark.parametrize("status", [401, 402])
def test_a_wrong_key_and_an_empty_account_open_it_for_long_at_once(
    bench: Bench, status: int
) -> None:
    fault = Fault.AUTH if status == 401 else Fault.BILLING
    bench.fail(Failure(fault, "", status))
    assert bench.refused().seconds == LASTING_SECONDS


def test_a_403_opens_only_in_a_row_since_it_may_be_about_the_request(bench: Bench) -> None:
    bench.fail(Failure(Fault.AUTH, "", 403), times=4)
    assert bench.state is State.CLOSED
    bench.fail(Failure(Fault.AUTH, "", 403))
    assert bench.refused().seconds == LASTING_SECONDS


def test_a_rate_limit_opens_it_until_the_provider_said(bench: Bench) -> None:
    bench.fail(Failure(Fault.RATE_LIMITED, "", 429, retry_after_seconds=7.0))
    bench.wait(6.9)
    assert bench.refused().seconds == pytest.approx(0.1)
    bench.wait(0.1)
    # The provider has said when: then all may call, not one alone.
    assert not bench.begin().probe
    assert not bench.begin().probe


def test_a_rate_limit_that_says_nothing_opens_it_for_a_second_then_for_longer(
    bench: Bench,
) -> None:
    seconds = []
    for _ in range(8):
        bench.fail(Failure(Fault.RATE_LIMITED, "", 429))
        seconds.append(bench.refused().seconds)
        bench.wait(seconds[-1])
    assert seconds == [1, 2, 4, 8, 16, 32, 60, 60]


def test_an_overload_that_says_when_to_come_back_is_left_alone_for_as_long(bench: Bench) -> None:
    bench.fail(Failure(Fault.OVERLOADED, "", 503, retry_after_seconds=25.0), times=5)
    assert bench.refused().seconds == 25


# ------------------------------------------------------------------ looking again


def test_after_its_pause_one_call_looks_and_its_answer_lets_all_through(bench: Bench) -> None:
    bench.opened().wait(10)
    probe = bench.begin()
    assert probe.probe
    assert "while one call looks" in bench.refused().why
    assert bench.breaker.answered(probe, bench.now)
    assert bench.state is State.CLOSED
    bench.fail(times=4)
    assert bench.state is State.CLOSED


def test_a_look_that_fails_opens_it_for_twice_as_long_up_to_a_minute(bench: Bench) -> None:
    bench.opened()
    seconds = [bench.refused().seconds]
    for _ in range(5):
        bench.wait(seconds[-1])
        bench.fail()
        seconds.append(bench.refused().seconds)
    assert seconds == [10, 20, 40, 60, 60, 60]


def test_an_answer_forgets_how_often_it_was_open(bench: Bench) -> None:
    bench.opened().wait(10)
    bench.fail()
    bench.wait(20)
    bench.answer()
    assert bench.opened().refused().seconds == 10


def test_the_first_token_of_a_look_is_enough_and_the_next_failure_opens_it(bench: Bench) -> None:
    bench.opened().wait(10)
    probe = bench.begin()
    assert bench.breaker.spoke(probe, bench.now)
    other = bench.begin()
    assert bench.end(probe, Failure(Fault.CUT_STREAM, ""))
    assert bench.state is State.OPEN
    # What began before that says nothing any more.
    assert not bench.breaker.answered(other, bench.now)
    assert bench.state is State.OPEN


def test_a_look_that_is_given_up_leaves_the_next_call_to_look(bench: Bench) -> None:
    bench.opened().wait(10)
    bench.breaker.left(bench.begin(), bench.now)
    assert bench.begin().probe


def test_a_look_that_hears_nothing_keeps_the_next_one_out_for_one_pause_only(
    bench: Bench,
) -> None:
    bench.opened().wait(10)
    silent = bench.begin()
    bench.wait(10)
    second = bench.begin()
    assert second.probe
    bench.breaker.answered(second, bench.now)
    assert not bench.end(silent, Failure(Fault.TIMEOUT, ""))
    assert bench.state is State.CLOSED


def test_what_was_asked_before_it_opened_neither_opens_nor_closes_it(bench: Bench) -> None:
    early, late = bench.begin(), bench.begin()
    bench.opened()
    assert not bench.breaker.answered(early, bench.now)
    assert bench.state is State.OPEN
    bench.wait(10)
    bench.answer()
    bench.fail(times=4)
    bench.end(late, BROKEN)
    assert bench.state is State.CLOSED


def test_one_end_of_a_call_counts(bench: Bench) -> None:
    entry = bench.begin()
    for _ in range(9):
        bench.end(entry, BROKEN)
    bench.breaker.answered(entry, bench.now)
    assert bench.breaker.failures == 1


@given(draw=st.floats(0, 1, exclude_max=True), looks=st.integers(0, 8))
def test_chance_only_shortens_a_pause(draw: float, looks: int) -> None:
    breaker, now = Breaker(LIMITS), 0.0
    for number in range(5 + looks):
        entry = breaker.enter(str(number), now, 0.0)
        assert isinstance(entry, Entry)
        breaker.failed(entry, BROKEN, now, draw)
        found = breaker.refusal(now)
        if found is not None:
            whole = min(10.0 * 2 ** (number - 4), MOST_OPEN_SECONDS)
            assert whole * (1 - JITTER) <= found.seconds <= whole
            now += found.seconds


# ------------------------------------------------------------------ other processes


def told(bench: Bench) -> News:
    news = bench.breaker.news(bench.now)
    return News.read(news.value(), news.seconds)


def test_what_a_provider_answered_to_another_process_holds_here(bench: Bench) -> None:
    other = Bench().opened()
    bench.breaker.heed(told(other), bench.now)
    assert bench.refused().seconds == 10
    assert "what another process found (server error, 500)" in bench.refused().why


def test_where_nothing_came_back_to_another_process_one_failure_here_is_enough(
    bench: Bench,
) -> None:
    other = Bench()
    other.fail(UNREACHED, times=5)
    bench.breaker.heed(told(other), bench.now)
    assert bench.state is State.CLOSED
    bench.fail(UNREACHED)
    assert bench.state is State.OPEN


def test_a_process_that_reaches_nothing_cannot_keep_another_from_looking(bench: Bench) -> None:
    sick = Bench()
    sick.fail(UNREACHED, times=5)
    bench.opened()
    for _ in range(100):
        bench.wait(1)
        bench.breaker.heed(told(sick), bench.now)
        if bench.breaker.refusal(bench.now) is None:
            return
    pytest.fail("it never looks again")


def test_the_look_of_another_process_keeps_this_one_from_looking_too(bench: Bench) -> None:
    other = Bench().opened()
    bench.breaker.heed(told(other), bench.now)
    for each in (bench, other):
        each.wait(10)
    probe = other.begin()
    bench.breaker.heed(told(other), bench.now)
    bench.refused()
    other.breaker.answered(probe, other.now)
    bench.breaker.heed(told(other), bench.now)
    assert bench.state is State.CLOSED


def test_a_key_that_another_process_has_wrong_is_its_own_affair(bench: Bench) -> None:
    other = Bench()
    other.fail(Failure(Fault.AUTH, "", 401))
    bench.breaker.heed(told(other), bench.now)
    assert bench.state is State.CLOSED
    bench.fail(Failure(Fault.AUTH, "", 401))
    bench.breaker.heed(News(State.CLOSED), bench.now)
    assert bench.state is State.OPEN


def test_news_that_are_out_of_date_are_none(bench: Bench) -> None:
    bench.breaker.heed(News.read(News(State.OPEN, 9, 1, Fault.BILLING, 402).value(), -3), bench.now)
    assert bench.state is State.CLOSED


@pytest.mark.parametrize("seconds", [float("inf"), 1e300, 301.0])
def test_no_news_hold_for_longer_than_the_longest_pause(bench: Bench, seconds: float) -> None:
    bench.breaker.heed(
        News.read(News(State.OPEN, 0, 1, Fault.BILLING, 402).value(), seconds), bench.now
    )
    assert bench.refused().seconds == LASTING_SECONDS


@given(
    st.dictionaries(
        st.sampled_from(["state", "times", "fault", "status"]),
        st.none() | st.text(max_size=9) | st.integers() | st.floats() | st.lists(st.none()),
    ),
    st.floats(),
)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_junk_for_news_is_refused_or_harmless(value: dict[str, object], seconds: float) -> None:
    bench = Bench()
    try:
        news = News.read(value, seconds)
    except (ValueError, TypeError, KeyError, OverflowError):
        return
    bench.breaker.heed(news, bench.now)
    bench.wait(LASTING_SECONDS)
    assert bench.breaker.refusal(bench.now) is None


# ------------------------------------------------------------------ whatever happens

FAILURES = [
    BROKEN,
    UNREACHED,
    Failure(Fault.REJECTED, "", 400),
    Failure(Fault.RATE_LIMITED, "", 429, retry_after_seconds=3.0),
    Failure(Fault.RATE_LIMITED, "", 429),
    Failure(Fault.AUTH, "", 401),
    Failure(Fault.BILLING, "", 402),
]


class Anything(RuleBasedStateMachine):
    """Calls that begin and end in any order, on two breakers that hear of each other."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.both = Breaker(LIMITS), Breaker(Limits(1, 2.0))
        self.running: list[tuple[Breaker, Entry]] = []
        self.count = 0

    @rule(which=st.integers(0, 1), draw=st.floats(0, 1, exclude_max=True))
    def begin(self, which: int, draw: float) -> None:
        self.count += 1
        breaker = self.both[which]
        found = breaker.enter(str(self.count), self.now, draw)
        if isinstance(found, Entry):
            self.running.append((breaker, found))
        else:
            assert found.why.startswith(RESTING)
            assert 0 < found.seconds <= LASTING_SECONDS

    @rule(place=st.integers(0, 50), failure=st.sampled_from(FAILURES), end=st.integers(0, 3))
    def end(self, place: int, failure: Failure, end: int) -> None:
        if not self.running:
            return
        breaker, entry = self.running.pop(place % len(self.running))
        if end == 0:
            breaker.answered(entry, self.now)
        elif end == 1:
            breaker.spoke(entry, self.now)
            self.running.append((breaker, entry))
        elif end == 2:
            breaker.left(entry, self.now)
        else:
            breaker.failed(entry, failure, self.now, 0.5)

    @rule(which=st.integers(0, 1))
    def tell(self, which: int) -> None:
        news = self.both[which].news(self.now)
        self.both[1 - which].heed(News.read(news.value(), news.seconds), self.now)

    @rule(seconds=st.floats(0, 400))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def somebody_may_look_before_long(self) -> None:
        for breaker in self.both:
            assert breaker.refusal(self.now + LASTING_SECONDS) is None

    @invariant()
    def counts_what_is_under_way(self) -> None:
        assert sum(breaker._under_way for breaker in self.both) == len(self.running)


TestAnything = Anything.TestCase
