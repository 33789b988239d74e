"""An agent that goes round in circles, at a real gateway: warned of, made to pause, stopped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.gateway import Gateway, Upstream, ask, request, rung, toml
from support.openai_server import raw, text, whole

WORDS = "run was called 8 times in a row, to the same end"
TOOL = {"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}


def agent(times: int, *, stream: bool = False, said: str = "") -> bytes:
    """An agent that has made the same call so often; ``said`` is the user's last word."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Build it."}]
    for number in range(times):
        call = {"id": f"c{number}", "type": "function"}
        call |= {"function": {"name": "run", "arguments": '{"command": "make"}'}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        failed = "Exit code 2\nmake: *** [all] Error 1"
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": failed})
    if said:
        messages.append({"role": "user", "content": said})
    body = {"model": "rung", "messages": messages, "tools": [TOOL], "stream": stream}
    return request(body=json.dumps(body).encode())


def config(upstream: Upstream, more: str = "") -> str:
    return toml(upstream.base_url, more=f"[loops]\n{more}")


@pytest.fixture
def upstream():
    with Upstream() as server:
        server.say(text("I shall look into the Makefile."))
        yield server


@pytest.mark.parametrize("stream", [False, True])
def test_an_agent_in_a_circle_is_served_and_told_of(tmp_path, upstream, stream):
    with Gateway(tmp_path, config(upstream)) as gateway:
        before, circle = (ask(gateway.port, agent(times, stream=stream)) for times in (7, 8))
        assert (before.status, circle.status) == (200, 200)
        assert "x-rung-loop" not in before.headers
        assert circle.headers["x-rung-loop"] == WORDS
        number = circle.headers["x-rung-request-id"]
        assert ask(gateway.port, request("GET", f"/v1/requests/{number}")).json["loop"] == WORDS
        assert "in a circle: run was called" in rung(tmp_path, "explain", number).stdout
    assert "goes round in circles: run was called 8 times" in gateway.said
    assert "Makefile" not in gateway.said


def test_an_agent_that_is_stopped_is_not_called_for_and_can_be_set_right(tmp_path, upstream):
    with Gateway(tmp_path, config(upstream, 'then = "stop"')) as gateway:
        stopped = ask(gateway.port, agent(8))
        assert (stopped.status, stopped.json["error"]["code"]) == (422, "agent_loop")
        assert len(upstream.requests) == 0
        assert ask(gateway.port, agent(8, said="Read the Makefile first.")).status == 200


def test_an_agent_that_is_to_pause_is_told_for_how_long(tmp_path, upstream):
    with Gateway(tmp_path, config(upstream, 'then = "pause"')) as gateway:
        paused = ask(gateway.port, agent(8))
        assert (paused.status, paused.json["error"]["code"]) == (429, "agent_loop")
        assert 0 < int(paused.headers["retry-after"]) <= 60
        assert len(upstream.requests) == 0


def test_somebody_is_told_once_of_one_circle(tmp_path, upstream):
    with Upstream() as listener:
        listener.say(raw(whole(200, b"{}")))
        hook = f'[spending]\nwebhook = "http://127.0.0.1:{listener.port}/told"'
        with Gateway(tmp_path, config(upstream, hook)) as gateway:
            replies = [ask(gateway.port, agent(times)) for times in (8, 9)]
            (call,) = listener.wait_for_calls(1)
        assert call.path == "/told"
        assert (call.json["event"], call.json["loop"]) == ("loop", WORDS)
        assert call.json["id"] == replies[0].headers["x-rung-request-id"]
        assert len(listener.requests) == 1


def test_nobody_looks_where_nobody_is_to(tmp_path, upstream):
    with Gateway(tmp_path, config(upstream, "same_calls = 0")) as gateway:
        assert "x-rung-loop" not in ask(gateway.port, agent(60)).headers


def test_a_number_too_small_to_mean_anything_is_refused(tmp_path, upstream):
    (tmp_path / "rung.toml").write_text(config(upstream, "same_calls = 2"), "utf-8")
    found = rung(tmp_path, "config", "check")
    assert found.returncode == 2
    assert "loops.same_calls" in found.stderr + found.stdout
    assert "3 or more" in found.stderr + found.stdout
