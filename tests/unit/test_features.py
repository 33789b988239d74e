"""What planning sees of a request: sizes that are neither blind nor frightened by a picture."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.features import (
    DEFAULT_OUTPUT_TOKENS,
    MEDIA_TOKENS,
    MESSAGE_TOKENS,
    estimate_tokens,
    features,
)
from rung.core.types import (
    Message,
    Need,
    Opaque,
    Request,
    Role,
    Sampling,
    SchemaRequest,
    Text,
)


def request(*messages: Message, body: bytes = b"", **more: object) -> Request:
    return Request("id", "chat", messages, body=body, **more)  # type: ignore[arg-type]


def user(*parts: Text | Opaque) -> Message:
    return Message(Role.USER, parts)


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("日本", 2), ("\ud800", 1)]
)
def test_four_bytes_are_taken_for_a_token(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(one: str, more: str) -> None:
    assert estimate_tokens(one) <= estimate_tokens(one + more)
    assert estimate_tokens(one + more) <= estimate_tokens(one) + estimate_tokens(more)


def test_the_prompt_is_all_its_text_and_what_a_template_adds_to_each_message() -> None:
    seen = features(
        request(Message(Role.SYSTEM, (Text("a" * 40),)), user(Text("b" * 8), Text("c")))
    )
    assert seen.input_tokens == 10 + 2 + 1 + 2 * MESSAGE_TOKENS
    assert seen.messages == 2


@pytest.mark.parametrize(("limit", "room"), [(None, DEFAULT_OUTPUT_TOKENS), (7, 7), (0, 0)])
def test_room_for_the_answer_is_what_the_caller_set_or_a_default(
    limit: int | None, room: int
) -> None:
    seen = features(request(user(Text("hi")), sampling=Sampling(max_tokens=limit)))
    assert seen.output_tokens == room
    assert seen.total_tokens == seen.input_tokens + room


def test_needs_and_the_wish_for_a_schema_are_kept() -> None:
    needs = frozenset({Need.LOGPROBS})
    seen = features(request(user(), needs=needs, schema=SchemaRequest(None)))
    assert (seen.needs, seen.has_schema) == (needs, True)
    assert not features(request(user())).has_schema


def test_a_plain_request_counts_its_text_and_not_its_json() -> None:
    assert features(request(user(Text("hi")), body=b" " * 4000)).input_tokens == 1 + MESSAGE_TOKENS


def test_tools_count_though_they_are_in_no_message() -> None:
    needs = frozenset({Need.TOOLS})
    seen = features(request(user(Text("hi")), body=b"x" * 4000, needs=needs))
    assert seen.input_tokens == 1000 + MESSAGE_TOKENS


def test_a_tool_call_counts_by_its_text_with_or_without_a_body() -> None:
    call = Opaque("tool_calls", [{"function": {"name": "f", "arguments": "x" * 4000}}])
    assert features(request(user(call))).input_tokens >= 1000
    assert features(request(user(call), body=b"x" * 8000)).input_tokens == 2000 + MESSAGE_TOKENS


PICTURE = "data:image/png;base64," + base64.b64encode(b"\x89PNG" * 250_000).decode()


@pytest.mark.parametrize("kind", ["image_url", "input_image", "image", "input_audio"])
def test_a_picture_counts_as_one_whatever_the_length_of_its_base64(kind: str) -> None:
    part = Opaque(kind, {"type": kind, "image_url": {"url": PICTURE}})
    body = json.dumps({"model": "m", "messages": [{"content": [part.raw]}]}).encode()
    seen = features(request(user(Text("what is it?"), part), body=body))
    assert MEDIA_TOKENS < seen.input_tokens < MEDIA_TOKENS + 100


def test_tools_beside_a_picture_still_count() -> None:
    part = Opaque("image_url", {"image_url": {"url": PICTURE}})
    sent = {"tools": "t" * 40_000, "messages": [part.raw]}
    needs = frozenset({Need.TOOLS, Need.IMAGES})
    seen = features(request(user(part), body=json.dumps(sent).encode(), needs=needs))
    assert MEDIA_TOKENS + 10_000 < seen.input_tokens < MEDIA_TOKENS + 10_100


def test_a_part_nested_beyond_all_measure_is_still_measured() -> None:
    deep: object = "x" * 400
    for _ in range(50_000):
        deep = [deep]
    assert features(request(user(Opaque("odd", deep)))).input_tokens == 100 + MESSAGE_TOKENS


def test_a_bound_for_caps_is_twice_the_estimate() -> None:
    seen = features(request(user(Text("a" * 400))))
    assert seen.most_input_tokens == 2 * seen.input_tokens
