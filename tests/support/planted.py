"""Requests of every dialect with something planted in them that should not leave the machine.

`planted()` gives some two hundred: each secret in several positions, each position with several
secrets, plainly and in disguise. `clean()` gives the same requests with nothing planted.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any
from urllib.parse import quote

SECRETS = {
    "card": "4539 1488 0343 6467",
    "amex": "378282246310005",
    "iban": "DE89 3704 0044 0532 0130 00",
    "iban_gb": "GB82WEST12345698765432",
    "email": "maria.keller@kanzlei-keller.de",
    "openai": "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z",
    "anthropic": "sk-ant-api03-Zx8Cv7Bn6Mq5Ws4Ed3Rf2Tg1Yh0Uj9Ik8Ol7Pa-AA",
    "aws": "AKIAQ3EGRZ7WXN2LK5TB",
    "github": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "password": "password=Tr0ub4dor&3x",
    "database": "postgres://admin:v3ryS3cret@db.internal:5432/prod",
    "pem": "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtL\n",
    "ssn": "536-22-8145",
    "steuer": "65929970489",
    "nir": "1 84 12 76 451 089 46",
    "cpf": "529.982.247-25",
    "fiscale": "RSSMRA85T10A562S",
    "jwt": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl",
}
HARMLESS = "the quick brown fox"

DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": lambda said: base64.b64encode(said.encode()).decode(),
    "percent": lambda said: quote(said, safe=""),
    "escaped": lambda said: "".join(f"\\u{ord(char):04x}" for char in said),
    "wide": lambda said: "".join(
        chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in said
    ),
    "hidden": "\u200b".join,
    "entities": lambda said: "".join(f"&#{ord(char)};" for char in said),
}

# ------------------------------------------------------------------ pictures and documents


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(said: str, kind: bytes = b"tEXt") -> bytes:
    """One pixel, with ``said`` in a chunk of text."""
    text = said.encode()
    bodies = {
        b"tEXt": b"Comment\0" + text,
        b"zTXt": b"Comment\0\0" + zlib.compress(text),
        b"iTXt": b"Comment\0\1\0\0\0" + zlib.compress(text),
        b"eXIf": b"II*\0" + text,
    }
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
        + _chunk(kind, bodies[kind])
        + _chunk(b"IDAT", zlib.compress(b"\0\0"))
        + _chunk(b"IEND", b"")
    )


def jpeg(said: str, *, exif: bool = False) -> bytes:
    """A head, ``said`` in a comment or in UTF-16 in EXIF, and an end."""
    text = b"Exif\0\0II*\0" + said.encode("utf-16-le") if exif else said.encode()
    marker = b"\xff\xe1" if exif else b"\xff\xfe"
    segment = marker + struct.pack(">H", len(text) + 2) + text
    return b"\xff\xd8" + segment + b"\xff\xda\0\x02\x12\x34\xff\xd9"


def gif(said: str) -> bytes:
    """One pixel, with ``said`` in a comment."""
    text = said.encode()[:255]
    comment = b"\x21\xfe" + bytes([len(text)]) + text + b"\0"
    picture = b"\x2c" + bytes(9) + b"\x02\x02\x44\x01\0"
    return b"GIF89a\1\0\1\0\0\0\0" + comment + picture + b"\x3b"


def webp(said: str) -> bytes:
    """A head, and ``said`` as XMP."""
    text = said.encode() + b" " * (len(said.encode()) % 2)
    body = b"WEBPXMP " + struct.pack("<I", len(text)) + text
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pdf(said: str) -> bytes:
    """A page whose packed content draws ``said``, cut in two by kerning."""
    half = len(said) // 2
    drawn = zlib.compress(f"BT [({said[:half]}) -20 ({said[half:]})] TJ ET".encode())
    stream = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(drawn), drawn)
    return b"%PDF-1.4\n1 0 obj\n" + stream + b"\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


PICTURES: tuple[tuple[str, Callable[[str], bytes]], ...] = (
    ("image/png", png),
    ("image/png", lambda said: png(said, b"zTXt")),
    ("image/png", lambda said: png(said, b"iTXt")),
    ("image/jpeg", jpeg),
    ("image/jpeg", lambda said: jpeg(said, exif=True)),
    ("image/gif", gif),
    ("image/webp", webp),
)

# ------------------------------------------------------------------ positions

Body = dict[str, Any]
Position = Callable[[str, int], Body]

_TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
_CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def _chat(*messages: Body, **more: Any) -> Body:
    return {"model": "rung", "messages": list(messages), **more}


def _user(content: Any, **more: Any) -> Body:
    return {"role": "user", "content": content, **more}


def _chat_tool(said: str, arguments: str = "{}") -> Body:
    call = {**_CALL, "function": {"name": "look", "arguments": arguments}}
    return _chat(
        _user("Look it up."),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": said},
        tools=[_TOOL],
    )


def _chat_picture(said: str, place: int) -> Body:
    kind, made = PICTURES[place % len(PICTURES)]
    url = f"data:{kind};base64,{_b64(made(said))}"
    picture = {"type": "image_url", "image_url": {"url": url}}
    return _chat(_user([{"type": "text", "text": "What is it?"}, picture]))


def _chat_file(said: str, _: int) -> Body:
    data = f"data:application/pdf;base64,{_b64(pdf(said))}"
    file = {"type": "file", "file": {"filename": "letter.pdf", "file_data": data}}
    return _chat(_user([{"type": "text", "text": "Sum it up."}, file]))


def _described(said: str) -> Body:
    return {"type": "function", "function": {**_TOOL["function"], "description": said}}


def _schema(said: str) -> Body:
    schema = {"type": "object", "description": said}
    return {"type": "json_schema", "json_schema": {"name": "out", "schema": schema}}


CHAT: dict[str, Position] = {
    "text": lambda said, _: _chat(_user(f"Here it is: {said} as you asked.")),
    "long text": lambda said, _: _chat(_user("All is well. " * 400 + said)),
    "system": lambda said, _: _chat({"role": "system", "content": said}, _user("Hi")),
    "an earlier turn": lambda said, _: _chat(
        _user(said), {"role": "assistant", "content": "Noted."}, _user("And now?")
    ),
    "an earlier answer": lambda said, _: _chat(
        _user("Which?"), {"role": "assistant", "content": said}, _user("And now?")
    ),
    "a tool's result": lambda said, _: _chat_tool(json.dumps({"rows": [{"value": said}]})),
    "a tool call": lambda said, _: _chat_tool("ok", json.dumps({"q": [said]})),
    "a tool's description": lambda said, _: _chat(_user("Hi"), tools=[_described(said)]),
    "metadata": lambda said, _: _chat(_user("Hi"), metadata={"note": said}),
    "a name": lambda said, _: _chat(_user("Hi"), metadata={said: "x"}),
    "user": lambda said, _: _chat(_user("Hi"), user=said),
    "stop": lambda said, _: _chat(_user("Hi"), stop=[said]),
    "cache key": lambda said, _: _chat(_user("Hi"), prompt_cache_key=said),
    "schema": lambda said, _: _chat(_user("Hi"), response_format=_schema(said)),
    "picture": _chat_picture,
    "file": _chat_file,
    "cut in two": lambda said, _: _chat(
        _user([{"type": "text", "text": said[:9]}, {"type": "text", "text": said[9:]}])
    ),
}


def _messages(*messages: Body, **more: Any) -> Body:
    return {"model": "rung", "max_tokens": 50, "messages": list(messages), **more}


def _block(kind: str, media: str, data: bytes, **more: Any) -> Body:
    source = {"type": "base64", "media_type": media, "data": _b64(data)}
    return {"type": kind, "source": source, **more}


def _used(result: Any, given: Body | None = None) -> Body:
    return _messages(
        _user("Look it up."),
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": given or {}}],
        },
        _user([{"type": "tool_result", "tool_use_id": "t1", "content": result}]),
        tools=[{"name": "look", "input_schema": {"type": "object"}}],
    )


MESSAGES: dict[str, Position] = {
    "text": lambda said, _: _messages(_user(said)),
    "system": lambda said, _: _messages(_user("Hi"), system=[{"type": "text", "text": said}]),
    "an earlier turn": lambda said, _: _messages(
        _user(said), {"role": "assistant", "content": "Noted."}, _user("And now?")
    ),
    "a tool's result": lambda said, _: _used([{"type": "text", "text": said}]),
    "a picture in a result": lambda said, _: _used([_block("image", "image/png", png(said))]),
    "a tool call": lambda said, _: _used("ok", {"deep": {"er": [said]}}),
    "metadata": lambda said, _: _messages(_user("Hi"), metadata={"user_id": said}),
    "stop": lambda said, _: _messages(_user("Hi"), stop_sequences=[said]),
    "picture": lambda said, n: _messages(
        _user([_block("image", PICTURES[n % 7][0], PICTURES[n % 7][1](said))])
    ),
    "document": lambda said, _: _messages(
        _user([_block("document", "application/pdf", pdf(said))])
    ),
    "a document's title": lambda said, _: _messages(
        _user([_block("document", "application/pdf", pdf(HARMLESS), title=said)])
    ),
}


def _responses(given: Any, **more: Any) -> Body:
    return {"model": "rung", "input": given, **more}


RESPONSES: dict[str, Position] = {
    "text": lambda said, _: _responses(said),
    "instructions": lambda said, _: _responses("Hi", instructions=said),
    "part": lambda said, _: _responses(
        [{"role": "user", "content": [{"type": "input_text", "text": said}]}]
    ),
    "a tool's result": lambda said, _: _responses(
        [
            {"role": "user", "content": "Look it up."},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": said},
        ],
        tools=[{"type": "function", "name": "look", "parameters": {"type": "object"}}],
    ),
    "metadata": lambda said, _: _responses("Hi", metadata={"note": said}),
    "cache key": lambda said, _: _responses("Hi", prompt_cache_key=said),
    "picture": lambda said, n: _responses(
        [
            {
                "role": "user",
                "content": [
                    {
                        "type": "input_image",
                        "image_url": f"data:{PICTURES[n % 7][0]};base64,"
                        + _b64(PICTURES[n % 7][1](said)),
                    }
                ],
            }
        ]
    ),
}

COMPLETIONS: dict[str, Position] = {
    "prompt": lambda said, _: {"model": "rung", "prompt": said},
    "user": lambda said, _: {"model": "rung", "prompt": "Hi", "user": said},
}
EMBEDDINGS: dict[str, Position] = {
    "input": lambda said, _: {"model": "rung", "input": said},
    "one of several": lambda said, _: {"model": "rung", "input": ["Hi", said]},
    "user": lambda said, _: {"model": "rung", "input": "Hi", "user": said},
}
OLLAMA: dict[str, Position] = {
    "text": lambda said, _: {"model": "rung", "messages": [_user(said)]},
    "picture": lambda said, _: {
        "model": "rung",
        "messages": [_user("What is it?", images=[_b64(png(said))])],
    },
}
COUNT: dict[str, Position] = {
    name: (lambda said, n, of=of: {k: v for k, v in of(said, n).items() if k != "max_tokens"})
    for name, of in MESSAGES.items()
    if name in {"text", "system", "a tool's result", "picture"}
}

DOORS: dict[str, dict[str, Position]] = {
    "/v1/chat/completions": CHAT,
    "/v1/messages": MESSAGES,
    "/v1/responses": RESPONSES,
    "/v1/completions": COMPLETIONS,
    "/v1/embeddings": EMBEDDINGS,
    "/api/chat": OLLAMA,
    "/v1/messages/count_tokens": COUNT,
}
STREAMED = frozenset({"/v1/chat/completions", "/v1/messages", "/v1/responses"})

# ------------------------------------------------------------------ requests


@dataclass(frozen=True)
class Planted:
    """One request. ``secret`` is the plain text that stands in it somewhere, somehow."""

    name: str
    path: str
    body: bytes
    secret: str


_AS_IT_IS = frozenset({"picture", "a picture in a result", "file", "document", "cut in two"})
"""Positions that are a disguise already."""


def planted(rounds: int = 4) -> Iterator[Planted]:
    """Each position with ``rounds`` secrets and ways to hide them, all of which come up."""
    secrets, disguises = cycle(SECRETS.items()), cycle(DISGUISES.items())
    for count, (path, name, position) in enumerate(
        (path, name, position)
        for _ in range(rounds)
        for path, positions in DOORS.items()
        for name, position in positions.items()
    ):
        (kind, secret), (way, hide) = next(secrets), next(disguises)
        if name in _AS_IT_IS or len(hide(secret)) > 500:
            way, hide = "plain", str
        body = position(hide(secret), count)
        if path in STREAMED and count % 3 == 0:
            body["stream"] = True
        elif path == "/api/chat":
            body["stream"] = False
        yield Planted(f"{path} {name}: {kind}, {way}", path, json.dumps(body).encode(), secret)


def clean() -> Iterator[Planted]:
    """Each position with nothing in it that would have to stay."""
    for path, positions in DOORS.items():
        for count, (name, position) in enumerate(positions.items()):
            body = position(HARMLESS, count)
            if path == "/api/chat":
                body["stream"] = False
            yield Planted(f"{path} {name}", path, json.dumps(body).encode(), "")
