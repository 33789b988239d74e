"""What planning sees of a request: sizes that are neither blind nor frightened by a picture."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.features import (
    DEFAULT_OUTPUT_TOKENS,
    LIKELY_OUTPUT_TOKENS,
    MEDIA_TOKENS,
    MESSAGE_TOKENS,
    estimate_tokens,
    features,
    may_keep_an_hour,
)
from rung.core.parts import (
    File,
    HostedTool,
    Image,
    Message,
    Opaque,
    Part,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from rung.core.types import Need, Request, Sampling, SchemaRequest


def request(*messages: Message, body: bytes = b"", **more: object) -> Request:
    return Request("id", "chat", messages, body=body, **more)  # type: ignore[arg-type]


def user(*parts: Part) -> Message:
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


SEARCH = Tool("search", "looks things up" * 10, b"x" * 4000)


def test_tools_count_though_they_are_in_no_message() -> None:
    seen = features(request(user(Text("hi")), tools=(SEARCH,)))
    assert seen.input_tokens == 1 + MESSAGE_TOKENS + 2 + 38 + 1000


def test_a_hosted_tool_counts_by_its_json() -> None:
    tools = (HostedTool("web_search", b"x" * 400, "responses"),)
    assert features(request(user(), tools=tools)).input_tokens == MESSAGE_TOKENS + 100


def test_calls_and_their_results_count_by_their_text() -> None:
    call = Message(Role.ASSISTANT, (ToolCall("c1", "look", "x" * 4000),))
    result = Message(Role.TOOL, (ToolResult("c1", (Text("y" * 800),)),))
    assert features(request(call, result)).input_tokens == 1001 + 200 + 2 * MESSAGE_TOKENS


PIXELS = base64.b64encode(b"\x89PNG" * 250_000).decode()


@pytest.mark.parametrize(
    "part",
    [
        Image("image/png", PIXELS),
        Image(url="https://example.com/a.png"),
        Opaque("input_audio", {"input_audio": {"data": PIXELS}}),
        ToolResult("c1", (Image("image/png", PIXELS),)),
    ],
    ids=["data", "address", "clip", "in a result"],
)
def test_a_picture_counts_as_one_whatever_the_length_of_its_base64(part: Part) -> None:
    seen = features(request(user(Text("what is it?"), part)))
    assert MEDIA_TOKENS < seen.input_tokens < MEDIA_TOKENS + 100


def test_a_document_counts_by_its_size_but_not_as_text() -> None:
    small, large = (
        features(request(user(File("application/pdf", "x" * size)))).input_tokens
        for size in (1000, 4_000_000)
    )
    assert small < 2000
    assert 50_000 < large < 200_000


def test_an_agents_wish_for_a_long_answer_claims_no_more_room_than_is_likely() -> None:
    seen = features(request(user(Text("hi")), sampling=Sampling(max_tokens=64_000)))
    assert seen.output_tokens == 64_000
    assert seen.total_tokens == seen.input_tokens + LIKELY_OUTPUT_TOKENS


def test_a_part_nested_beyond_all_measure_is_still_measured() -> None:
    deep: object = "x" * 400
    for _ in range(50_000):
        deep = [deep]
    assert features(request(user(Opaque("odd", deep)))).input_tokens == 100 + MESSAGE_TOKENS


def test_a_bound_for_caps_is_twice_the_estimate() -> None:
    seen = features(request(user(Text("a" * 400))))
    assert seen.most_input_tokens == 2 * seen.input_tokens


@pytest.mark.parametrize(
    ("body", "can"),
    [
        (b"", False),
        (b'{"cache_control": {"type": "ephemeral"}}', False),
        (b'{"cache_control": {"type": "ephemeral", "ttl": "1h"}}', True),
        (rb'{"cache_control": {"type": "ephemeral", "\u0074t\u006C": "1h"}}', True),
        (rb'{"content": "\u00e9: say \"ttl\", little bottle"}', False),
    ],
)
def test_only_a_body_that_says_for_how_long_can_have_its_prompt_kept_for_an_hour(body, can):
    assert may_keep_an_hour(body) is can
