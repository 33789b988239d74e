"""json_schema: all of JSON Schema, nothing fetched, nothing that runs away."""

from __future__ import annotations

import asyncio
import json
import signal
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import RequestError
from rung.core.types import Need
from rung.core.verdicts import Status, Weight
from rung.verifiers import schema_check
from rung.verifiers.base import run
from rung.verifiers.json_schema import json_schema
from support.subjects import call, subject

ORDER = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"price": {"type": "number"}, "name": {"type": "string"}},
                "required": ["price", "name"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["items"],
}


async def verdict(schema, text, timeout_seconds=5.0, **answer):
    check = json_schema(schema, timeout_seconds=timeout_seconds)
    return await run(check, subject(text, **answer))


async def status(schema, value, **options):
    text = value if isinstance(value, str) else json.dumps(value)
    return (await verdict(schema, text, **options)).status


def nested(depth, leaf="1"):
    return "[" * depth + leaf + "]" * depth


def doubling(times):
    """A schema of a few hundred bytes that is visited 2**times times."""
    twice = {
        f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}, {"$ref": f"#/$defs/a{i + 1}"}]}
        for i in range(times)
    }
    return {"$defs": {**twice, f"a{times}": {"type": "string"}}, "$ref": "#/$defs/a0"}


# ------------------------------------------------------------------ what passes and what fails

DRAFT_4 = "http://json-schema.org/draft-04/schema#"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
EVERY_PART = [
    ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}, '"x"', "1"),
    ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "string"}}}, '"x"', "1"),
    ({"$ref": "#name", "$defs": {"a": {"$anchor": "name", "type": "string"}}}, '"x"', "1"),
    ({"$id": "http://x.invalid/a", "$ref": "#/$defs/b", "$defs": {"b": {"const": 1}}}, "1", "2"),
    (
        {
            "$id": "http://x.invalid/a",
            "$ref": "b",
            "$defs": {"b": {"$id": "b", "type": "string"}},
        },
        '"x"',
        "1",
    ),
    ({"items": {"$ref": "#"}, "type": "array"}, "[[],[[]]]", "[[1]]"),
    ({"prefixItems": [{"type": "string"}], "items": False}, '["a"]', '["a", 1]'),
    ({"properties": {"a": {"enum": ["x", 1, None]}}}, '{"a": null}', '{"a": "y"}'),
    ({"patternProperties": {"^n_": {"type": "number"}}}, '{"n_a": 1}', '{"n_a": "1"}'),
    ({"format": "date"}, '"2024-02-29"', '"2023-02-29"'),
    ({"format": "email"}, '"a@example.org"', '"a"'),
    ({"format": "uuid"}, '"123e4567-e89b-12d3-a456-426614174000"', '"123"'),
    ({"oneOf": [{"multipleOf": 3}, {"multipleOf": 5}]}, "9", "15"),
    ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 5}}, "7", '"a"'),
    ({"contains": {"const": 1}, "maxContains": 1}, "[1, 2]", "[1, 1]"),
    ({"dependentRequired": {"a": ["b"]}}, '{"b": 1}', '{"a": 1}'),
    ({"dependentSchemas": {"a": {"required": ["b"]}}}, '{"b": 1}', '{"a": 1}'),
    ({"propertyNames": {"maxLength": 2}}, '{"ab": 1}', '{"abc": 1}'),
    ({"uniqueItems": True}, "[1, 2]", "[1, 1]"),
    ({"multipleOf": 0.01}, "19.99", "19.999"),
    ({"type": "integer"}, "1.0", "1.5"),
    ({"not": {"type": "string"}}, "1", '"x"'),
    ({"unevaluatedProperties": False, "properties": {"a": {}}}, '{"a": 1}', '{"b": 1}'),
    (
        {
            "$dynamicAnchor": "n",
            "type": "object",
            "additionalProperties": {"$dynamicRef": "#n"},
        },
        '{"a": {}}',
        '{"a": 1}',
    ),
    ({"$schema": DRAFT_4, "minimum": 3, "exclusiveMinimum": True}, "4", "3"),
    ({"$schema": DRAFT_7, "definitions": {"a": {"const": 1}}, "$ref": "#/definitions/a"}, "1", "2"),
    ({"$schema": DRAFT_7, "items": [{"const": 1}], "additionalItems": False}, "[1]", "[1, 2]"),
    (
        {"$schema": DRAFT_7, "dependencies": {"a": ["b"], "c": {"minProperties": 2}}},
        "{}",
        '{"c":1}',
    ),
    ({"pattern": "^(?!no)"}, '"yes"', '"no"'),
    (True, "1", "not JSON"),
]


@pytest.mark.parametrize(("schema", "good", "bad"), EVERY_PART, ids=lambda x: str(x)[:40])
async def test_each_part_of_json_schema_holds(schema, good, bad):
    assert await status(schema, good) is Status.PASSED
    assert await status(schema, bad) is Status.FAILED


async def test_the_fault_names_place_expectation_and_finding():
    text = json.dumps({"items": [{"price": "abc", "name": "x"}, {"price": 1, "n": 2}]})
    reason = (await verdict(ORDER, text)).reason
    assert 'at /items/0/price: "abc" is not of type "number"' in reason
    assert '"name" is a required property' in reason
    assert "'n' was unexpected" in reason


async def test_of_alternatives_the_nearest_is_explained():
    schema = {
        "properties": {
            "shape": {
                "anyOf": [
                    {"type": "string"},
                    {"type": "object", "properties": {"r": {"type": "number"}}, "required": ["r"]},
                ]
            }
        }
    }
    reason = (await verdict(schema, '{"shape": {"r": "big"}}')).reason
    assert 'the nearest fails at /shape/r: "big" is not of type "number"' in reason


async def test_of_tagged_alternatives_the_one_with_the_right_tag_is_explained():
    def tagged(tag, **properties):
        known = {"kind": {"const": tag}, **properties}
        return {"type": "object", "properties": known, "required": list(known)}

    number = {"type": "number"}
    schema = {"oneOf": [tagged("dot"), tagged("box", w=number, h=number), {"type": "null"}]}
    reason = (await verdict(schema, '{"kind": "box", "w": "a"}')).reason
    assert '"h" is a required property' in reason or 'at /w: "a" is not of type' in reason


async def test_faults_are_few_short_and_different():
    schema = {"items": {"allOf": [{"maxLength": 3}, {"maxLength": 3}]}}
    reason = (await verdict(schema, json.dumps(["long" * 1_000] * 10))).reason
    assert reason.count("at /") == 3
    assert len(reason) <= 500
    assert "…" in reason


async def test_a_schema_that_contradicts_itself_fails_every_answer():
    schema = {"const": 7, "type": "string"}
    assert await status(schema, "7") is Status.FAILED
    assert await status(schema, '"7"') is Status.FAILED
    assert await status(False, "7") is Status.FAILED  # noqa: FBT003 - the schema


async def test_without_a_schema_any_object_passes_and_nothing_else():
    assert await status(None, '{"a": 1}') is Status.PASSED
    for other in ("[1]", "null", "1", "true", '"x"', "1.5"):
        assert await status(None, other) is Status.FAILED


async def test_a_tool_call_is_not_held_to_the_schema_where_tools_were_offered():
    calls = (call("f"),)
    offered = frozenset({Need.TOOLS})
    alone = await verdict(ORDER, "", tool_calls=calls, needs=offered)
    assert (alone.status, alone.vacuous) == (Status.PASSED, True)
    assert await status(ORDER, "text", tool_calls=calls, needs=offered) is Status.FAILED
    assert await status(ORDER, "", tool_calls=calls) is Status.FAILED
    beside = await verdict(None, "{}", tool_calls=calls, needs=offered)
    assert (beside.status, beside.vacuous) == (Status.PASSED, False)


# ------------------------------------------------------------------ text that is not JSON

NOT_JSON = {
    "": "empty",
    "  \n": "empty",
    '```json\n{"a": 1}\n```': "Markdown fence",
    '{"a": ': "ends before",
    'Sure! {"a": 1}': "line 1 column 1",
    '{"a": 1} Done.': "more after",
    '{"a": 1}{"a": 2}': "more after",
    '{"a": NaN}': "NaN",
    '{"a": -Infinity}': "-Infinity",
    '{"a": 1e999}': "too large",
    '{"a": 1, "a": 2}': "repeats the key 'a'",
    '{"a": "\\ud800"}': "surrogate",
    '{"\\udc00": 1}': "surrogate",
    '"\ud800"': "surrogate",
    "1" * 5_000: "more than 400 digits",
    "[1, -" + "1" * 400 + "]": "more than 400 digits",
    "0." + "1" * 400: "more than 400 digits",
    "{'a': 1}": "not JSON",
    '{"a": 1,}': "not JSON",
    "\ufeff{}": "not JSON",
    '"\x00"': "not JSON",
    "[" * 100_000: "nested more than 512",
    nested(900): "nested more than 512",
    nested(513): "nested more than 512",
}


@pytest.mark.parametrize("text", NOT_JSON, ids=lambda text: ascii(text[:20]))
async def test_text_that_is_not_json_to_the_letter_fails_with_its_reason(text):
    found = await verdict(None, text)
    assert found.status is Status.FAILED
    assert NOT_JSON[text] in found.reason


async def test_as_deep_as_is_read_passes():
    assert await status({"items": {"$ref": "#"}}, nested(512)) is Status.PASSED


async def test_a_pair_of_surrogates_and_other_scripts_are_json():
    assert await status({"minLength": 1, "maxLength": 1}, '"\\ud83d\\ude00"') is Status.PASSED
    assert await status({"const": "漢😀"}, '"漢😀"') is Status.PASSED


async def test_many_digits_in_a_text_are_no_number():
    assert await status({"minLength": 900}, json.dumps("1" * 900)) is Status.PASSED
    assert await status({"type": "array"}, json.dumps(["1" * 900, 10**399])) is Status.PASSED


async def test_a_huge_answer_is_not_judged():
    assert await status(ORDER, " " * 1_000_001) is Status.ABSTAINED


@given(st.text())
async def test_no_text_breaks_the_parser(text):
    assert await status(ORDER, text) in {Status.FAILED, Status.PASSED}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(values)
async def test_every_value_satisfies_the_schema_that_is_itself(value):
    assert await status({"const": value}, json.dumps(value)) is Status.PASSED
    assert await status({"enum": [value]}, json.dumps(value, ensure_ascii=False)) is Status.PASSED


# ------------------------------------------------------------------ schemas that are refused

REFUSED = [
    ({"$ref": "http://evil.invalid/s.json"}, "/$ref", "nothing is ever fetched"),
    ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, "/$ref", "nothing is ever fetched"),
    ({"$ref": "file:///etc/passwd"}, "/$ref", "nothing is ever fetched"),
    ({"$ref": "other.json#/a"}, "/$ref", "nothing is ever fetched"),
    ({"$ref": "//evil.invalid/x"}, "/$ref", "nothing is ever fetched"),
    ({"$id": "http://a.invalid/", "$ref": "http://[x"}, "/$ref", "not a reference"),
    ({"$defs": {"u": {"$ref": "http://x.invalid"}}}, "/$defs/u/$ref", "nothing is ever fetched"),
    ({"$id": "http://a.invalid/", "items": {"$ref": "b"}}, "/items/$ref", "nothing is ever"),
    ({"$dynamicRef": "http://x.invalid/#a"}, "", "x.invalid"),
    ({"$schema": "http://x.invalid/meta"}, "", "x.invalid"),
    ({"$ref": "#/$defs/none"}, "/$ref", "nothing is at"),
    ({"$ref": "#none"}, "/$ref", "nothing is at"),
    ({"$ref": "#/enum/0", "enum": ["x"]}, "/$ref", "nothing is at"),
    ({"$ref": 5}, "/$ref", "string"),
    ({"$ref": "#"}, "", "without going deeper"),
    ({"allOf": [{"$ref": "#"}]}, "", "without going deeper"),
    (
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}},
        "/$defs/",
        "without going deeper",
    ),
    ({"type": "strin"}, "/type", '"strin" is not one of'),
    ({"type": 5}, "/type", "5"),
    ({"properties": {"a": {"minimum": "q"}}}, "/properties/a/minimum", 'not of type "number"'),
    ({"properties": []}, "/properties", "[]"),
    ({"required": "a"}, "/required", 'not of type "array"'),
    ({"minLength": -1}, "/minLength", "-1"),
    ({"pattern": "("}, "/pattern", "regex"),
    ({"pattern": "(?<"}, "/pattern", "regex"),
    ({"patternProperties": {"[": {}}}, "/patternProperties", "regex"),
    ({"pattern": "(a{1,9999}){1,9999}"}, "", "too large"),
    ({"a": {1, 2}}, "", "not JSON"),
    ({"a": float("nan")}, "", "not JSON"),
    ({"a": "\ud800"}, "", "surrogate pair"),
    ({"multipleOf": 10**1_000}, "", "more than 400 digits"),
    ([1], "", "not list"),
    ("{}", "", "not str"),
    ({"description": "x" * 300_000}, "", "300,018 characters"),
    (json.loads('{"not":' * 130 + "{}" + "}" * 130), "", "128 levels"),
    (json.loads('{"x":[' * 70 + "{}" + "]}" * 70), "", "128 levels"),
]


@pytest.mark.parametrize(("schema", "place", "said"), REFUSED, ids=lambda x: ascii(x)[:40])
def test_what_is_no_usable_schema_is_refused_naming_the_place(schema, place, said):
    with pytest.raises(RequestError) as caught:
        json_schema(schema)
    assert caught.value.status == 400
    assert caught.value.param == "response_format.json_schema.schema"
    assert place in caught.value.message
    assert said in caught.value.message
    assert len(caught.value.message) < 600
    assert caught.value.message.isprintable()


def test_what_is_no_schema_is_refused_every_time_and_looked_at_once(monkeypatch):
    looked = []
    compile_it = schema_check._compile
    monkeypatch.setattr(
        schema_check, "_compile", lambda text: looked.append(text) or compile_it(text)
    )
    errors = []
    for _ in range(3):
        with pytest.raises(RequestError, match="no_such_type") as caught:
            json_schema({"type": "no_such_type"})
        errors.append(caught.value)
    assert len(looked) == 1
    assert len({id(error) for error in errors}) == 3


def test_a_schema_nested_beyond_recursion_is_refused():
    schema = {}
    for _ in range(100_000):
        schema = {"not": schema}
    with pytest.raises(RequestError, match="128 levels"):
        json_schema(schema)
    while schema:  # freed one by one: the interpreter would recurse
        schema = schema.pop("not")


def test_a_schema_that_holds_itself_is_refused():
    schema = {"type": "object"}
    schema["properties"] = {"a": schema}
    with pytest.raises(RequestError, match="not JSON"):
        json_schema(schema)


def test_nothing_is_fetched_or_read(monkeypatch):
    opened = []
    monkeypatch.setattr("socket.socket.connect", lambda *a: opened.append(a))
    for schema in ({"$ref": "http://127.0.0.1:9/s"}, {"$schema": "http://127.0.0.1:9/s"}):
        with pytest.raises(RequestError):
            json_schema(schema)
    assert opened == []


def test_a_reference_in_data_is_data():
    json_schema({"const": {"$ref": "http://x.invalid"}})
    json_schema({"properties": {"$ref": {"type": "string"}}, "examples": [{"$ref": "x"}]})


# ------------------------------------------------------------------ schemas that run away


async def in_time(schema, text, seconds):
    """The verdict, the time it took, and the longest that the loop stood still."""
    longest, last = 0.0, time.perf_counter()

    async def beat():
        nonlocal longest, last
        while True:
            await asyncio.sleep(0.005)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    beating = asyncio.create_task(beat())
    began = time.perf_counter()
    found = await verdict(schema, text, timeout_seconds=seconds)
    took = time.perf_counter() - began
    beating.cancel()
    return found, took, longest


RECURSING = {
    "anyOf": [
        {"type": "array", "items": {"$ref": "#"}},
        {"type": "array", "items": {"$ref": "#"}, "minItems": 0},
        {"type": "string"},
    ]
}
FRAMES = {
    "$defs": {
        **{f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}, {}]} for i in range(500)},
        "a500": {"items": {"$ref": "#/$defs/a0"}},
    },
    "$ref": "#/$defs/a0",
}
RUNAWAYS = [
    (doubling(20), '"x"', {Status.PASSED, Status.ABSTAINED}),
    (doubling(20), "1", {Status.FAILED}),
    (doubling(40), '"x"', {Status.ABSTAINED}),
    ({**doubling(40), "$ref": "#/$defs/a1"}, '"x"', {Status.ABSTAINED}),
    (RECURSING, nested(40), {Status.FAILED, Status.ABSTAINED}),
    (RECURSING, nested(500), {Status.FAILED, Status.ABSTAINED}),
    ({"pattern": "^(a+)+$"}, json.dumps("a" * 900_000 + "!"), {Status.FAILED}),
    ({"pattern": "^(?!b)(a|aa)+\\1c$"}, json.dumps("a" * 60), {Status.ABSTAINED}),
    ({"not": {"pattern": "^(?!b)(a|aa)+\\1c$"}}, json.dumps("a" * 60), {Status.ABSTAINED}),
    (FRAMES, nested(512), {Status.ABSTAINED}),
    (
        {"items": {"enum": [{"a": i} for i in range(9_000)]}},
        json.dumps([{"a": i} for i in range(9_000)]),
        {Status.PASSED, Status.ABSTAINED},
    ),
    ({"items": {"type": "string"}}, json.dumps([1] * 300_000), {Status.FAILED}),
]


@pytest.mark.parametrize(("schema", "text", "expected"), RUNAWAYS, ids=range(len(RUNAWAYS)))
async def test_a_schema_that_runs_away_is_stopped_and_never_stops_the_loop(schema, text, expected):
    json_schema(schema)  # compiled before, as on every request but the first
    found, took, stood = await in_time(schema, text, 2.0)
    assert found.status in expected
    assert took < 20
    assert stood < 1


async def test_of_faults_without_number_the_first_is_named():
    text = json.dumps([1] * 300_000)
    found = await verdict({"items": {"type": "string"}}, text, timeout_seconds=2.0)
    assert 'at /0: 1 is not of type "string"' in found.reason


async def test_plain_patterns_run_in_linear_time_on_the_loop():
    began = time.perf_counter()
    assert await status({"pattern": "^(a+)+$"}, json.dumps("a" * 2_000 + "!")) is Status.FAILED
    assert time.perf_counter() - began < 5  # a backtracking one would not end


def test_a_check_keeps_to_its_share_of_the_time():
    schema = schema_check.compiled('{"items": {"multipleOf": 0.01}}')
    value = [1.5] * 500
    assert schema_check.judged_here(schema, json.dumps(value), value).valid
    assert schema_check.judged_here(schema, json.dumps(value), value, 0.01) is None
    wrong = [0.001] * 500
    assert schema_check.judged_here(schema, json.dumps(wrong), wrong).valid is False


async def test_a_cancelled_request_kills_its_child(monkeypatch):
    started, children = asyncio.Event(), []
    start = asyncio.create_subprocess_exec

    async def recorded(*args, **options):
        children.append(await start(*args, **options))
        started.set()
        return children[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", recorded)
    task = asyncio.create_task(verdict(doubling(40), '"x"', timeout_seconds=60))
    await asyncio.wait_for(started.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # Killed in the check's own clean-up, which the cancelled request does not wait for.
    assert await asyncio.wait_for(children[0].wait(), 5) == -signal.SIGKILL


async def test_only_so_many_children_run_at_a_time(monkeypatch):
    running, most = 0, 0

    async def asked(work, seconds):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.03)
        running -= 1
        return [b"true\n", b"[]\n"]

    monkeypatch.setattr(schema_check, "_asked", asked)
    found = await asyncio.gather(*(verdict(doubling(30), '"x"') for _ in range(10)))
    assert {each.status for each in found} == {Status.PASSED}
    assert most == 4


@pytest.mark.parametrize(
    "said", [[], [b"tru"], [b"null\n"], [b'"true"\n'], [b"1\n"], [b"false\n", b"1\n"], [b"[]\n"]]
)
async def test_a_child_that_says_nothing_sensible_never_passes(monkeypatch, said):
    async def asked(work, seconds):
        return said

    monkeypatch.setattr(schema_check, "_asked", asked)
    assert await status(doubling(30), '"x"') is Status.ABSTAINED


async def test_the_child_agrees_with_the_loop(monkeypatch):
    cases = [(schema, text) for schema, good, bad in EVERY_PART[:6] for text in (good, bad)]
    here = [await verdict(schema, text) for schema, text in cases]
    monkeypatch.setattr(schema_check, "INLINE_NANOSECONDS", -1)
    monkeypatch.setattr(schema_check, "_INLINE_FAULT_VISITS", -1)
    there = [await verdict(schema, text) for schema, text in cases]
    assert [(v.status, v.reason) for v in here] == [(v.status, v.reason) for v in there]


def test_a_schema_is_compiled_once():
    one = json_schema({"type": "object", "title": "once"})
    other = json_schema({"type": "object", "title": "once"})
    assert one.compiled is other.compiled
    assert one.compiled is schema_check.compiled('{"type":"object","title":"once"}')
    assert one.weight is Weight.REQUIRED
