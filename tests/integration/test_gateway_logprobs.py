"""Log-probabilities through the gateway: asked for by a check, told to nobody who did not ask."""

import json

import pytest

from rung.core.verdicts import Status
from support.gateway import Gateway, Upstream, ask, chat, request, toml
from support.openai_server import STREAM_END, STREAM_HEAD, piece, raw, status, text
from support.scored import (
    ASKED,
    SURE,
    UNSURE,
    chat_body,
    chat_events,
    chat_refusing,
    chat_scored,
    responses_body,
    responses_events,
    responses_scored,
)

MORE = """
[tiers.other]
provider = "openai_compatible"
model = "model-other"
base_url = "{other}"
price = "free"
retries = 0
responses = true

[tiers.thinker]
provider = "openai_compatible"
model = "o3"
base_url = "{other}"
price = "free"
retries = 0

[verifiers.sure]
kind = "logprobs"

[ladders.sure]
tiers = ["a", "b"]
verify = ["sure"]

[ladders.passing]
tiers = ["a"]
verify = ["sure"]
stream = "pass"

[ladders.other]
tiers = ["other"]
verify = ["sure"]

[ladders.thinker]
tiers = ["thinker"]
verify = ["sure"]
"""
VERIFIER = '[verifiers.sure]\nkind = "logprobs"\n'
OWN = {"logprobs": True, "top_logprobs": 5}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A gateway over three servers, a below b; the other one speaks Responses too."""
    with Upstream() as a, Upstream() as b, Upstream() as other:
        config = toml(a.base_url, b.base_url, more=MORE.format(other=other.base_url))
        with Gateway(tmp_path_factory.mktemp("logprobs"), config) as gateway:
            yield gateway, a, b, other


@pytest.fixture
def gateway(stage):
    return stage[0]


@pytest.fixture
def a(stage):
    stage[1].say(chat_scored(SURE))
    return stage[1]


@pytest.fixture
def b(stage):
    stage[2].say(text("from b"))
    return stage[2]


@pytest.fixture
def other(stage):
    stage[3].say(responses_scored(SURE))
    return stage[3]


def answered(gateway, body, path="/v1/chat/completions"):
    reply = ask(gateway.port, request(path=path, body=body))
    assert reply.status == 200, reply.body
    return reply


def verdict(gateway, reply, tier=0):
    outcome = gateway.outcome(reply.headers["x-rung-request-id"])
    return next(v for v in outcome.history[tier].verdicts if v.verifier == "sure")


def responses(model="rung/other", **more):
    return json.dumps({"model": model, "input": "hi", **more}).encode()


# ------------------------------------------------------------------ who did not ask


def test_a_plain_answer_is_what_it_is_without_them(gateway, a):
    reply = answered(gateway, chat(model="rung/sure"))
    assert a.calls[0].json == json.loads(chat(model="model-a")) | {
        "logprobs": True,
        "top_logprobs": 1,
    }
    assert reply.body == chat_body(SURE, told=False)
    found = verdict(gateway, reply)
    assert found.status is Status.PASSED
    assert found.score == pytest.approx(0.925, abs=0.001)
    assert "(uncalibrated)" in found.reason


@pytest.mark.parametrize("ladder", ["sure", "passing"])
def test_a_stream_is_what_it_is_without_them(gateway, a, ladder):
    reply = answered(gateway, chat(model=f"rung/{ladder}", stream=True))
    assert a.calls[0].json["logprobs"] is True
    assert reply.body == chat_events(SURE, told=False)
    assert verdict(gateway, reply).score == pytest.approx(0.925, abs=0.001)


@pytest.mark.parametrize("said", [{"logprobs": False}, {"logprobs": None, "top_logprobs": None}])
def test_who_says_no_is_not_told(gateway, a, said):
    reply = answered(gateway, chat(model="rung/sure", **said))
    assert a.calls[0].json["logprobs"] is True
    assert reply.body == chat_body(SURE, told=False)


@pytest.mark.parametrize("stream", [False, True])
def test_callers_of_another_dialect_notice_nothing(gateway, a, stream):
    body = {"model": "rung/sure", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
    reply = answered(gateway, json.dumps(body | {"stream": stream}).encode(), "/v1/messages")
    assert a.calls[0].json["logprobs"] is True
    assert b"logprob" not in reply.body
    assert verdict(gateway, reply).status is Status.PASSED


@pytest.mark.parametrize("stream", [False, True])
def test_responses_are_what_they_are_without_them(gateway, other, stream):
    reply = answered(gateway, responses(stream=stream), "/v1/responses")
    assert other.calls[0].json["include"] == [ASKED]
    assert reply.body == (responses_events if stream else responses_body)(SURE, told=False)
    assert verdict(gateway, reply).score == pytest.approx(0.925, abs=0.001)


def test_what_else_a_caller_of_responses_includes_stays(gateway, other):
    include = ["reasoning.encrypted_content"]
    answered(gateway, responses(include=include), "/v1/responses")
    assert other.calls[0].json["include"] == [*include, ASKED]


# ------------------------------------------------------------------ who asked


@pytest.mark.parametrize("stream", [False, True])
def test_who_asked_gets_all_of_it_untouched(gateway, a, stream):
    reply = answered(gateway, chat(model="rung/sure", stream=stream, **OWN))
    assert {name: a.calls[0].json[name] for name in OWN} == OWN
    assert reply.body == (chat_events if stream else chat_body)(SURE, told=True)
    assert verdict(gateway, reply).status is Status.PASSED


@pytest.mark.parametrize("stream", [False, True])
def test_who_asked_in_responses_gets_all_of_it_untouched(gateway, other, stream):
    body = responses(stream=stream, include=[ASKED])
    reply = answered(gateway, body, "/v1/responses")
    assert other.calls[0].json["include"] == [ASKED]
    assert reply.body == (responses_events if stream else responses_body)(SURE, told=True)


# ------------------------------------------------------------------ who is asked


def test_nobody_is_asked_where_no_check_reads_them(gateway, a):
    reply = answered(gateway, chat())
    assert "logprobs" not in a.calls[0].json
    assert reply.body == chat_body(SURE, told=False)


@pytest.mark.parametrize("more", [{"tools": TOOLS}, {"n": 2}])
def test_nobody_is_asked_where_they_would_say_nothing(gateway, a, more):
    reply = answered(gateway, chat(model="rung/sure", **more))
    assert "logprobs" not in a.calls[0].json
    assert verdict(gateway, reply).status is Status.ABSTAINED


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_refuses_them_is_not_asked_and_still_answers(gateway, other, stream):
    other.say(chat_scored(SURE))
    reply = answered(gateway, chat(model="rung/thinker", stream=stream))
    assert len(other.calls) == 1
    assert "logprobs" not in other.calls[0].json
    assert verdict(gateway, reply).reason == "this tier gives no log-probabilities"


@pytest.mark.parametrize("stream", [False, True])
def test_a_doubtful_answer_climbs_and_leaves_no_trace(gateway, a, b, stream):
    a.say(chat_scored(UNSURE))
    reply = answered(gateway, chat(model="rung/sure", stream=stream))
    assert (reply.text if stream else reply.json["choices"][0]["message"]["content"]) == "from b"
    found = verdict(gateway, reply)
    assert (found.status, found.score) == (Status.FAILED, pytest.approx(0.058, abs=0.001))
    assert b.calls[0].json["logprobs"] is True


# ------------------------------------------------------------------ odd providers


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("code", [400, 422])
def test_a_server_that_turns_the_question_down_is_asked_without_it(tmp_path, stream, code):
    with Upstream() as server:
        server.say(chat_refusing(SURE, code))
        config = toml(server.base_url, ladder='verify = ["sure"]', more=VERIFIER)
        with Gateway(tmp_path, config) as gateway:
            first = answered(gateway, chat(stream=stream))
            answered(gateway, chat(stream=stream))
            found = verdict(gateway, first)
    assert first.body == (chat_events if stream else chat_body)(SURE, told=False)
    assert ["logprobs" in call.json for call in server.calls] == [True, False, False]
    assert found.status is Status.ABSTAINED


def test_a_request_that_is_wrong_by_itself_is_refused_as_before(gateway, a):
    a.say(status(400, "the request is wrong"))
    reply = ask(gateway.port, request(body=chat(model="rung/passing")))
    assert reply.status >= 400
    assert ["logprobs" in call.json for call in a.calls] == [True, False]
    a.say(chat_scored(SURE))
    answered(gateway, chat(model="rung/passing"))
    assert a.calls[0].json["logprobs"] is True


ODD = ["NaN", "-Infinity", "Infinity", "-1e308", '"-0.1"', "null", "true", "0.7", "[]", "9" * 400]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("odd", ODD)
def test_numbers_that_are_none_make_the_check_abstain_and_cost_nothing(gateway, a, odd, stream):
    tokens = (*SURE[:2], (" it", odd), SURE[3])
    a.say(chat_scored(tokens))
    reply = answered(gateway, chat(model="rung/passing", stream=stream))
    wanted = (chat_events if stream else chat_body)(SURE, told=False)
    # What is no JSON is written anew, without the blanks.
    assert b"".join(reply.body.split()) == b"".join(wanted.split())
    assert verdict(gateway, reply).status is Status.ABSTAINED


@pytest.mark.parametrize("missing", [0, 2, 3])
def test_a_stream_in_which_some_are_missing_makes_the_check_abstain(gateway, a, missing):
    whole, bare = (chat_events(SURE, told=told).split(b"\n\n")[:-1] for told in (True, False))
    events = [*whole[: missing + 1], bare[missing + 1], *whole[missing + 2 :]]
    a.say(raw(STREAM_HEAD, *(piece(event + b"\n\n") for event in events), STREAM_END))
    reply = answered(gateway, chat(model="rung/passing", stream=True))
    assert reply.body == chat_events(SURE, told=False)
    assert verdict(gateway, reply).reason == "this tier gives no log-probabilities"
