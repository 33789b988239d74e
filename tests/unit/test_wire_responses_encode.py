"""OpenAI Responses: requests for providers, new or hardly changed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.parts import (
    Choice,
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
    ToolChoice,
    ToolResult,
)
from rung.core.types import Sampling, SchemaRequest
from rung.wire.back import Changes, Outgoing
from rung.wire.quirks import Quirks
from rung.wire.responses import BACK, FRONT
from rung.wire.responses.encode import LEAST_OUTPUT_TOKENS
from support.conversations import outgoing
from support.responses_bodies import AGENT, arrival, decoded


def user(*parts: Part) -> Message:
    return Message(Role.USER, parts)


HI = user(Text("Hi"))


def encoded(*messages: Message, **more: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    sent = BACK.encode(Outgoing("m", messages or (HI,), **more))
    told = json.loads(sent.body)
    assert isinstance(told, dict)
    return told, sent.losses


# ------------------------------------------------------------------ new bodies


@given(outgoing(pictures=True))
def test_what_is_written_is_read_back_the_same(sent: Outgoing) -> None:
    written = BACK.encode(sent)
    read = FRONT.decode_request(written.body, arrival())
    limit = max(sent.sampling.max_tokens or 0, LEAST_OUTPUT_TOKENS)
    assert read.messages == sent.messages
    assert read.sampling == replace(sent.sampling, max_tokens=limit)
    assert read.tools == tuple(replace(tool, strict=False) for tool in sent.tools)  # type: ignore[type-var]
    assert (read.tool_choice, read.model) == (sent.tool_choice, sent.model)
    assert set(written.losses) <= {"max_tokens"}


def test_the_provider_is_to_keep_nothing() -> None:
    assert encoded()[0] == {
        "model": "m",
        "input": [{"role": "user", "content": "Hi"}],
        "store": False,
    }


def test_an_agents_own_history_is_written_as_it_came() -> None:
    request = decoded(AGENT)
    told, losses = encoded(*request.messages, tools=request.tools)
    again = FRONT.decode_request(msgspec.json.encode(told), arrival())
    assert (again.messages, again.tools) == (request.messages, request.tools)
    assert losses == ()


def test_failed_tools_say_so_once() -> None:
    told, losses = encoded(
        HI,
        Message(Role.ASSISTANT, (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))),
        Message(Role.TOOL, (ToolResult("a", (Text("no such file"),), is_error=True),)),
        Message(Role.TOOL, (ToolResult("b", (Text("Error: no"),), is_error=True),)),
    )
    assert [item["output"] for item in told["input"][-2:]] == [
        [{"type": "input_text", "text": "Error:"}, {"type": "input_text", "text": "no such file"}],
        "Error: no",
    ]
    assert losses == ()


def test_long_and_odd_ids_are_fitted_alike_in_call_and_result() -> None:
    long = "functions.Bash:" + "0" * 80
    told, _ = encoded(
        HI,
        Message(Role.ASSISTANT, (ToolCall(long, "f", "{}"),)),
        Message(Role.TOOL, (ToolResult(long, (Text("x"),)),)),
    )
    call, result = told["input"][-2:]
    assert call["call_id"] == result["call_id"]
    assert len(call["call_id"]) <= 64


def test_foreign_thoughts_and_tools_are_left_out_and_named() -> None:
    thought = Opaque("thinking", {"type": "thinking"}, "messages")
    search = HostedTool("web_search_20250305", b"{}", "messages")
    told, losses = encoded(
        HI,
        Message(Role.ASSISTANT, (thought, Text("Hello"))),
        HI,
        tools=(search,),
        sampling=Sampling(top_k=5, seed=1, stop=("x",), frequency_penalty=1.0, max_tokens=1),
    )
    assert len(told["input"]) == 3
    assert "tools" not in told
    assert losses == (
        *("frequency_penalty", "hosted_tool:web_search_20250305", "max_tokens", "seed", "stop"),
        *("thinking", "top_k"),
    )


def test_pictures_and_files_go_inside_or_by_address() -> None:
    told, _ = encoded(
        user(
            Image("image/png", "iVBO", detail="high"),
            Image(url="https://example.org/a.png"),
            File("application/pdf", "JV", name="a.pdf"),
            File(url="https://example.org/a.pdf"),
        )
    )
    assert told["input"][0]["content"] == [
        {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "high"},
        {"type": "input_image", "image_url": "https://example.org/a.png"},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,JV",
        },
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
    ]


def test_schema_effort_tools_and_stream_have_their_fields() -> None:
    tools = (Tool("f"), Tool("g", custom=True, format=b'{"type":"text"}'), Tool("h", namespace="n"))
    told, losses = encoded(
        tools=tools,
        tool_choice=ToolChoice(Choice.NAMED, "g"),
        parallel_tool_calls=False,
        schema=SchemaRequest({"type": "object"}, "a b", strict=True),
        effort="low",
        stream=True,
    )
    assert told["tools"] == [
        {
            "type": "function",
            "name": "f",
            "strict": False,
            "parameters": {"type": "object", "properties": {}},
        },
        {"type": "custom", "name": "g", "format": {"type": "text"}},
        {
            "type": "namespace",
            "name": "n",
            "description": "",
            "tools": [
                {
                    "type": "function",
                    "name": "h",
                    "strict": False,
                    "parameters": {"type": "object", "properties": {}},
                }
            ],
        },
    ]
    assert told["tool_choice"] == {"type": "custom", "name": "g"}
    assert told["parallel_tool_calls"] is False
    form = {"type": "json_schema", "name": "a_b", "schema": {"type": "object"}, "strict": True}
    assert told["text"] == {"format": form}
    assert told["reasoning"] == {"effort": "low"}
    assert told["stream"] is True
    assert losses == ()


def test_what_a_model_refuses_is_left_out_and_named() -> None:
    refused = frozenset(
        {"temperature", "top_p", "effort", "schema", "forced_tool_choice", "parallel_tool_calls"}
    )
    told, losses = encoded(
        sampling=Sampling(temperature=0.5, top_p=0.5),
        effort="low",
        schema=SchemaRequest(None),
        tools=(Tool("f"),),
        tool_choice=ToolChoice(Choice.REQUIRED),
        parallel_tool_calls=True,
        quirks=Quirks(refuses=refused),
    )
    assert told.keys() == {"model", "input", "store", "tools"}
    assert losses == tuple(sorted(refused))


def test_words_put_into_the_assistants_mouth_are_named_and_dropped_where_refused() -> None:
    mouth = Message(Role.ASSISTANT, (Text("Sure:"),))
    told, losses = encoded(HI, mouth)
    assert (len(told["input"]), losses) == (2, ("prefill",))
    told, losses = encoded(HI, mouth, quirks=Quirks(refuses=frozenset({"prefill"})))
    assert (len(told["input"]), losses) == (1, ("prefill",))


def test_a_late_system_message_becomes_the_users_where_the_server_wants_it_first() -> None:
    late = Message(Role.SYSTEM, (Text("Now in French."),))
    told, losses = encoded(late, HI, late, quirks=Quirks(system_first=True))
    assert [item["role"] for item in told["input"]] == ["system", "user", "user"]
    assert losses == ("system_position",)


# ------------------------------------------------------------------ the caller's own bytes

BODY = (
    b'{ "model" : "gpt-6" , "input" : "Hi \\u00e9" , "store": true,\n'
    b' "temperature": 1.0, "text": {"verbosity": "low" , "format": {"type": "json_object"}},'
    b' "reasoning": {"effort": "low", "summary": "auto"}, "tool_choice": "required",'
    b' "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],'
    b' "stream": true, "stream_options": {"include_obfuscation": false}, "x" : [1, 2.50] }'
)


def test_only_the_models_name_changes() -> None:
    sent = BACK.forward(BODY, Changes("local"))
    assert sent.body == BODY.replace(b'"gpt-6"', b'"local"')
    assert sent.losses == ()


def test_a_question_in_a_string_becomes_the_first_of_the_items() -> None:
    more = (Message(Role.ASSISTANT, (Text("{"),)), user(Text("That is no JSON.")))
    sent = BACK.forward(BODY, Changes("gpt-6", appended=more))
    items = (
        b'[{"role":"user","content":"Hi \\u00e9"},{"role":"assistant","content":"{"},'
        b'{"role":"user","content":"That is no JSON."}]'
    )
    assert sent.body == BODY.replace(b'"Hi \\u00e9"', items)


def test_messages_are_appended_to_items_that_keep_their_bytes() -> None:
    body = b'{"input":[ {"role":"user", "content":"Hi"} ], "model":"m"}'
    sent = BACK.forward(body, Changes("m", appended=(user(Text("More")),)))
    more = b'{"role":"user","content":"More"}'
    kept = b'{"input":[ {"role":"user", "content":"Hi"} ,%b], "model":"m"}'
    assert sent.body == kept % more


def test_a_body_that_no_longer_streams_loses_the_options_of_streams() -> None:
    told = json.loads(BACK.forward(BODY, Changes("m", stream=False)).body)
    assert told["stream"] is False
    assert "stream_options" not in told
    plain = b'{"input":"Hi"}'
    assert json.loads(BACK.forward(plain, Changes("m", stream=True)).body)["stream"] is True
    assert b"stream" not in BACK.forward(plain, Changes("m", stream=False, usage=True)).body


def test_a_schema_replaces_the_callers_and_leaves_the_verbosity() -> None:
    schema = SchemaRequest({"type": "object"}, "answer", strict=True)
    told = json.loads(BACK.forward(BODY, Changes("m", schema=schema)).body)
    form = {"type": "json_schema", "name": "answer", "schema": {"type": "object"}, "strict": True}
    assert told["text"] == {"verbosity": "low", "format": form}


def test_what_the_model_refuses_is_taken_out_of_the_body() -> None:
    refuses = frozenset({"temperature", "top_p", "effort", "schema", "forced_tool_choice"})
    quirks = Quirks(refuses=refuses | {"logprobs"})
    sent = BACK.forward(BODY, Changes("m", temperature=0.7, quirks=quirks))
    told = json.loads(sent.body)
    assert "temperature" not in told
    assert "tool_choice" not in told
    assert told["reasoning"] == {"summary": "auto"}
    assert told["text"] == {"verbosity": "low"}
    assert told["include"] == ["reasoning.encrypted_content"]
    expected = ("effort", "forced_tool_choice", "logprobs", "schema", "temperature")
    assert sent.losses == expected


def test_what_rung_adds_for_itself_is_no_loss_where_it_is_refused() -> None:
    quirks = Quirks(refuses=frozenset({"temperature", "schema"}))
    changes = Changes("m", temperature=0.7, schema=SchemaRequest(None), quirks=quirks)
    sent = BACK.forward(b'{"input":"Hi","tool_choice":"auto"}', changes)
    assert json.loads(sent.body) == {"input": "Hi", "tool_choice": "auto", "model": "m"}
    assert sent.losses == ()


def test_a_limit_of_nothing_is_taken_out() -> None:
    sent = BACK.forward(b'{"input":"Hi","max_output_tokens":0}', Changes("m"))
    assert json.loads(sent.body) == {"input": "Hi", "model": "m"}


@given(st.sampled_from(sorted(AGENT)), st.text(max_size=8))
def test_every_other_field_keeps_its_bytes(name: str, model: str) -> None:
    body = json.dumps(AGENT, indent=1).encode()
    sent = BACK.forward(body, Changes(model)).body
    assert json.loads(sent) == AGENT | {"model": model}
    if name != "model":
        assert json.dumps(AGENT[name], indent=1).split("\n")[0].encode() in sent


@pytest.mark.parametrize("text", ["\ud800", "a\ud800b"])
def test_lone_surrogates_do_not_stop_a_body(text: str) -> None:
    told, _ = encoded(user(Text(text)))
    assert "?" in told["input"][0]["content"]
