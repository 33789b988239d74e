"""The gateway as a process, against bytes that no honest client sends."""

import socket
import threading
import time

import pytest

from support.gateway import Gateway, Upstream, Wire, ask, chat, request, toml
from support.openai_server import text

LIMIT = 4096


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with Upstream() as a:
        config = toml(a.base_url).replace("port = 0", f"port = 0\nmax_body_bytes = {LIMIT}")
        with Gateway(tmp_path_factory.mktemp("door"), config) as gateway:
            yield gateway, a
            # Whatever came, it still serves, and nothing was worth a line in its log.
            a.say(text("hello"))
            assert ask(gateway.port, request(body=chat())).status == 200
            assert gateway.said.count("\n") == 4, gateway.said


@pytest.fixture
def port(stage):
    gateway, a = stage
    a.say(text("hello"))
    yield gateway.port
    assert gateway.status is None


@pytest.fixture
def refused(stage, port):
    """Send bytes; the response has this status, in the envelope, and nothing was called."""
    _, a = stage

    def send(data, status):
        reply = ask(port, data)
        assert reply.status == status, reply.raw
        assert a.calls == []
        return reply

    return send


@pytest.fixture
def told(refused):
    """As `refused`, with the reason in the dialect's own envelope."""

    def send(data, status):
        reply = refused(data, status)
        assert reply.headers["content-type"] == "application/json"
        assert set(reply.json["error"]) >= {"message", "type", "param", "code"}
        return reply

    return send


def headed(*lines, body=b""):
    return "\r\n".join(("POST /v1/chat/completions HTTP/1.1", *lines)).encode() + b"\r\n\r\n" + body


# ------------------------------------------------------------------ the Host header


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:4100", "[::1]", "[::1]:4100", "LOCALHOST"]
)
def test_the_machines_own_names_are_let_in(port, host):
    assert ask(port, request(body=chat(), host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.",
        "localhost/#@evil.example",
        "evil.example?localhost",
        "user@localhost",
        "localhost:80:80",
        "0.0.0.0",
        "[::1",
        "",
    ],
)
def test_a_page_that_was_told_to_resolve_here_is_turned_away(told, host):
    told(request(body=chat(), host=host), 421)


def test_a_configured_name_is_let_in(tmp_path):
    with Upstream() as a:
        a.say(text("hello"))
        config = toml(a.base_url).replace("port = 0", 'port = 0\nhosts = ["box.local"]')
        with Gateway(tmp_path, config) as gateway:
            assert ask(gateway.port, request(body=chat(), host="Box.Local:4100")).status == 200
            assert ask(gateway.port, request(body=chat(), host="other.local")).status == 421


def test_there_is_exactly_one_host(told):
    told(request(body=chat(), headers=[("Host", "localhost")]), 400)
    nameless = request(body=chat()).replace(b"Host: 127.0.0.1\r\n", b"")
    told(nameless, 421)


# ------------------------------------------------------------------ where a body ends


def test_two_ways_to_tell_a_bodys_length_are_one_too_many(stage, port):
    _, a = stage
    smuggled = request("GET", "/healthz")
    body = b"0\r\n\r\n" + smuggled
    data = headed(
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Transfer-Encoding: chunked",
        body=body,
    )
    heard = ask(port, data)
    assert heard.status == 400
    assert heard.raw.count(b"HTTP/1.1 ") == 1
    assert b'"ok"' not in heard.raw
    assert a.calls == []


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: +5",),
        ("Content-Length: -1",),
        ("Content-Length: 5x",),
        ("Content-Length: 99999999999999999999999",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding : chunked",),
    ],
)
def test_a_length_that_is_none_is_refused(refused, lines):
    told = headed("Host: localhost", "Content-Type: application/json", *lines, body=b"{}{}{}")
    refused(told, 400)


def test_a_chunk_that_overflows_is_refused(stage, port):
    _, a = stage
    lines = ("Host: localhost", "Content-Type: application/json", "Transfer-Encoding: chunked")
    with Wire(port) as wire:
        heard = wire.send(headed(*lines, body=b"fffffffffffffffff\r\n{}")).rest()
    assert b" 200 " not in heard
    assert a.calls == []


def test_broken_chunks_are_told_in_the_error_envelope(told):
    lines = ("Host: localhost", "Content-Type: application/json", "Transfer-Encoding: chunked")
    reply = told(headed(*lines, body=b"zz\r\nhello\r\n0\r\n\r\n"), 400)
    assert b"broke off" in reply.body


def test_a_body_over_the_limit_is_refused_by_its_length_before_it_is_read(told):
    lines = ("Host: localhost", "Content-Type: application/json", f"Content-Length: {LIMIT + 1}")
    reply = told(headed(*lines), 413)
    assert reply.headers["connection"] == "close"


def test_a_body_over_the_limit_is_refused_while_it_comes_without_a_length(told):
    lines = ("Host: localhost", "Content-Type: application/json", "Transfer-Encoding: chunked")
    chunks = (b"400\r\n" + b" " * 1024 + b"\r\n") * 64
    reply = told(headed(*lines, body=chunks), 413)
    assert reply.headers["connection"] == "close"


def test_a_body_at_the_limit_is_taken(port):
    body = chat()
    assert ask(port, request(body=body + b" " * (LIMIT - len(body)))).status == 200


# ------------------------------------------------------------------ what a body is


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=" + "-" * 10_000,
        "text/plain; application/json",
        "application/jsonp",
        "",
    ],
)
def test_what_a_web_page_may_post_is_no_json(told, kind):
    data = request(body=chat()).replace(
        b"Content-Type: application/json", f"Content-Type: {kind}".encode()
    )
    told(data, 415)


def test_a_body_without_a_type_is_no_json(told):
    told(request(body=chat()).replace(b"Content-Type: application/json\r\n", b""), 415)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_name_its_encoding(port, kind):
    data = request(body=chat()).replace(b"application/json", kind.encode())
    assert ask(port, data).status == 200


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip"])
def test_compressed_bodies_are_not_unpacked(told, coding):
    told(request(body=chat(), headers=[("Content-Encoding", coding)]), 415)


BODIES = [
    b"",
    b"nonsense",
    b"[]",
    b'"text"',
    b"{}",
    b'{"messages":[]}',
    b'{"messages":[{"role":"king","content":"x"}]}',
    b'{"messages":[{"role":"user","content":null}]}',
    b'{"messages":[{"role":"user","content":[{"type":"hologram"}]}]}',
    b'{"messages":[{"role":"user","content":"x"}],"max_tokens":true}',
    b'{"messages":[{"role":"user","content":"x"}],"temperature":NaN}',
    b'{"messages":[{"role":"user","content":"x"}],"temperature":1e999}',
    b'{"messages":[{"role":"user","content":"x"}],"n":1000}',
    b'{"model":"a","model":"b","messages":[{"role":"user","content":"x"}]}',
    b'{"messages":[{"role":"user","content":"x"}],"seed":' + b"1" * 3000 + b"}",
    b'{"messages":[{"role":"user","content":"\\ud800"}]}',
    b'{"messages":[{"role":"user","content":"\xff"}]}',
    '{"messages":[{"role":"user","content":"x"}]}'.encode("utf-16"),
    b'{"messages":[{"role":"user","content":"x"}],"x":' + b"[" * 2000,
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[-40:].decode("ascii", "replace"))
def test_a_body_that_is_no_request_is_a_400(told, body):
    reply = told(request(body=body), 400)
    assert reply.json["error"]["request_id"]


# ------------------------------------------------------------------ headers


def test_too_many_or_too_long_headers_are_refused(refused):
    refused(request(body=chat(), headers=[(f"X-{n}", "1") for n in range(5000)]), 431)
    refused(request(body=chat(), headers=[("X-Long", "x" * 200_000)]), 431)
    refused(request(body=chat(), headers=[(f"X-{n}", "1") for n in range(101)]), 431)
    refused(request(body=chat(), headers=[("X-Long", "x" * 40_000)]), 431)


@pytest.mark.parametrize("value", ["a\x00b", "a\rb", "a\x7fb"])
def test_control_characters_in_a_header_are_refused(refused, value):
    refused(request(body=chat(), headers=[("X-Odd", value)]), 400)


def test_a_header_split_by_a_line_feed_is_no_header_of_ours(refused):
    refused(request(body=chat(), headers=[("X-Odd", "a\nx-rung-tier: zzz")]), 404)


# ------------------------------------------------------------------ paths and methods


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/chat/completions/",
        "/v1//chat/completions",
        "//v1/chat/completions",
        "/v1/../v1/chat/completions",
        "/v1/%2e%2e/v1/chat/completions",
        "/v1/requests/../../etc/passwd",
        "/v1/requests/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/v1/chat/completions;x",
        "/etc/passwd",
    ],
)
def test_a_path_that_is_none_is_a_404(told, path):
    told(request("GET", path), 404)
    told(request("POST", path, chat()), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("PUT", "/v1/chat/completions"),
        ("DELETE", "/v1/models"),
        ("TRACE", "/v1/models"),
        ("PATCH", "/healthz"),
    ],
)
def test_a_method_that_is_none_is_a_405(told, method, path):
    reply = told(request(method, path), 405)
    assert reply.json["error"]["message"].startswith(f"{method} {path}")


def test_other_origins_are_told_nothing(told):
    asks = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")]
    reply = told(request("OPTIONS", "/v1/chat/completions", headers=asks), 405)
    assert not [name for name in reply.headers if name.startswith("access-control")]
    reply = told(request("GET", "/nothing", headers=asks), 404)
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_a_head_request_has_no_body(port):
    reply = ask(port, request("HEAD", "/healthz"))
    assert (reply.status, reply.body) == (200, b"")


def test_an_upgrade_to_a_websocket_is_refused(refused):
    wants = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ]
    refused(request("GET", "/v1/chat/completions", headers=wants), 405)
    refused(request("GET", "/ws", headers=wants), 404)


@pytest.mark.parametrize(
    "data",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\nConnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_speaks_something_else_gets_nothing_good(port, data):
    with Wire(port) as wire:
        heard = wire.send(data).rest()
    assert b" 200 " not in heard
    assert b"HTTP/2" not in heard


# ------------------------------------------------------------------ manners


def test_requests_sent_at_once_are_answered_in_turn(stage, port):
    _, a = stage
    a.say(lambda call: text(call.json["messages"][0]["content"])(call))
    kept = request(body=chat("one")).replace(b"Connection: close\r\n", b"")
    with Wire(port) as wire:
        heard = wire.send(kept + request(body=chat("two"))).rest()
    assert heard.count(b"HTTP/1.1 200 OK") == 2
    assert heard.index(b'"one"') < heard.index(b'"two"')


def test_a_caller_may_break_off_anywhere(port):
    whole = request(body=chat())
    for cut in (1, 30, whole.index(b"\r\n\r\n") + 4, len(whole) - 5):
        wire = Wire(port)
        wire.send(whole[:cut]).reset()
        with Wire(port) as half:
            half.send(whole[:cut]).socket.shutdown(socket.SHUT_WR)
            half.rest()
    assert ask(port, request("GET", "/healthz")).status == 200


@pytest.mark.slow
def test_headers_that_do_not_end_are_cut_off(port):
    began = time.monotonic()
    ended = []

    def dawdle(data):
        with Wire(port) as wire:
            wire.send(data).rest()
            ended.append(time.monotonic() - began)

    threads = [
        threading.Thread(target=dawdle, args=(data,))
        for data in (b"POST /v1/chat/completions HTTP/1.1\r\nHost: local", b"P")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(ended) == 2
    assert max(ended) < 15
