"""Traits of a request: the same everywhere, bounded, and no words."""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter

from hypothesis import given
from hypothesis import strategies as st

from rung.core.features import features
from rung.core.parts import Message, Role, Text
from rung.core.tasks import task
from rung.core.traits import BUCKETS, MOST_WORDS, traits
from rung.core.types import Request


def asks(text: str) -> Request:
    return Request("r", "chat", (Message(Role.USER, (Text(text),)),))


def of(text: str) -> tuple[int, ...]:
    request = asks(text)
    return traits(request, features(request), task(request))


def test_they_are_the_same_in_a_process_with_another_hash_seed() -> None:
    code = (
        "from rung.core.features import features; from rung.core.traits import traits;"
        "from rung.core.parts import Message, Role, Text; from rung.core.types import Request;"
        "from rung.core.tasks import task;"
        "r = Request('r', 'chat', (Message(Role.USER, (Text('Sum the prices in euros'),)),));"
        "print(traits(r, features(r), task(r)))"
    )
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        )
        assert told.stdout.strip() == str(of("Sum the prices in euros"))


@given(st.text(max_size=3000))
def test_they_are_few_ordered_and_inside_their_range_for_any_text(text: str) -> None:
    found = of(text)
    assert list(found) == sorted(set(found))
    assert all(0 <= each < BUCKETS for each in found)
    assert len(found) <= 2 * MOST_WORDS + 20


def test_numbers_count_by_length_and_case_does_not_count() -> None:
    assert of("Add 12 and 345") == of("ADD 98 and 761")
    assert of("Add 12 and 345") != of("Add 1 and 345")


def test_like_requests_share_more_than_unlike_ones() -> None:
    one, like = set(of("Write a function that sorts a list")), set(of("Write a function for lists"))
    other = set(of("Wann wurde Goethe geboren?"))
    assert len(one & like) > 2 * len(one & other)


def test_what_a_megabyte_costs_is_bounded() -> None:
    request = asks("word " * 200_000)
    seen, found = features(request), task(request)
    began = perf_counter()
    traits(request, seen, found)
    assert perf_counter() - began < 0.02
