"""Calls of other models in a conversation that goes out in the caller's own bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rung.wire.chat.mend import mended
from rung.wire.ids import MISTRAL
from rung.wire.quirks import Quirks

SIGNED = {"extra_content": {"s": "skip"}}
IDS, SIGNATURE = Quirks(ids=MISTRAL), Quirks(unsigned_calls=SIGNED)
THOUGHT = Quirks(unshown_thought=" ")
EVERY = Quirks(ids=MISTRAL, unsigned_calls=SIGNED, unshown_thought=" ")
USER = b' {"role":"user", "content":"the \\"tool_call_id\\" h\\u00e9"}'


def called(*ids: str, **more: Any) -> dict[str, Any]:
    calls = [{"id": one, "type": "function", "function": {"name": "f"}} for one in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls, **more}


def result(call: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call, "content": "r"}


def sent(quirks: Quirks, *messages: dict[str, Any]) -> list[Any]:
    raw = json.dumps(messages).encode()
    found: list[Any] = json.loads(mended(raw, quirks) or raw)
    return found


def test_an_id_of_another_shape_is_exchanged_for_the_call_and_its_result() -> None:
    call, told = sent(IDS, called("toolu_1"), result("toolu_1"))
    assert MISTRAL.allows(told["tool_call_id"])
    assert call == called(told["tool_call_id"])
    assert sent(IDS, called("abcdefghi")) == [called("abcdefghi")]


def test_calls_without_a_signature_are_marked_unless_their_turn_has_one() -> None:
    assert [
        call["extra_content"] for call in sent(SIGNATURE, called("a", "b"))[0]["tool_calls"]
    ] == [{"s": "skip"}] * 2
    own = called("a", "b")
    own["tool_calls"][0]["extra_content"] = {"s": "own"}
    assert sent(SIGNATURE, own) == [own]


def test_a_call_without_thinking_is_given_some() -> None:
    assert sent(THOUGHT, called("a")) == [called("a", reasoning_content=" ")]
    own = called("a", reasoning_content="so")
    assert sent(THOUGHT, own) == [own]


@pytest.mark.parametrize("quirks", [Quirks(), IDS, SIGNATURE, THOUGHT, EVERY])
def test_what_needs_no_mending_is_left_alone(quirks: Quirks) -> None:
    assert mended(b"[" + USER + b" ]", quirks) is None
    for odd in ({"tool_calls": 1}, {"tool_calls": None}, {"tool_calls": [1]}, {"tool_call_id": 5}):
        assert mended(json.dumps([odd]).encode(), quirks) is None


def test_other_messages_keep_their_bytes() -> None:
    raw = b"[" + USER + b"," + json.dumps(called("a")).encode() + b"]"
    told = mended(raw, EVERY)
    assert told is not None
    assert USER.strip() in told
