"""Embeddings: what is read of a request, and numbers as Node's SDK reads them."""

from __future__ import annotations

import base64
import json
import math
import struct
import sys
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import RequestError
from rung.core.features import estimate_tokens
from rung.core.types import Directions, Need, Request
from rung.wire.embeddings import FRONT, MOST_INPUTS, as_asked
from rung.wire.front import Arrival, Trouble

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def body(told: Any) -> bytes:
    return json.dumps({"model": "m", "input": told}).encode()


def decoded(raw: bytes) -> Request:
    return FRONT.decode_request(raw, Arrival("r1", Directions(), {}))


def asking_for(format: str | None) -> Request:  # noqa: A002 the field's name
    told = {"model": "m", "input": "a"} | ({} if format is None else {"encoding_format": format})
    return decoded(json.dumps(told).encode())


def as_node_reads(told: str) -> list[float]:
    """openai-node lays a Float32Array over the bytes: the machine's order, little-endian."""
    assert sys.byteorder == "little"
    return array("f", base64.b64decode(told, validate=True)).tolist()


def answer(*vectors: Any, **more: Any) -> bytes:
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    return json.dumps({"object": "list", "data": data, "model": "m"} | more).encode()


# ------------------------------------------------------------------ requests


@pytest.mark.parametrize(
    ("told", "texts"),
    [
        ("one", ["one"]),
        (["one", "two", ""], ["one", "two", ""]),
        ([11, 12, 13], ["fourfourfour"]),
        ([[11], [12, 13]], ["four", "fourfour"]),
        ([[]], [""]),
    ],
)
def test_every_kind_of_input_is_sized(told: Any, texts: list[str]) -> None:
    request = decoded(body(told))
    (message,) = request.messages
    assert [part.text for part in message.parts] == texts
    assert request.needs == {Need.EMBEDDINGS}
    assert request.body == body(told)


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=50))
def test_tokens_count_as_about_themselves(told: list[int]) -> None:
    assert abs(estimate_tokens(decoded(body(told)).question) - len(told)) <= 1 + len(told) // 3


@pytest.mark.parametrize(
    ("told", "param"),
    [
        ({"model": "m"}, "input"),
        ({"model": "m", "input": None}, "input"),
        ({"model": "m", "input": []}, "input"),
        ({"model": "m", "input": 7}, "input"),
        ({"model": "m", "input": {"text": "a"}}, "input"),
        ({"model": "m", "input": ["a", 1]}, "input"),
        ({"model": "m", "input": [True]}, "input"),
        ({"model": "m", "input": [[1], ["a"]]}, "input"),
        ({"model": "m", "input": [1.5]}, "input"),
        ({"model": "m", "input": ["a"] * (MOST_INPUTS + 1)}, "input"),
        ({"model": 5, "input": "a"}, "model"),
        ({"model": "m" * 300, "input": "a"}, "model"),
        ({"model": "a\nb", "input": "a"}, "model"),
    ],
)
def test_what_is_wrong_is_named(told: Any, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        decoded(json.dumps(told).encode())
    assert caught.value.param == param


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b'{"model":"m","input":"a"',
        b'{"model":"m","input":"a","input":"b"}',
        b'{"model":"m","input":"\\ud800"}',
        b'{"model":"m","input":"\xff"}',
        b'{"model":"m","input":"a","n":1e999}',
        b'{"model":"m","input":' + b"[" * 3000 + b"]" * 3000 + b"}",
        b'\xef\xbb\xbf{"model":"m","input":"a"}',
    ],
)
def test_what_is_no_request_is_refused_in_words(raw: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        decoded(raw)
    told = json.loads(FRONT.encode_error(Trouble(str(caught.value), caught.value.status)))
    assert told["error"]["message"]


# ------------------------------------------------------------------ answers


@given(st.lists(st.lists(FLOATS, max_size=20), min_size=1, max_size=4))
def test_node_reads_the_numbers_that_came(vectors: list[list[float]]) -> None:
    told = json.loads(as_asked(answer(*vectors, usage={"prompt_tokens": 3}), asking_for("base64")))
    assert [as_node_reads(one["embedding"]) for one in told["data"]] == vectors
    assert [one["index"] for one in told["data"]] == list(range(len(vectors)))
    assert told["usage"] == {"prompt_tokens": 3}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(), max_size=9))
def test_numbers_become_the_nearest_that_there_are(numbers: list[float]) -> None:
    told = json.loads(as_asked(answer(numbers), asking_for("base64")))
    got = as_node_reads(told["data"][0]["embedding"])
    for number, read in zip(numbers, got, strict=True):
        assert math.isfinite(read)
        if abs(number) < 3e38:
            (nearest,) = struct.unpack("<f", struct.pack("<f", number))
            assert read == nearest


@pytest.mark.parametrize("format", [None, "float", "else"])
def test_who_did_not_ask_for_base64_gets_the_providers_bytes(format: str | None) -> None:  # noqa: A002
    told = answer([0.5, 1])
    assert as_asked(told, asking_for(format)) is told


@pytest.mark.parametrize(
    "told",
    [
        answer("AACAPw=="),
        answer("AACAPw==", "AAAAPw=="),
        answer({"a": 1}),
        answer(["a"]),
        answer([True]),
        answer([None, 0.5]),
        b'{"data":[{}]}',
        b'{"data":[]}',
        b'{"data":{"embedding":[1]}}',
        b'{"data":[[1]]}',
        b'{"data":[{"embedding":[1e999]}]}',
        b"[1]",
        b"",
        b"\xff",
        b"[" * 5000,
    ],
)
def test_what_is_no_numbers_stays_as_it_came(told: bytes) -> None:
    assert as_asked(told, asking_for("base64")) is told


@pytest.mark.parametrize(
    ("vectors", "read"),
    [
        ([[1.5], "AACAPw=="], [[1.5], [1.0]]),
        ([[1.5], []], [[1.5], []]),
        ([[1e39, -1e39]], [pytest.approx([3e38, -3e38])]),
        ([[10**400, 0]], [pytest.approx([3e38, 0])]),
    ],
)
def test_odd_numbers_are_read_all_the_same(vectors: list[Any], read: list[Any]) -> None:
    told = json.loads(as_asked(answer(*vectors), asking_for("base64")))
    assert [as_node_reads(one["embedding"]) for one in told["data"]] == read


def test_a_vector_that_is_missing_keeps_the_others_readable() -> None:
    raw = b'{"data":[{"embedding":[0.5]},{"index":1}]}'
    told = json.loads(as_asked(raw, asking_for("base64")))
    assert as_node_reads(told["data"][0]["embedding"]) == [0.5]
    assert told["data"][1] == {"index": 1}
