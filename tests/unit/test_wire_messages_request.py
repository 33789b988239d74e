from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import RequestError
from rung.core.parts import (
    Choice,
    File,
    HostedTool,
    Image,
    Message,
    Opaque,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from rung.core.types import Directions, Need, Request, Sampling, SchemaRequest
from rung.wire import messages
from rung.wire.front import Arrival

HI = {"role": "user", "content": "hi"}


def arrival(query: str = "", **headers: str) -> Arrival:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Arrival("r-1", Directions(), told, query)


def decode(body: Any, came: Arrival | None = None) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return messages.FRONT.decode_request(raw, came or arrival())


def asked(*told: Any, **more: Any) -> Request:
    return decode({"model": "m", "max_tokens": 9, "messages": list(told) or [HI]} | more)


def said(*blocks: Any, role: str = "user") -> tuple[Message, ...]:
    return asked({"role": role, "content": list(blocks)}).messages


def test_the_smallest_request() -> None:
    body = b'{"max_tokens":1,"messages":[{"role":"user","content":"hi"}]}'
    request = decode(body)
    assert request.messages == (Message(Role.USER, (Text("hi"),)),)
    assert (request.dialect, request.id, request.body) == ("messages", "r-1", body)
    assert request.sampling == Sampling(max_tokens=1)
    assert not request.needs
    assert not request.extras


@pytest.mark.parametrize(
    ("system", "texts"),
    [
        ("be brief", ["be brief"]),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], ["a", "b"]),
        ([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}], ["a"]),
        ("", []),
        ([], []),
        (None, []),
        ([{"type": "text", "text": "x-anthropic-billing-header: v=1;"}], []),
        (
            [{"type": "text", "text": f"{one}"} for one in ("x-anthropic-billing-header: a", "b")],
            ["b"],
        ),
    ],
)
def test_system_leads_without_what_the_client_bills_by(system: Any, texts: list[str]) -> None:
    leading = tuple(Text(text) for text in texts)
    expected = (Message(Role.SYSTEM, leading),) if leading else ()
    assert asked(system=system).messages[:-1] == expected


def test_a_system_message_may_stand_in_the_middle() -> None:
    request = asked(HI, {"role": "system", "content": "now in French"}, HI)
    assert [one.role for one in request.messages] == [Role.USER, Role.SYSTEM, Role.USER]


def test_results_come_apart_and_the_users_words_follow() -> None:
    found = said(
        {"type": "text", "text": "first"},
        {"type": "tool_result", "tool_use_id": "a", "content": "1"},
        {"type": "tool_result", "tool_use_id": "b", "content": [], "is_error": True},
        {"type": "text", "text": "last"},
    )
    assert found == (
        Message(Role.TOOL, (ToolResult("a", (Text("1"),)),)),
        Message(Role.TOOL, (ToolResult("b", (), is_error=True),)),
        Message(Role.USER, (Text("first"), Text("last"))),
    )


def test_a_result_holds_pictures_and_what_only_this_dialect_knows() -> None:
    reference = {"type": "tool_reference", "tool_name": "f"}
    picture = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "x"},
    }
    request = asked(
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": [picture, reference]},
                {"type": "tool_result", "tool_use_id": "b"},
            ],
        }
    )
    shown = (Image("image/png", "x"), Opaque("tool_reference", reference, "messages"))
    assert request.messages[0].parts == (ToolResult("a", shown),)
    assert request.messages[1].parts == (ToolResult("b", ()),)
    assert request.needs == {Need.TOOLS, Need.IMAGES}


@pytest.mark.parametrize(
    ("block", "part", "needs"),
    [
        (
            {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
            Image(url="https://a/b.png"),
            {Need.IMAGES},
        ),
        (
            {"type": "image", "source": {"type": "file", "file_id": "f"}},
            None,
            {Need.IMAGES, Need.STATE},
        ),
        (
            {
                "type": "document",
                "title": "t.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "x"},
            },
            File("application/pdf", "x", name="t.pdf"),
            {Need.FILES},
        ),
        (
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "hé"},
            },
            File("text/plain", base64.b64encode("hé".encode()).decode()),
            {Need.FILES},
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}},
            File(url="https://a/b.pdf"),
            {Need.FILES},
        ),
        ({"type": "document", "source": {"type": "content", "content": "x"}}, None, {Need.FILES}),
        (
            {"type": "search_result", "source": "https://a", "title": "t", "content": []},
            None,
            set(),
        ),
        ({"type": "container_upload", "file_id": "f"}, None, {Need.STATE}),
        ({"type": "from_the_future", "text": 5, "id": None}, None, set()),
    ],
)
def test_blocks_are_read_where_others_know_them_else_kept(
    block: Any, part: Any, needs: set[Need]
) -> None:
    request = asked({"role": "user", "content": [block]})
    assert request.messages[0].parts == (part or Opaque(block["type"], block, "messages"),)
    assert request.needs == needs


def test_what_a_document_asks_for_beyond_itself_is_told() -> None:
    block = {
        "type": "document",
        "context": "from the archive",
        "citations": {"enabled": True},
        "source": {"type": "url", "url": "https://a"},
    }
    assert asked({"role": "user", "content": [block]}).extras == ("citations", "context")


def test_thinking_is_kept_whole_beside_what_was_said() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "d"}
    text = {"type": "text", "text": "a", "citations": [{"type": "char_location"}]}
    request = asked(HI, {"role": "assistant", "content": [thought, hidden, text]}, HI)
    assert request.messages[1].parts == (
        Opaque("thinking", thought, "messages"),
        Opaque("redacted_thinking", hidden, "messages"),
        Text("a"),
    )


@pytest.mark.parametrize(
    ("told", "arguments"),
    [
        ('{"b": 1.0, "a" : [1e2, "x y"]}', '{"b":1.0,"a":[1e2,"x y"]}'),
        ("{}", "{}"),
        ("null", "{}"),
        ('{"_arguments": "{broken"}', "{broken"),
        ('{"_arguments": "{\\"a\\": 1}"}', '{"_arguments":"{\\"a\\": 1}"}'),
        ('{"_arguments": "x", "b": 1}', '{"_arguments":"x","b":1}'),
    ],
)
def test_arguments_keep_their_spelling(told: str, arguments: str) -> None:
    block = b'{"type":"tool_use","id":"t","name":"f","input":%b}' % told.encode()
    body = b'{"max_tokens":1,"messages":[{"role":"assistant","content":[%b]}]}' % block
    request = decode(body)
    assert request.messages[0].parts == (ToolCall("t", "f", arguments),)
    assert request.needs == {Need.TOOLS, Need.PREFILL}


def test_tools_keep_their_schema_byte_for_byte() -> None:
    schema = b'{"type" : "object", "properties": {"n": {"maximum": 1.0}}}'
    tool = b'{"name":"f","description":"d","strict":true,"input_schema":%b}' % schema
    hosted = b'{"type":"web_search_20260209", "name":"web_search"}'
    nameless = b'{"type":"mcp_toolset","mcp_server_name":"s"}'
    body = b'{"max_tokens":1,"messages":[{"role":"user","content":"a"}],"tools":[%b,%b,%b]}'
    request = decode(body % (tool, hosted, nameless))
    assert request.tools == (
        Tool("f", "d", schema, strict=True),
        HostedTool("web_search", hosted, "messages"),
        HostedTool("mcp_toolset", nameless, "messages"),
    )
    assert request.needs == {Need.TOOLS}


@pytest.mark.parametrize(
    ("told", "choice", "parallel"),
    [
        (None, ToolChoice(), None),
        ({"type": "auto"}, ToolChoice(), None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice(Choice.REQUIRED), False),
        ({"type": "tool", "name": "f"}, ToolChoice(Choice.NAMED, "f"), None),
        ({"type": "none"}, ToolChoice(Choice.NONE), None),
        ({"type": "auto", "disable_parallel_tool_use": False}, ToolChoice(), True),
    ],
)
def test_the_choice_of_tools(told: Any, choice: ToolChoice, parallel: bool | None) -> None:
    request = asked(tools=[{"name": "f", "input_schema": {}}], tool_choice=told)
    assert (request.tool_choice, request.parallel_tool_calls) == (choice, parallel)
    assert (Need.TOOLS in request.needs) is (choice.mode is not Choice.NONE)


def test_sampling_output_and_stream() -> None:
    schema = {"type": "object"}
    request = asked(
        max_tokens=7,
        stop_sequences=["x"],
        temperature=1.5,
        top_p=0.5,
        top_k=3,
        stream=True,
        output_config={
            "effort": "high",
            "format": {"type": "json_schema", "schema": schema},
            "task_budget": {"total": 1},
        },
    )
    assert request.sampling == Sampling(7, 1.5, 0.5, 3, stop=("x",))
    assert (request.schema, request.effort) == (SchemaRequest(schema), "high")
    assert request.stream
    assert request.stream_usage
    assert request.extras == ("output_config.task_budget",)


def test_the_older_field_for_a_schema_is_read_unless_there_is_a_newer_one() -> None:
    older = {"type": "json_schema", "schema": {"title": "older"}}
    newer = {"format": {"type": "json_schema", "schema": {"title": "newer"}}}
    assert asked(output_format=older).schema == SchemaRequest({"title": "older"})
    both = asked(output_format=older, output_config=newer)
    assert both.schema == SchemaRequest({"title": "newer"})
    assert asked(output_config={"format": None, "effort": None}).schema is None


@pytest.mark.parametrize(
    ("fields", "extras", "needs"),
    [
        ({"metadata": {"user_id": "u"}, "service_tier": "auto", "cache_control": {}}, (), ()),
        ({"thinking": {"type": "adaptive"}}, (), ()),
        ({"thinking": {"type": "disabled"}}, (), ()),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, ("thinking",), ()),
        ({"container": "c", "mcp_servers": [{}]}, ("container", "mcp_servers"), ()),
        ({"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}, (), ()),
        (
            {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
            ("context_management",),
            (),
        ),
        ({"context_management": 5}, ("context_management",), ()),
        ({"thread": {"type": "create"}}, ("thread",), ()),
        ({"thread": {"type": "continue", "previous_message_id": "m"}}, (), (Need.STATE,)),
        ({"max_tokens": 0}, ("max_tokens",), ()),
    ],
)
def test_only_what_means_something_to_this_dialect_alone_is_extra(
    fields: dict[str, Any], extras: tuple[str, ...], needs: tuple[Need, ...]
) -> None:
    request = asked(**fields)
    assert request.extras == extras
    assert request.needs == set(needs)


def test_extras_are_few_and_short() -> None:
    request = asked(**{f"field {index} {'x' * 200}": 1 for index in range(200)})
    assert len(request.extras) == 64
    assert all(len(name) <= 100 and " " not in name for name in request.extras)


# ------------------------------------------------------------------ what came beside the body


def test_the_headers_of_the_dialect_are_passed_on() -> None:
    came = arrival(
        "a=1&beta=true",
        anthropic_beta="effort-2025-11-24,interleaved-thinking-2025-05-14",
        anthropic_version="2023-06-01",
        x_api_key="secret",
    )
    assert decode({"max_tokens": 1, "messages": [HI]}, came).passed_on == (
        ("anthropic-beta", "effort-2025-11-24,interleaved-thinking-2025-05-14"),
        ("anthropic-version", "2023-06-01"),
        ("?beta", "true"),
    )


@pytest.mark.parametrize("value", ["", "a\r\nx-api-key: b", "é", "a" * 2001, "a;b"])
def test_headers_of_no_sane_form_are_not_passed_on(value: str) -> None:
    came = arrival("beta=truely", anthropic_beta=value)
    assert decode({"max_tokens": 1, "messages": [HI]}, came).passed_on == ()


@pytest.mark.parametrize(
    ("user", "headers", "session"),
    [
        ("", {"x_claude_code_session_id": "s-1"}, "s-1"),
        ('{"session_id":"s-2"}', {}, "s-2"),
        ('{"session_id":"s-2"}', {"x_claude_code_session_id": "s-1"}, "s-1"),
        ("user_ab_account__session_12-34", {}, "12-34"),
        ("someone", {}, ""),
        ("someone", {"x_session_id": "s-3"}, "s-3"),
        ('{"session_id":5}', {}, ""),
        ('{"session_id":"a\\nb"}', {}, ""),
        (5, {}, ""),
    ],
)
def test_the_session_is_the_clients_own(user: Any, headers: dict[str, str], session: str) -> None:
    body = {"max_tokens": 1, "messages": [HI], "metadata": {"user_id": user}}
    assert decode(body, arrival(**headers)).session == session


# ------------------------------------------------------------------ refused


def bad(**more: Any) -> dict[str, Any]:
    return {"max_tokens": 1, "messages": [HI]} | more


def turn(content: Any, role: str = "user") -> dict[str, Any]:
    return bad(messages=[{"role": role, "content": content}])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b'{"max_tokens":1,"max_tokens":2,"messages":[]}', "max_tokens"),
        ({"messages": [HI]}, "max_tokens"),
        ({"max_tokens": 1}, "messages"),
        (bad(max_tokens=-1), "max_tokens"),
        (bad(max_tokens=True), "max_tokens"),
        (bad(max_tokens="10"), "max_tokens"),
        (bad(temperature=2.1), "temperature"),
        (bad(top_k=-1), "top_k"),
        (bad(stop_sequences="x"), "stop_sequences"),
        (bad(stop_sequences=["x"] * 129), "stop_sequences"),
        (bad(stream="yes"), "stream"),
        (bad(model=5), "model"),
        (bad(model="a\nb"), "model"),
        (bad(api_base="http://x"), "api_base"),
        (bad(messages=[]), "messages"),
        (bad(messages="hi"), "messages"),
        (bad(messages=[{"content": "x"}]), "messages[0]"),
        (bad(messages=[{"role": "user"}]), "messages[0].content"),
        (turn("x", "tool"), "messages[0].role"),
        (turn(None), "messages[0].content"),
        (turn(5), "messages[0].content"),
        (turn([5]), "messages[0].content[0]"),
        (turn([{"text": "x"}]), "messages[0].content[0]"),
        (turn([{"type": "text"}]), "messages[0].content[0].text"),
        (turn([{"type": "text", "text": 5}]), "messages[0].content[0].text"),
        (turn([{"type": "image"}]), "messages[0].content[0].source"),
        (turn([{"type": "image", "source": 5}]), "messages[0].content[0].source"),
        (turn([{"type": "tool_use", "name": "f"}]), "messages[0].content[0]"),
        (turn([{"type": "tool_use"}], "assistant"), "messages[0].content[0].name"),
        (turn([{"type": "tool_result"}], "assistant"), "messages[0].content[0]"),
        (
            turn([{"type": "tool_result", "content": [{"type": "tool_result"}]}]),
            "messages[0].content[0].content[0]",
        ),
        (bad(system=5), "system"),
        (bad(system=[{"type": "text"}]), "system[0].text"),
        (bad(tools=[{"input_schema": {}}]), "tools[0].name"),
        (bad(tools=[{"name": "f"}]), "tools[0].input_schema"),
        (bad(tools=[{"name": 5}]), "tools[0].name"),
        (bad(tools={}), "tools"),
        (bad(tools=[{"name": "f", "input_schema": {"$ref": "http://a/b"}}]), "tools"),
        (bad(tools=[{"name": "f", "input_schema": {}}] * 1025), "tools"),
        (bad(tool_choice="auto"), "tool_choice"),
        (bad(tool_choice={"type": "some"}), "tool_choice.type"),
        (bad(tool_choice={"type": "tool"}), "tool_choice.name"),
        (bad(output_config={"effort": 5}), "output_config.effort"),
        (bad(output_config={"format": {"type": "text"}}), "output_config.format.type"),
        (bad(output_config={"format": {"type": "json_schema"}}), "output_config.format.schema"),
        (
            bad(output_format={"type": "json_schema", "schema": {"$ref": "file:///a"}}),
            "output_format.schema",
        ),
        (bad(thinking="yes"), "thinking"),
    ],
)
def test_what_no_provider_could_serve_names_its_field(body: Any, param: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        decode(body)
    assert caught.value.param == param


@pytest.mark.parametrize("told", [rb'"\ud800"', rb'[{"type":"text","text":"\ud800"}]'])
def test_half_a_character_is_refused(told: bytes) -> None:
    with pytest.raises(RequestError):
        decode(b'{"max_tokens":1,"messages":[{"role":"user","content":%b}]}' % told)


def test_many_unknown_blocks_are_read_once() -> None:
    blocks = [{"type": "later", "n": number} for number in range(20_000)]
    assert len(asked({"role": "user", "content": blocks}).messages[0].parts) == 20_000


def test_counting_needs_no_limit() -> None:
    body = json.dumps({"model": "m", "messages": [HI]}).encode()
    assert messages.decode_count(body, arrival()).messages == (Message(Role.USER, (Text("hi"),)),)


# ------------------------------------------------------------------ whatever the bytes

ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
BLOCKS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["text", "image", "document", "tool_use", "tool_result", "thinking", "later"]
        )
        | ODD
    },
    optional=dict.fromkeys(
        ("text", "source", "id", "name", "input", "tool_use_id", "content", "citations"), ODD
    ),
)
BODIES = st.fixed_dictionaries(
    {
        "max_tokens": st.just(1) | ODD,
        "messages": st.lists(
            st.fixed_dictionaries(
                {
                    "role": st.sampled_from(["user", "assistant", "system"]) | ODD,
                    "content": st.text(max_size=3) | st.lists(BLOCKS, max_size=3) | ODD,
                }
            ),
            max_size=3,
        )
        | ODD,
    },
    optional=dict.fromkeys(
        (
            *("system", "tools", "tool_choice", "thinking", "thread", "context_management"),
            *("output_config", "output_format", "metadata", "stop_sequences", "stream"),
        ),
        ODD,
    ),
)


@given(BODIES)
def test_odd_bodies_are_read_or_refused_and_never_anything_else(body: Any) -> None:
    try:
        request = decode(body)
    except RequestError:
        return
    assert request.messages


@given(st.binary(max_size=60), st.integers(0, 200))
def test_broken_bytes_are_read_or_refused_and_never_anything_else(noise: bytes, at: int) -> None:
    body = json.dumps(bad(system="s", tools=[{"name": "f", "input_schema": {}}])).encode()
    try:
        decode(body[:at] + noise + body[at:])
    except RequestError:
        return
