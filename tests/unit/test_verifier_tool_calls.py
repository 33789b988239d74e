"""tool_calls: what is called can be run, and every fault says which call and what to put right."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.growth import CallGrowth, Delta
from rung.core.parts import Choice, HostedTool, Message, Role, Text, ToolChoice, ToolResult
from rung.core.plan import TOOL_CALLS
from rung.core.types import Answer, Need
from rung.core.verdicts import Status, Trust, Weight
from rung.verifiers import schema_check, tool_repeats
from rung.verifiers.base import run
from rung.verifiers.tool_calls import ToolCalls, tool_calls_gate
from rung.wire.ids import wire_name
from support.subjects import call, growing, offering, subject, tool

WEATHER = tool(
    "get_weather",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["city"],
        "additionalProperties": False,
    },
)
TIME = tool("get_time", {"type": "object", "properties": {"zone": {"type": "string"}}})
ROME = {"city": "Rome"}


async def verdict(calls, *tools, text="", salvaged="", **request):
    asked = offering(*(tools or (WEATHER, TIME)), **request)
    answer = {"tool_calls": tuple(calls), "salvaged": salvaged}
    return await run(tool_calls_gate(), subject(text, request=asked, **answer))


async def fault(*calls, tools=(WEATHER, TIME), **request):
    found = await verdict(calls, *tools, **request)
    assert found.status is Status.FAILED, found.reason
    return found.reason


async def passes(*calls, tools=(WEATHER, TIME), **request):
    found = await verdict(calls, *tools, **request)
    assert found.status is Status.PASSED, found.reason
    assert not found.vacuous
    return found.reason


def test_it_is_the_required_gate_that_plans_know_by_name():
    gate = tool_calls_gate()
    assert gate == ToolCalls()
    assert (gate.name, gate.weight, gate.trust) == (TOOL_CALLS, Weight.REQUIRED, Trust.DATA)


# ------------------------------------------------------------------ whether to call


async def test_an_answer_without_calls_leaves_nothing_to_judge():
    for choice in (ToolChoice(), ToolChoice(Choice.NONE)):
        found = await verdict((), tool_choice=choice, text="Sunny.")
        assert (found.status, found.vacuous) == (Status.PASSED, True)


async def test_a_tool_that_had_to_be_called_and_was_not_fails():
    assert (
        await fault(tool_choice=ToolChoice(Choice.REQUIRED)) == "no call: a tool had to be called"
    )
    named = ToolChoice(Choice.NAMED, "get_time", "clock")
    assert await fault(tool_choice=named) == 'no call: the tool "clock.get_time" had to be called'


async def test_where_a_provider_may_have_run_its_own_tool_no_call_is_missed():
    hosted = HostedTool("web_search", b'{"type": "web_search"}', "responses")
    choice = ToolChoice(Choice.REQUIRED)
    found = await verdict((), WEATHER, hosted, tool_choice=choice, text="Sunny.")
    assert (found.status, found.vacuous) == (Status.PASSED, True)


async def test_a_call_where_none_is_allowed_fails():
    reason = await fault(call("get_time"), tool_choice=ToolChoice(Choice.NONE))
    assert reason.startswith("no tool may be called")


async def test_only_the_named_tool_may_be_called():
    only_time = ToolChoice(Choice.NAMED, "get_time")
    await passes(call("get_time"), tool_choice=only_time)
    reason = await fault(
        call("get_time"), call("get_weather", ROME, id="c2"), tool_choice=only_time
    )
    assert reason.startswith('no tool may be called but "get_time"; call 2 ("get_weather")')


async def test_calls_side_by_side_fail_only_where_they_are_not_wanted():
    two = (call("get_weather", ROME), call("get_time", id="c2"))
    await passes(*two)
    await passes(*two, parallel_tool_calls=True)
    await passes(two[0], parallel_tool_calls=False)
    reason = await fault(*two, parallel_tool_calls=False)
    assert reason.startswith("too many calls")
    assert "these are 2" in reason


# ------------------------------------------------------------------ names and ids


async def test_an_unknown_tool_fails_with_the_nearest_one_offered():
    reason = await fault(call("getWeather", ROME))
    assert reason.startswith('unknown tool: call 1 ("getWeather")')
    assert "did you mean `get_weather`?" in reason
    assert "use one of: get_time, get_weather" in await fault(call("rm"))
    assert (await fault(call("rm"), tools=())).startswith("unknown tool")


async def test_a_tool_of_a_namespace_is_known_by_both():
    spaced = tool("get_time", {}, namespace="clock")
    await passes(call("get_time", namespace="clock"), tools=(spaced,))
    reason = await fault(call("get_time", namespace="watch"), tools=(spaced,))
    assert "did you mean `clock.get_time`?" in reason
    await fault(call("get_time"), tools=(spaced,))


async def test_a_tool_that_the_caller_runs_for_a_provider_is_known_and_takes_anything():
    bash = HostedTool("bash", b'{"type": "bash_20250124", "name": "sh"}', "messages")
    broken = HostedTool("editor", b"{", "messages")
    for name in ("bash", "sh", "editor"):
        await passes(call(name, "not JSON"), tools=(bash, broken))
    await fault(call("zsh"), tools=(bash, broken))


async def test_ids_are_there_and_differ():
    assert (await fault(call("get_time", id=""))).startswith('missing id: call 1 ("get_time")')
    same = [call("get_time", id="a"), call("get_weather", ROME, id="b"), call("get_time", id="a")]
    assert await fault(*same) == "duplicate id: calls 1 and 3 have the same"


# ------------------------------------------------------------------ arguments


async def test_arguments_are_held_to_the_schema_of_their_own_tool():
    assert await passes(call("get_weather", {"city": "Rome", "days": [1, 2]})) == "1 call, valid"
    reason = await fault(call("get_time"), call("get_weather", {"days": [1, "2"]}, id="c2"))
    assert reason.startswith('invalid arguments: call 2 ("get_weather"), at ')
    assert 'at /days/1: "2" is not of type "integer"' in reason
    assert '"city" is a required property' in reason


@pytest.mark.parametrize("text", ["[]", '"{}"', "null", "5", "true"])
async def test_arguments_that_are_no_object_are_invalid(text):
    reason = await fault(call("get_time", text))
    assert reason.startswith('invalid arguments: call 1 ("get_time") has ')
    assert "one object" in reason


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"city": "Rome"', "ends before"),
        ("{'city': 'Rome'}", "line 1 column 2"),
        ('```json\n{"city": "Rome"}\n```', "Markdown fence"),
        ('{"city": "Rome", "city": "Oslo"}', "repeats the key 'city'"),
        ('{"city": NaN}', "NaN"),
        ('{"city": "Rome"} {"city": "Oslo"}', "more after"),
        ("Rome", "line 1 column 1"),
        ("[" * 900 + "]" * 900, "nested more than 512"),
        ("{" * 900, "not JSON"),
    ],
    ids=lambda text: ascii(text[:30]),
)
async def test_arguments_that_are_not_json_to_the_letter_fail(text, said):
    reason = await fault(call("get_weather", text))
    assert reason.startswith('not JSON: in the arguments of call 1 ("get_weather"), the text ')
    assert said in reason


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
async def test_no_text_at_all_is_no_arguments(text):
    await passes(call("get_time", text))
    await passes(call("ping", text), tools=(tool("ping"),))
    assert '"city" is a required property' in await fault(call("get_weather", text))


async def test_a_custom_tool_takes_any_text():
    patch = tool("patch", custom=True)
    for text in ("*** Begin", "", "{", '{"input": 1}'):
        await passes(call("patch", text, custom=True), tools=(patch,))


async def test_without_a_schema_any_object_will_do():
    await passes(call("ping", {"a": [1]}), tools=(tool("ping"),))
    assert (await fault(call("ping", "[]"), tools=(tool("ping"),))).startswith("invalid arguments")


@pytest.mark.parametrize(
    "schema",
    [{"type": "OBJECT"}, {"$ref": "http://x.invalid/s"}, {"required": True}, [1], {"pattern": "("}],
    ids=str,
)
async def test_a_callers_broken_schema_restricts_nothing_and_is_told(schema):
    reason = await passes(call("ping", {"a": 1}), tools=(tool("ping", schema),))
    assert reason.startswith("1 call, valid; the arguments of call 1")
    assert "not checked: The JSON Schema is refused" in reason
    await fault(call("ping", "{"), tools=(tool("ping", schema),))


async def test_a_schema_that_is_no_text_or_too_large_restricts_nothing():
    for parameters in (b"\xff", b"{", b'{"description": "' + b"x" * 300_000 + b'"}'):
        ping = tool("ping")
        object.__setattr__(ping, "parameters", parameters)
        assert "not checked" in await passes(call("ping"), tools=(ping,))


async def test_several_faults_are_told_together_and_not_without_end():
    calls = [call(f"none{i}", id=f"c{i}") for i in range(50)]
    reason = await fault(*calls)
    assert reason.count("unknown tool") == 3
    both = await fault(call("get_weather", "{", id="a"), call("rm", id="b"))
    assert both.startswith("not JSON")
    assert "; unknown tool: call 2" in both


async def test_hostile_names_and_arguments_stay_within_one_line():
    reason = await fault(call("a\n\x1b[2J\u202e" * 1_000, "\x00" * 1_000))
    assert reason.isprintable()
    assert len(reason) <= 500


async def test_arguments_beyond_all_measure_are_not_judged():
    found = await verdict(
        [call("get_time", " " * 600_000), call("get_time", " " * 600_000, id="b")]
    )
    assert found.status is Status.ABSTAINED


async def test_a_salvaged_call_is_said_to_be_one():
    found = await verdict([call("get_time")], salvaged="hermes")
    assert found.reason == "1 call, salvaged from text (hermes)"
    assert await passes(call("get_time"), call("get_weather", ROME, id="b")) == "2 calls, valid"


def doubling(times):
    """A schema of a few hundred bytes that is visited 2**times times."""
    twice = {
        f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}, {"$ref": f"#/$defs/a{i + 1}"}]}
        for i in range(times)
    }
    return {"$defs": {**twice, f"a{times}": {"required": ["x"]}}, "$ref": "#/$defs/a0"}


async def test_a_schema_that_may_take_long_is_checked_in_a_child(monkeypatch):
    monkeypatch.setattr(schema_check, "INLINE_NANOSECONDS", -1)
    await passes(call("get_time"), call("get_weather", ROME, id="b"))
    await passes(call("get_time", ""))
    reason = await fault(call("get_time"), call("get_weather", {"city": 5}, id="b"))
    assert (
        reason == 'invalid arguments: call 2 ("get_weather"), at /city: 5 is not of type "string"'
    )


async def test_a_schema_that_runs_away_is_stopped_and_abstains():
    began = time.perf_counter()
    gate = ToolCalls(timeout_seconds=1.0)
    asked = offering(tool("slow", doubling(40)))
    calls = (call("slow", {"x": 1}), call("slow", {"x": 2}, id="b"))
    found = await run(gate, subject(request=asked, tool_calls=calls))
    assert found.status is Status.ABSTAINED
    assert "did not end" in found.reason
    assert time.perf_counter() - began < 10


async def test_a_fault_that_is_seen_at_once_starts_no_child(monkeypatch):
    monkeypatch.setattr(schema_check, "_asked", None)
    slow = tool("slow", doubling(40))
    reason = await fault(call("slow", {"x": 1}), call("rm", id="b"), tools=(slow,))
    assert reason.startswith("unknown tool")


async def test_many_calls_share_the_time_that_one_may_take(monkeypatch):
    shares = []
    check = schema_check.judged_here

    def noted(schema, text, value, share):
        shares.append(share)
        return check(schema, text, value, share)

    monkeypatch.setattr(schema_check, "judged_here", noted)
    await passes(*(call("get_time", {"zone": f"{i}"}, id=f"c{i}") for i in range(64)))
    assert len(shares) == 64
    assert sum(shares) <= 1


# ------------------------------------------------------------------ again and again


async def test_the_same_call_three_times_in_one_answer_is_a_loop():
    written = (
        '{"city": "Rome", "days": [1]}',
        '{"days":[1],"city":"Rome"}',
        '{"days": [1],\n"city":"R\\u006fme"}',
    )
    calls = [call("get_weather", text, id=f"c{i}") for i, text in enumerate(written)]
    await passes(*calls[:2])
    reason = await fault(*calls)
    assert reason.startswith('repeated call: call 1 ("get_weather") is made 3 times')
    others = [call("get_weather", {"city": name}, id=name) for name in ("Rome", "Oslo", "Bern")]
    await passes(*others)


def turn(*calls, result="sunny", **more):
    """One turn of the assistant's and what came of it."""
    results = (Message(Role.TOOL, (ToolResult(c.id, (Text(result),), **more),)) for c in calls)
    return (Message(Role.ASSISTANT, tuple(calls)), *results)


ASKED = Message(Role.USER, (Text("What is the weather?"),))
REMINDER = Message(Role.SYSTEM, (Text("Be brief."),))


async def again(*turns):
    """The verdict on one more such call; turns like the first have gone before."""
    turns = (*turns[:1] * (tool_repeats.TURNS - 3), *turns)
    history = (ASKED, *(message for one in turns for message in one))
    return await verdict([call("get_weather", ROME, id="now")], messages=history)


async def test_a_call_that_many_turns_made_to_no_other_end_is_a_loop():
    spaced = call("get_weather", '{ "city" : "Rome" }', id="b")
    same = [turn(call("get_weather", ROME, id="a")), turn(spaced), turn(call("get_weather", ROME))]
    found = await again(*same)
    assert found.status is Status.FAILED
    assert found.reason.startswith('repeated call: call 1 ("get_weather") is the same call again')
    assert (await again(*same[1:])).status is Status.PASSED
    with_others = [(REMINDER, *one) for one in same]
    assert (await again(*with_others)).status is Status.FAILED
    more = [turn(call("get_time", id="x"), call("get_weather", ROME, id="y")) for _ in range(3)]
    assert (await again(*more)).status is Status.FAILED


async def test_ids_that_every_turn_uses_again_do_not_confuse_the_results():
    turns = [turn(call("get_weather", ROME, id="call_0"), result=each) for each in "aab"]
    assert (await again(*turns)).status is Status.PASSED
    turns = [turn(call("get_weather", ROME, id="call_0"), result="a") for _ in range(3)]
    assert (await again(*turns)).status is Status.FAILED


async def test_messages_of_the_assistant_in_a_row_are_one_turn():
    one = turn(call("get_weather", ROME, id="a"))
    split = (Message(Role.ASSISTANT, (Text("Let me see."),)), *one)
    assert (await again(split, split, split)).status is Status.FAILED
    once = (*(one[0],) * 3, one[1])
    assert (await again(once)).status is Status.PASSED


@pytest.mark.parametrize(
    "turns",
    [
        [turn(call("get_weather", ROME), result=each) for each in ("1", "2", "1")],
        [turn(call("get_weather", {"city": each})) for each in ("Rome", "Oslo", "Rome")],
        [turn(call("get_weather", ROME), is_error=each) for each in (True, False, True)],
        [turn(call("get_weather", ROME))[:1] for _ in range(3)],
        [
            turn(call("get_weather", ROME, id="a")),
            turn(call("get_time", id="b"), call("get_weather", ROME, id="a"))[:2],
            turn(call("get_weather", ROME, id="a")),
        ],
        [(ASKED, *turn(call("get_weather", ROME))) for _ in range(3)],
        [turn(call("get_weather", ROME)), turn(call("get_time")), turn(call("get_weather", ROME))],
    ],
    ids=[
        "other results",
        "other arguments",
        "other errors",
        "no results",
        "a result less",
        "asked again",
        "others",
    ],
)
async def test_a_call_that_may_have_a_reason_is_no_loop(turns):
    assert (await again(*turns)).status is Status.PASSED


async def test_a_long_history_costs_no_more_than_its_end():
    turns = [turn(call("get_time", {"zone": f"{i}" * 50})) for i in range(20_000)]
    history = (ASKED, *(message for one in turns for message in one))
    asked = offering(WEATHER, TIME, messages=history)
    given_answer = subject(request=asked, tool_calls=(call("get_time", {"zone": "x"}),))
    began = time.perf_counter()
    for _ in range(100):
        assert ToolCalls().check(given_answer).status is Status.PASSED
    assert time.perf_counter() - began < 2


# ------------------------------------------------------------------ while they grow


def doomed(*pieces, tools=(WEATHER, TIME), **request):
    """The first reason to give up, with the number of the piece that brought it."""
    follower = ToolCalls().watch(offering(*tools, **request))
    for number, (index, *piece) in enumerate(pieces):
        reason = follower.grow(Delta(calls=(CallGrowth(index, *piece),)))
        if reason is not None:
            return number, reason
    return None


def test_an_unknown_tool_is_given_up_at_its_name():
    number, reason = doomed((0, "get_weather", '{"city": "Rome"}'), (1, "rm"), (1, "", "{}"))
    assert number == 1
    assert reason.startswith('unknown tool: call 2 ("rm") is of no tool offered; use one of: get_')


def test_arguments_are_given_up_where_no_json_goes_on():
    number, reason = doomed((0, "get_weather"), (0, "", '{"city"'), (0, "", ": Rome"), (0, "", "}"))
    assert number == 2
    assert reason.startswith(
        'not JSON: in the arguments of call 1 ("get_weather"), the text is not'
    )
    assert doomed((0, "get_weather"), (0, "", "[")) is not None
    assert (
        doomed((3, "get_weather"), (4, "get_time"), (4, "", "{"), (3, "", "{"), (4, "", "}"))
        is None
    )


def test_a_name_that_comes_late_is_waited_for():
    assert doomed((0, "", '{"a"'), (0, "", ":1}"), (0, "get_time")) is None
    number, _ = doomed((0, "", "nonsense"), (0, "get_time"))
    assert number == 1
    assert doomed((0, "", "nonsense"), (0, "patch"), tools=(tool("patch", custom=True),)) is None


def test_calls_that_may_not_be_made_are_given_up():
    assert doomed((0, "get_time"), tool_choice=ToolChoice(Choice.NONE)) is not None
    two = ((0, "get_time"), (0, "", "{}"), (1, "get_time"))
    assert doomed(*two, parallel_tool_calls=False)[0] == 2
    assert doomed(*two) is None


def test_names_as_other_dialects_spell_them_are_not_given_up():
    spaced = tool("look.up", {}, namespace="web")
    long = tool("x" * 60, {}, namespace="y" * 60)
    for name in (
        "look.up",
        wire_name("look.up", "web"),
    ):
        assert doomed((0, name), tools=(spaced,)) is None, name
    assert doomed((0, wire_name(long.name, long.namespace)), tools=(long,)) is None
    for name in ("web__look", "look_up", "functions.look.up"):
        assert doomed((0, name), tools=(spaced,)) is not None, name


def test_free_text_and_hosted_tools_are_not_read():
    hosted = HostedTool("bash", b'{"name": "bash"}', "messages")
    tools = (tool("patch", custom=True), hosted)
    assert doomed((0, "patch", "*** Begin"), (1, "bash", "ls"), tools=tools) is None


def test_text_alone_gives_nothing_up():
    follower = ToolCalls().watch(offering(WEATHER))
    assert follower.grow(Delta(text="I will look.", thinking="{")) is None


@given(st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=9)), st.data())
def test_valid_arguments_are_never_given_up(arguments, data):
    text = json.dumps(arguments)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert doomed((0, "get_time"), *((0, "", piece) for piece in pieces)) is None


OFFERED = (
    WEATHER,
    tool("now", {"type": "object"}, namespace="clock"),
    tool("sketch", custom=True),
    HostedTool("bash", b'{"type": "bash_20250124", "name": "bash"}', "messages"),
)
RUNNABLE = st.one_of(
    st.builds(call, st.just("get_weather"), st.fixed_dictionaries({"city": st.text()})),
    st.builds(call, st.just("now"), st.sampled_from(["", " {} "]), namespace=st.just("clock")),
    st.builds(call, st.just("sketch"), st.text(), custom=st.just(value=True)),
    st.builds(call, st.just("bash"), st.text()),
)


@given(
    st.lists(RUNNABLE, min_size=1, max_size=4, unique_by=lambda made: (made.name, made.arguments)),
    st.lists(st.integers(1, 12), max_size=40),
    st.booleans(),
)
async def test_calls_that_can_be_run_pass_and_are_never_given_up(calls, sizes, parallel):
    calls = [replace(each, id=f"c{i}") for i, each in enumerate(calls if parallel else calls[:1])]
    choice = ToolChoice(Choice.REQUIRED)
    asked = {"tool_choice": choice, "parallel_tool_calls": parallel}
    answer = Answer("", tool_calls=tuple(calls))
    follower = ToolCalls().watch(offering(*OFFERED, **asked))
    assert not any(follower.grow(delta) for delta in growing(answer, sizes))
    await passes(*calls, tools=OFFERED, **asked)


async def test_a_request_that_offers_nothing_needs_no_tools():
    assert Need.TOOLS not in offering().needs
    assert (await fault(call("x"), tools=())).startswith("unknown tool")
