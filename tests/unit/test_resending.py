"""What a process remembers: streams that broke, so that their repetition is no new work."""

import json
from dataclasses import replace
from typing import Any

import pytest

from rung.core.outcome import Outcome
from rung.core.plan import Plan
from rung.core.types import Directions, Request
from rung.resending import MOST_BROKEN, RESEND_SECONDS, BrokenStreams


class Wall:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def asked(name: str, text: str = "hi", *, stream: bool = True, **changes: Any) -> Request:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": text}]}
    told = json.dumps(body | ({"stream": True} if stream else {"max_tokens": 7})).encode()
    made = Request(name, "messages", (), stream=stream, body=told, session="s")
    return replace(made, **changes)


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def broken(wall: Wall) -> BrokenStreams:
    made = BrokenStreams(wall)
    made.note(ended(asked("first")))
    return made


def ended(request: Request, served: int | None = None) -> Outcome:
    return Outcome(request, Plan("l", ()), (), None, served, None, 0.0, 1.0)


def repeats(broken: BrokenStreams, request: Request) -> str | None:
    found = broken.repeated_by(request)
    return None if found is None else found.request.id


def test_the_same_conversation_without_a_stream_repeats_the_broken_one_once(
    broken: BrokenStreams,
) -> None:
    assert repeats(broken, asked("again", stream=False)) == "first"
    assert broken.repeated_by(asked("later", stream=False)) is None


@pytest.mark.parametrize(
    "other",
    [
        asked("b", "ho", stream=False),
        asked("b", stream=False, session="t"),
        asked("b", stream=False, session=""),
        asked("b", stream=False, caller="another key"),
        asked("b", stream=False, directions=Directions(project="shop")),
        asked("b", stream=False, body=b""),
        asked("b", stream=False, body=b"{"),
        asked("b", stream=True),
    ],
    ids=[
        *("other words", "other session", "no session", "other key", "other project"),
        *("no body", "no JSON", "a stream again"),
    ],
)
def test_anything_else_is_new_work(broken: BrokenStreams, other: Request) -> None:
    assert broken.repeated_by(other) is None


def test_a_broken_stream_is_forgotten_after_a_while(broken: BrokenStreams, wall: Wall) -> None:
    wall.now += RESEND_SECONDS + 1
    assert broken.repeated_by(asked("again", stream=False)) is None


def test_a_plain_request_that_failed_is_not_remembered(wall: Wall) -> None:
    broken = BrokenStreams(wall)
    broken.note(ended(asked("plain", stream=False)))
    assert broken.repeated_by(asked("again", stream=False)) is None


def test_a_stream_that_was_served_is_not_remembered(wall: Wall) -> None:
    broken = BrokenStreams(wall)
    broken.note(ended(asked("fine"), served=0))
    assert broken.repeated_by(asked("again", stream=False)) is None


def test_the_oldest_are_forgotten_first(wall: Wall) -> None:
    broken = BrokenStreams(wall)
    for number in range(MOST_BROKEN + 1):
        broken.note(ended(asked(f"r{number}", f"words {number}")))
    assert broken.repeated_by(asked("again", "words 0", stream=False)) is None
    assert repeats(broken, asked("again", "words 1", stream=False)) == "r1"
