"""The gateway as a process, spoken to as clients of Ollama do."""

import json

import pytest

from support.gateway import Gateway, Upstream, ask, request, toml
from support.ollama_server import Says
from support.openai_server import cut_stream, status, text, tool_call
from support.recording import OllamaThread

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
HI = {"role": "user", "content": "hi"}
OTHER = """
[tiers.native]
model = "model-native"
context_tokens = 16384
{tier}
[ladders.native]
tiers = ["native"]
"""


@pytest.fixture(scope="module")
def native():
    with OllamaThread("model-native") as server:
        yield server


@pytest.fixture(scope="module")
def stage(tmp_path_factory, native):
    with Upstream() as a:
        config = toml(a.base_url, more=OTHER.format(tier=native.tier))
        with Gateway(tmp_path_factory.mktemp("ollama_front"), config) as gateway:
            yield gateway, a


@pytest.fixture
def gateway(stage):
    return stage[0]


@pytest.fixture
def a(stage):
    stage[1].say(text(["snow ", "until ", "Thursday"]))
    return stage[1]


def post(gateway, path="/api/chat", headers=(), **told):
    """As the clients in Python and JavaScript post: with a type, whatever else they leave out."""
    body = json.dumps({"model": "rung", **told}).encode()
    return ask(gateway.port, request(path=path, body=body, headers=headers))


def untyped(gateway, *headers, path="/api/chat"):
    """As LiteLLM posts: the body has no type."""
    body = json.dumps({"model": "rung", "messages": [HI], "stream": False}).encode()
    data = request(path=path, body=body, headers=headers)
    return ask(gateway.port, data.replace(b"Content-Type: application/json\r\n", b""))


def lines(reply):
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert reply.body.endswith(b"\n")
    return [json.loads(line) for line in reply.body.splitlines()]


# ------------------------------------------------------------------ chats


def test_a_plain_answer(gateway, a):
    reply = post(gateway, messages=[HI], stream=False, options={"num_predict": 9, "seed": 3})
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-rung-tier"] == "a"
    told = reply.json
    assert told.pop("created_at").endswith("Z")
    assert told == {
        "model": "scripted-1",
        "message": {"role": "assistant", "content": "snow until Thursday"},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 10,
        "eval_count": 5,
    }
    [sent] = [call.json for call in a.calls]
    assert (sent["max_tokens"], sent["seed"], sent["messages"]) == (9, 3, [HI])


def test_a_stream_is_what_comes_where_nothing_is_said_of_it(gateway, a):
    told = lines(post(gateway, messages=[HI]))
    assert [one["message"]["content"] for one in told] == ["snow ", "until ", "Thursday", ""]
    assert [one["done"] for one in told] == [False, False, False, True]
    assert (told[-1]["done_reason"], told[-1]["eval_count"]) == ("stop", 5)
    assert a.calls[0].streams


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_and_answered_without_any_id(gateway, a, stream):
    a.say(tool_call("weather", {"city": "Oslo"}), text("Snow."))
    reply = post(gateway, messages=[HI], tools=[TOOL], stream=stream)
    told = lines(reply) if stream else [reply.json]
    [made] = [call for one in told for call in one["message"].get("tool_calls", ())]
    assert made["function"] == {"index": 0, "name": "weather", "arguments": {"city": "Oslo"}}
    assert told[-1]["done_reason"] == "stop"
    history = [
        HI,
        {"role": "assistant", "content": "", "tool_calls": [{"function": made["function"]}]},
        {"role": "tool", "tool_name": "weather", "content": "snow"},
    ]
    assert post(gateway, messages=history, tools=[TOOL], stream=False).status == 200
    _, asked, answered = a.calls[-1].json["messages"]
    assert asked["tool_calls"][0]["id"] == answered["tool_call_id"] != ""


def test_a_format_is_a_gate(gateway, a):
    schema = {"type": "object", "required": ["name"]}
    a.say(text('{"name": "Ada"}'))
    reply = post(gateway, messages=[HI], format=schema, stream=False)
    assert reply.headers["x-rung-verified"] == "true"
    assert a.calls[0].json["response_format"]["json_schema"]["schema"] == schema
    a.say(text("no JSON"))
    reply = post(gateway, messages=[HI], format=schema)
    assert reply.status == 422
    assert list(reply.json) == ["error"]
    assert "json_schema" in reply.json["error"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_of_ollamas_is_asked_in_rungs_own_words(gateway, native, stream):
    native.says(Says(("Hel", "lo")))
    told = {"messages": [HI], "options": {"num_ctx": 2048, "temperature": 0.5}, "keep_alive": 0}
    reply = post(gateway, model="rung/native", stream=stream, **told)
    assert reply.status == 200, reply.body
    said = lines(reply) if stream else [reply.json]
    assert "".join(one["message"]["content"] for one in said) == "Hello"
    [sent] = [json.loads(body) for body in native.bodies()]
    assert (sent["model"], sent["messages"]) == ("model-native", [HI])
    assert sent["options"]["temperature"] == 0.5
    assert sent["options"]["num_ctx"] == 16384
    assert sent["keep_alive"] != 0
    path = f"/v1/requests/{reply.headers['x-rung-request-id']}"
    [attempt] = ask(gateway.port, request("GET", path)).json["attempts"]
    assert attempt["losses"] == []


# ------------------------------------------------------------------ what goes wrong


def test_a_stream_that_breaks_is_never_done(gateway, a):
    a.say(cut_stream("snow ", "until "))
    told = lines(post(gateway, messages=[HI]))
    assert [one["message"]["content"] for one in told[:-1]] == ["snow ", "until "]
    assert not any(one["done"] for one in told[:-1])
    assert list(told[-1]) == ["error"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_is_a_message_with_a_status(gateway, a, stream):
    a.say(status(429))
    reply = post(gateway, messages=[HI], stream=stream)
    assert reply.status == 429
    assert list(reply.json) == ["error"]
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("told", "status_"),
    [
        ({"messages": [{"role": "king"}]}, 400),
        ({"messages": [HI], "model": "tier:none"}, 404),
        ({"messages": [], "model": "rung/none"}, 404),
        ({"messages": [HI], "options": {"top_p": 2}}, 400),
    ],
)
def test_what_cannot_be_served_is_told_in_ollamas_envelope(gateway, a, told, status_):
    reply = post(gateway, **told)
    assert reply.status == status_
    assert list(reply.json) == ["error"]
    assert a.calls == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/generate"),
        ("POST", "/api/embed"),
        ("POST", "/api/embeddings"),
        ("GET", "/api/ps"),
        ("POST", "/api/pull"),
        ("DELETE", "/api/delete"),
        ("POST", "/api/chat/"),
    ],
)
def test_what_is_not_offered_says_what_is(gateway, method, path):
    reply = ask(gateway.port, request(method, path, b"{}"))
    assert reply.status == 404
    assert "/api/chat" in reply.json["error"]
    assert ("/v1/embeddings" in reply.json["error"]) is ("embed" in path)


def test_a_wrong_method_is_told_in_the_envelope_too(gateway):
    reply = ask(gateway.port, request("GET", "/api/chat"))
    assert (reply.status, list(reply.json)) == (405, ["error"])


# ------------------------------------------------------------------ around the chats


@pytest.mark.parametrize(("keep_alive", "reason"), [("5m", "load"), (0, "unload")])
def test_loading_a_model_is_done_at_once_and_is_no_request(gateway, a, keep_alive, reason):
    before = len(gateway.outcomes())
    reply = post(gateway, messages=[], keep_alive=keep_alive)
    assert reply.status == 200
    assert (reply.json["model"], reply.json["done_reason"]) == ("rung", reason)
    assert a.calls == []
    assert len(gateway.outcomes()) == before


def test_all_names_are_listed(gateway):
    reply = ask(gateway.port, request("GET", "/api/tags"))
    names = {one["model"] for one in reply.json["models"]}
    assert names == {"rung", "rung/default", "rung/native", "tier:native", "tier:a"}
    probed = ask(gateway.port, request("HEAD", "/api/tags"))
    assert (probed.status, probed.body) == (200, b"")


def test_any_name_is_shown_with_what_some_tier_of_it_can_do(gateway):
    told = post(gateway, "/api/show", model="llama3:8b").json
    assert told["capabilities"] == ["completion", "tools", "vision"]
    window = post(gateway, "/api/show", model="tier:native").json["model_info"]
    assert window["rung.context_length"] == 16384
    assert post(gateway, "/api/show", model="tier:none").status == 404
    assert post(gateway, "/api/show", model="").status == 400


def test_the_version_is_one_that_clients_can_compare(gateway):
    told = ask(gateway.port, request("GET", "/api/version")).json
    assert tuple(map(int, told["version"].split("."))) >= (0, 12, 10)
    assert ask(gateway.port, request("HEAD", "/api/version")).status == 200


# ------------------------------------------------------------------ bodies without a type


@pytest.mark.parametrize(
    "headers", [[], [("Sec-Fetch-Site", "none")], [("Sec-Fetch-Site", "same-origin")]]
)
def test_clients_may_leave_out_the_type(gateway, a, headers):
    assert untyped(gateway, *headers).status == 200


@pytest.mark.parametrize(
    "header",
    [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", ""),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Sec-Fetch-Site", ""),
        ("Content-Type", ""),
        ("Content-Type", "text/plain"),
        ("Content-Encoding", "gzip"),
    ],
)
def test_pages_in_a_browser_may_not(gateway, a, header):
    reply = untyped(gateway, header, ("Sec-Fetch-Mode", "no-cors"))
    assert reply.status == 415
    assert list(reply.json) == ["error"]
    assert a.calls == []


def test_one_good_site_does_not_excuse_another(gateway, a):
    twice = [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "cross-site")]
    assert untyped(gateway, *twice).status == 415
    assert a.calls == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/api/chat"])
def test_elsewhere_a_body_has_a_type(gateway, a, path):
    assert untyped(gateway, path=path).status == 415
    assert a.calls == []
