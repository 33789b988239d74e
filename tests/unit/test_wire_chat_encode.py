from __future__ import annotations

import json
from typing import Any

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
    Refusal,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from rung.core.types import Directions, Request, Sampling, SchemaRequest
from rung.wire import chat
from rung.wire.back import Outgoing
from rung.wire.chat.encode import message_objects
from rung.wire.front import Arrival
from rung.wire.ids import MISTRAL
from rung.wire.quirks import Quirks
from support import conversations

HELLO = (Message(Role.USER, (Text("hi"),)),)


def encode(*messages: Message, losses: tuple[str, ...] = (), **sent: Any) -> dict[str, Any]:
    encoded = chat.BACK.encode(Outgoing("m", messages or HELLO, **sent))
    assert encoded.losses == losses
    return json.loads(encoded.body)


def written(
    role: Role, *parts: Part, losses: tuple[str, ...] = (), **sent: Any
) -> list[dict[str, Any]]:
    """The messages that one message becomes, before a turn of the user's."""
    return encode(Message(role, parts), *HELLO, losses=losses, **sent)["messages"][:-1]


def decode(body: bytes) -> Request:
    return chat.FRONT.decode_request(body, Arrival("r", Directions(), {}))


def test_a_request_from_elsewhere_is_written_whole() -> None:
    assert encode(
        Message(Role.SYSTEM, (Text("be brief"),)),
        *HELLO,
        sampling=Sampling(5, 0.1, 0.9, 40, 1, ("x",), 0.5, -0.5),
        schema=SchemaRequest(None),
        effort="low",
        stream=True,
        quirks=Quirks(limit_field="max_completion_tokens"),
    ) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hi"},
        ],
        "max_completion_tokens": 5,
        "temperature": 0.1,
        "top_p": 0.9,
        "top_k": 40,
        "seed": 1,
        "stop": ["x"],
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "reasoning_effort": "low",
        "response_format": {"type": "json_object"},
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_what_the_caller_left_open_stays_out() -> None:
    assert set(encode()) == {"model", "messages"}


def test_what_a_model_refuses_stays_out_and_is_named() -> None:
    refused = (
        "effort",
        "forced_tool_choice",
        "frequency_penalty",
        "parallel_tool_calls",
        "presence_penalty",
        "schema",
        "seed",
        "stop",
        "temperature",
        "top_k",
        "top_p",
    )
    told = encode(
        sampling=Sampling(5, 0.1, 0.9, 40, 1, ("x",), 0.5, -0.5),
        schema=SchemaRequest(None),
        effort="low",
        tools=(Tool("f"),),
        tool_choice=ToolChoice(Choice.REQUIRED),
        parallel_tool_calls=False,
        quirks=Quirks(refuses=frozenset(refused)),
        losses=refused,
    )
    assert set(told) == {"model", "messages", "max_tokens", "tools"}


# ------------------------------------------------------------------ messages


def test_parts_of_another_dialect_are_left_out_and_named() -> None:
    assert written(
        Role.USER,
        Text("a"),
        Opaque("thinking", "secret", "messages"),
        Opaque("search_result", {}, "messages"),
        losses=("search_result", "thinking"),
    ) == [{"role": "user", "content": "a"}]


def test_calls_and_results_find_each_other_under_the_ids_that_a_server_takes() -> None:
    call, result = ToolCall("functions.Bash:0", "Bash", ""), ToolResult("functions.Bash:0", ())
    told = encode(
        *HELLO,
        Message(Role.ASSISTANT, (Text("so"), call)),
        Message(Role.TOOL, (result,)),
        quirks=Quirks(ids=MISTRAL),
    )["messages"]
    found = told[1]["tool_calls"][0]["id"]
    assert MISTRAL.allows(found)
    function = {"name": "Bash", "arguments": "{}"}
    assert told[1:] == [
        {
            "role": "assistant",
            "content": "so",
            "tool_calls": [{"id": found, "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": found, "content": ""},
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("no such file", "Error: no such file"),
        ("Error: gone", "Error: gone"),
        ("[ERROR] gone", "[ERROR] gone"),
        ("ValueError: gone", "ValueError: gone"),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ("Terrors of the deep", "Error: Terrors of the deep"),
        ("", "Error: "),
    ],
)
def test_a_result_that_is_an_error_says_so_in_words(text, wanted) -> None:
    told = written(Role.TOOL, ToolResult("c", (Text(text),), is_error=True))
    assert told[0]["content"] == wanted
    assert written(Role.TOOL, ToolResult("c", (Text(text),)))[0]["content"] == text


def test_what_tools_show_follows_the_last_result_of_its_group() -> None:
    def shown(call: str, *parts: Text | Image | File) -> Message:
        return Message(Role.TOOL, (ToolResult(call, parts),))

    first, second = Image("image/png", "AA"), Image(url="https://a/b")
    paper = File("application/pdf", "JVBE", name="a.pdf")
    told = encode(
        *HELLO,
        shown("a", Text("one"), first),
        shown("b", Text("two"), second, paper),
        Message(Role.ASSISTANT, (Text("I see"),)),
        shown("c", first),
    )["messages"]
    assert [one["role"] for one in told] == [
        *("user", "tool", "tool", "user", "assistant", "tool", "user")
    ]
    assert [one["content"] for one in told[1:3]] == ["one", "two"]
    assert told[3]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
        {"type": "image_url", "image_url": {"url": "https://a/b"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        },
    ]
    assert told[-1]["content"] == told[3]["content"][:1]


def test_what_the_dialect_has_no_place_for_is_named() -> None:
    paper = File(url="https://a/b.pdf")
    assert written(Role.USER, Text("a"), Text("b"), paper, losses=("files",)) == [
        {"role": "user", "content": [{"type": "text", "text": t} for t in "ab"]}
    ]
    picture = Image("image/png", "AA")
    assert written(Role.SYSTEM, Text("a"), picture, Text("b"), losses=("images",)) == [
        {"role": "system", "content": "a\nb"}
    ]
    thinking = Opaque("reasoning", {}, "responses")
    assert written(Role.ASSISTANT, thinking, losses=("thinking",)) == []


def test_words_of_refusal_are_also_read_by_servers_that_know_no_such_field() -> None:
    assert written(Role.ASSISTANT, Refusal("no")) == [
        {"role": "assistant", "content": "no", "refusal": "no"}
    ]


def test_system_messages_stand_first_where_they_have_to() -> None:
    system = Message(Role.SYSTEM, (Text("s"),))
    roles = [one["role"] for one in encode(system, system, *HELLO, system, *HELLO)["messages"]]
    assert roles == ["system", "system", "user", "system", "user"]
    told = encode(
        *(system, system, *HELLO, system, *HELLO),
        quirks=Quirks(system_first=True),
        losses=("system_position",),
    )
    assert [one["role"] for one in told["messages"]] == ["system", "system", *["user"] * 3]
    assert encode(system, *HELLO, quirks=Quirks(system_first=True))


def test_words_put_into_the_assistants_mouth_are_a_loss() -> None:
    begun = Message(Role.ASSISTANT, (Text("The answer is"),))
    assert len(encode(*HELLO, begun, losses=("prefill",))["messages"]) == 2
    quirks = Quirks(refuses=frozenset({"prefill"}))
    assert len(encode(*HELLO, begun, quirks=quirks, losses=("prefill",))["messages"]) == 1
    called = Message(Role.ASSISTANT, (ToolCall("c", "f", "{}"),))
    assert len(encode(*HELLO, called)["messages"]) == 2


# ------------------------------------------------------------------ tools


def test_tools_are_written_as_functions_of_objects() -> None:
    tools = (
        Tool("f", "d", b'{ "type":"object" }', strict=True),
        Tool("run now", namespace="shell"),
        Tool("patch", custom=True, format=b'{"type":"grammar"}'),
        HostedTool("web_search", b"{}", "responses"),
        HostedTool("browse", b'{"type":"browse"}', "chat"),
    )
    told = encode(tools=tools, losses=("hosted_tool:web_search", "tool_format"))["tools"]
    assert told[0] == {
        "type": "function",
        "function": {
            "name": "f",
            "description": "d",
            "parameters": {"type": "object"},
            "strict": True,
        },
    }
    assert told[1]["function"]["name"].startswith("shell__run_now_")
    assert told[1]["function"]["parameters"] == {"type": "object", "properties": {}}
    assert told[2]["function"]["parameters"]["required"] == ["input"]
    assert told[3] == {"type": "browse"}


def test_a_call_with_free_text_is_one_of_the_function_that_stands_for_its_tool() -> None:
    call = ToolCall("c", "patch", 'a "b"', custom=True)
    (told,) = written(Role.ASSISTANT, call)
    function = told["tool_calls"][0]["function"]
    assert function["name"] == "patch"
    assert json.loads(function["arguments"]) == {"input": 'a "b"'}


HOSTED = HostedTool("web_search", b"{}", "responses")


@pytest.mark.parametrize(
    ("tools", "choice", "told", "losses"),
    [
        ((Tool("f"),), ToolChoice(), None, ()),
        ((Tool("f"),), ToolChoice(Choice.NONE), "none", ()),
        ((Tool("f"),), ToolChoice(Choice.REQUIRED), "required", ()),
        (
            (Tool("f"),),
            ToolChoice(Choice.NAMED, "f"),
            {"type": "function", "function": {"name": "f"}},
            (),
        ),
        (
            (Tool("f", namespace="a"),),
            ToolChoice(Choice.NAMED, "f", "a"),
            {"type": "function", "function": {"name": "a__f"}},
            (),
        ),
        ((Tool("f"),), ToolChoice(Choice.NAMED, "g"), None, ("forced_tool_choice",)),
        ((), ToolChoice(Choice.REQUIRED), None, ("forced_tool_choice",)),
        ((), ToolChoice(Choice.NONE), None, ()),
        (
            (HOSTED,),
            ToolChoice(Choice.NAMED, "web_search"),
            None,
            ("forced_tool_choice", "hosted_tool:web_search"),
        ),
    ],
)
def test_the_choice_of_tools_is_written_where_there_is_one(tools, choice, told, losses) -> None:
    got = encode(tools=tools, tool_choice=choice, parallel_tool_calls=True, losses=losses)
    assert got.get("tool_choice") == told
    assert ("tools" in got) is ("parallel_tool_calls" in got) is any(t is not HOSTED for t in tools)


# ------------------------------------------------------------------ both ways


@given(conversations.outgoing(pictures=True))
def test_what_is_written_reads_back_as_the_same(sent) -> None:
    encoded = chat.BACK.encode(sent)
    request = decode(encoded.body)
    assert encoded.losses == ()
    assert request.messages == sent.messages
    assert (request.tools, request.tool_choice) == (sent.tools, sent.tool_choice)
    assert (request.sampling, request.model) == (sent.sampling, sent.model)
    assert request.extras == ()


ODD_TEXT = st.sampled_from(["", "\ud800", "a\x00b"]) | st.text()
PARTS = st.one_of(
    st.builds(Text, ODD_TEXT),
    conversations.images(),
    st.builds(Image, url=ODD_TEXT),
    st.builds(File, ODD_TEXT, ODD_TEXT, ODD_TEXT, ODD_TEXT),
    st.builds(Refusal, ODD_TEXT),
    st.builds(ToolCall, ODD_TEXT, ODD_TEXT, ODD_TEXT, ODD_TEXT, st.booleans()),
    st.builds(
        Opaque,
        st.sampled_from(["name", "thinking", "input_audio", "role", "x"]),
        conversations.JSON | st.just("\ud800"),
        st.sampled_from(["chat", "messages", ""]),
    ),
)
RESULTS = st.builds(
    ToolResult, ODD_TEXT, st.lists(PARTS, max_size=3).map(tuple), st.booleans(), ODD_TEXT
)
TURNS = st.builds(Message, st.sampled_from(Role), st.lists(PARTS | RESULTS, max_size=3).map(tuple))
TOOLS = st.builds(Tool, ODD_TEXT, ODD_TEXT, namespace=ODD_TEXT, custom=st.booleans()) | st.just(
    HOSTED
)


@given(
    st.builds(
        Outgoing,
        ODD_TEXT,
        st.lists(TURNS, max_size=4).map(tuple),
        tools=st.lists(TOOLS, max_size=3).map(tuple),
        tool_choice=st.builds(ToolChoice, st.sampled_from(Choice), ODD_TEXT),
        schema=st.sampled_from(
            [None, SchemaRequest(None), SchemaRequest(schema=True), SchemaRequest({"a": {1, 2}})]
        ),
        sampling=st.builds(Sampling, temperature=st.floats() | st.none()),
    )
)
def test_no_conversation_is_too_odd_to_be_written(sent) -> None:
    encoded = chat.BACK.encode(sent)
    assert json.loads(encoded.body)["messages"] is not None
    assert list(encoded.losses) == sorted(set(encoded.losses))


def test_a_call_without_its_thinking_is_given_some_where_it_is_insisted_on() -> None:
    call, blank = ToolCall("a", "f", "{}"), Quirks(unshown_thought=" ")
    own, foreign = Opaque("reasoning_content", "so", "chat"), Opaque("thinking", {}, "messages")

    def thought(*parts: Text | ToolCall | Opaque, quirks: Quirks = blank) -> str | None:
        found = message_objects([Message(Role.ASSISTANT, parts)], quirks, set())
        told: str | None = found[0].get("reasoning_content")
        return told

    assert thought(foreign, call) == thought(call) == " "
    assert thought(own, call) == "so"
    assert thought(Text("a")) is None
    assert thought(call, quirks=Quirks()) is None
