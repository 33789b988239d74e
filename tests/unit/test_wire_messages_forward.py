from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.parts import Message, Role, Text, ToolCall, ToolResult
from rung.core.types import SchemaRequest
from rung.wire import messages
from rung.wire.back import Changes
from rung.wire.quirks import Quirks

BODY = (
    b'{ "model" : "a",\n "max_tokens": 9, "thinking":{"type":"adaptive"}, "messages":[ {"role":'
    b'"user","content":"h\\u00e9"} ] , "x":1.0, "stream":true}'
)
HI = {"role": "user", "content": "hi"}


def forward(
    body: Any, *refuses: str, model: str = "b", **more: Any
) -> tuple[bytes, tuple[str, ...]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    quirks = Quirks(refuses=frozenset(refuses))
    sent = messages.BACK.forward(raw, Changes(model=model, quirks=quirks, **more))
    return sent.body, sent.losses


def forwarded(*refuses: str, changes: Any = None, **fields: Any) -> tuple[Any, tuple[str, ...]]:
    told = {"model": "b", "max_tokens": 9, "messages": [HI]} | fields
    body, losses = forward(told, *refuses, **(changes or {}))
    found = json.loads(body)
    return {name: found[name] for name in found if name not in {"model", "max_tokens"}}, losses


def test_only_the_model_is_exchanged() -> None:
    assert forward(BODY) == (BODY.replace(b'"a"', b'"b"'), ())


@given(st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=5))
def test_a_body_for_the_same_model_keeps_every_byte(extra: dict[str, Any]) -> None:
    body = json.dumps(extra | {"model": "m", "max_tokens": 1, "messages": [HI]}, indent=1).encode()
    assert forward(body, model="m") == (body, ())


def test_a_model_is_added_where_there_is_none() -> None:
    body, _ = forward(b'{"max_tokens":1,"messages":[]}')
    assert body == b'{"max_tokens":1,"messages":[],"model":"b"}'


@pytest.mark.parametrize(
    ("body", "stream", "told"),
    [
        (b'{"model":"b","stream":true}', True, b'{"model":"b","stream":true}'),
        (b'{"model":"b","stream":true}', False, b'{"model":"b","stream":false}'),
        (b'{"model":"b"}', True, b'{"model":"b","stream":true}'),
        (b'{"model":"b"}', False, b'{"model":"b"}'),
        (b'{"model":"b","stream":true}', None, b'{"model":"b","stream":true}'),
    ],
)
def test_streaming_changes_only_where_it_must(body: bytes, stream: Any, told: bytes) -> None:
    assert forward(body, stream=stream)[0] == told


def test_messages_are_appended_behind_untouched_bytes() -> None:
    more = (
        Message(Role.ASSISTANT, (Text("draft"), ToolCall("t:1", "f", "{}"))),
        Message(Role.TOOL, (ToolResult("t:1", (Text("no"),), is_error=True),)),
        Message(Role.USER, (Text("mend it"),)),
    )
    body, losses = forward(BODY, appended=more)
    assert body.startswith(BODY[: BODY.index(b"} ]")].replace(b'"a"', b'"b"') + b"}")
    told = json.loads(body)["messages"]
    assert [turn["role"] for turn in told] == ["user", "assistant", "user"]
    assert [block["type"] for block in told[2]["content"]] == ["tool_result", "text"]
    assert told[2]["content"][0]["tool_use_id"] == told[1]["content"][1]["id"]
    assert losses == ()


def test_nothing_sayable_appended_leaves_the_messages_alone() -> None:
    assert forward(BODY, appended=(Message(Role.ASSISTANT, (Text(" "),)),), model="a")[0] == (
        BODY.replace(b'"} ] ,', b'"}] ,')
    )


@pytest.mark.parametrize(
    ("fields", "temperature", "told"),
    [
        ({}, 0.7, 0.7),
        ({"temperature": 0.1}, 1.7, 1.0),
        ({"thinking": {"type": "disabled"}}, 0.7, 0.7),
        ({"thinking": {"type": "adaptive"}}, 0.7, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, 0.7, None),
    ],
)
def test_a_temperature_is_drawn_only_from_models_that_do_not_think(
    fields: dict[str, Any], temperature: float, told: float | None
) -> None:
    found, losses = forwarded(changes={"temperature": temperature}, **fields)
    assert found.get("temperature") == told
    assert losses == ()


def test_a_temperature_that_the_model_refuses_is_not_drawn() -> None:
    found, losses = forwarded("temperature", changes={"temperature": 0.5})
    assert "temperature" not in found
    assert losses == ()


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("temperature", "temperature", 0.5),
        ("top_p", "top_p", 0.5),
        ("top_k", "top_k", 5),
        ("stop", "stop_sequences", ["x"]),
        ("effort", "output_config", {"effort": "high"}),
        ("schema", "output_config", {"format": {"type": "json_schema", "schema": {}}}),
        ("schema", "output_format", {"type": "json_schema", "schema": {}}),
        ("thinking_disabled", "thinking", {"type": "disabled"}),
        ("thinking_adaptive", "thinking", {"type": "adaptive"}),
    ],
)
def test_what_a_model_refuses_is_taken_out_and_named(name: str, field: str, value: Any) -> None:
    found, losses = forwarded(name, **{field: value})
    assert field not in found
    assert losses == (name,)
    kept, none = forwarded("seed", **{field: value})
    assert kept[field] == value
    assert none == ()


def test_a_part_of_the_output_config_goes_and_the_rest_keeps_its_bytes() -> None:
    body = b'{"model":"b","output_config":{"task_budget":{ "total": 1.0 },"effort":"max"}}'
    told, losses = forward(body, "effort")
    assert told == b'{"model":"b","output_config":{"task_budget":{ "total": 1.0 }}}'
    assert losses == ("effort",)


def test_where_budgets_are_refused_the_model_thinks_as_it_likes() -> None:
    budget = {"type": "enabled", "budget_tokens": 2048, "display": "omitted"}
    found, losses = forwarded("thinking_budget", thinking=budget)
    assert found["thinking"] == {"type": "adaptive", "display": "omitted"}
    assert losses == ("thinking_budget",)
    found, losses = forwarded("thinking_budget", "thinking_adaptive", thinking=budget)
    assert "thinking" not in found


@pytest.mark.parametrize(
    ("edits", "left"),
    [
        ([{"type": "clear_thinking_20251015", "keep": "all"}], None),
        (
            [{"type": "clear_thinking_20251015"}, {"type": "clear_tool_uses_20250919"}],
            {"edits": [{"type": "clear_tool_uses_20250919"}]},
        ),
        (
            [{"type": "clear_tool_uses_20250919"}],
            {"edits": [{"type": "clear_tool_uses_20250919"}]},
        ),
    ],
)
def test_without_thinking_there_is_none_to_forget(edits: list[Any], left: Any) -> None:
    fields = {"thinking": {"type": "adaptive"}, "context_management": {"edits": edits}}
    found, _ = forwarded("thinking_adaptive", **fields)
    assert found.get("context_management") == left
    assert forwarded(**fields)[0]["context_management"] == {"edits": edits}


@pytest.mark.parametrize("kind", ["any", "tool"])
def test_a_forced_choice_becomes_a_free_one(kind: str) -> None:
    choice = {"type": kind, "name": "f", "disable_parallel_tool_use": True}
    found, losses = forwarded("forced_tool_choice", tool_choice=choice)
    assert found["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert losses == ("forced_tool_choice",)


@pytest.mark.parametrize("choice", [{"type": "auto"}, {"type": "none"}])
def test_a_free_choice_is_left_alone(choice: Any) -> None:
    assert forwarded("forced_tool_choice", tool_choice=choice)[1] == ()


def test_another_schema_takes_the_place_of_the_callers() -> None:
    wanted = SchemaRequest({"type": "object"})
    found, losses = forwarded(
        changes={"schema": wanted},
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": {}}},
        output_format={"type": "json_schema", "schema": {}},
    )
    assert found["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": {"type": "object"}},
    }
    assert "output_format" not in found
    assert losses == ()


@pytest.mark.parametrize(
    ("schema", "refuses"), [(SchemaRequest(None), ()), (SchemaRequest({}), ("schema",))]
)
def test_a_schema_that_cannot_be_sent_is_named(schema: Any, refuses: tuple[str, ...]) -> None:
    found, losses = forwarded(*refuses, changes={"schema": schema})
    assert "output_config" not in found
    assert losses == ("schema",)


CALLED = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
THOUGHT = {"type": "thinking", "thinking": "so", "signature": "s"}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "r"}


def after(*blocks: Any, then: Any = RESULT, kind: str = "enabled") -> tuple[Any, tuple[str, ...]]:
    """What is sent of ``thinking`` behind a turn of these blocks."""
    turns = [HI, {"role": "assistant", "content": [*blocks]}, {"role": "user", "content": [then]}]
    budget = {"budget_tokens": 2048} if kind == "enabled" else {}
    found, losses = forwarded(messages=turns, thinking={"type": kind} | budget)
    assert found["messages"] == turns
    return found.get("thinking", {}).get("type"), losses


def test_a_budget_is_left_out_behind_a_call_that_shows_no_thought() -> None:
    assert after(CALLED) == (None, ("thinking_budget",))
    assert after({"type": "text", "text": "a"}, CALLED) == (None, ("thinking_budget",))


def test_a_budget_stays_wherever_the_provider_takes_it() -> None:
    assert after(THOUGHT, CALLED) == ("enabled", ())
    assert after({"type": "redacted_thinking", "data": "x"}, CALLED) == ("enabled", ())
    assert after(CALLED, then={"type": "text", "text": "on"}) == ("enabled", ())
    assert after(then=RESULT) == ("enabled", ())
    assert after(CALLED, kind="adaptive") == ("adaptive", ())
    told = {"type": "enabled", "budget_tokens": 2048}
    for turns in ([HI], [HI, {"role": "assistant", "content": "a"}, HI], [1, 2, 3]):
        assert forwarded(messages=turns, thinking=told)[0]["thinking"] == told


def test_a_budget_is_left_out_where_a_drafts_own_call_is_to_be_mended() -> None:
    call = Message(Role.ASSISTANT, (ToolCall("t", "f", "{}"),))
    result = Message(Role.TOOL, (ToolResult("t", (Text("no"),), is_error=True),))
    said = Message(Role.ASSISTANT, (Text("a"),))
    told = {"type": "enabled", "budget_tokens": 2048}
    for draft, left in (((call, result), None), ((said, Message(Role.USER, (Text("b"),))), told)):
        found, _ = forwarded(thinking=told, changes={"appended": draft})
        assert found.get("thinking") == left
