"""Calls of tools, settled in the terms of the request that offered them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.parts import Choice, Tool, ToolCall, ToolChoice
from rung.core.types import Answer, Finish, Request, SchemaRequest
from rung.wire.calls import may_become_call, settled
from rung.wire.ids import wire_name
from rung.wire.notations import OPENINGS
from support.conversations import json_objects

SCHEMA = (
    b'{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},'
    b'"odd":{"type":5},"deep":{"type":["array","null"]}}}'
)
WEATHER = Tool("get_weather", "Tells the weather.", SCHEMA)
CALL = '{"name": "get_weather", "arguments": {"city": "Oslo"}}'
DEEP = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>"  # noqa: RUF001
SEP = "<｜tool▁sep｜>"  # noqa: RUF001
DEEP_END = "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"  # noqa: RUF001
KIMI = "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
KIMI_REST = '<|tool_call_argument_begin|>{"city": "Oslo"}<|tool_call_end|>'


def request_of(*tools: Tool, **more: Any) -> Request:
    return Request("r1", "chat", (), tools=tools or (WEATHER,), **more)


def salvage(text: str, request: Request | None = None) -> Answer:
    answer = Answer(text, dialect="chat", body=b"{}", ending=b"data: [DONE]\n\n")
    return settled(answer, request or request_of())


# ------------------------------------------------------------------ names, ids, free text


def test_calls_by_wire_names_become_calls_of_the_tools_in_their_namespaces() -> None:
    tool = Tool("close agent", namespace="team")
    called = ToolCall("c1", wire_name("close agent", "team"), "{}")
    told = settled(Answer("", tool_calls=(called,), dialect="ollama"), request_of(tool))
    assert told.tool_calls == (ToolCall("c1", "close agent", "{}", "team"),)


def test_a_name_without_its_namespace_is_enough_where_only_one_tool_has_it() -> None:
    mine, yours = Tool("stop", namespace="mine"), Tool("stop", namespace="yours")
    called = (ToolCall("c1", "stop", "{}"), ToolCall("c2", "go", "{}"))
    told = settled(
        Answer("", tool_calls=called, dialect="ollama"),
        request_of(mine, yours, Tool("go", namespace="mine")),
    )
    assert [(call.name, call.namespace) for call in told.tool_calls] == [
        ("stop", ""),
        ("go", "mine"),
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input": "*** Begin Patch\\n"}', "*** Begin Patch\n"),
        ("*** Begin Patch", "*** Begin Patch"),
        ('{"patch": "x"}', '{"patch": "x"}'),
        ('{"input": 1}', '{"input": 1}'),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_call_of_a_free_text_tool_is_free_text_again(arguments: str, text: str) -> None:
    called = ToolCall("c1", "patch", arguments)
    told = settled(
        Answer("", tool_calls=(called,), dialect="ollama"), request_of(Tool("patch", custom=True))
    )
    assert told.tool_calls == (ToolCall("c1", "patch", text, custom=True),)


def test_missing_ids_are_made_up_the_same_every_time_and_present_ones_stay() -> None:
    called = (ToolCall("", "a", "{}"), ToolCall("mine", "a", "{}"), ToolCall("", "a", "{}"))
    answer = Answer("", tool_calls=called, dialect="ollama")
    told = settled(answer, request_of())
    assert [call.id for call in told.tool_calls] == ["call_r10", "mine", "call_r12"]
    assert settled(answer, request_of()) == told


def test_an_answer_in_the_requests_own_dialect_keeps_its_calls_and_bytes() -> None:
    answer = Answer("", tool_calls=(ToolCall("", "x", "{"),), dialect="chat", body=b"{}")
    assert settled(answer, request_of()) is answer


# ------------------------------------------------------------------ calls written as text

WRITTEN = {
    "hermes": f"<tool_call>\n{CALL}\n</tool_call>",
    "hermes without its end": f"<tool_call>{CALL}",
    "hermes with a function inside": f'<tool_call>{{"function": {CALL}}}</tool_call>',
    "function": '<function=get_weather>{"city": "Oslo"}</function>',
    "qwen3_coder": "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n"
    "</function>\n</tool_call>",
    "qwen3_coder without its beginning": "<function=get_weather>\n<parameter=city>\nOslo\n"
    "</parameter>\n</function>\n</tool_call>",
    "mistral": f"[TOOL_CALLS] [{CALL}]",
    "mistral, newer": '[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo"}',
    "python_tag": '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Oslo"}}',
    "tool_call_fence": f"```tool_call\n{CALL}\n```",
    "kimi": f"{KIMI}{KIMI_REST}<|tool_calls_section_end|>",
    "kimi without its section": KIMI.removeprefix("<|tool_calls_section_begin|>") + KIMI_REST,
    "deepseek": f'{DEEP}get_weather{SEP}{{"city": "Oslo"}}{DEEP_END}',
    "deepseek, older": f'{DEEP}function{SEP}get_weather\n```json\n{{"city":"Oslo"}}\n```{DEEP_END}',
}
BARE = {
    "name and arguments": CALL,
    "name and parameters": '{"name": "get_weather", "parameters": {"city": "Oslo"}}',
    "fenced": f"```json\n{CALL}\n```",
    "fenced without a language": f"```\n{CALL}\n```",
    "tool_calls": f'{{"tool_calls": [{{"type": "function", "function": {CALL}}}]}}',
    "arguments as text": '{"name": "get_weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}',
}


@pytest.mark.parametrize("text", [*WRITTEN.values(), *BARE.values()], ids=[*WRITTEN, *BARE])
def test_a_call_written_as_text_becomes_a_call(text: str) -> None:
    told = salvage(text)
    assert [(call.name, json.loads(call.arguments)) for call in told.tool_calls] == [
        ("get_weather", {"city": "Oslo"})
    ]
    assert told.finish is Finish.TOOL_CALLS
    assert (told.text, told.body, told.ending) == ("", b"", b"")
    assert told.tool_calls[0].id


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_words_before_a_tagged_call_stay_and_the_notation_is_named(text: str) -> None:
    told = salvage(f"Let me look.\n\n{text}\n")
    assert told.text == "Let me look."
    assert told.salvaged in {
        *("hermes", "function", "qwen3_coder", "mistral", "python_tag"),
        *("tool_call_fence", "kimi", "deepseek"),
    }


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>{CALL}</tool_call>\n<tool_call>{CALL}</tool_call>",
        f"[TOOL_CALLS][{CALL}, {CALL}]",
        f"<|python_tag|>{CALL}; {CALL}",
        f"{CALL}\n{CALL}",
        f"{KIMI}{KIMI_REST}<|tool_call_begin|>functions.get_weather:1{KIMI_REST}",
        f"{KIMI}{KIMI_REST}{KIMI.removeprefix('<|tool_calls_section_begin|>')}{KIMI_REST}",
    ],
)
def test_several_calls_are_told_apart(text: str) -> None:
    told = salvage(text)
    assert len({call.id for call in told.tool_calls}) == 2


def test_a_mention_of_the_notation_before_the_call_does_not_hide_it() -> None:
    told = salvage(f"I answer in <tool_call> tags. <tool_call>{CALL}</tool_call>")
    assert told.text == "I answer in <tool_call> tags."
    assert len(told.tool_calls) == 1


def test_the_text_of_a_value_may_hold_the_notation_itself() -> None:
    words = "<tool_call>{}</tool_call> ```json [TOOL_CALLS]"
    call = json.dumps({"name": "get_weather", "arguments": {"city": words}})
    told = salvage(f"<tool_call>{call}</tool_call>")
    assert json.loads(told.tool_calls[0].arguments) == {"city": words}


def test_values_written_as_text_get_the_types_that_the_schema_declares() -> None:
    values = {"city": "5", "days": "3", "odd": "1", "deep": "None", "more": "true"}
    inside = "".join(f"<parameter={key}>\n{text}\n</parameter>\n" for key, text in values.items())
    told = salvage(f"<function=get_weather>\n{inside}</function>")
    expected = {"city": "5", "days": 3, "odd": "1", "deep": None, "more": "true"}
    assert json.loads(told.tool_calls[0].arguments) == expected


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('{"city": "Oslo",}', {"city": "Oslo"}),
        ('{"city": True, "days": None, "deep": [False, 1,],}', None),
        ('{"city": "two\nlines"}', {"city": "two\nlines"}),
        ('{"city": "True, ]None"}', {"city": "True, ]None"}),
    ],
)
def test_small_slips_of_json_are_mended(written: str, meant: Any) -> None:
    told = salvage(f'<tool_call>{{"name": "get_weather", "arguments": {written}}}</tool_call>')
    meant = meant or {"city": True, "days": None, "deep": [False, 1]}
    assert json.loads(told.tool_calls[0].arguments) == meant


@pytest.mark.parametrize(
    "text",
    [
        "The weather is fine.",
        f"A call looks like <tool_call>{CALL}</tool_call> in this model.",
        f"Write this:\n```\n<tool_call>{CALL}</tool_call>\n```",
        f"For example:\n```json\n{CALL}\n```",
        f"```json\n{CALL}\n```\nThat is all.",
        f"{CALL} is the call.",
        '<tool_call>{"name": "rm", "arguments": {}}</tool_call>',
        f'<tool_call>{CALL}</tool_call><tool_call>{{"name": "rm", "arguments": {{}}}}</tool_call>',
        '{"name": "get_weather", "arguments": {}, "note": "data"}',
        '{"name": "get_weather"}',
        '{"name": "get_weather", "arguments": [1]}',
        '{"name": "get_weather", "arguments": {"days": NaN}}',
        '{"name": "get_weather", "arguments": {"days": 1e999}}',
        '{"name": ["get_weather"], "arguments": {}}',
        f"```python\n{CALL}\n```",
        "<function=get_weather><parameter=city>Oslo</function>",
        "<tool_call></tool_call>",
        "[TOOL_CALLS]",
    ],
)
def test_what_is_no_call_of_an_offered_tool_at_its_place_stays_text(text: str) -> None:
    told = salvage(text)
    assert told.tool_calls == ()
    assert told.text == text
    assert told.body == b"{}"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(CALL, Finish.LENGTH),
        Answer(CALL, Finish.REFUSAL),
        Answer(CALL, refusal="No."),
        Answer(CALL, more=("other",)),
        Answer(CALL, tool_calls=(ToolCall("c1", "get_weather", "{}"),)),
    ],
)
def test_answers_that_ended_otherwise_are_not_searched(answer: Answer) -> None:
    told = settled(answer, request_of())
    assert (told.text, told.finish, told.salvaged) == (answer.text, answer.finish, "")


def test_nothing_is_salvaged_where_no_tool_may_be_called() -> None:
    no_tools = Request("r1", "chat", ())
    forbidden = request_of(tool_choice=ToolChoice(Choice.NONE))
    assert salvage(CALL, no_tools).tool_calls == ()
    assert salvage(CALL, forbidden).tool_calls == ()


def test_bare_json_is_the_answer_where_a_schema_was_asked_for() -> None:
    asked = request_of(schema=SchemaRequest({"type": "object"}))
    assert salvage(CALL, asked).tool_calls == ()
    assert salvage(f"<tool_call>{CALL}</tool_call>", asked).tool_calls != ()


def test_a_salvaged_call_of_a_free_text_tool_in_a_namespace_is_settled_too() -> None:
    tool = Tool("patch", namespace="fs", custom=True)
    written = '{"name": "fs__patch", "arguments": {"input": "*** Begin"}}'
    told = salvage(f"<tool_call>{written}</tool_call>", request_of(tool))
    assert told.tool_calls == (ToolCall("call_r10", "patch", "*** Begin", "fs", custom=True),)


@given(json_objects(), st.text(max_size=20).filter(lambda text: "<" not in text))
def test_whatever_the_arguments_they_come_back(arguments: str, before: str) -> None:
    written = f'{before}<tool_call>{{"name": "get_weather", "arguments": {arguments}}}</tool_call>'
    told = salvage(written)
    assert json.loads(told.tool_calls[0].arguments) == json.loads(arguments)
    assert told.text == before.strip()


PIECES = st.sampled_from(
    [
        *(*WRITTEN.values(), *BARE.values(), DEEP, SEP, DEEP_END, KIMI, "[TOOL_CALLS]", "[ARGS]"),
        *("<tool_call>", "</tool_call>", "<function=get_weather>", "<parameter=city>", "```"),
        *("{", "}", "[", "]", '"', "\\", ",", ";", "\n", " ", "x", "True", "1e999", "\ud800"),
        *("<|python_tag|>", "json", "</function>", "</parameter>"),
    ]
)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_any_text_is_settled_without_an_error_and_calls_are_json_objects(text: str) -> None:
    for call in salvage(text).tool_calls:
        assert call.name == "get_weather"
        assert isinstance(json.loads(call.arguments), dict)
        call.arguments.encode()


@pytest.mark.parametrize("depth", [10, 500, *range(930, 1_010, 3), 100_000])
def test_deep_arguments_are_a_call_or_text(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    text = f'<tool_call>{{"name": "get_weather", "arguments": {{"deep": {deep}}}}}</tool_call>'
    told = salvage(text)
    assert told.text == ("" if told.tool_calls else text)


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>" * 300_000,
        '<tool_call>{"a":"\\"' * 150_000,
        '<tool_call>{"a":"' + '\\"' * 1_000_000,
        "<tool_call>" + "[" * 2_000_000,
        "<tool_call>" + " ," * 1_000_000,
        "<function=a><parameter=b>" * 100_000,
        f"<tool_call>{CALL}</tool_call>" * 30_000,
        "```tool_call\n" * 200_000,
        "[TOOL_CALLS]" * 200_000,
        "<|tool_call_begin|>" * 150_000,
        DEEP * 100_000,
        "{" * 2_000_000,
        '{"arguments":' + "9" * 2_000_000,
        " " * 3_000_000,
    ],
    ids=lambda text: text[:24],
)
def test_hostile_megabytes_take_linear_time(text: str) -> None:
    began = time.process_time()
    assert salvage(text).tool_calls == ()
    may_become_call(text)
    assert time.process_time() - began < 2


# ------------------------------------------------------------------ while a text grows


def test_every_notation_is_found_by_its_first_character() -> None:
    assert {opening[0] for opening in OPENINGS} == {"<", "[", "`"}


@pytest.mark.parametrize("text", [*WRITTEN.values(), *BARE.values()], ids=[*WRITTEN, *BARE])
def test_the_beginning_of_a_call_is_held_back_at_every_length(text: str) -> None:
    assert all(may_become_call(text[:length]) for length in range(len(text) + 1))


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_the_beginning_of_a_call_after_words_is_held_back(text: str) -> None:
    words = "Let me look.\n"
    assert not may_become_call(words)
    assert all(may_become_call(words + text[:length]) for length in range(1, len(text) + 1))


@pytest.mark.parametrize(
    "text",
    [
        "The answer",
        "a < b and ",
        "[1] is a footnote",
        "```python\nprint()",
        '{"temperature": 5',
        '{"risks":',
        "{'name'",
        "See ```json\n{",
        "`x` is",
    ],
)
def test_text_that_cannot_become_a_call_may_leave(text: str) -> None:
    assert not may_become_call(text)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_what_may_leave_is_never_part_of_a_call(text: str) -> None:
    told = salvage(text)
    if not told.tool_calls:
        return
    begins = text.index(told.text) + len(told.text) if told.text else 0
    for length in range(begins + 1, len(text) + 1):
        if text[begins:length].strip():
            assert may_become_call(text[:length])
