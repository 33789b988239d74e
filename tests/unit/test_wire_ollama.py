import contextlib
import json
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rung.core.growth import CallGrowth, Delta
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
from rung.core.types import (
    Fault,
    Finish,
    Need,
    Sampling,
    SchemaRequest,
    UsageSource,
)
from rung.wire import ollama as wire
from rung.wire.back import Outgoing
from rung.wire.ollama import server
from rung.wire.ollama.answer import MOST_CALLS
from rung.wire.ollama.thinking import MOST_BLANKS, Thoughts
from rung.wire.ollama.window import IMAGE_TOKENS
from support.conversations import answers, messages, outgoing, tools

HELLO = (Message(Role.SYSTEM, (Text("Be brief."),)), Message(Role.USER, (Text("a"), Text("b"))))
OPTIONS = wire.ChatOptions(16_384, "30m")
SCHEMA = b'{ "type": "object", "properties": {"city": {"type": "string"}} }'
WEATHER = Tool("weather", "Tells it.", SCHEMA)


def sending(*sent: Message, **fields) -> Outgoing:
    return Outgoing(**{"model": "m", "messages": sent or HELLO} | fields)


def encoded(sent: Outgoing, options: wire.ChatOptions = OPTIONS) -> tuple[dict, tuple[str, ...]]:
    told = wire.encode_chat(sent, wire.prompt_size(sent), options)
    return json.loads(told.body), told.losses


def told_messages(*sent: Message) -> list[dict]:
    return encoded(sending(*sent))[0]["messages"]


# ------------------------------------------------------------------ what is sent


def test_a_chat_request_sets_the_window_and_forbids_cutting():
    body, losses = encoded(sending(model="qwen2.5:0.5b", sampling=Sampling(max_tokens=7)))
    assert body == {
        "model": "qwen2.5:0.5b",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "a\nb"},
        ],
        "stream": False,
        "truncate": False,
        "keep_alive": "30m",
        "options": {"num_ctx": 16_384, "num_predict": 7},
    }
    assert losses == ()


def test_sampling_is_carried_and_what_is_unset_is_left_to_the_model():
    full = Sampling(
        max_tokens=5,
        temperature=0.0,
        top_p=0.9,
        top_k=40,
        seed=0,
        stop=("END",),
        frequency_penalty=0.5,
        presence_penalty=-0.5,
    )
    body, losses = encoded(sending(sampling=full))
    assert body["options"] == {
        "num_ctx": 16_384,
        "num_predict": 5,
        "temperature": 0.0,
        "top_p": 0.9,
        "top_k": 40,
        "seed": 0,
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "stop": ["END"],
    }
    assert losses == ()
    assert set(encoded(sending())[0]["options"]) == {"num_ctx", "num_predict"}


@pytest.mark.parametrize("limit", [None, 10**6])
def test_an_answer_ends_at_the_window_whatever_its_limit(limit):
    def limited(context_tokens: int) -> int:
        sent = sending(sampling=Sampling(max_tokens=limit))
        return encoded(sent, replace(OPTIONS, context_tokens=context_tokens))[0]["options"][
            "num_predict"
        ]

    assert 16_000 < limited(16_384) < 16_384
    assert limited(8) == 256


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (SchemaRequest(None), "json"),
        (SchemaRequest({"type": "object"}), {"type": "object"}),
        (SchemaRequest({}), {}),
        (SchemaRequest(schema=True), None),
        (SchemaRequest(schema=False), None),
        (None, None),
    ],
)
def test_a_schema_becomes_the_format(schema, expected):
    assert encoded(sending(schema=schema))[0].get("format") == expected


def test_a_schema_gives_way_to_tools_which_it_would_make_uncallable():
    body, losses = encoded(sending(schema=SchemaRequest({}), tools=(WEATHER,)))
    assert "format" not in body
    assert losses == ("schema",)


def test_a_load_asks_for_the_same_window_as_the_chat_after_it():
    assert json.loads(wire.encode_load("qwen2.5:0.5b", OPTIONS)) == {
        "model": "qwen2.5:0.5b",
        "messages": [],
        "stream": False,
        "keep_alive": "30m",
        "options": {"num_ctx": 16_384},
    }


def test_only_what_the_dialect_has_no_place_for_is_lacking():
    assert not {Need.TOOLS, Need.IMAGES} & wire.OLLAMA_LACKS
    assert {Need.AUDIO, Need.FILES, Need.MANY_CHOICES, Need.PREFILL} < wire.OLLAMA_LACKS
    assert {Need.STATE, Need.EMBEDDINGS, Need.LOGPROBS} < wire.OLLAMA_LACKS


@pytest.mark.parametrize(
    ("effort", "thinks", "think", "losses"),
    [
        ("low", True, "low", ()),
        ("minimal", True, "low", ()),
        ("max", True, "high", ()),
        ("none", True, False, ()),
        ("none", False, None, ()),
        ("high", False, None, ("effort",)),
        ("frantic", True, None, ("effort",)),
        (None, True, None, ()),
    ],
)
def test_effort_is_said_in_ollamas_words_to_models_that_think(effort, thinks, think, losses):
    body, lost = encoded(sending(effort=effort), replace(OPTIONS, thinks=thinks))
    assert (body.get("think"), lost) == (think, losses)


# ------------------------------------------------------------------ messages


def test_pictures_go_beside_the_text_and_links_are_lost():
    parts = (Text("See"), Image("image/png", "AAAA"), Image(url="https://x/y.png"), Text("this"))
    body, losses = encoded(sending(Message(Role.USER, parts)))
    assert body["messages"] == [{"role": "user", "content": "See\nthis", "images": ["AAAA"]}]
    assert losses == ("image_url",)


def test_what_only_another_dialect_carries_is_named_once():
    parts = (
        Text("a"),
        File("application/pdf", "AAAA"),
        Opaque("input_audio", {}, "chat"),
        Opaque("input_audio", {}, "chat"),
        Opaque("mood", {}),
    )
    thoughts = (
        Opaque("thinking", {}, "messages"),
        Opaque("redacted_thinking", {}, "messages"),
        Opaque("reasoning", {}, "responses"),
        Opaque("reasoning_content", "", "chat"),
        Refusal("No."),
    )
    body, losses = encoded(sending(Message(Role.USER, parts), Message(Role.ASSISTANT, thoughts)))
    assert losses == ("audio", "files", "mood", "thinking")
    assert [told["content"] for told in body["messages"]] == ["a", "No."]


def test_calls_and_results_find_each_other_by_id_and_name():
    told = told_messages(
        Message(Role.ASSISTANT, (Text("Hm."), ToolCall("c1", "look", '{"a": [1]}', "web"))),
        Message(Role.TOOL, (ToolResult("c1", (Text("x"), Text("y")), name="ignored"),)),
        Message(Role.TOOL, (ToolResult("c9", (Text("z"),), is_error=True, name="lost"),)),
        Message(Role.TOOL, (ToolResult("c8", ()),)),
    )
    call = {"id": "c1", "function": {"name": "web__look", "arguments": {"a": [1]}}}
    assert told == [
        {"role": "assistant", "content": "Hm.", "tool_calls": [call]},
        {"role": "tool", "content": "x\ny", "tool_name": "web__look", "tool_call_id": "c1"},
        {"role": "tool", "content": "Error: z", "tool_name": "lost", "tool_call_id": "c9"},
        {"role": "tool", "content": "", "tool_call_id": "c8"},
    ]


def test_a_result_belongs_to_the_latest_call_of_its_id():
    told = told_messages(
        Message(Role.ASSISTANT, (ToolCall("c", "first", "{}"),)),
        Message(Role.TOOL, (ToolResult("c", (Text("1"),)),)),
        Message(Role.ASSISTANT, (ToolCall("c", "second", "{}"),)),
        Message(Role.TOOL, (ToolResult("c", (Text("2"),)),)),
    )
    assert [each["tool_name"] for each in told if each["role"] == "tool"] == ["first", "second"]


def test_a_picture_in_a_result_goes_with_it():
    result = ToolResult("c", (Text("a shot"), Image("image/png", "AAAA"), File()), is_error=True)
    body, losses = encoded(sending(Message(Role.TOOL, (result,))))
    assert body["messages"][0]["images"] == ["AAAA"]
    assert body["messages"][0]["content"] == "Error: a shot"
    assert losses == ("files",)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (ToolCall("c", "f", ' {"a": {"b": 1}} '), {"a": {"b": 1}}),
        (ToolCall("c", "f", ""), {}),
        (ToolCall("c", "f", " \n"), {}),
        (ToolCall("c", "f", '{"a":'), {"_arguments": '{"a":'}),
        (ToolCall("c", "f", "[1]"), {"_arguments": "[1]"}),
        (ToolCall("c", "f", '"text"'), {"_arguments": '"text"'}),
        (ToolCall("c", "f", "[" * 100_000), {"_arguments": "[" * 100_000}),
        (ToolCall("c", "f", "rm -rf /", custom=True), {"input": "rm -rf /"}),
    ],
)
def test_arguments_are_always_an_object(call, arguments):
    (told,) = told_messages(Message(Role.ASSISTANT, (call,)))
    assert told["tool_calls"][0]["function"]["arguments"] == arguments


def test_numbers_too_large_for_others_stay_as_they_were_written():
    call = ToolCall("c", "f", '{"n": 123456789012345678901234567890}')
    sent = sending(Message(Role.ASSISTANT, (call,)))
    body = wire.encode_chat(sent, wire.prompt_size(sent), OPTIONS).body
    assert b'{"n": 123456789012345678901234567890}' in body


def test_what_the_assistant_says_in_a_row_is_one_message_with_all_its_calls():
    told = told_messages(
        Message(Role.USER, (Text("Go."),)),
        Message(Role.ASSISTANT, (Opaque("reasoning", {}, "responses"),)),
        Message(Role.ASSISTANT, (Text("First."),)),
        Message(Role.ASSISTANT, (ToolCall("a", "f", "{}"),)),
        Message(Role.ASSISTANT, (ToolCall("b", "g", "{}"),)),
        Message(Role.TOOL, (ToolResult("a", (Text("1"),)),)),
        Message(Role.TOOL, (ToolResult("b", (Text("2"),)),)),
    )
    assert [each["role"] for each in told] == ["user", "assistant", "tool", "tool"]
    assert told[1]["content"] == "First."
    assert [call["id"] for call in told[1]["tool_calls"]] == ["a", "b"]


def test_an_assistant_without_words_is_left_out_and_a_user_is_not():
    told = told_messages(
        Message(Role.USER, (File(),)),
        Message(Role.ASSISTANT, (Opaque("thinking", {}),)),
        Message(Role.ASSISTANT, (Text(""),)),
    )
    assert told == [{"role": "user", "content": ""}]


def test_system_messages_stay_where_they_are():
    roles = (Role.USER, Role.SYSTEM, Role.USER)
    told = told_messages(*(Message(role, (Text("x"),)) for role in roles))
    assert [each["role"] for each in told] == ["user", "system", "user"]


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_half_a_surrogate_pair_does_not_stop_a_call(text):
    call = ToolCall(text, text, json.dumps({"a": text}))
    sent = sending(
        Message(Role.USER, (Text(text),)),
        Message(Role.ASSISTANT, (call, ToolCall("b", "g", '{"a":1}'))),
        tools=(WEATHER,),
    )
    assert encoded(sent)[0]["messages"][0]["content"] == text


# ------------------------------------------------------------------ tools


def test_tools_are_sent_with_their_schema_as_it_came():
    sent = sending(tools=(WEATHER, Tool("bare", namespace="web")))
    raw = wire.encode_chat(sent, wire.prompt_size(sent), OPTIONS).body
    assert SCHEMA in raw
    assert json.loads(raw)["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "Tells it.",
                "parameters": json.loads(SCHEMA),
            },
        },
        {
            "type": "function",
            "function": {
                "name": "web__bare",
                "parameters": {"type": "object", "properties": {}},
            },
        },
    ]


@pytest.mark.parametrize("schema", [b"true", b"null", b"", msgspec.Raw(b"false")])
def test_a_schema_that_is_no_object_takes_whatever_comes(schema):
    body, _ = encoded(sending(tools=(Tool("f", parameters=schema),)))
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}


def test_a_tool_of_free_text_takes_one_string():
    tool = Tool("patch", custom=True, format=b'{"type":"grammar"}')
    body, losses = encoded(sending(tools=(tool,)))
    parameters = body["tools"][0]["function"]["parameters"]
    assert parameters["properties"] == {"input": {"type": "string"}}
    assert losses == ("tool_format",)


HOSTED = HostedTool("web_search", b"{}", "responses")


@pytest.mark.parametrize(
    ("choice", "names", "losses"),
    [
        (ToolChoice(), ["weather", "other"], ("hosted_tool:web_search",)),
        (ToolChoice(Choice.NONE), None, ()),
        (
            ToolChoice(Choice.REQUIRED),
            ["weather", "other"],
            ("forced_tool_choice", "hosted_tool:web_search"),
        ),
        (
            ToolChoice(Choice.NAMED, "other"),
            ["other"],
            ("forced_tool_choice", "hosted_tool:web_search"),
        ),
        (
            ToolChoice(Choice.NAMED, "unheard-of"),
            ["weather", "other"],
            ("forced_tool_choice", "hosted_tool:web_search"),
        ),
    ],
)
def test_a_choice_of_tools_is_kept_as_far_as_it_can_be(choice, names, losses):
    body, lost = encoded(sending(tools=(WEATHER, Tool("other"), HOSTED), tool_choice=choice))
    told = body.get("tools")
    assert (told and [tool["function"]["name"] for tool in told]) == names
    assert lost == losses


@pytest.mark.parametrize(
    ("parallel", "losses"), [(None, ()), (True, ()), (False, ("parallel_tool_calls",))]
)
def test_that_calls_come_one_by_one_cannot_be_asked_for(parallel, losses):
    assert encoded(sending(tools=(WEATHER,), parallel_tool_calls=parallel))[1] == losses
    assert encoded(sending(parallel_tool_calls=parallel))[1] == ()


@given(outgoing(errors=True, pictures=True))
def test_any_conversation_can_be_sent(sent):
    body, losses = encoded(sent)
    assert set(losses) <= {"forced_tool_choice"}
    calls = [call for told in body["messages"] for call in told.get("tool_calls", ())]
    results = [told for told in body["messages"] if told["role"] == "tool"]
    assert [told["tool_call_id"] for told in results] == [call["id"] for call in calls]
    assert [told["tool_name"] for told in results] == [call["function"]["name"] for call in calls]
    assert all(isinstance(call["function"]["arguments"], dict) for call in calls)
    roles = [told["role"] for told in body["messages"]]
    assert ("assistant", "assistant") not in pairwise(roles)
    said = [m.text for m in sent.messages if m.role is Role.USER]
    assert [told["content"] for told in body["messages"] if told["role"] == "user"] == said


# ------------------------------------------------------------------ sizes


@given(messages(errors=True), tools())
def test_all_that_the_model_reads_is_measured(sent, offered):
    size = wire.prompt_size(Outgoing("m", sent, tools=offered))
    texts = [part.text for m in sent for part in m.parts if isinstance(part, Text | ToolResult)]
    calls = [part for m in sent for part in m.parts if isinstance(part, ToolCall)]
    texts += [call.arguments for call in calls]
    written = sum(len(text.encode()) for text in texts)
    written += sum(len(tool.parameters) for tool in offered)
    assert size.text_bytes >= written
    assert size.messages == len(sent)
    assert size.uses_tools is bool(calls or offered)


def test_pictures_count_as_pictures_and_not_as_text():
    inside = ToolResult("c", (Image("image/png", "A" * 999_999), Text("ab")))
    parts = (Image("image/png", "A" * 999_999), Image(url="https://x/y.png"), Text("cd"))
    sent = sending(Message(Role.USER, parts), Message(Role.TOOL, (inside,)))
    size = wire.prompt_size(sent)
    assert (size.text_bytes, size.images, size.links) == (4, 2, 1)
    assert 2 * IMAGE_TOKENS < size.likely_tokens < 2 * IMAGE_TOKENS + 20


def test_tools_that_are_not_shown_take_no_room():
    sent = sending(tools=(WEATHER, Tool("other", "d" * 9_000)))
    assert wire.prompt_size(sent).text_bytes > 9_000
    for choice in (ToolChoice(Choice.NONE), ToolChoice(Choice.NAMED, "weather")):
        assert wire.prompt_size(replace(sent, tool_choice=choice)).text_bytes < 1_000


@given(st.integers(1, 300_000), st.none() | st.integers(1, 300_000))
def test_a_window_is_a_bucket_or_the_most_there_may_be(needed, most):
    size = wire.bucket(needed, most)
    assert size in wire.BUCKETS or size == most
    assert most is None or size <= most
    holds = [b for b in wire.BUCKETS if b >= needed]
    if holds and (most is None or holds[0] <= most):
        assert size == holds[0]


@given(st.lists(st.text(max_size=50), max_size=4), st.none() | st.integers(1, 5000))
def test_the_needed_window_holds_the_prompt_and_its_answer(texts, limit):
    sent = Outgoing("m", tuple(Message(Role.USER, (Text(t),)) for t in texts))
    needed = wire.needed_tokens(wire.prompt_size(sent), Sampling(max_tokens=limit))
    written = sum(len(text.encode()) for text in texts)
    assert needed >= written / 3 + (limit or wire.ANSWER_TOKENS)


# ------------------------------------------------------------------ what comes back


def test_a_line_of_a_stream_keeps_thinking_apart():
    line = (
        b'{"model":"m","message":{"role":"assistant","thinking":"hm","content":"a"},"done":false}'
    )
    part = wire.decode_part(line)
    assert (part.text, part.thinking, part.done, part.model) == ("a", "hm", False, "m")
    assert part.usage.source is UsageSource.NONE


@pytest.mark.parametrize(
    ("reason", "finish", "loaded"),
    [
        ("stop", Finish.STOP, False),
        ("length", Finish.LENGTH, False),
        ("load", Finish.UNKNOWN, True),
        ("unload", Finish.UNKNOWN, False),
        (None, Finish.UNKNOWN, False),
    ],
)
def test_the_last_line_tells_why_it_ended(reason, finish, loaded):
    part = wire.decode_part(json.dumps({"done": True, "done_reason": reason}).encode())
    assert (part.finish, part.loaded, part.done) == (finish, loaded, True)


def test_counts_are_the_providers_and_cached_ones_are_inside():
    line = {
        "done": True,
        "prompt_eval_count": 100,
        "prompt_eval_cached_count": 90,
        "eval_count": 3,
        "load_duration": 2_500_000_000,
    }
    part = wire.decode_part(json.dumps(line).encode())
    assert part.usage.source is UsageSource.PROVIDER
    counts = (part.usage.input_tokens, part.usage.cache_read_tokens, part.usage.output_tokens)
    assert counts == (100, 90, 3)
    assert part.load_seconds == 2.5


def test_more_cached_tokens_than_there_are_do_not_pass():
    line = b'{"done":true,"prompt_eval_count":5,"prompt_eval_cached_count":90,"eval_count":1}'
    assert wire.decode_part(line).usage.cache_read_tokens == 5


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"done":"yes"}',
        b'{"eval_count":-1,"done":true}',
        b'{"eval_count":NaN}',
        b'{"eval_count":1e400}',
        b'{"message":{"content":7}}',
        b'{"message":{"content":"\\ud800"}}',
        b'{"message":{"content":"\xff"}}',
        b'{"message":{"tool_calls":{}}}',
        b'{"message":{"tool_calls":[7]}}',
        b'{"message":{"tool_calls":[{}]}}',
        b'{"message":{"tool_calls":[{"function":null}]}}',
        b'{"message":{"tool_calls":[{"function":{"name":7}}]}}',
        b'{"message":{"tool_calls":[{"function":{"arguments":{"a":"\xff"}}}]}}',
        b'{"message":{"tool_calls":[{"function":{"arguments":"\\ud800"}}]}}',
        b'{"message":{"tool_calls":[{"function":{"arguments":' + b"[" * 100_000,
        b'{"x":' + b"[" * 100_000,
        b'{"load_duration":' + b"9" * 5000 + b"}",
        b"<html>502</html>",
    ],
)
def test_what_is_not_ollamas_is_refused_by_name(raw):
    with pytest.raises(wire.OllamaWireError):
        wire.decode_part(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "message",
                    "content",
                    "done",
                    "error",
                    "models",
                    "name",
                    "eval_count",
                    "model_info",
                    "tool_calls",
                    "function",
                    "arguments",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
READERS = [
    wire.decode_part,
    server.decode_tags,
    server.decode_loaded,
    server.decode_version,
    server.decode_show,
]


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_reading_never_raises_anything_but_its_own_error(raw):
    for read in READERS:
        with contextlib.suppress(wire.OllamaWireError):
            read(raw)
    assert isinstance(server.decode_error(raw), str)


# ------------------------------------------------------------------ tool calls

DONE = {"done": True, "done_reason": "stop"}


def part(message: dict | None = None, **fields) -> wire.Part:
    return wire.decode_part(json.dumps({"message": message or {}} | fields).encode())


def calling(name: str, arguments, **more) -> dict:
    return {"tool_calls": [{"function": {"name": name, "arguments": arguments}} | more]}


@pytest.mark.parametrize(
    ("told", "arguments"),
    [
        (b'{"city": "Rome", "n":1.0}', '{"city": "Rome", "n":1.0}'),
        (b"{}", "{}"),
        (b"null", "{}"),
        (b'"{\\"a\\":1}"', '{"a":1}'),
        (b"[1]", "[1]"),
    ],
)
def test_arguments_become_json_text_as_they_were_written(told, arguments):
    raw = b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":%b}}]}}' % told
    assert wire.decode_part(raw).calls == (ToolCall("", "f", arguments),)


def test_a_call_may_leave_everything_out():
    raw = b'{"message":{"tool_calls":[{"id":null,"function":{"name":null}}]}}'
    assert wire.decode_part(raw).calls == (ToolCall("", "", "{}"),)


def test_calls_grow_whole_and_end_the_answer():
    reader = wire.ChatReader()
    assert reader.feed(part({"content": "Hm."})) == Delta("Hm.")
    grown = reader.feed(part(calling("f", {"a": 1}, id="call_x")))
    assert grown == Delta(calls=(CallGrowth(0, "f", '{"a": 1}'),))
    grown = reader.feed(part(calling("g", {})))
    assert grown == Delta(calls=(CallGrowth(1, "g", "{}"),))
    last = part(**DONE)
    assert reader.feed(last) is None
    answer = reader.answer(last, "m")
    assert (answer.finish, answer.text, answer.model) == (Finish.TOOL_CALLS, "Hm.", "m")
    assert answer.tool_calls == (
        ToolCall("call_x", "f", '{"a": 1}'),
        ToolCall("", "g", "{}"),
    )


def test_an_answer_cut_off_after_a_call_is_still_cut_off():
    reader = wire.ChatReader()
    last = part(calling("f", {}), done=True, done_reason="length")
    reader.feed(last)
    assert reader.answer(last, "m").finish is Finish.LENGTH


def test_calls_without_end_are_refused():
    reader = wire.ChatReader()
    for _ in range(MOST_CALLS):
        reader.feed(part(calling("f", {})))
    with pytest.raises(wire.OllamaWireError, match="more than"):
        reader.feed(part(calling("f", {})))


def test_thinking_is_kept_apart_whoever_tells_it_apart():
    reader = wire.ChatReader()
    assert reader.feed(part({"thinking": "hm"})) == Delta(thinking="hm")
    assert reader.feed(part({"content": "<think>so</thi"})) == Delta(thinking="so")
    last = part({"content": "nk> yes"}, **DONE)
    assert reader.feed(last) == Delta("yes")
    answer = reader.answer(last, "m")
    assert (answer.thinking, answer.text, answer.finish) == ("hmso", "yes", Finish.STOP)


def test_what_is_held_back_comes_with_the_end():
    reader = wire.ChatReader()
    assert reader.feed(part({"content": "<thi"})) is None
    assert reader.feed(part(**DONE)) == Delta("<thi")
    assert reader.written == "<thi"


@given(answers(), st.integers(1, 9))
def test_an_answer_is_the_same_however_it_comes(answer, size):
    told = [{"content": answer.text[at : at + size]} for at in range(0, len(answer.text), size)]
    told += [
        calling(call.name, json.loads(call.arguments), id=call.id) for call in answer.tool_calls
    ]
    reason = "length" if answer.finish is Finish.LENGTH else "stop"
    last = part(done=True, done_reason=reason, model=answer.model)
    reader = wire.ChatReader()
    deltas = [reader.feed(each) for each in [*map(part, told), last]]
    read = reader.answer(last, "m")
    assert (read.text, read.finish, read.model) == (answer.text, answer.finish, answer.model)
    assert [(c.id, c.name, json.loads(c.arguments)) for c in read.tool_calls] == [
        (c.id, c.name, json.loads(c.arguments)) for c in answer.tool_calls
    ]
    assert "".join(delta.text for delta in deltas if delta) == answer.text


# ------------------------------------------------------------------ thoughts in the text


def split(*pieces: str) -> tuple[str, str]:
    thoughts = Thoughts()
    found = [*(thoughts.feed(piece) for piece in pieces), thoughts.rest()]
    return "".join(text for text, _ in found), "".join(thinking for _, thinking in found)


@pytest.mark.parametrize(
    ("written", "text", "thinking"),
    [
        ("<think>a</think>b", "b", "a"),
        (" \n<think>\na\n</think>\n\n b ", "b ", "\na\n"),
        ("<think></think>", "", ""),
        ("<think>never ends", "", "never ends"),
        ("<think>never </thin", "", "never </thin"),
        ("a <think>b</think>", "a <think>b</think>", ""),
        ("<think>a</think>b<think>c</think>", "b<think>c</think>", "a"),
        ("<think>a<think>b</think>c</think>", "c</think>", "a<think>b"),
        ("<thinker>", "<thinker>", ""),
        ("  <thi", "  <thi", ""),
        ("  \n ", "  \n ", ""),
        ("", "", ""),
        (" " * MOST_BLANKS + "<think>a</think>", "", "a"),
        (" " * MOST_BLANKS + " <think>a", " " * MOST_BLANKS + " <think>a", ""),
    ],
)
def test_thoughts_at_the_start_are_taken_out(written, text, thinking):
    assert split(written) == (text, thinking)
    assert split(*written) == (text, thinking)


MARKED = st.lists(
    st.sampled_from(["<think>", "</think>", "<", "think", "/think>", " ", "\n", "a", "é"])
    | st.text(max_size=3),
    max_size=10,
).map("".join)


@given(MARKED, st.lists(st.integers(0, 60), max_size=12))
def test_thoughts_are_the_same_however_they_are_sliced(written, cuts):
    places = [0, *sorted(min(cut, len(written)) for cut in cuts), len(written)]
    pieces = [written[start:end] for start, end in pairwise(places)]
    assert split(*pieces) == split(written)


@given(MARKED, MARKED.filter(lambda text: text[:1].strip()))
def test_nothing_is_lost_between_text_and_thoughts(thought, said):
    assume("</think>" not in thought)
    assert split(f"<think>{thought}</think>{said}") == (said, thought)


# ------------------------------------------------------------------ lines


@given(st.lists(st.binary(max_size=20), max_size=8), st.randoms(use_true_random=False))
def test_lines_are_the_same_however_the_stream_is_sliced(lines, random):
    stream = b"\n".join(lines)
    reader = wire.Lines()
    found: list[bytes] = []
    at = 0
    while at < len(stream):
        size = random.randint(1, 5)
        found += reader.feed(stream[at : at + size])
        at += size
    *whole, rest = stream.split(b"\n")
    assert found == [line for line in whole if line.strip()]
    assert reader.rest() == rest.strip()


@pytest.mark.parametrize("pieces", [[b"123456789"], [b"1"] * 9, [b"1234", b"56789\n"]])
def test_a_line_without_end_is_refused(pieces):
    reader = wire.Lines(most_bytes=8)
    *before, last = pieces
    for piece in before[:8]:
        reader.feed(piece)
    with pytest.raises(wire.OllamaWireError, match="longer than 8 bytes"):
        reader.feed(last)


def test_many_short_lines_in_one_piece_pass_the_limit():
    assert wire.Lines(most_bytes=8).feed(b"1234567\n" * 50) == [b"1234567"] * 50


# ------------------------------------------------------------------ cut prompts

WINDOW = 16_384


@pytest.mark.parametrize(
    ("sent_bytes", "counted", "cut"),
    [
        (40_000, 10_000, False),  # English, whole
        (300_000, WINDOW, True),  # filled to the brim
        (300_000, 8_194, True),  # kept start and half
        (300_000, 8_195, True),
        (300_000, 900, True),  # old turns dropped
        (40_000, 12, False),  # all but the end was cached, by a version that leaves that out
        (12_000, WINDOW, False),  # fewer bytes than tokens in the window: it fitted
        (45_000, 0, False),  # no count at all
        (48_000, 16_000, False),  # dense, and just fitted
    ],
)
def test_a_cut_prompt_shows_in_its_count(sent_bytes, counted, cut):
    assert wire.cut_prompt(sent_bytes, counted, WINDOW) is cut


@given(st.integers(0, WINDOW - 1), st.integers(3, 6))
def test_a_prompt_that_fitted_is_not_called_cut(tokens, bytes_per_token):
    halves = {keep + (WINDOW - keep) // 2 for keep in wire.KEPT_TOKENS}
    assert wire.cut_prompt(tokens * bytes_per_token, tokens, WINDOW) is (
        tokens in halves and tokens * bytes_per_token > WINDOW
    )


# ------------------------------------------------------------------ a server about itself


def test_names_without_a_tag_are_the_latest():
    assert server.full_name("llama3.2") == "llama3.2:latest"
    assert server.full_name("llama3.2:1b") == "llama3.2:1b"
    assert server.full_name("localhost:5000/me/model") == "localhost:5000/me/model:latest"


def test_loaded_models_tell_their_window():
    raw = b'{"models":[{"name":"a","context_length":4096,"size":10,"size_vram":4},{"model":"b:1"}]}'
    assert server.decode_loaded(raw) == {
        "a:latest": server.Loaded("a", 4096, 10, 4),
        "b:1": server.Loaded("b:1"),
    }


def test_show_tells_the_trained_window_and_where_it_runs():
    raw = (
        b'{"model_info":{"general.architecture":"qwen2","qwen2.context_length":32768},'
        b'"capabilities":["completion","tools"],"remote_host":"https://ollama.com:443"}'
    )
    expected = server.Shown(32_768, ("completion", "tools"), "https://ollama.com:443")
    assert server.decode_show(raw) == expected
    assert server.decode_show(b'{"model_info":{"x.context_length":true}}') == server.Shown()


WRAPPED = json.dumps(
    {
        "error": json.dumps(
            {
                "error": {
                    "code": 400,
                    "message": "request (351 tokens) exceeds the available context size (256)",
                    "type": "exceed_context_size_error",
                }
            }
        )
    }
).encode()


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (WRAPPED, Fault.CONTEXT_TOO_LONG),
        (
            b'{"error":"prompt too long; exceeded max context length by 8 tokens"}',
            Fault.CONTEXT_TOO_LONG,
        ),
        (
            b'{"error":"model requires more system memory (5.0 GiB) than is available (3.9 GiB)"}',
            Fault.UNAVAILABLE,
        ),
        (b'{"error":"CUDA error: out of memory"}', Fault.UNAVAILABLE),
        (b'{"error":"model \'x\' not found"}', Fault.NOT_FOUND),
        (b'{"error":"server busy, please try again."}', Fault.OVERLOADED),
        (b'{"error":"something else"}', None),
        (b"", None),
    ],
)
def test_complaints_are_understood(raw, fault):
    assert server.fault_of(server.decode_error(raw)) is fault


def test_a_complaint_is_one_short_line():
    assert (
        server.decode_error(b"<html>\r\n\x00 bad " + b"x" * 5000) == "<html> \x00 bad " + "x" * 487
    )
