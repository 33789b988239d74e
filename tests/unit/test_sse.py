from __future__ import annotations

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.wire import sse
from rung.wire.errors import WireError


def read(*chunks: bytes) -> list[sse.SseEvent]:
    parser = sse.Parser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


LINES = st.sampled_from(
    [
        b"data: hello",
        b"data:tight",
        b"data:  two spaces",
        b"data",
        b"data:",
        "data: zażółć 😀".encode(),
        b": a comment",
        b":",
        b"event: error",
        b"id: 7",
        b"retry: 10",
        b"dataset: no",
        b"",
        b"",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS)).map(lambda lines: b"".join(a + b for a, b in lines))


@given(STREAMS | st.binary(), st.booleans(), st.lists(st.integers(0, 200)))
def test_any_slicing_gives_the_same_events(stream, marked, cuts) -> None:
    stream = b"\xef\xbb\xbf" * marked + stream
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    slices = [stream[a:b] for a, b in pairwise(places)]
    whole = read(stream)
    assert read(*slices) == whole
    assert read(*(stream[i : i + 1] for i in range(len(stream)))) == whole


@given(st.binary(), st.none() | st.text().filter(lambda name: not {"\n", "\r"} & set(name)))
def test_what_is_encoded_is_read_back(data, name) -> None:
    name = None if name is None else name.removeprefix(" ")
    (event,) = read(sse.encode(data, name))
    assert event.event == (name or "")
    assert event.data == data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [("", b"a"), ("", b"b")]),
        (b"data: a\r\n\r\n", [("", b"a")]),
        (b"data: a\r\rdata: b\r\r", [("", b"a"), ("", b"b")]),
        (b"data: a\ndata: b\n\n", [("", b"a\nb")]),
        (b"event: ping\ndata: {}\n\ndata: x\n\n", [("ping", b"{}"), ("", b"x")]),
        (b": comment\n\ndata: x\n\n", [("", b"x")]),
        (b"event: lonely\n\ndata: x\n\n", [("", b"x")]),
        (b"\xef\xbb\xbfdata: x\n\n", [("", b"x")]),
        (b"data: x\n", []),
        (b"data: x\n\n\n\n", [("", b"x")]),
        (b"data\n\n", [("", b"")]),
    ],
)
def test_the_standard_is_followed(stream, events) -> None:
    assert read(stream) == events


def test_a_heartbeat_is_no_event() -> None:
    assert read(sse.COMMENT, sse.encode(b"x"), sse.COMMENT) == [("", b"x")]


@pytest.mark.parametrize(
    "stream",
    [b"data: " + b"x" * 300, b"data: " + b"x" * 300 + b"\n\n", b"data: 12345\n" * 30, b"e" * 257],
)
def test_an_event_over_the_limit_is_an_error_however_it_comes(stream) -> None:
    with pytest.raises(WireError, match="longer than 256"):
        sse.Parser(256).feed(stream)
    parser = sse.Parser(256)
    with pytest.raises(WireError, match="longer than 256"):
        deque((parser.feed(stream[i : i + 1]) for i in range(len(stream))), maxlen=0)


def test_many_small_events_are_not_one_big_event() -> None:
    assert len(sse.Parser(256).feed(sse.encode(b"x" * 200) * 50)) == 50


def test_an_event_name_cannot_smuggle_a_line() -> None:
    with pytest.raises(ValueError, match="line end"):
        sse.encode(b"x", "a\ndata: y")
