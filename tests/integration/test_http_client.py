from __future__ import annotations

import asyncio
import gzip
import socket
import time
from contextlib import aclosing

import pytest

from rung.core.types import Fault, Phase
from rung.providers.http import HttpClient, HttpError
from support.openai_server import (
    CUT,
    RESET,
    STALL,
    STREAM_END,
    STREAM_HEAD,
    OpenAIServer,
    Pause,
    head,
    piece,
    raw,
    stall,
    status,
    text,
    whole,
)

KEY = "sk-very-secret-0123456789"
HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}


@pytest.fixture
async def http():
    client = HttpClient(
        connect_timeout_seconds=1.0, idle_timeout_seconds=0.3, max_body_bytes=100_000
    )
    yield client
    await client.close()


async def post(http: HttpClient, server: OpenAIServer, timeout_seconds: float = 5.0):
    return await http.post(
        f"{server.base_url}/x", HEADERS, b'{"a":1}', timeout_seconds=timeout_seconds
    )


async def error_of(
    http: HttpClient, server: OpenAIServer, timeout_seconds: float = 5.0
) -> HttpError:
    with pytest.raises(HttpError) as caught:
        await post(http, server, timeout_seconds)
    assert KEY not in str(caught.value)
    return caught.value


async def test_a_request_arrives_as_it_was_given_and_its_answer_comes_back(http) -> None:
    with OpenAIServer(raw(whole(418, b"tea", headers={"X-Kind": "Earl Grey"}))) as server:
        answer = await post(http, server)
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (418, b"tea", "Earl Grey")
    (call,) = server.calls
    assert (call.method, call.path, call.body) == ("POST", "/v1/x", b'{"a":1}')
    assert call.headers["authorization"] == f"Bearer {KEY}"


async def test_connections_are_kept_and_used_again(http) -> None:
    chunked = raw(head(200, {"transfer-encoding": "chunked"}), piece(b"{}"), STREAM_END)
    with OpenAIServer(raw(whole(200, b"{}")), chunked) as server:
        for _ in range(30):
            assert (await post(http, server)).body == b"{}"
    # A connection goes back to the pool a moment after its answer: now and then one more is opened.
    assert server.connections <= 5


def test_one_client_works_in_several_event_loops() -> None:
    async def build() -> HttpClient:
        return HttpClient()

    client = asyncio.run(build())
    with OpenAIServer(raw(whole(200, b"{}"))) as server:
        for _ in range(2):
            assert asyncio.run(post(client, server)).status == 200
    asyncio.run(client.close())


async def test_redirects_are_not_followed(http) -> None:
    with OpenAIServer(text("stolen")) as other:
        away = {"location": f"{other.base_url}/chat/completions"}
        with OpenAIServer(status(307, headers=away)) as server:
            assert (await post(http, server)).status == 307
        assert other.requests == []


async def test_the_environments_proxies_are_not_used(monkeypatch) -> None:
    with OpenAIServer(text("proxied")) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        for name in (
            "HTTP_PROXY",
            "http_proxy",
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
        ):
            monkeypatch.setenv(name, address)
        client = HttpClient()
        with OpenAIServer(raw(whole(200, b"direct"))) as server:
            assert (await post(client, server)).body == b"direct"
        await client.close()
        assert proxy.requests == []


# ------------------------------------------------------------------ hanging up


async def test_cancelling_before_headers_hangs_up_at_once(http) -> None:
    with OpenAIServer(stall) as server:
        task = asyncio.create_task(post(http, server, 60))
        (call,) = await server.arrived(1)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await server.left(call)
        assert call.left_at is not None
        assert call.left_at - began < 1


async def test_cancelling_in_the_middle_of_a_body_hangs_up_at_once(http) -> None:
    with OpenAIServer(raw(head(200, {"content-length": "10"}), b"12345", STALL)) as server:
        task = asyncio.create_task(post(http, server, 60))
        (call,) = await server.arrived(1)
        began = time.monotonic()
        task.cancel()
        assert await server.left(call)
        assert call.left_at is not None
        assert call.left_at - began < 1
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_leaving_a_stream_early_hangs_up_at_once(http) -> None:
    with OpenAIServer(raw(STREAM_HEAD, piece(b"one"), STALL)) as server:
        async with http.stream(server.base_url, {}, b"", timeout_seconds=60) as stream:
            async with aclosing(stream.chunks()) as chunks:
                assert await anext(chunks) == b"one"
            (call,) = server.calls
            assert not call.left.is_set()
            began = time.monotonic()
        assert await server.left(call)
        assert call.left_at is not None
        assert call.left_at - began < 1


async def test_a_deadline_hangs_up_too(http) -> None:
    with OpenAIServer(stall) as server:
        await error_of(http, server, 0.1)
        assert await server.left(server.calls[0], 1)


# ------------------------------------------------------------------ streams


async def test_chunks_come_as_they_are_sent(http) -> None:
    gate = [STREAM_HEAD, piece(b"one"), Pause(0.2), piece(b"two"), STREAM_END]
    with OpenAIServer(raw(*gate)) as server:
        async with http.stream(server.base_url, {}, b"", timeout_seconds=5) as stream:
            assert stream.status == 200
            seen = [(chunk, time.monotonic()) async for chunk in stream.chunks()]
    assert [chunk for chunk, _ in seen] == [b"one", b"two"]
    assert seen[1][1] - seen[0][1] > 0.1


async def test_silence_before_the_first_chunk_is_no_idleness(http) -> None:
    late = raw(STREAM_HEAD, Pause(0.5), piece(b"one"), STREAM_END)
    with OpenAIServer(late) as server:
        assert (await post(http, server)).body == b"one"


async def test_silence_in_the_middle_is_a_timeout(http) -> None:
    with OpenAIServer(raw(STREAM_HEAD, piece(b"one"), STALL)) as server:
        error = await error_of(http, server, 60)
    assert (error.fault, error.phase) == (Fault.TIMEOUT, Phase.STREAM)
    assert "0.3 s" in error.message


async def test_a_drip_that_never_ends_meets_the_deadline(http) -> None:
    drip = [step for _ in range(100) for step in (piece(b"x"), Pause(0.05))]
    with OpenAIServer(raw(STREAM_HEAD, *drip, STALL)) as server:
        error = await error_of(http, server, 0.6)
    assert (error.fault, error.phase) == (Fault.TIMEOUT, Phase.STREAM)


# ------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    ("reply", "fault", "phase"),
    [
        (stall, Fault.TIMEOUT, Phase.HEADERS),
        (raw(CUT), Fault.CONNECT, Phase.HEADERS),
        (raw(RESET), Fault.CONNECT, Phase.HEADERS),
        (raw(b"SSH-2.0-nope\r\n\r\n", CUT), Fault.INVALID_RESPONSE, Phase.HEADERS),
        (raw(head(200, {"content-length": "50"}), b"abc", CUT), Fault.CUT_STREAM, Phase.STREAM),
        (raw(STREAM_HEAD, piece(b"abc"), Pause(0.02), CUT), Fault.CUT_STREAM, Phase.STREAM),
        (raw(STREAM_HEAD, piece(b"abc"), Pause(0.02), RESET), Fault.CUT_STREAM, Phase.STREAM),
        (raw(STREAM_HEAD, b"zz\r\nabc"), Fault.CUT_STREAM, Phase.STREAM),
    ],
)
async def test_every_fault_is_told_with_how_far_it_had_come(http, reply, fault, phase) -> None:
    with OpenAIServer(reply) as server:
        error = await error_of(http, server, 1.0)
    assert (error.fault, error.phase) == (fault, phase)
    assert f"http://127.0.0.1:{server.port}" in error.message
    assert "/v1" not in error.message


async def test_nothing_listening_is_said_plainly(http) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(HttpError) as caught:
            await http.get(f"http://127.0.0.1:{port}/v1?key={KEY}", {}, timeout_seconds=5)
    assert (caught.value.fault, caught.value.phase) == (Fault.CONNECT, Phase.CONNECT)
    assert caught.value.message == f"nothing listens at http://127.0.0.1:{port}"


async def test_a_tls_handshake_that_hangs_is_a_connect_timeout(http) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(HttpError) as caught:
            await http.get(
                f"https://127.0.0.1:{silent.getsockname()[1]}/v1", {}, timeout_seconds=20
            )
    assert (caught.value.fault, caught.value.phase) == (Fault.TIMEOUT, Phase.CONNECT)
    assert "within 1 s" in caught.value.message


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("not a url", {}),
        ("http://[::1", {}),
        ("ftp://127.0.0.1/x", {}),
        ("http://127.0.0.1:1/", {"authorization": f"Bearer {KEY}\r\nx: y"}),
        ("http://127.0.0.1:1/", {"bad name": KEY}),
    ],
)
async def test_a_malformed_address_or_header_is_an_error_without_the_key(
    http, url, headers
) -> None:
    with pytest.raises(HttpError) as caught:
        await http.get(url, headers, timeout_seconds=5)
    assert caught.value.fault is Fault.INTERNAL
    assert KEY not in repr(caught.value)
    assert caught.value.__cause__ is None or KEY not in repr(caught.value.__cause__)


async def test_credentials_in_an_address_are_not_told(http) -> None:
    with pytest.raises(HttpError) as caught:
        await http.get("http://user:pass@127.0.0.1:1/", {}, timeout_seconds=5)
    assert caught.value.message == "nothing listens at http://127.0.0.1:1"


@pytest.mark.parametrize(
    "reply",
    [
        raw(whole(200, b"x" * 100_001)),
        raw(head(200, {"content-length": "99999999999"}), STALL),
        raw(STREAM_HEAD, *[piece(b"x" * 10_000)] * 11, STALL),
        raw(whole(200, gzip.compress(b"\0" * 50_000_000), headers={"content-encoding": "gzip"})),
    ],
    ids=["long", "length told", "chunked", "bomb"],
)
async def test_a_body_over_the_limit_is_not_read_to_its_end(http, reply) -> None:
    with OpenAIServer(reply) as server:
        error = await error_of(http, server)
    assert (error.fault, error.phase) == (Fault.INVALID_RESPONSE, Phase.STREAM)
    assert "larger than 100000 bytes" in error.message


async def test_compressed_bodies_are_read(http) -> None:
    packed = raw(whole(200, gzip.compress(b"hello"), headers={"content-encoding": "gzip"}))
    with OpenAIServer(packed) as server:
        assert (await post(http, server)).body == b"hello"


async def test_a_closed_client_says_so(http) -> None:
    client = HttpClient()
    await client.close()
    with pytest.raises(HttpError) as caught:
        await client.get("http://127.0.0.1:1/", {}, timeout_seconds=1)
    assert caught.value.fault is Fault.INTERNAL
