"""What the times of calls say of a tier, and who is too slow for a deadline."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rung.core.lateness import Work, expected, late, soonest
from rung.core.speed import Speed, Timing, Timings, speed_of

SIZES = (100, 400, 1500, 3000)


def calls(
    count: int,
    *,
    overhead: float = 0.05,
    reads: float = 500.0,
    writes: float = 25.0,
    streamed: bool = True,
    noise: float = 0.1,
    sizes: tuple[int, ...] = SIZES,
) -> list[Timing]:
    """Calls of a tier of that speed, each with a chance factor of its own."""
    draw = random.Random(7)
    made = []
    for _ in range(count):
        read, written = draw.choice(sizes), draw.randint(20, 80)
        first = (overhead + read / reads) * draw.lognormvariate(0, noise)
        whole = first + written / writes * draw.lognormvariate(0, noise)
        made.append(Timing(read, written, whole, first if streamed else None))
    return made


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("reads", [40.0, 500.0, 5000.0])
def test_a_speed_is_found_from_a_few_dozen_calls(streamed, reads):
    found = speed_of(calls(40, reads=reads, streamed=streamed), local=True)
    assert found.read_tokens_per_second == pytest.approx(reads, rel=0.35)
    assert found.write_tokens_per_second == pytest.approx(25, rel=0.35)
    assert found.calls == 40


def test_three_calls_of_one_size_tell_a_slow_reader_that_cannot_make_it():
    found = speed_of(calls(3, reads=490, sizes=(1000,), streamed=False), local=True)
    work = {"a": Work(20_112), "b": Work(20_112)}
    assert "past the deadline of 3 s" in late(work, {"a": found}, 3.0)["a"]


def test_short_prompts_say_nothing_of_long_ones_so_nobody_is_late():
    found = speed_of(calls(30, overhead=0.3, reads=20_000, sizes=(20, 30)), local=True)
    assert late({"a": Work(20_000), "b": Work(20_000)}, {"a": found}, 3.0) == {}


def test_a_remote_tier_with_a_long_overhead_is_not_taken_for_a_slow_reader():
    found = speed_of(calls(20, overhead=1.2, reads=1e6, writes=80, sizes=(300,)), local=False)
    assert expected(found, Work(20_000)).first_token_seconds < 5


def test_newer_calls_count_more():
    slow, fast = calls(40, reads=100), calls(40, reads=1000)
    found = speed_of(slow + fast, local=True)
    assert found.read_tokens_per_second == pytest.approx(1000, rel=0.4)


def test_one_hiccup_changes_little():
    before = calls(20)
    hiccup = Timing(1500, 40, 95.0, 90.0)
    found = speed_of([*before, hiccup], local=True)
    assert found.read_tokens_per_second == pytest.approx(500, rel=0.35)


def test_one_prompt_that_an_untold_cache_knew_changes_little():
    found = speed_of([*calls(20), Timing(20_000, 40, 1.7, 0.1)], local=True)
    assert found.read_tokens_per_second < 1000


def test_calls_that_were_cut_off_teach_that_the_tier_is_slow():
    cut = Timing(20_000, 0, 3.0, cut_off=True)
    found = speed_of([cut] * 3, local=True)
    assert late({"a": Work(20_000), "b": Work(1)}, {"a": found}, 3.0).keys() == {"a"}


def test_a_call_that_was_cut_off_early_does_not_make_a_slow_tier_fast():
    known = calls(20, reads=100)
    found = speed_of([*known, *[Timing(3000, 0, 0.5, cut_off=True)] * 10], local=True)
    assert found == speed_of(known, local=True)


def test_a_tier_that_was_never_measured_is_never_late():
    assert late({"a": Work(10**6), "b": Work(1)}, {}, 0.001) == {}
    unasked = Timings(local=True).speed()
    assert late({"a": Work(10**6), "b": Work(1)}, {"a": unasked}, 0.001) == {}


def test_where_all_are_late_the_fastest_stays():
    slow, slower = (speed_of(calls(20, reads=reads), local=True) for reads in (200, 50))
    works = {"slower": Work(20_000), "slow": Work(20_000)}
    assert late(works, {"slower": slower, "slow": slow}, 1.0).keys() == {"slower"}


def test_a_wait_and_a_load_make_late_and_are_named():
    quick = speed_of(calls(20, reads=5000), local=True)
    works = {"a": Work(500, wait_seconds=4.0, load_seconds=6.0), "b": Work(500)}
    why = late(works, {"a": quick}, 3.0)["a"]
    assert "4 s until calls before it are served" in why
    assert "6 s until its model is loaded" in why


def test_what_a_cache_holds_is_not_read_again():
    slow = speed_of(calls(20, reads=100), local=True)
    assert expected(slow, Work(20_000, cached_tokens=19_900)).first_token_seconds < 5
    assert expected(slow, Work(100, cached_tokens=500)) == expected(slow, Work(100, 100))


def test_long_answers_make_late_where_they_are_usual_and_the_caller_has_no_limit():
    wordy = [Timing(100, 800, 41.0, 1.0)] * 12
    found = speed_of(wordy, local=True)
    works = {"a": Work(100), "b": Work(100)}
    assert "to write" in late(works, {"a": found}, 10.0)["a"]
    limited = {"a": Work(100, most_tokens=20), "b": Work(100)}
    assert late(limited, {"a": found}, 10.0) == {}


@pytest.mark.parametrize(
    "hostile",
    [
        Timing(-1, 5, 1.0),
        Timing(5, 10**12, 1.0),
        Timing(5, 5, math.nan),
        Timing(5, 5, math.inf),
        Timing(5, 5, -3.0),
        Timing(5, 5, 1.0, 2.0),
        Timing(5, 5, 1.0, load_seconds=math.nan),
    ],
)
def test_figures_that_cannot_be_a_calls_are_left_out(hostile):
    assert speed_of([hostile], local=True).calls == 0


timings = st.builds(
    Timing,
    read_tokens=st.integers(0, 10**8),
    written_tokens=st.integers(0, 10**8),
    seconds=st.floats(0, 86_400),
    first_token_seconds=st.none() | st.floats(0, 86_400),
    load_seconds=st.floats(0, 600),
    cut_off=st.booleans(),
)


@example(found=[Timing(10**8, 10**8, 0.001)], local=True, read=5)
@given(st.lists(timings, max_size=40), st.booleans(), st.integers(0, 10**7))
def test_whatever_calls_took_predictions_are_numbers_and_grow_with_the_prompt(found, local, read):
    speed: Speed = speed_of(found, local=local)
    less, more = expected(speed, Work(read)), expected(speed, Work(read + 1000))
    for each in (less.first_token_seconds, less.seconds, soonest(speed, Work(read))):
        assert math.isfinite(each)
        assert each >= 0
    assert less.first_token_seconds <= more.first_token_seconds
    assert less.first_token_seconds <= less.seconds


def test_of_many_calls_the_last_few_may_be_missing_and_of_few_none() -> None:
    noted = Timings(local=True)
    fits = set()
    for number in range(200):
        noted.note(Timing(100, 50, 2.0 + number / 100))
        if number < 10:
            assert noted.speed().calls == number + 1
        assert 0 <= noted.calls - noted.speed().calls < 5
        fits.add(noted.speed().calls)
    assert len(fits) < 100
