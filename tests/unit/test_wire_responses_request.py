"""OpenAI Responses: callers' bytes to a Request."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import msgspec
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
    Refusal,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from rung.core.types import Need, SchemaRequest
from rung.wire.responses import FRONT
from support.responses_bodies import AGENT, arrival, asked, decoded


def refused(**fields: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        asked(**fields)
    assert caught.value.status == 400
    return caught.value


# ------------------------------------------------------------------ conversations


def test_a_string_is_a_question_and_instructions_come_first() -> None:
    request = asked(instructions="Be brief.")
    assert request.messages == (
        Message(Role.SYSTEM, (Text("Be brief."),)),
        Message(Role.USER, (Text("Hi"),)),
    )
    assert (request.dialect, request.model, request.id) == ("responses", "m", "r1")


def test_a_coding_agents_history_becomes_turns() -> None:
    request = decoded(AGENT)
    thought = Opaque("reasoning", AGENT["input"][2], "responses")
    assert request.messages == (
        Message(Role.SYSTEM, (Text("You write code."),)),
        Message(Role.USER, (Text("Run the tests."),)),
        Message(
            Role.ASSISTANT,
            (
                thought,
                Text("Running."),
                ToolCall("call_1", "exec_command", '{"cmd":"make test"}'),
                ToolCall("call_2", "apply_patch", "*** Begin Patch", custom=True),
            ),
        ),
        Message(Role.TOOL, (ToolResult("call_1", (Text("1 failed"),)),)),
        Message(Role.TOOL, (ToolResult("call_2", (Text("Done"),)),)),
    )
    assert request.needs == {Need.TOOLS}
    assert request.effort == "high"
    assert request.stream
    assert request.extras == ()


def test_a_coding_agents_tools_come_out_of_their_namespaces() -> None:
    tools = decoded(AGENT).tools
    assert [(t.name, t.namespace) for t in tools if isinstance(t, Tool)] == [
        ("exec_command", ""),
        ("apply_patch", ""),
        ("wait", "team"),
    ]
    patch = tools[1]
    assert isinstance(patch, Tool)
    assert patch.custom
    assert json.loads(patch.format)["syntax"] == "lark"
    search = tools[3]
    assert search == HostedTool("web_search", msgspec.json.encode(AGENT["tools"][3]), "responses")


def test_the_parts_of_a_message_keep_their_kinds() -> None:
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "low"},
        {"type": "input_image", "image_url": "https://example.org/a.png"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JV"},
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
    ]
    request = asked(input=[{"role": "user", "content": content}])
    assert request.messages[0].parts == (
        Text("What is this?"),
        Image("image/png", "iVBO", detail="low"),
        Image(url="https://example.org/a.png"),
        File("application/pdf", "JV", name="a.pdf"),
        File(url="https://example.org/a.pdf"),
    )
    assert request.needs == {Need.IMAGES, Need.FILES}


def test_words_of_refusal_stay_apart() -> None:
    refusal = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    told = asked(input=[refusal, {"role": "user", "content": "Why?"}])
    assert told.messages[0] == Message(Role.ASSISTANT, (Refusal("No."),))


def test_a_tools_result_may_show_pictures() -> None:
    output = [
        {"type": "input_text", "text": "Seen:"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBO"},
    ]
    told = asked(input=[{"type": "function_call_output", "call_id": "c", "output": output}])
    result = ToolResult("c", (Text("Seen:"), Image("image/png", "iVBO")))
    assert told.messages == (Message(Role.TOOL, (result,)),)
    assert told.needs == {Need.TOOLS, Need.IMAGES}


@pytest.mark.parametrize(
    ("item", "role"),
    [
        ({"type": "web_search_call", "id": "ws_1", "status": "completed"}, Role.ASSISTANT),
        ({"type": "local_shell_call", "call_id": "c", "action": {}}, Role.ASSISTANT),
        ({"type": "local_shell_call_output", "id": "c", "output": {"odd": 1}}, Role.USER),
        ({"type": "mcp_approval_response", "approve": True}, Role.USER),
        ({"type": "compaction", "encrypted_content": "x"}, Role.ASSISTANT),
        ({"type": "of_tomorrow", "content": 5}, Role.ASSISTANT),
    ],
)
def test_items_of_other_kinds_are_kept_unread(item: dict[str, Any], role: Role) -> None:
    told = asked(input=[{"role": "user", "content": "Hi"}, item])
    assert told.messages[-1] == Message(role, (Opaque(item["type"], item, "responses"),))
    assert Need.STATE not in told.needs


@pytest.mark.parametrize(
    "item",
    [
        {"type": "item_reference", "id": "msg_1"},
        {"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]},
        {"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]},
    ],
)
def test_what_the_provider_keeps_needs_its_state(item: dict[str, Any]) -> None:
    assert Need.STATE in asked(input=[item]).needs


# ------------------------------------------------------------------ state is refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("conversation", {"id": "conv_1"}),
        ("prompt", {"id": "pmpt_1"}),
        ("background", True),
    ],
)
def test_what_would_need_memory_is_refused_with_a_fix(name: str, value: Any) -> None:
    error = refused(**{name: value})
    assert error.param == name
    assert error.fix


def test_fields_of_memory_that_say_nothing_pass() -> None:
    nothing = dict.fromkeys(("previous_response_id", "conversation", "prompt"))
    request = asked(background=False, store=True, **nothing)
    assert request.extras == ()


# ------------------------------------------------------------------ tools


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "web_search"},
        {"type": "function"},
        {"type": "function", "name": 5},
        {"type": "namespace", "name": "team"},
        {"type": "namespace", "tools": []},
        {"type": "of_tomorrow", "name": "x", "tools": 5},
        {"name": "no_type"},
        {},
    ],
)
def test_no_tool_that_is_an_object_is_ever_refused(tool: dict[str, Any]) -> None:
    request = asked(tools=[tool])
    kind = tool.get("type", "")
    assert request.tools == (HostedTool(kind, msgspec.json.encode(tool), "responses"),)


def test_parameters_keep_their_bytes() -> None:
    body = (
        b'{"model":"m","input":"Hi","tools":[{"type":"function","name":"f",'
        b'"parameters": {"type" : "object"} ,"strict":null,"description":null}]}'
    )
    request = FRONT.decode_request(body, arrival())
    assert request.tools == (Tool("f", parameters=b'{"type" : "object"}'),)
    assert request.body == body


@pytest.mark.parametrize(
    ("told", "choice", "said"),
    [
        ("auto", ToolChoice(), True),
        ("none", ToolChoice(Choice.NONE), True),
        ("required", ToolChoice(Choice.REQUIRED), True),
        (None, ToolChoice(), True),
        ({"type": "function", "name": "f"}, ToolChoice(Choice.NAMED, "f"), True),
        ({"type": "custom", "name": "f"}, ToolChoice(Choice.NAMED, "f"), True),
        ({"type": "function", "name": "n"}, ToolChoice(Choice.NAMED, "n", "space"), True),
        ({"type": "web_search"}, ToolChoice(), False),
        ({"type": "allowed_tools", "mode": "auto", "tools": []}, ToolChoice(), False),
    ],
)
def test_choices_of_tools(told: Any, choice: ToolChoice, said: bool) -> None:
    nested = {"type": "function", "name": "n"}
    tools = [
        {"type": "function", "name": "f"},
        {"type": "namespace", "name": "space", "tools": [nested]},
    ]
    request = asked(tools=tools, tool_choice=told)
    assert request.tool_choice == choice
    assert request.extras == (() if said else ("tool_choice",))


def test_tools_that_must_not_be_called_are_no_need_unless_they_were() -> None:
    tools = [{"type": "function", "name": "f"}]
    assert asked(tools=tools, tool_choice="none").needs == frozenset()
    called = [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]
    assert asked(tools=tools, tool_choice="none", input=called).needs == {Need.TOOLS}


# ------------------------------------------------------------------ settings


def test_settings_have_their_canonical_places() -> None:
    request = asked(
        max_output_tokens=100,
        temperature=0.5,
        top_p=0.9,
        parallel_tool_calls=False,
        reasoning={"effort": "low"},
    )
    sampling = request.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p) == (100, 0.5, 0.9)
    assert (request.parallel_tool_calls, request.effort) == (False, "low")


def test_a_limit_of_nothing_is_no_limit() -> None:
    assert asked(max_output_tokens=0).sampling.max_tokens is None


@pytest.mark.parametrize(
    ("form", "schema"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, SchemaRequest(None)),
        (
            {"type": "json_schema", "name": "p", "schema": {"type": "object"}, "strict": True},
            SchemaRequest({"type": "object"}, "p", strict=True),
        ),
    ],
)
def test_the_format_of_the_text_is_the_schema(form: Any, schema: SchemaRequest | None) -> None:
    assert asked(text={"format": form}).schema == schema


def test_log_probabilities_count_only_where_they_are_to_be_told() -> None:
    assert asked(top_logprobs=3).needs == frozenset()
    told = asked(top_logprobs=3, include=["message.output_text.logprobs"])
    assert told.needs == {Need.LOGPROBS}


def test_what_has_no_other_place_is_named_and_bookkeeping_is_not() -> None:
    request = asked(
        metadata={"a": "b"},
        user="me",
        service_tier="flex",
        safety_identifier="me",
        truncation="auto",
        text={"verbosity": "low"},
        max_tool_calls=3,
        of_tomorrow=1,
    )
    assert request.extras == ("max_tool_calls", "of_tomorrow", "truncation", "verbosity")
    assert asked(truncation="disabled", max_tool_calls=None).extras == ()


@pytest.mark.parametrize(
    ("headers", "session"),
    [
        ({"session_id": "a", "thread_id": "b"}, "a"),
        ({"thread_id": "b"}, "b"),
        ({}, "key"),
    ],
)
def test_the_conversations_name_comes_from_a_header_or_the_cache_key(
    headers: dict[str, str], session: str
) -> None:
    body = msgspec.json.encode({"input": "Hi", "prompt_cache_key": "key"})
    request = FRONT.decode_request(body, arrival(**headers))
    assert (request.session, request.session_shared) == (session, session == "key")
    assert not FRONT.decode_request(b'{"input": "Hi"}', arrival()).session_shared


# ------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": 5}, "input"),
        ({"input": []}, "input"),
        ({"input": ["Hi"]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "Hi"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"content": "Hi"}]}, "input[0]"),
        ({"input": [{"type": 5}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"text": "Hi"}]}]}, "input[0].content[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
            "input[0].content[0].text",
        ),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0]"),
        (
            {"input": [{"type": "function_call", "call_id": "c", "name": 5}]},
            "input[0].name",
        ),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0]"),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": 5}]},
            "input[0].output",
        ),
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [5]}]}, "tools[0].tools[0]"),
        ({"tools": [{"type": "web_search"}] * 1025}, "tools"),
        (
            {"tools": [{"type": "function", "name": "f", "parameters": {"$ref": "http://x"}}]},
            "tools",
        ),
        ({"tools": [{"type": "function", "name": "f", "parameters": []}]}, "tools[0].parameters"),
        ({"tools": [{"type": "custom", "name": "f", "format": "x"}]}, "tools[0].format"),
        ({"tool_choice": "always"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"max_output_tokens": -1}, "max_output_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"instructions": ["Be brief."]}, "instructions"),
        ({"reasoning": {"effort": 5}}, "reasoning"),
        ({"reasoning": {"effort": "x" * 33}}, "reasoning.effort"),
        ({"text": {"format": "json"}}, "text.format"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        (
            {"text": {"format": {"type": "json_schema", "schema": {"$ref": "file:///x"}}}},
            "text.format.schema",
        ),
        ({"api_base": "http://x"}, "api_base"),
    ],
)
def test_the_field_at_fault_is_named(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


def test_a_request_without_input_is_refused() -> None:
    with pytest.raises(RequestError) as caught:
        FRONT.decode_request(b'{"model":"m"}', arrival())
    assert caught.value.param == "input"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "output", "call_id", "name", "tools"]),
            inner | st.sampled_from(["message", "function_call", "user", "namespace", "function"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*AGENT, "text", "instructions"]), JSON))
def test_any_object_is_read_or_refused(told: dict[str, Any]) -> None:
    with suppress(RequestError):
        assert FRONT.decode_request(json.dumps(told).encode(), arrival()).messages


@given(st.binary(max_size=64) | st.sampled_from([b"[" * 10_000, b'{"input":' + b"[" * 10_000]))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(RequestError):
        FRONT.decode_request(body, arrival())


@given(st.integers(0, len(msgspec.json.encode(AGENT)) - 1))
def test_a_cut_body_is_refused(length: int) -> None:
    with pytest.raises(RequestError):
        FRONT.decode_request(msgspec.json.encode(AGENT)[:length], arrival())
