"""The guard in front of the gateway, called as a server calls it."""

import asyncio
import json

import pytest

from rung.core.errors import RequestError
from rung.server import guard
from rung.server.guard import BrokenOffError, Guard, read_body
from rung.server.replies import refuse_at

HOST = (b"host", b"localhost:4100")
JSON = (b"content-type", b"application/json")


class Front:
    """A guard over an application, one request at a time."""

    def __init__(self, app=None, **options):
        self.bodies = []
        self.sent = []
        self.guard = Guard(app or self.app, refuse_at, **({"max_body_bytes": 100} | options))

    async def app(self, scope, receive, send):
        self.bodies.append(await read_body(receive))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def ask(self, *headers, method="POST", messages=None, kind="http"):
        """The status that came of it; ``None`` where nothing was said."""
        self.sent = []
        arriving = iter(messages or [{"type": "http.request", "body": b"{}"}])

        async def receive():
            return next(arriving, None) or await asyncio.Event().wait()

        async def send(message):
            self.sent.append(message)

        scope = {"type": kind, "method": method, "path": "/", "headers": list(headers)}
        await self.guard(scope, receive, send)
        return self.sent[0].get("status") if self.sent else None

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])

    @property
    def error(self):
        return json.loads(self.sent[1]["body"])["error"]


@pytest.fixture
def front():
    return Front()


async def test_an_honest_request_goes_through_once(front):
    assert await front.ask(HOST, JSON) == 200
    assert front.bodies == [b"{}"]


@pytest.mark.parametrize("name", [b"localhost", b"LOCALHOST:1", b"127.0.0.1", b"[::1]:65535"])
async def test_this_machines_names_are_let_in(front, name):
    assert await front.ask((b"Host", name), JSON) == 200


@pytest.mark.parametrize(
    "name",
    [b"", b"evil", b"localhost:", b"localhost:x", b"a:b:localhost", b"[::1]x", b"\xff", b"::1:80"],
)
async def test_other_names_are_turned_away(front, name):
    assert await front.ask((b"host", name), JSON) == 421
    assert front.bodies == []


async def test_configured_names_are_let_in():
    front = Front(hosts=("Box.Local",))
    assert await front.ask((b"host", b"box.local:80"), JSON) == 200
    assert await front.ask((b"host", b"box.locals"), JSON) == 421


@pytest.mark.parametrize("hosts", [[], [HOST, HOST], [HOST, (b"HOST", b"evil")]])
async def test_there_is_exactly_one_host(front, hosts):
    assert await front.ask(*hosts, JSON) == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"content-length", b"2"), (b"transfer-encoding", b"chunked")], 400),
        ([(b"content-length", b"2"), (b"content-length", b"2")], 400),
        ([(b"content-length", b"2, 2")], 400),
        ([(b"content-length", b"+2")], 400),
        ([(b"content-length", b"-2")], 400),
        ([(b"content-length", b"\xb2")], 400),
        ([(b"content-length", b"1" * 5000)], 400),
        ([(b"content-length", b"101")], 413),
        ([(b"content-length", b"100")], 200),
        ([(b"content-encoding", b"gzip")], 415),
        ([(b"content-encoding", b"identity")], 200),
        ([JSON], 415),
        ([(b"x", b"y")] * 99, 431),
        ([(b"x", b"y" * 40_000)], 431),
    ],
)
async def test_what_a_request_may_not_carry(front, headers, status):
    assert await front.ask(HOST, JSON, *headers) == status
    assert bool(front.bodies) is (status == 200)


@pytest.mark.parametrize("kind", [b"text/plain", b"", b"application/json2", b"multipart/form-data"])
async def test_only_json_is_read(front, kind):
    assert await front.ask(HOST, (b"content-type", kind)) == 415
    assert await front.ask(HOST) == 415


async def test_a_get_needs_no_type(front):
    assert await front.ask(HOST, method="GET") == 200


async def test_a_body_is_counted_while_it_comes(front):
    piece = {"type": "http.request", "body": b"x" * 60, "more_body": True}
    assert await front.ask(HOST, JSON, messages=[piece, piece, piece]) == 413
    assert front.headers[b"connection"] == b"close"
    assert "100 bytes" in front.error["message"]


async def test_a_body_ends_with_the_last_byte_of_its_told_length(front):
    begun = {"type": "http.request", "body": b'{"a"', "more_body": True}
    rest = {"type": "http.request", "body": b": 1}", "more_body": True}
    async with asyncio.timeout(1):
        assert await front.ask(HOST, JSON, (b"content-length", b"8"), messages=[begun, rest]) == 200
    assert front.bodies == [b'{"a": 1}']


async def test_a_body_that_stops_coming_is_given_up(front, monkeypatch):
    monkeypatch.setattr(guard, "BODY_IDLE_SECONDS", 0.02)
    piece = {"type": "http.request", "body": b"x", "more_body": True}
    assert await front.ask(HOST, JSON, messages=[piece]) == 408
    assert front.headers[b"connection"] == b"close"


async def test_waiting_for_an_answer_is_not_waiting_for_a_body(monkeypatch):
    monkeypatch.setattr(guard, "BODY_IDLE_SECONDS", 0.02)

    async def patient(scope, receive, send):
        await read_body(receive)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await receive()
        await send({"type": "http.response.start", "status": 204, "headers": []})

    assert await Front(patient).ask(HOST, JSON) == 204


async def test_a_caller_who_leaves_in_the_middle_is_no_error_of_ours(front, caplog):
    gone = [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
    assert await front.ask(HOST, JSON, messages=gone) == 400
    assert caplog.records == []
    with pytest.raises(RequestError, match="broke off"):
        await read_body(lambda: _message({"type": "http.disconnect"}))


async def _message(message):
    return message


async def test_a_bug_costs_one_request_and_its_text_reaches_nobody(caplog):
    async def broken(scope, receive, send):
        raise RuntimeError("the secret is 42")

    front = Front(broken)
    assert await front.ask(HOST, JSON) == 500
    assert "42" not in json.dumps(front.error)
    assert "42" not in caplog.text
    assert "unexpected RuntimeError at test_guard.py" in caplog.text


async def test_a_bug_after_the_response_began_breaks_the_connection(caplog):
    async def broken(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("too late")

    front = Front(broken)
    with pytest.raises(BrokenOffError) as caught:
        await front.ask(HOST, JSON)
    assert caught.value.__suppress_context__
    assert [message["type"] for message in front.sent] == ["http.response.start"]
    assert "too late" not in caplog.text
    assert "unexpected RuntimeError" in caplog.text


async def test_what_the_application_refuses_leaves_in_the_envelope():
    async def refusing(scope, receive, send):
        raise RequestError("no.", status=404, param="model", code="c")

    front = Front(refusing)
    assert await front.ask(HOST, JSON) == 404
    assert (front.error["message"], front.error["param"], front.error["code"]) == (
        "no.",
        "model",
        "c",
    )


async def test_a_request_that_is_cut_short_is_told_so():
    async def waiting(scope, receive, send):
        await asyncio.Event().wait()

    front = Front(waiting)
    asking = asyncio.ensure_future(front.ask(HOST, JSON))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert front.sent[0]["status"] == 503
    assert front.headers[b"retry-after"] == b"1"


async def test_websockets_are_closed(front):
    await front.ask(HOST, kind="websocket")
    assert front.sent == [{"type": "websocket.close", "code": 1008}]
