"""Holding back calls of a tier that turns most of them away."""

from __future__ import annotations

import random

from rung.core.throttle import LEAST_CALLS, WINDOW_SECONDS, Throttle


def called(throttle: Throttle, now: float, calls: int, accepted: int) -> None:
    for _ in range(calls):
        throttle.sent(now)
    for _ in range(accepted):
        throttle.accepted(now)


def test_nothing_is_held_back_while_half_of_the_calls_are_accepted() -> None:
    throttle = Throttle()
    called(throttle, 0.0, 1000, 500)
    assert not throttle.holds_back(0.0, 0.0)


def test_few_calls_tell_nothing() -> None:
    throttle = Throttle()
    called(throttle, 0.0, LEAST_CALLS - 1, 0)
    assert not throttle.holds_back(0.0, 0.0)


def test_calls_under_way_are_trusted_until_somebody_says_otherwise() -> None:
    throttle = Throttle()
    called(throttle, 0.0, 500, 0)
    assert not throttle.holds_back(0.0, 0.0, trusted=500)
    assert throttle.holds_back(0.0, 0.8, trusted=0)


def test_a_tier_that_takes_ten_a_second_of_a_hundred_is_sent_about_twenty() -> None:
    throttle, draw = Throttle(), random.Random(7)
    sent = 0
    for second in range(100):
        taken = 0
        for step in range(100):
            now = second + step / 100
            if throttle.holds_back(now, draw.random()):
                continue
            throttle.sent(now)
            sent += second >= WINDOW_SECONDS
            if taken < 10:
                taken += 1
                throttle.accepted(now)
            else:
                throttle.turned_away()
    assert 17 < sent / (100 - WINDOW_SECONDS) < 24


def test_a_tier_that_has_recovered_is_sent_all_again() -> None:
    throttle, draw = Throttle(), random.Random(7)
    called(throttle, 0.0, 2000, 0)
    held = []
    for step in range(1000):
        now = step / 100
        held.append(throttle.holds_back(now, draw.random()))
        if not held[-1]:
            throttle.sent(now)
            throttle.accepted(now)
    assert sum(held[:100]) > 80
    assert not any(held[-500:])


def test_it_forgets_after_its_window() -> None:
    throttle = Throttle()
    called(throttle, 0.0, 1000, 0)
    assert throttle.holds_back(WINDOW_SECONDS - 1, 0.5)
    assert not throttle.holds_back(WINDOW_SECONDS, 0.5)
