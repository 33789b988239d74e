"""Three front doors over back ends of other dialects: real sockets, plain answers and streams.

What is asked and answered, and how all of it is checked, is in `support.dialect_cases`.
"""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from support.dialect_cases import ASKS, BACKS, CASES, OSLO, PERSON, RESULTS, ROME, TOOLS, stage
from support.dialects import (
    CALLERS,
    LIMIT,
    PAPER,
    PIXEL,
    Asked,
    Called,
    Counted,
    Paper,
    Picture,
    Result,
    Said,
    assistant,
    user,
)
from support.gateway import ask, request
from support.responses_bodies import valid_events, valid_response

ROOT = Path(__file__).parent.parent.parent
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
FRONTS = pytest.mark.parametrize("front", CALLERS)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with stage(tmp_path_factory.mktemp("dialects")) as found:
        yield found


@pytest.mark.parametrize("back", BACKS)
@FRONTS
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
def test_a_case_ends_the_same_plain_and_as_a_stream(world, case, front, back):
    plain = world.see(case, front, back, stream=False)
    assert world.see(case, front, back, stream=True) == plain


def test_the_page_in_the_docs_says_what_happened(world):
    spec = importlib.util.spec_from_file_location("table", ROOT / "tools" / "dialect_table.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    page = tool.TARGET.read_text("utf-8")
    assert page == tool.renewed(page, world), "run tools/dialect_table.py"


@pytest.mark.parametrize("back", BACKS)
def test_a_chat_stream_counts_only_for_those_who_asked(world, back):
    world.uppers[back].say(Said(), stream=True)
    asked = json.loads(CALLERS["chat"].body(Asked(), f"tier:{back}", stream=True))
    del asked["stream_options"]
    sent = request(path=CALLERS["chat"].path, body=json.dumps(asked).encode())
    reply = ask(world.gateway.port, sent)
    assert reply.text == "Hello there."
    assert reply.events[-1] == b"[DONE]"
    assert b"usage" not in reply.body.replace(b'"usage":null', b"")
    [attempt] = world.gateway.outcome(reply.headers["x-rung-request-id"]).history
    assert (attempt.usage.input_tokens, attempt.usage.cache_read_tokens) == (100, 40)


ANSWERS = {
    "text": Said(thinking="They greet."),
    "calls": Said(("Let me look.",), (OSLO, ROME), "tool_calls"),
    "refusal": Said((), finish="refusal", refusal="I will not."),
    "cut": Said(finish="length", usage=Counted(said=64)),
}


@pytest.mark.parametrize(
    ("answer", "back"),
    [
        (answer, back)
        for answer in ANSWERS
        for back in ("chat", "messages", "ollama")
        if (answer, back) != ("refusal", "ollama")
    ],
)
def test_openais_own_types_take_what_was_translated(world, answer, back):
    asked, said = replace(TOOLS, limit=64), ANSWERS[answer]
    if back != "chat":
        plain = replied(world, "chat", back, asked, said, stream=False)
        ChatCompletion.model_validate(plain.json, strict=True)
        streamed = replied(world, "chat", back, asked, said, stream=True)
        for event in streamed.events[:-1]:
            ChatCompletionChunk.model_validate_json(event, strict=True)
    valid_response(replied(world, "responses", back, asked, said, stream=False).body)
    assert valid_events(replied(world, "responses", back, asked, said, stream=True).body)


# ------------------------------------------------------------------ ids


def replied(world, front, back, asked, said, *, stream):
    """The reply to one request that is pinned to a tier."""
    caller, upper = CALLERS[front], world.uppers[back]
    upper.say(said, stream=stream)
    body = caller.body(asked, f"tier:{back}", stream=stream)
    reply = ask(world.gateway.port, request(path=caller.path, body=body))
    assert reply.status == 200, reply.body
    return reply


def turn(world, front, back, asked, said, *, stream):
    """What the server was asked for one request, and what the caller got."""
    caller, upper = CALLERS[front], world.uppers[back]
    reply = replied(world, front, back, asked, said, stream=stream)
    [sent] = upper.bodies()
    got = caller.heard(reply.body) if stream else caller.told(reply.json)
    return upper.read(sent), got


@BOTH
@pytest.mark.parametrize(
    ("front", "back", "odd"),
    [
        ("messages", "chat", "functions.weather:0"),
        ("messages", "ollama", "call/7 \u00e9"),
        ("chat", "chat", "functions.weather:0"),
        ("responses", "messages", "toolu_" + "x" * 50),
        ("responses", "chat", "call.1"),
        ("chat", "messages", "toolu_1"),
    ],
)
def test_a_provider_gets_its_own_call_ids_back(world, front, back, odd, stream):
    said = Said((), (replace(OSLO, id=odd),), "tool_calls")
    _, got = turn(world, front, back, TOOLS, said, stream=stream)
    [call] = got.calls
    if front == "messages":
        assert set(call.id) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
        )
    assert len(call.id) <= 64 or front != "responses"
    again = replace(TOOLS, turns=(*TOOLS.turns, assistant(call), Result(call.id, "snow")))
    heard, _ = turn(world, front, back, again, Said(), stream=stream)
    assert heard.turns[-2:] == (assistant(replace(OSLO, id=odd)), Result(odd, "snow"))


@FRONTS
def test_ids_that_fit_nowhere_still_find_each_other(world, front):
    """Mistral's templates want nine letters or digits: a hash stands in, the same for both."""
    heard, _ = turn(world, front, "mistral", RESULTS, Said(), stream=False)
    _, _, said, first, second, _ = heard.turns
    ids = [piece.id for piece in said.pieces if isinstance(piece, Called)]
    assert ids == [first.id, second.id]
    assert len(set(ids)) == 2
    assert all(len(one) == 9 and one.isalnum() for one in ids)


# ------------------------------------------------------------------ what one dialect alone has

PATCH = "*** Begin Patch\n*** End Patch\n"
NATIVE_TOOLS = [
    {"type": "custom", "name": "apply_patch", "description": "Edits files."},
    {
        "type": "namespace",
        "name": "team",
        "description": "Other agents.",
        "tools": [
            {
                "type": "function",
                "name": "wait",
                "description": "Waits.",
                "strict": False,
                "parameters": {"type": "object", "properties": {"seconds": {"type": "number"}}},
            }
        ],
    },
]


@BOTH
@pytest.mark.parametrize("back", ["chat", "messages", "ollama"])
def test_free_text_and_grouped_tools_of_responses_work_everywhere(world, back, stream):
    asked = Asked((user("Patch it."),), native={"responses": {"tools": NATIVE_TOOLS}})
    calls = (
        Called("call_1", "apply_patch", {"input": PATCH}),
        Called("call_2", "team__wait", {"seconds": 2}),
    )
    heard, got = turn(world, "responses", back, asked, Said((), calls, "tool_calls"), stream=stream)
    assert [tool.name for tool in heard.tools] == ["apply_patch", "team__wait"]
    assert heard.tools[0].schema["required"] == ["input"]
    assert got.calls == (
        Called("call_1", "apply_patch", PATCH),
        Called("call_2", "team.wait", {"seconds": 2}),
    )


WITH_TOOLS = {
    "results": RESULTS,
    "one named": replace(TOOLS, choice="weather"),
    "some": replace(TOOLS, choice="required"),
    "none": replace(TOOLS, choice="none"),
    "one at a time": replace(TOOLS, parallel=False),
    "a picture of the user's": replace(TOOLS, turns=(user("What?", Picture(PIXEL), Paper(PAPER)),)),
    "a picture of a tool's": replace(
        TOOLS, turns=(ASKS, assistant(OSLO), Result("call_1", "sky", shown=(Picture(PIXEL),)))
    ),
    "a limit": replace(TOOLS, limit=500),
    "a schema": replace(TOOLS, schema=PERSON),
}


@BOTH
@pytest.mark.parametrize("what", WITH_TOOLS)
def test_tools_with_an_effort_reach_the_newer_gpts_in_responses(world, what, stream):
    """They refuse the two together in Chat Completions."""
    asked = replace(WITH_TOOLS[what], effort="high")
    called = Said((), (replace(OSLO, id="call_9"),), "tool_calls")
    said = {"none": Said(), "a schema": Said(('{"name": "Ada"}',))}.get(what, called)
    heard, got = turn(world, "messages", "gpt", asked, said, stream=stream)
    assert world.uppers["gpt"].server.calls[0].path == "/v1/responses"
    assert heard == replace(asked, limit=asked.limit or LIMIT)
    assert (got.words, got.calls) == (said.text, said.calls)


def test_the_line_that_changes_with_every_build_of_a_client_reaches_no_other_model(world):
    """It would empty the prompt cache of every local model. (Claude's gets it as it came.)"""
    billing = "x-anthropic-billing-header: cc_version=2.1.0.abc"
    blocks = [{"type": "text", "text": billing}, {"type": "text", "text": "Be brief."}]
    asked = Asked(native={"messages": {"system": blocks}})
    for back in ("chat", "ollama", "messages"):
        turn(world, "messages", back, asked, Said(), stream=False)
        [sent] = world.uppers[back].bodies()
        assert billing.encode() not in sent
        assert b"Be brief." in sent


def test_headers_of_messages_clients_reach_anthropic_and_nobody_else(world):
    caller = CALLERS["messages"]
    headers = [("anthropic-beta", "one-2026-01-01,two-2026-01-01"), ("x-api-key", "the-clients")]
    for back in ("messages", "chat"):
        upper = world.uppers[back]
        upper.say(Said(), stream=False)
        body = caller.body(Asked(), f"tier:{back}")
        path = caller.path + "?beta=true"
        assert ask(world.gateway.port, request(path=path, body=body, headers=headers)).status == 200
        [call] = upper.server.calls
        assert ("one-2026-01-01" in json.dumps(call.headers)) is (back == "messages")
        assert call.path.endswith("?beta=true") is (back == "messages")
        assert "the-clients" not in json.dumps(call.headers)
