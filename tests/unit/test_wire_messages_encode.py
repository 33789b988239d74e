from __future__ import annotations

import base64
import json
from dataclasses import replace
from itertools import pairwise
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
from rung.wire import messages
from rung.wire.back import Outgoing
from rung.wire.front import Arrival
from rung.wire.ids import ANTHROPIC, fit
from rung.wire.quirks import Quirks
from support import conversations

HI = Message(Role.USER, (Text("hi"),))
REMINDER = "<system-reminder>\nnow in French\n</system-reminder>"
TOOL = Tool("f", "d", b'{"type": "object"}')


def user(*parts: Part | str) -> Message:
    return Message(Role.USER, tuple(Text(one) if isinstance(one, str) else one for one in parts))


def said(*parts: Part | str) -> Message:
    return replace(user(*parts), role=Role.ASSISTANT)


def system(*parts: Part | str) -> Message:
    return replace(user(*parts), role=Role.SYSTEM)


def result(id: str, *parts: Any, failed: bool = False) -> Message:  # noqa: A002
    return Message(Role.TOOL, (ToolResult(id, parts, is_error=failed),))


def encoded(
    *told: Message, refuses: tuple[str, ...] = (), **more: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    quirks = Quirks(refuses=frozenset(refuses))
    found = messages.BACK.encode(Outgoing("m", told or (HI,), quirks=quirks, **more))
    return json.loads(found.body), found.losses


def turns(*told: Message, **more: Any) -> list[Any]:
    return encoded(*told, **more)[0]["messages"]


def read(body: bytes) -> Request:
    return messages.FRONT.decode_request(body, Arrival("r", Directions(), {}))


# ------------------------------------------------------------------ there and back


@given(conversations.outgoing(errors=True, pictures=True), st.data())
def test_what_is_written_reads_the_same(sent: Outgoing, data: Any) -> None:
    sent = replace(
        sent,
        stream=data.draw(st.booleans()),
        effort=data.draw(st.sampled_from([None, "low", "high"])),
        schema=data.draw(st.sampled_from([None, SchemaRequest({"type": "object"})])),
        parallel_tool_calls=data.draw(st.sampled_from([None, True, False]))
        if sent.tools and sent.tool_choice.mode is not Choice.NONE
        else None,
    )
    told = messages.BACK.encode(sent)
    found = read(told.body)
    assert told.losses == ()
    assert found.messages == sent.messages
    assert found.tools == sent.tools
    for name in (
        *("model", "sampling", "tool_choice", "parallel_tool_calls"),
        *("schema", "effort", "stream"),
    ):
        assert getattr(found, name) == getattr(sent, name), name


PARTS = st.one_of(
    st.builds(Text, st.text(max_size=4)),
    st.builds(Refusal, st.text(max_size=4)),
    st.builds(Image, st.sampled_from(["image/png", "x"]), st.text(max_size=3), st.just("")),
    st.builds(File, st.sampled_from(["text/csv", "application/pdf", "x"]), st.text(max_size=3)),
    st.builds(ToolCall, st.text(max_size=4), st.text(max_size=4), st.text(max_size=4)),
    st.builds(ToolResult, st.text(max_size=4), st.tuples(st.builds(Text, st.text(max_size=4)))),
    st.builds(Opaque, st.sampled_from(["audio", "reasoning"]), st.none(), st.just("chat")),
)
ANYTHING = st.lists(
    st.builds(Message, st.sampled_from(Role), st.lists(PARTS, max_size=3).map(tuple)), max_size=6
)


def blocks_of(turn: Any) -> list[Any]:
    content = turn["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


@given(ANYTHING, st.booleans())
def test_whatever_the_history_the_api_takes_its_shape(told: list[Message], prefill: bool) -> None:
    refuses = frozenset[str]() if prefill else frozenset({"prefill"})
    sent = messages.BACK.encode(Outgoing("m", tuple(told), quirks=Quirks(refuses=refuses)))
    body = json.loads(sent.body)
    roles = [turn["role"] for turn in body["messages"]]
    assert roles[0] == "user"
    assert all(before != after for before, after in pairwise(roles))
    assert prefill or roles[-1] == "user"
    for turn in body["messages"]:
        kinds = [block["type"] for block in blocks_of(turn)]
        assert kinds
        results = kinds.count("tool_result")
        assert kinds[:results] == ["tool_result"] * results
        for block in [*blocks_of(turn), *body.get("system", [])]:
            assert block["type"] != "text" or block["text"].strip()
            for field in {"id", "tool_use_id"} & block.keys():
                assert ANTHROPIC.allows(block[field])
    read(sent.body)


# ------------------------------------------------------------------ turns


def test_system_messages_in_front_become_the_system_field() -> None:
    body, losses = encoded(system("a"), system("b", " "), HI)
    assert [block["text"] for block in body["system"]] == ["a", "b"]
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert losses == ()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([HI, system("now in French"), said("x"), HI], [["hi", REMINDER], ["x"], ["hi"]]),
        ([HI, said("x"), system("now in French"), HI], [["hi"], ["x"], [REMINDER, "hi"]]),
        ([HI, said("x"), system("now in French")], [["hi"], ["x"], [REMINDER]]),
    ],
)
def test_a_system_message_in_the_middle_is_the_users_reminder(
    told: list[Message], expected: list[list[str]]
) -> None:
    body, losses = encoded(*told)
    assert [[one["text"] for one in blocks_of(turn)] for turn in body["messages"]] == expected
    assert losses == ("system_position",)


def test_of_system_messages_alone_the_last_is_what_the_user_says() -> None:
    body, losses = encoded(system("a"), system("b"))
    assert body["system"] == [{"type": "text", "text": "a"}]
    assert body["messages"] == [{"role": "user", "content": "b"}]
    assert losses == ("system_position",)


def test_results_and_what_the_user_adds_become_one_turn_with_the_results_first() -> None:
    calls = (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))
    told = turns(
        HI, said(*calls), result("a", Text("1")), system("s"), user("x"), result("b", failed=True)
    )
    kinds = [block["type"] for block in told[2]["content"]]
    assert kinds == ["tool_result", "tool_result", "text", "text"]
    assert told[2]["content"][:2] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "1"},
        {"type": "tool_result", "tool_use_id": "b", "is_error": True},
    ]


def test_where_the_assistant_spoke_first_the_user_is_said_to_have_been_silent() -> None:
    body, losses = encoded(said("welcome"), HI)
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert losses == ("assistant_first",)


def test_blank_words_are_left_out_and_no_turn_is_empty() -> None:
    told = turns(user("a", " \n"), said(""), user(""), said("b", ""), user(" "))
    assert [turn["role"] for turn in told] == ["user", "assistant", "user"]
    assert told[0]["content"] == "a"
    assert told[1]["content"] == "b"
    assert told[2]["content"].strip()


def test_words_to_go_on_from_do_not_end_in_white_space() -> None:
    body, losses = encoded(HI, said("The answer is: "))
    assert body["messages"][-1] == {"role": "assistant", "content": "The answer is:"}
    assert losses == ()


def test_a_model_without_prefill_is_asked_to_go_on() -> None:
    body, losses = encoded(HI, said("The answer"), refuses=("prefill",))
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert losses == ("prefill",)


# ------------------------------------------------------------------ parts


@pytest.mark.parametrize(
    ("arguments", "told", "losses"),
    [
        ('{"a": 1.0}', '{"a": 1.0}', ()),
        ("", "{}", ()),
        ("{broken", '{"_arguments":"{broken"}', ("tool_arguments",)),
        ("[1]", '{"_arguments":"[1]"}', ("tool_arguments",)),
    ],
)
def test_arguments_are_an_object_as_the_model_wrote_them(
    arguments: str, told: str, losses: tuple[str, ...]
) -> None:
    sent = messages.BACK.encode(Outgoing("m", (HI, said(ToolCall("a", "f", arguments)), HI)))
    assert b'"input":%b}' % told.encode() in sent.body
    assert sent.losses == losses
    (call,) = read(sent.body).messages[1].parts
    assert isinstance(call, ToolCall)
    assert call.arguments == (arguments.replace(" ", "") or "{}")


def test_ids_of_calls_and_results_are_fitted_alike() -> None:
    odd = "functions.Bash:0"
    told = turns(HI, said(ToolCall(odd, "f", "{}")), result(odd, Text("x")))
    assert told[1]["content"][0]["id"] == told[2]["content"][0]["tool_use_id"]
    assert told[1]["content"][0]["id"] == fit(odd, ANTHROPIC) != odd


def test_free_text_becomes_the_one_property_of_an_object() -> None:
    call = ToolCall("a", "patch", "*** Begin", namespace="ns", custom=True)
    tool = Tool("patch", "d", namespace="ns", custom=True, format=b'{"type":"grammar"}')
    body, losses = encoded(HI, said(call), result("a", Text("ok")), tools=(tool,))
    block = body["messages"][1]["content"][0]
    assert (block["name"], block["input"]) == ("ns__patch", {"input": "*** Begin"})
    assert body["tools"][0]["name"] == "ns__patch"
    assert body["tools"][0]["input_schema"]["required"] == ["input"]
    assert losses == ("tool_format",)


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            Image("image/png", "x"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x"}},
        ),
        (Image(url="https://a"), {"type": "image", "source": {"type": "url", "url": "https://a"}}),
        (
            File("application/pdf", "x", name="a.pdf"),
            {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "x"},
            },
        ),
        (
            File(data="JVBERi0x"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"},
            },
        ),
        (
            File("text/csv", base64.b64encode(b"a,b").decode()),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "a,b"},
            },
        ),
        (
            File(url="https://a/b.pdf"),
            {"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}},
        ),
        (Opaque("search_result", {"type": "search_result"}, "messages"), {"type": "search_result"}),
        (Refusal("no"), {"type": "text", "text": "no"}),
    ],
)
def test_what_the_user_shows(part: Part, block: Any) -> None:
    body, losses = encoded(user("look", part))
    assert body["messages"][0]["content"][1] == block
    assert losses == ()


@pytest.mark.parametrize(
    ("message", "loss"),
    [
        (user("a", Image("image/tiff", "x")), "images"),
        (user("a", File("application/zip", "x")), "files"),
        (user("a", File("text/plain", "no base64")), "files"),
        (user("a", File("text/plain", base64.b64encode(b"\xff").decode())), "files"),
        (user("a", Opaque("input_audio", {}, "chat")), "audio"),
        (user("a", Opaque("item", {}, "responses")), "item"),
        (said("a", Image("image/png", "x")), "images"),
        (said("a", Opaque("reasoning", {}, "responses")), "thinking"),
        (said("a", Opaque("reasoning_content", "hm", "chat")), "thinking"),
        (result("a", Image("image/tiff", "x")), "images"),
    ],
)
def test_what_cannot_be_said_is_named(message: Message, loss: str) -> None:
    body, losses = encoded(HI, message, HI)
    assert losses == (loss,)
    assert "image" not in json.dumps(body)


def test_a_system_message_keeps_its_words_and_names_the_rest() -> None:
    body, losses = encoded(system("a", Image("image/png", "x")), HI)
    assert body["system"] == [{"type": "text", "text": "a"}]
    assert losses == ("images",)


# ------------------------------------------------------------------ tools


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (b"", '{"type":"object","properties":{}}'),
        (b'{"type": "object", "n": 1.0}', '{"type": "object", "n": 1.0}'),
        (b'{"properties": {"a": {}}}', '{"type":"object","properties":{"a": {}}}'),
        (b"true", '{"type":"object","properties":{}}'),
    ],
)
def test_a_schema_of_arguments_says_that_they_are_an_object(schema: bytes, told: str) -> None:
    sent = messages.BACK.encode(Outgoing("m", (HI,), tools=(Tool("f", "", schema),)))
    assert b'"input_schema":%b}' % told.encode() in sent.body


def test_hosted_tools_leave_only_in_their_own_dialect() -> None:
    own = HostedTool("bash", b'{"type":"bash_20250124",  "name":"bash"}', "messages")
    other = HostedTool("web_search", b'{"type":"web_search"}', "responses")
    sent = messages.BACK.encode(Outgoing("m", (HI,), tools=(own, other)))
    assert b'"tools":[%b]' % own.raw in sent.body
    assert sent.losses == ("hosted_tool:web_search",)


@pytest.mark.parametrize(
    ("choice", "parallel", "refuses", "told", "losses"),
    [
        (ToolChoice(), None, (), None, ()),
        (ToolChoice(), True, (), {"type": "auto", "disable_parallel_tool_use": False}, ()),
        (
            ToolChoice(Choice.REQUIRED),
            False,
            (),
            {"type": "any", "disable_parallel_tool_use": True},
            (),
        ),
        (ToolChoice(Choice.NONE), False, (), {"type": "none"}, ()),
        (ToolChoice(Choice.NAMED, "f"), None, (), {"type": "tool", "name": "f"}, ()),
        (ToolChoice(Choice.NAMED, "g"), None, (), None, ("forced_tool_choice",)),
        (ToolChoice(Choice.NAMED, "f"), None, ("forced_tool_choice",), None, ()),
        (ToolChoice(), False, ("parallel_tool_calls",), None, ("parallel_tool_calls",)),
        (ToolChoice(), True, ("parallel_tool_calls",), None, ()),
    ],
)
def test_the_choice_of_tools(
    choice: ToolChoice,
    parallel: bool | None,
    refuses: tuple[str, ...],
    told: Any,
    losses: tuple[str, ...],
) -> None:
    body, lost = encoded(
        tools=(TOOL,), tool_choice=choice, parallel_tool_calls=parallel, refuses=refuses
    )
    assert body.get("tool_choice") == told
    assert lost == (losses or tuple(name for name in refuses if parallel is not True))


def test_without_tools_there_is_no_choice() -> None:
    body, losses = encoded(tool_choice=ToolChoice(Choice.REQUIRED), parallel_tool_calls=False)
    assert "tool_choice" not in body
    assert losses == ("forced_tool_choice",)


def test_strictness_goes_with_the_schemas_that_a_model_takes() -> None:
    strict = replace(TOOL, strict=True)
    assert encoded(tools=(strict,))[0]["tools"][0]["strict"] is True
    assert "strict" not in encoded(tools=(strict,), refuses=("schema",))[0]["tools"][0]


# ------------------------------------------------------------------ settings


def test_the_limit_is_always_there() -> None:
    assert encoded()[0]["max_tokens"] == Quirks().most_output_tokens
    assert encoded(sampling=Sampling(max_tokens=5))[0]["max_tokens"] == 5


@pytest.mark.parametrize(
    ("sampling", "fields", "losses"),
    [
        (Sampling(temperature=1.5), {"temperature": 1.0}, ("temperature",)),
        (Sampling(temperature=0.0, top_p=0.5), {"temperature": 0.0, "top_p": 0.5}, ()),
        (Sampling(top_k=0), {"top_k": 0}, ()),
        (Sampling(stop=("a", "\n")), {"stop_sequences": ["a"]}, ("stop",)),
        (Sampling(seed=0), {}, ("seed",)),
        (Sampling(frequency_penalty=0.0, presence_penalty=1.0), {}, ("presence_penalty",)),
    ],
)
def test_sampling(sampling: Sampling, fields: dict[str, Any], losses: tuple[str, ...]) -> None:
    body, lost = encoded(sampling=sampling)
    del body["max_tokens"]
    assert body == {"model": "m", "messages": [{"role": "user", "content": "hi"}]} | fields
    assert lost == losses


def test_what_a_model_refuses_is_left_out_and_named() -> None:
    refused = ("effort", "schema", "stop", "temperature", "top_k", "top_p")
    body, losses = encoded(
        sampling=Sampling(5, 0.5, 0.5, 3, stop=("x",)),
        schema=SchemaRequest({}),
        effort="high",
        refuses=refused,
    )
    assert body.keys() == {"model", "max_tokens", "messages"}
    assert losses == refused


@pytest.mark.parametrize(
    ("effort", "told", "losses"),
    [
        ("max", "max", ()),
        ("minimal", "low", ("effort",)),
        ("none", "low", ("effort",)),
        ("utmost", None, ("effort",)),
    ],
)
def test_effort_is_told_in_the_dialects_words(
    effort: str, told: str | None, losses: tuple[str, ...]
) -> None:
    body, lost = encoded(effort=effort)
    assert body.get("output_config", {}).get("effort") == told
    assert lost == losses


@pytest.mark.parametrize("schema", [None, True])
def test_a_schema_that_the_dialect_cannot_say_is_named(schema: Any) -> None:
    body, losses = encoded(schema=SchemaRequest(schema))
    assert "output_config" not in body
    assert losses == ("schema",)
