from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.wire.jsontext import MAX_DEPTH, JsonError, fields, splice

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.sampled_from(["model"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("model"), inner),
    max_leaves=10,
)
OBJECTS = st.dictionaries(
    st.sampled_from(["model", "a", "mod\\el", 'q"', "é", ""]) | st.text(), VALUES
)
LAYOUTS = st.sampled_from(
    [{"indent": 2}, {"separators": (",", ":")}, {"separators": (" , ", " : ")}]
)


def pairs(text: bytes) -> list[tuple[str, Any]]:
    return json.loads(text, object_pairs_hook=lambda found: found)


@given(OBJECTS, LAYOUTS, st.booleans())
def test_fields_are_found_where_json_finds_them(value, layout, ascii_only) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, **layout).encode()
    found = fields(body)
    assert list(found) == list(value)
    for name, field in found.items():
        assert body[field.value_start : field.end] == field.value
        assert json.loads(field.value) == value[name]
        assert body[field.start : field.start + 1] == b'"'


@given(OBJECTS, LAYOUTS, VALUES)
def test_exchanging_a_field_keeps_every_other_byte(value, layout, new) -> None:
    body = json.dumps(value, **layout).encode()
    replacement = json.dumps(new).encode()
    changed = splice(body, {"model": replacement})
    assert json.loads(changed) == value | {"model": new}
    if "model" in value:
        place = fields(body)["model"]
        assert changed == body[: place.value_start] + replacement + body[place.end :]


@given(OBJECTS, LAYOUTS, st.data())
def test_any_mix_of_changes_equals_the_same_changes_to_a_dict(value, layout, data) -> None:
    body = json.dumps(value, **layout).encode()
    names = st.sampled_from([*value, "new", "newer"])
    changes = data.draw(st.dictionaries(names, st.none() | VALUES.filter(lambda v: v is not None)))
    wanted = dict(value)
    for name, new in changes.items():
        if new is None:
            wanted.pop(name, None)
        else:
            wanted[name] = new
    encoded = {n: None if v is None else json.dumps(v).encode() for n, v in changes.items()}
    assert json.loads(splice(body, encoded)) == wanted


@given(st.binary())
def test_arbitrary_bytes_raise_nothing_but_json_error(body) -> None:
    with suppress(JsonError):
        fields(body)


@given(OBJECTS.filter(bool), LAYOUTS, VALUES, st.data())
def test_a_repeated_key_is_refused_whatever_its_values(value, layout, other, data) -> None:
    name = data.draw(st.sampled_from(list(value)))
    body = json.dumps(value, **layout).encode().rstrip(b"} \n")
    if body.rstrip().endswith(b"}") is False and json.dumps(value).endswith("}}"):
        return
    twice = body + b", " + json.dumps(name).encode() + b": " + json.dumps(other).encode() + b"}"
    try:
        pairs(twice)
    except ValueError:
        return
    with pytest.raises(JsonError):
        fields(twice)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":12}',
        b'{"a":12,"a":1}',
        b'{"a":12,"a":1,"b":2}',
        b'{"a":"x","b":1,"a":["x"]}',
        b'{"a":{"b":1},"a":{"b":1}}',
        b'{"a":1,"\\u0061":2}',
    ],
)
def test_two_spellings_of_one_key_are_refused_by_name(body) -> None:
    with pytest.raises(JsonError) as caught:
        fields(body)
    assert caught.value.field == "a"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"[1]", "not a JSON object"),
        (b'"x"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{", "not valid JSON"),
        (b'{"a":1} x', "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":-Infinity}', "not valid JSON"),
        (b'{"a":01}', "not valid JSON"),
        (b'{"a":"\\ud800"}', "not valid JSON"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"a":"é"}'.encode("latin-1"), "not UTF-8"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a":' + b"9" * 5000 + b"}", "too long"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper than 128"),
        (b'{"a":' + b"[" * 100_000, "deeper than 128"),
        (b'{"a":' + b'{"b":' * 100_000, "deeper than 128"),
    ],
)
def test_what_is_no_trustworthy_object_is_refused_with_the_reason(body, why) -> None:
    with pytest.raises(JsonError, match=why):
        fields(body)


def nested(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_the_depth_limit_is_exact_and_brackets_in_strings_do_not_count() -> None:
    assert fields(nested(MAX_DEPTH))
    with pytest.raises(JsonError, match="deeper"):
        fields(nested(MAX_DEPTH + 1))
    assert fields(json.dumps({"a": "[{" * 500, "b": ['\\"[[' * 300]}).encode())
    hidden = b'{"x":"' + b"]" * 500 + b'","a":' + b"[" * 300 + b"]" * 300 + b"}"
    with pytest.raises(JsonError, match="deeper"):
        fields(hidden)


def test_many_shallow_brackets_are_fine() -> None:
    assert fields(json.dumps({"a": [{"b": [1, {}]}] * 1000}).encode())
