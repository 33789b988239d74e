"""Providers are told what to keep of a prompt, where that pays; the prompt itself never changes."""

import json
from dataclasses import replace

import pytest

from rung.core.parts import HostedTool, Message, Opaque, Role, Text, Tool, ToolCall, ToolResult
from rung.core.types import Usage, UsageSource
from rung.wire import chat, messages, responses
from rung.wire.back import Changes, Outgoing
from rung.wire.messages.usage import usage_object, usage_of
from rung.wire.quirks import Quirks, quirks_of

CLAUDE = quirks_of("claude-sonnet-5-5", Quirks())
MARKER = {"type": "ephemeral"}
LONG = "Many words. " * 400
TOOLS = (Tool("run", "d", b'{"type":"object"}'), Tool("look", "d", b'{"type":"object"}'))
SYSTEM = Message(Role.SYSTEM, (Text(LONG),))


def user(text):
    return Message(Role.USER, (Text(text),))


def said(text, *calls):
    return Message(Role.ASSISTANT, (Text(text), *calls))


def turn(number, results=1):
    """What one step of an agent adds."""
    ids = [f"call_{number}_{i}" for i in range(results)]
    calls = [ToolCall(id, "run", "{}") for id in ids]  # noqa: A001 the field's name
    return [
        Message(Role.ASSISTANT, (Text(f"Step {number}."), *calls)),
        *(Message(Role.TOOL, (ToolResult(id, (Text("ok"),)),)) for id in ids),  # noqa: A001
    ]


def outgoing(*said, **more):
    given = {"tools": TOOLS, "caches": True, "quirks": CLAUDE} | more
    return Outgoing(model="claude-sonnet-5-5", messages=said, **given)


def told(*said, **more):
    return json.loads(messages.BACK.encode(outgoing(*said, **more)).body)


def markers(value, path=()):
    """Where markers stand."""
    found = []
    if isinstance(value, dict):
        found += [path] if "cache_control" in value else []
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return found
    for key, inner in items:
        found += markers(inner, (*path, key))
    return found


def without_markers(value):
    if isinstance(value, dict):
        return {k: without_markers(v) for k, v in value.items() if k != "cache_control"}
    return [without_markers(one) for one in value] if isinstance(value, list) else value


# ------------------------------------------------------------------ where they stand


def test_a_first_turn_marks_tools_system_and_what_the_user_says():
    body = told(SYSTEM, user("go"))
    assert markers(body) == [("system", 0), ("messages", 0, "content", 0), ("tools", 1)]
    assert body["tools"][1]["cache_control"] == MARKER


def test_a_later_turn_marks_this_end_and_the_last_one():
    body = told(SYSTEM, user("go"), *turn(1), *turn(2, results=30))
    assert markers(body["messages"]) == [(2, "content", 0), (4, "content", 29)]
    assert len(markers(body)) == 4


@pytest.mark.parametrize("results", [1, 2, 25])
def test_the_end_of_each_turn_is_marked_again_in_the_next(results):
    history = [SYSTEM, user("go")]
    ends = []
    for number in range(5):
        body = told(*history)
        places = [path[:3] for path in markers(body) if path[0] == "messages"]
        if ends:
            assert ends[-1] in places
        ends.append(places[-1])
        history += turn(number, results)


def test_the_same_history_has_the_same_bytes_but_for_markers():
    history = [SYSTEM, user("go")]
    before = None
    for number in range(5):
        body = without_markers(told(*history))
        if before is not None:
            assert body["messages"][: len(before["messages"])] == before["messages"]
            assert {**body, "messages": 0} == {**before, "messages": 0}
        before = body
        history += turn(number)


def test_never_more_than_four_with_those_that_came_along():
    kept = {"type": "server_tool_use", "id": "s", "name": "n", "input": {}, "cache_control": MARKER}
    hosted = HostedTool("web", json.dumps({"type": "web", "cache_control": MARKER}).encode(), "")
    own = Message(Role.ASSISTANT, (Text("So."), Opaque("server_tool_use", kept, "messages")))
    tools = (*TOOLS, replace(hosted, dialect="messages"))
    body = told(SYSTEM, user("go"), own, user("on"), tools=tools)
    assert len(markers(body)) == 4
    assert [path for path in markers(body) if path[0] == "messages"][-1] == (
        *("messages", 2, "content", 0),
    )


def test_thinking_is_never_marked():
    thought = {"type": "thinking", "thinking": "hm", "signature": "x"}
    parts = (Text("go"), Opaque("thinking", thought, "messages"))
    body = told(SYSTEM, Message(Role.USER, parts))
    assert thought in body["messages"][0]["content"]
    assert ("messages", 0, "content", 0) in markers(body)


# ------------------------------------------------------------------ repairs and drafts


def test_a_repair_reads_what_the_first_call_wrote():
    history = [SYSTEM, user("go"), *turn(1)]
    first = told(*history)
    draft = [said("wrong"), user("That is no JSON.")]
    again = told(*history, *draft, appended=2)
    assert markers(again) == markers(first)
    assert again["messages"][: len(first["messages"])] == first["messages"]


def test_feedback_on_calls_of_tools_is_not_kept_either():
    history = [SYSTEM, user("go")]
    call = ToolCall("call_9", "run", "{}")
    refused = Message(Role.TOOL, (ToolResult("call_9", (Text("no such tool"),)),))
    again = told(*history, said("", call), refused, said("wrong"), user("No."), appended=4)
    assert [path for path in markers(again) if path[0] == "messages"] == [
        ("messages", 0, "content", 0)
    ]


MENDING = (said("wrong"), user("That is no JSON."))


@pytest.mark.parametrize(
    ("back", "field", "body"),
    [
        (chat.BACK, "messages", '{"model": "m", "messages": [ {"role":"user","content":"é"} ] }'),
        (
            messages.BACK,
            "messages",
            (
                '{"max_tokens": 9, "system": [{"type":"text","text":"x","cache_control":'
                '{"type":"ephemeral","ttl":"1h"}}], "model": "m", "messages": [ {"role":"user",'
                '"content":[{"type":"text","text":"\\u00e9",'
                '"cache_control":{"type":"ephemeral"}}]} ] }'
            ),
        ),
        (responses.BACK, "input", '{"input": [ {"role":"user","content":"é"} ], "model": "m"}'),
    ],
    ids=["chat", "messages", "responses"],
)
def test_in_the_callers_own_dialect_a_repair_only_adds_at_the_end(back, field, body):
    raw = body.encode()
    plain = back.forward(raw, Changes(model="m", quirks=CLAUDE)).body
    assert plain == raw
    again = back.forward(raw, Changes(model="m", appended=MENDING, quirks=CLAUDE)).body
    spoken = raw.index(b"[ {") + raw[raw.index(b"[ {") :].index(b" ]")
    assert again.startswith(raw[:spoken])
    assert len(json.loads(again)[field]) == 3


@pytest.mark.parametrize("back", [chat.BACK, messages.BACK, responses.BACK])
def test_foreign_thinking_goes_and_nothing_else_changes(back):
    thought = Opaque("thinking", {"type": "thinking", "thinking": "hm"}, "elsewhere")
    signature = Opaque("reasoning", {"type": "reasoning", "encrypted_content": "x"}, "elsewhere")
    history = [SYSTEM, user("go"), *turn(1), user("on")]
    odd = list(history)
    odd[2] = replace(odd[2], parts=(thought, signature, *odd[2].parts))
    quirks = CLAUDE if back is messages.BACK else Quirks()
    sent = back.encode(outgoing(*odd, quirks=quirks))
    assert sent.body == back.encode(outgoing(*history, quirks=quirks)).body
    assert "thinking" in sent.losses


# ------------------------------------------------------------------ where they pay


def test_a_short_prompt_is_not_marked():
    assert markers(told(user("go"))) == []


def test_a_question_by_itself_is_not_marked():
    assert markers(told(SYSTEM, user("go"), tools=())) == []
    assert markers(told(SYSTEM, user("go"), said("yes"), user("on"), tools=()))


def test_an_operator_can_do_without():
    assert markers(told(SYSTEM, user("go"), caches=False)) == []


@pytest.mark.parametrize("model", ["qwen3-coder", "gpt-oss", "local"])
def test_models_that_are_no_claude_get_none(model):
    assert markers(told(SYSTEM, user("go"), quirks=quirks_of(model, Quirks()))) == []


@pytest.mark.parametrize(
    ("model", "least"),
    [
        ("claude-sonnet-5-5", 512),
        ("claude-haiku-5-5", 512),
        ("claude-opus-4-6", 4096),
        ("claude-haiku-4-5-20251001", 4096),
        ("claude-sonnet-4-5", 1024),
        ("claude-3-5-haiku-latest", 2048),
        ("anthropic/claude-sonnet-4.6", 1024),
        ("gpt-6.1-sol", None),
    ],
)
def test_the_shortest_prompt_that_is_kept_is_the_familys(model, least):
    assert quirks_of(model, Quirks()).least_cached_tokens == least


# ------------------------------------------------------------------ OpenAI's key


KEYED = Quirks(cache_key=True)


@pytest.mark.parametrize("back", [chat.BACK, responses.BACK])
def test_openai_gets_one_key_for_one_conversation(back):
    def key(conversation, **more):
        given = {"quirks": KEYED, "conversation": conversation} | more
        return json.loads(back.encode(outgoing(user("go"), **given)).body).get("prompt_cache_key")

    assert key("session-7") == key("session-7")
    assert key("session-7") != key("session-8")
    assert "session" not in key("session-7")
    assert len(key("session-7" * 99)) <= 64
    assert key("") is None
    assert key("session-7", quirks=Quirks()) is None
    assert key("session-7", caches=False) is None


@pytest.mark.parametrize("back", [chat.BACK, responses.BACK])
def test_a_callers_own_key_is_kept(back):
    field = b'"messages":[]' if back is chat.BACK else b'"input":"x"'
    body = b'{"prompt_cache_key": "mine", %b, "model": "m"}' % field
    assert back.forward(body, Changes(model="m", quirks=KEYED)).body == body


# ------------------------------------------------------------------ Claude Code's first block


HEADER = '{"type":"text", "text":"x-anthropic-billing-header: cc_version=2.1.0.ab1; cch=00000;"}'


def forwarded(system, quirks):
    body = f'{{"system": {system},"model":"m","max_tokens":9,"messages":[]}}'.encode()
    return messages.BACK.forward(body, Changes(model="m", quirks=quirks)).body.decode()


@pytest.mark.parametrize(
    ("system", "left"),
    [
        (f'[ {HEADER} , {{"type":"text","text":"é"}} ]', '[{"type":"text","text":"é"} ]'),
        (f'[{HEADER},{HEADER},{{"type":"text","text":"a"}}]', None),
        ('[{"type":"text","text":"On x-anthropic-billing-header: what is it?"}]', None),
        ('"x-anthropic-billing-header: a string"', None),
        ("[]", None),
    ],
)
def test_other_servers_are_spared_the_block_that_changes_with_each_build(system, left):
    sent = forwarded(system, Quirks())
    if left is not None:
        assert f'"system": {left},' in sent
    elif system.startswith(f"[{HEADER}"):
        assert sent.count("billing-header") == 1
    else:
        assert f'"system": {system},' in sent


def test_a_prompt_of_nothing_else_goes_with_it():
    assert "system" not in json.loads(forwarded(f"[{HEADER}]", Quirks()))


def test_anthropic_gets_it_as_it_came():
    assert HEADER in forwarded(f"[{HEADER}]", CLAUDE)


# ------------------------------------------------------------------ what was written for an hour


def test_what_is_kept_for_an_hour_is_counted_by_itself():
    counted = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 700,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 600},
        "output_tokens": 5,
    }
    used = usage_of(counted, wrote=True)
    assert used == Usage(710, 5, 0, 700, 0, UsageSource.PROVIDER, cache_write_1h_tokens=600)
    assert usage_of(usage_object(used), wrote=True) == used


@pytest.mark.parametrize("odd", [None, 7, [], {"ephemeral_1h_input_tokens": "many"}])
def test_an_odd_account_of_it_counts_none(odd):
    counted = {"input_tokens": 1, "cache_creation_input_tokens": 7, "output_tokens": 5}
    assert usage_of(counted | {"cache_creation": odd}, wrote=True).cache_write_1h_tokens == 0


def test_no_more_is_kept_for_an_hour_than_was_written_at_all():
    counted = {"input_tokens": 1, "cache_creation_input_tokens": 7, "output_tokens": 5}
    more = {"cache_creation": {"ephemeral_1h_input_tokens": 900}}
    usage = usage_of(counted | more, wrote=True)
    # One of the two is wrong: the greater is billed, and said to be no count of the provider's.
    assert (usage.cache_write_tokens, usage.cache_write_1h_tokens) == (900, 900)
    assert usage.source is UsageSource.ESTIMATED
