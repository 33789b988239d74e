"""What is looked at of a request: every field, every name, and the words in its media."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.contents import contents
from rung.core.media_texts import MOST_BYTES, Room, UnreadError, texts
from rung.core.parts import File, Image, Message, Opaque, Role, Text, Tool, ToolCall, ToolResult
from rung.core.types import Request, Sampling
from support import planted

CARD = "4111 1111 1111 1111"


def of(body: object) -> Request:
    return Request("1", "chat", (), body=json.dumps(body).encode())


def said(request: Request) -> str:
    return "\n".join(contents(request).texts)


# ------------------------------------------------------------------ fields


@pytest.mark.parametrize(
    "body",
    [
        {"unknown": {"deep": [{"er": CARD}]}},
        {CARD: 1},
        {"a": [[[[CARD]]]]},
        {"text": "long " * 200 + CARD},
        {"x": [None, True, CARD]},
    ],
)
def test_every_name_and_value_is_there(body: object) -> None:
    assert CARD in said(of(body))


def test_numbers_are_there_as_they_were_written() -> None:
    assert "4111111111111111" in said(of({"card": 4111111111111111}))
    assert "0.10" in said(Request("1", "chat", (), body=b'{"a": 0.10}'))


def test_of_a_name_that_stands_twice_both_values_are_there() -> None:
    body = b'{"a": "%b", "a": "harmless"}' % CARD.encode()
    assert CARD in said(Request("1", "chat", (), body=body))


def test_a_request_without_bytes_is_read_as_it_was_built() -> None:
    parts = (
        Text("one"),
        ToolCall("c", "look", '{"q": "two"}'),
        ToolResult("c", (Text("three"), Opaque("odd", {"x": ["four"]}))),
        File("text/plain", base64.b64encode(b"five").decode(), name="six.txt"),
    )
    request = Request(
        "1",
        "chat",
        (Message(Role.USER, parts),),
        tools=(Tool("t", "seven", b'{"eight": 1}'),),
        sampling=Sampling(stop=("nine",)),
        passed_on=(("x", "ten"),),
    )
    found = said(request)
    assert all(
        word in found
        for word in ("one", "two", "three", "four", "six.txt", "seven", "eight", "nine", "ten")
    )
    assert contents(request).media


def test_what_touches_is_read_together() -> None:
    message = Message(Role.USER, (Text(CARD[:9]), Text(CARD[9:])))
    assert CARD in said(Request("1", "chat", (message,), body=b"{}"))


@pytest.mark.parametrize("body", [b"{", b"[1" * 100_000, b'{"a": "\xff"}'])
def test_a_body_that_cannot_be_read_is_an_error(body: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        contents(Request("1", "chat", (), body=body))


@pytest.mark.parametrize(
    "body",
    [
        {"file": {"file_id": "file-1"}},
        {"previous_response_id": "resp_1"},
        {"content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]},
        {"audio": {"id": "audio_1"}},
        {"input": [1, 2, 3]},
        {"prompt": [[1, 2], [3]]},
    ],
)
def test_what_is_no_text_or_is_elsewhere_is_unread(body: object) -> None:
    assert contents(of(body)).unread


@pytest.mark.parametrize(
    "body",
    [
        {"file_id": None, "previous_response_id": None},
        {"audio": {"voice": "alloy", "format": "wav"}},
        {"input": ["a", "b"]},
        {"signature": base64.b64encode(bytes(range(256)) * 8).decode()},
        {
            "type": "redacted_thinking",
            "data": base64.b64encode(bytes(range(256)) * 8).decode(),
        },
        {"text": "x" * 5000},
        {"sha": "0123456789abcdef" * 100},
    ],
)
def test_what_only_looks_so_is_not_unread(body: object) -> None:
    found = contents(of(body))
    assert not found.unread
    assert not found.media


@pytest.mark.parametrize("part", [Image(url="https://x.example/a.png"), File(url="http://x/a.pdf")])
def test_a_picture_at_an_address_is_unread(part: Image | File) -> None:
    request = Request("1", "messages", (Message(Role.USER, (part,)),), body=b"{}")
    assert contents(request).unread


# ------------------------------------------------------------------ media


def words(data: bytes) -> str:
    return "\n".join(texts(data))


def zipped(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members:
            archive.writestr(name, body)
    return packed.getvalue()


DOCX = b"<w:t>4111 1111</w:t></w:r><w:r><w:t> 1111 1111</w:t>"


@pytest.mark.parametrize(
    "data",
    [
        *(made(CARD) for _, made in planted.PICTURES),
        planted.png(CARD, b"eXIf"),
        planted.png("x") + CARD.encode(),
        planted.jpeg("x") + CARD.encode(),
        planted.gif("x") + CARD.encode(),
        planted.pdf(CARD),
        b"%PDF-1.4 trailer << /Info << /Title (" + CARD.encode() + b") >> >>",
        b"%PDF-1.4 << /Title <" + CARD.encode("utf-16-be").hex().encode() + b"> >>",
        zipped(("word/document.xml", DOCX)),
        zipped((f"{CARD}.txt", b"x")),
        zipped(("a.zip", zipped(("b.txt", CARD.encode())))),
        zipped(("a.png", planted.png(CARD))),
        gzip.compress(CARD.encode()),
        b"<svg><text>" + CARD.encode() + b"</text></svg>",
        CARD.encode("utf-16"),
    ],
)
def test_words_in_a_medium_are_read(data: bytes) -> None:
    assert CARD in words(data)


def encrypted() -> bytes:
    data = bytearray(zipped(("a.txt", b"text")))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


BOMB = zlib.compress(bytes(MOST_BYTES + 1))


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.4 << /Encrypt 5 0 R >>",
        b"%PDF-1.4 << /Subtype /Type0 /Encoding /Identity-H >>",
        b"%PDF-1.4 << /Filter /LZWDecode >>\nstream\nabc\nendstream",
        b"%PDF-1.4 << /Filter [/ASCII85Decode /FlateDecode] >>\nstream\nabc\nendstream",
        b"%PDF-1.4 << /Filter /FlateDecode >>\nstream\n" + BOMB + b"\nendstream",
        b"%PDF-1.4 << >>\nstream\nabc",
        zipped(("a", zipped(("b", zipped(("c", b"x")))))),
        zipped(("bomb", bytes(MOST_BYTES + 1))),
        zipped(*((f"{n}", b"x") for n in range(2001))),
        zipped(("a.bin", b"\x80\x81\x82\x83")),
        zipped(("a", b"x"))[:-10],
        encrypted(),
        gzip.compress(bytes(MOST_BYTES + 1)),
        gzip.compress(b"x" * 100)[:-20],
        planted.png("x").replace(zlib.compress(b"x"), b"broken").replace(b"tEXt", b"zTXt"),
        b"ID3\x04\x00\x00\xff\xfb\x90",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        bytes(range(256)),
    ],
)
def test_what_cannot_be_read_says_so(data: bytes) -> None:
    with pytest.raises(UnreadError):
        words(data)


def test_archives_share_one_room() -> None:
    half = zipped(("half", b"x" * 60))
    with pytest.raises(UnreadError):
        list(texts(zipped(("a", half), ("b", half)), Room(left=500)))


def read_or_unread(data: bytes) -> bool:
    """Whether it was read; anything but the one error would be a fault."""
    try:
        words(data)
    except UnreadError:
        return False
    return True


@given(st.sampled_from(planted.PICTURES), st.integers(0, 200), st.integers(0, 255))
def test_a_broken_picture_is_read_or_said_to_be_unread(picture, place: int, value: int) -> None:
    data = bytearray(picture[1]("x" * 40))
    data[place % len(data)] = value
    assert read_or_unread(bytes(data)) in {True, False}


@given(st.binary(max_size=60), st.sampled_from([b"%PDF-", b"PK\x03\x04", b"\x1f\x8b", b"GIF8"]))
def test_any_bytes_are_read_or_said_to_be_unread(data: bytes, magic: bytes) -> None:
    assert read_or_unread(magic + data) in {True, False}
