"""Tool calls on ladders of mixed dialects, through all front doors: the gateway as a process.

Three tiers, each of a dialect of its own. What a tier below says badly must reach nobody.
"""

import json
import time
from contextlib import ExitStack
from dataclasses import replace

import openai
import pytest
from starlette.routing import Router

from rung import Reply, ScriptedProvider
from rung.assemble import assemble
from rung.config import parse as parsed_config
from rung.core.types import EndedBy, Phase, UsageSource
from rung.core.verdicts import Status
from rung.fittings import READY_MADE
from rung.server.access import Access, Gates
from rung.server.door import Door
from rung.wire import chat, messages, responses
from support import anthropic_server, openai_server
from support.dialect_cases import OSLO, TOOLS
from support.dialects import CALLERS, Asked, Called, Said, assistant
from support.gateway import Gateway, Wire, ask, request
from support.ollama_server import Says
from support.openai_server import STALL, Cut, Pause
from support.recording import OllamaThread, Spoken

FRONTS = pytest.mark.parametrize("front", CALLERS)
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
ORDERS = {"chat": "abc", "messages": "bca", "ollama": "cab"}
"""Ladders that begin with each dialect, by tiers."""

FIRSTS = pytest.mark.parametrize("first", ORDERS)
TIERS = {"chat": "a", "messages": "b", "ollama": "c"}
MARK = "zebra"
"""In all that a rejected tier says."""

LONG = f"The {MARK} thinks aloud, at length and in vain. " * 10


def ladders():
    yield from ((f"first-{name}", tuple(order), "") for name, order in ORDERS.items())
    yield from ((mode, ("a", "b", "c"), f'stream = "{mode}"') for mode in ("hold", "tools", "pass"))
    yield "best", ("a", "b", "c"), 'on_exhausted = "best"'
    yield "error", ("a", "b", "c"), 'on_exhausted = "error"'
    yield from ((f"mending-{name}", (f"{order[0]}-mends",), "") for name, order in ORDERS.items())


class World:
    """A gateway over tiers a (chat), b (messages), c (ollama)."""

    def __init__(self, gateway, uppers):
        self.gateway = gateway
        self.uppers = uppers

    def say(self, *said, order="abc", stream=False):
        """What each tier of the order says; one that says nothing must not be asked."""
        for name in "abc":
            self.uppers[name].silence()
        for name, one in zip(order, said, strict=False):
            self.uppers[name].say(one, stream=stream)

    def ask(self, front, ladder, asked=TOOLS, *, stream, headers=()):
        caller = CALLERS[front]
        body = caller.body(asked, ladder, stream=stream)
        sent = request(path=caller.path, body=body, headers=headers)
        return ask(self.gateway.port, sent)

    def history(self, reply):
        return self.gateway.outcome(reply.headers["x-rung-request-id"]).history


class Server(Spoken):
    def silence(self):
        self.server.say(openai_server.status(418, "nobody should ask"))

    def plays(self, *replies):
        self.server.say(*replies)

    def left(self, seconds):
        return self.server.calls[0].left.wait(seconds)

    @property
    def asked(self):
        return len(self.server.calls)


class Native(OllamaThread):
    def silence(self):
        self.says(Says(status=418, error="nobody should ask"))

    def plays(self, *answers):
        self.says(*answers)

    @property
    def asked(self):
        return len(self.state.chats)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    uppers = {
        "a": Server("openai_compatible", ("chat",)),
        "b": Server("anthropic", ("messages",)),
        "c": Native("model-c"),
    }
    with ExitStack() as open_:
        for upper in uppers.values():
            open_.enter_context(getattr(upper, "server", upper))
        lines = []
        for n, u in uppers.items():
            mends = u.tier.replace("repairs = 0", "repairs = 1")
            assert mends != u.tier
            lines.append(f'[tiers.{n}]\nmodel = "model-{n}"\n{u.tier}')
            lines.append(f'[tiers.{n}-mends]\nmodel = "model-{n}"\n{mends}')
        lines += [
            f"[ladders.{name}]\ntiers = {json.dumps(tiers)}\n{more}"
            for name, tiers, more in ladders()
        ]
        config = "\n".join([*lines, "[breakers]\noff = true", "[server]\nport = 0", ""])
        gateway = open_.enter_context(Gateway(tmp_path_factory.mktemp("tools"), config))
        yield World(gateway, uppers)


def got(front, reply, *, stream):
    caller = CALLERS[front]
    assert reply.status == 200, reply.body
    return caller.heard(reply.body) if stream else caller.told(reply.json)


def verdict(attempt, name="tool_calls"):
    return next(one for one in attempt.verdicts if one.verifier == name)


def calling(name, arguments, *pieces):
    return Said(pieces, (Called("call_9", name, arguments),), "tool_calls")


GOOD = Said((), (OSLO,), "tool_calls")
BAD = {
    "invalid arguments": calling("weather", {"city": 7, "note": MARK}),
    "an argument missing": calling("weather", {"town": MARK}),
    "an unknown tool": calling(MARK, {"city": "Oslo"}),
    "a preamble first": calling("weather", {"town": 1}, f"Let the {MARK}", " look."),
    "written as text": Said((f'{{"name": "weather", "arguments": {{"{MARK}": 1}}}}',)),
    "written as text after words": Said(
        (f"The {MARK} says:\n", '<tool_call>{"name": "weather", "arguments": {}}</tool_call>')
    ),
    "of two, one": Said((), (OSLO, Called("call_9", "clock", {MARK: 1})), "tool_calls"),
    "two with one id": Said((), (OSLO, replace(OSLO, name="clock")), "tool_calls"),
}

# ------------------------------------------------------------------ climbing unseen


@BOTH
@FRONTS
@FIRSTS
@pytest.mark.parametrize("wrong", BAD)
def test_only_the_second_tiers_valid_call_is_seen(world, first, front, wrong, stream):
    order = ORDERS[first]
    world.say(BAD[wrong], GOOD, order=order, stream=stream)
    reply = world.ask(front, f"rung/first-{first}", stream=stream)
    found = got(front, reply, stream=stream)
    assert (found.calls, found.words, found.finish) == ((OSLO,), "", "tool_calls")
    assert MARK.encode() not in reply.raw
    assert reply.headers["x-rung-verified"] == "true"
    assert (reply.headers["x-rung-tier"], reply.headers["x-rung-attempts"]) == (order[1], "2")
    below, served = world.history(reply)
    assert [below.tier, served.tier] == list(order[:2])
    assert verdict(below).status is Status.FAILED
    assert verdict(served).status is Status.PASSED
    assert below.usage.output_tokens > 0
    assert world.uppers[order[2]].asked == 0


@FRONTS
@FIRSTS
def test_arguments_that_are_no_json_climb(world, first, front):
    order = ORDERS[first]
    world.say(calling("weather", f'{{"city": "{MARK}'), GOOD, order=order, stream=True)
    reply = world.ask(front, f"rung/first-{first}", stream=True)
    assert got(front, reply, stream=True).calls == (OSLO,)
    assert MARK.encode() not in reply.raw
    below, _ = world.history(reply)
    assert verdict(below).status is Status.FAILED
    assert "not JSON" in verdict(below).reason


@BOTH
@FRONTS
@FIRSTS
def test_where_a_call_is_demanded_words_climb(world, first, front, stream):
    order = ORDERS[first]
    world.say(Said((f"No {MARK} today.",)), GOOD, order=order, stream=stream)
    asked = replace(TOOLS, choice="weather")
    reply = world.ask(front, f"rung/first-{first}", asked, stream=stream)
    assert got(front, reply, stream=stream).calls == (OSLO,)
    assert MARK.encode() not in reply.raw
    assert verdict(world.history(reply)[0]).reason.startswith("no call")


WRITTEN = {
    "bare": ('{"name": "weather", ', '"arguments": {"city": "Oslo"}}'),
    "tagged": ('<tool_call>{"name": "weather", "arg', 'uments": {"city": "Oslo"}}</tool_call>'),
    "fenced": ("```json\n", '{"name": "weather", "arguments": {"city": "Oslo"}}', "\n```"),
}


@BOTH
@FRONTS
@FIRSTS
@pytest.mark.parametrize("notation", WRITTEN)
def test_a_good_call_written_as_text_arrives_as_a_call(world, first, front, notation, stream):
    order = ORDERS[first]
    world.say(Said(WRITTEN[notation]), order=order, stream=stream)
    reply = world.ask(front, f"rung/first-{first}", stream=stream)
    found = got(front, reply, stream=stream)
    [call] = found.calls
    assert (call.name, call.arguments) == (OSLO.name, OSLO.arguments)
    assert (found.words, found.finish) == ("", "tool_calls")
    assert reply.headers["x-rung-verified"] == "true"
    [attempt] = world.history(reply)
    assert attempt.answer.salvaged


@BOTH
@FRONTS
@FIRSTS
def test_words_where_no_call_is_needed_are_served_as_unproven(world, first, front, stream):
    world.say(Said(("Hello.",)), order=ORDERS[first], stream=stream)
    reply = world.ask(front, f"rung/first-{first}", stream=stream)
    assert got(front, reply, stream=stream).words == "Hello."
    assert reply.headers["x-rung-verified"] == "none"


# ------------------------------------------------------------------ three ways to stream


@FRONTS
def test_after_a_long_text_a_bad_call_ends_in_an_error_event(world, front):
    """Mode `tools`: the text has left, so there is no way back, and no clean end either."""
    world.say(calling("weather", {"town": 1}, LONG), GOOD, stream=True)
    reply = world.ask(front, "rung/tools", stream=True)
    assert (reply.status, reply.headers["x-rung-tier"]) == (200, "a")
    failed = CALLERS[front].broken(reply.body)
    assert "invalid arguments" in failed.message
    assert b"thinks aloud" in reply.body
    assert b"town" not in reply.body.replace(failed.message.encode(), b"")
    assert world.uppers["b"].asked == 0
    [attempt] = world.history(reply)
    assert attempt.released
    assert verdict(attempt).status is Status.FAILED


@FRONTS
def test_plain_answers_climb_whatever_they_say_first(world, front):
    world.say(calling("weather", {"town": 1}, LONG), GOOD)
    reply = world.ask(front, "rung/tools", stream=False)
    assert got(front, reply, stream=False).calls == (OSLO,)
    assert MARK.encode() not in reply.raw


@FRONTS
def test_in_mode_hold_even_a_long_text_climbs(world, front):
    world.say(calling("weather", {"town": 1}, LONG), GOOD, stream=True)
    reply = world.ask(front, "rung/hold", stream=True)
    assert got(front, reply, stream=True).calls == (OSLO,)
    assert MARK.encode() not in reply.raw
    assert reply.headers["x-rung-verified"] == "true"


@FRONTS
@FIRSTS
def test_in_mode_tools_a_long_text_leaves_while_its_call_is_still_to_come(world, first, front):
    tier = ORDERS[first][0]
    world.say(Said(), order=tier, stream=True)
    world.uppers[tier].plays(stalled(first, LONG))
    caller = CALLERS[front]
    body = caller.body(TOOLS, f"rung/first-{first}", stream=True)
    with Wire(world.gateway.port) as wire:
        wire.send(request(path=caller.path, body=body)).until(MARK.encode())


@FRONTS
@FIRSTS
def test_a_long_text_and_a_good_call_are_served_by_the_tier_that_began(world, first, front):
    order = ORDERS[first]
    world.say(replace(GOOD, pieces=(LONG[:300], LONG[300:])), order=order, stream=True)
    reply = world.ask(front, f"rung/first-{first}", stream=True)
    found = got(front, reply, stream=True)
    assert (found.words, found.calls) == (LONG, (OSLO,))
    outcome = world.gateway.outcome(reply.headers["x-rung-request-id"])
    assert outcome.verified is True
    [attempt] = outcome.history
    assert (attempt.tier, attempt.released) == (order[0], True)


@FRONTS
def test_in_mode_pass_a_bad_call_arrives_as_it_is_and_says_that_nobody_looked(world, front):
    bad = BAD["invalid arguments"]
    world.say(bad, GOOD, stream=True)
    reply = world.ask(front, "rung/pass", stream=True)
    found = got(front, reply, stream=True)
    assert found.calls == bad.calls
    assert reply.headers["x-rung-gated"] == "false"
    assert "x-rung-verified" not in reply.headers
    outcome = world.gateway.outcome(reply.headers["x-rung-request-id"])
    assert outcome.ungated
    assert outcome.verified is not True
    [attempt] = outcome.history
    assert verdict(attempt).status is Status.FAILED
    assert world.uppers["b"].asked == 0


@FRONTS
def test_mode_pass_says_nothing_of_gates_where_none_is_implied(world, front):
    world.say(Said(), stream=True)
    reply = world.ask(front, "rung/pass", Asked(), stream=True)
    assert got(front, reply, stream=True).words == "Hello there."
    assert "x-rung-gated" not in reply.headers


@FRONTS
def test_mode_pass_gates_plain_answers(world, front):
    world.say(BAD["invalid arguments"], GOOD)
    reply = world.ask(front, "rung/pass", stream=False)
    assert got(front, reply, stream=False).calls == (OSLO,)
    assert reply.headers["x-rung-verified"] == "true"


# ------------------------------------------------------------------ doomed answers


def stalled(dialect, words="", call=None):
    """The beginning of a streamed answer that never ends."""
    if dialect == "ollama":
        calls = ({"function": {"name": call, "arguments": {}}},) if call else ()
        pieces = (words,) if words else ()
        return Says(pieces, (), calls, after=len(pieces) + len(calls), stall=True)
    if dialect == "messages":
        told = [anthropic_server.message_start()]
        if words:
            told += anthropic_server.text_events(0, words)
        if call:
            block = {"type": "tool_use", "id": "toolu_1", "name": call, "input": {}}
            told.append(anthropic_server.block_start(int(bool(words)), block))
        return anthropic_server.stream(*told, STALL, end=())
    told = [{"content": words}] if words else []
    if call:
        function = {"name": call, "arguments": ""}
        told.append({"tool_calls": [{"index": 0, "id": "c", "function": function}]})
    return openai_server.stream(*map(openai_server.chunk, told), STALL, end=())


@FRONTS
@FIRSTS
def test_a_call_of_a_tool_that_nobody_offered_is_broken_off_at_once(world, first, front):
    order = ORDERS[first]
    world.say(Said(), GOOD, order=order, stream=True)
    world.uppers[order[0]].plays(stalled(first, call=MARK))
    began = time.monotonic()
    reply = world.ask(front, f"rung/first-{first}", stream=True)
    assert got(front, reply, stream=True).calls == (OSLO,)
    assert time.monotonic() - began < 2.0
    assert world.uppers[order[0]].left(1.0)
    assert MARK.encode() not in reply.raw
    broken, served = world.history(reply)
    assert (broken.ended_by, broken.phase) == (EndedBy.GATEWAY, Phase.STREAM)
    assert verdict(broken).reason.startswith("broken off: unknown tool")
    assert broken.usage.input_tokens > 0
    assert served.tier == order[1]


@FRONTS
@FIRSTS
def test_an_answer_that_opens_as_a_refusal_is_broken_off(world, first, front):
    order = ORDERS[first]
    sorry = f"I'm sorry, but I can't help with that {MARK}. " + "It would not be right. " * 20
    world.say(Said(), Said(("Gladly.",)), order=order, stream=True)
    world.uppers[order[0]].plays(stalled(first, sorry))
    reply = world.ask(front, f"rung/first-{first}", Asked(), stream=True)
    assert got(front, reply, stream=True).words == "Gladly."
    assert world.uppers[order[0]].left(1.0)
    assert MARK.encode() not in reply.raw
    broken, _ = world.history(reply)
    assert verdict(broken, "refusal").reason.startswith("broken off: ")


# ------------------------------------------------------------------ the top

UNVERIFIED = {"responses": 400}
"""Clients of Responses send again, at full price, what comes with another status."""


@BOTH
@FRONTS
def test_when_no_tier_calls_rightly_nothing_is_served(world, front, stream):
    world.say(*[BAD["invalid arguments"]] * 3, stream=stream)
    reply = world.ask(front, "rung/error", stream=stream)
    assert reply.status == UNVERIFIED.get(front, 422)
    assert reply.headers["content-type"] == "application/json"
    told = CALLERS[front].error(reply.json)
    assert told.kind == "unverified"
    assert "tool_calls failed: invalid arguments" in told.message
    assert "Tried: a, b, c." in told.message
    assert reply.headers["x-rung-verified"] == "false"
    assert [one.tier for one in world.history(reply)] == ["a", "b", "c"]


@BOTH
@FRONTS
def test_on_exhausted_best_serves_the_call_flagged(world, front, stream):
    bad = BAD["invalid arguments"]
    world.say(*[bad] * 3, stream=stream)
    reply = world.ask(front, "rung/best", stream=stream)
    assert got(front, reply, stream=stream).calls == bad.calls
    assert reply.headers["x-rung-verified"] == "false"


@BOTH
@FRONTS
@FIRSTS
@pytest.mark.parametrize("what", ["empty", "cut off"])
def test_below_the_top_hygiene_climbs(world, what, first, front, stream):
    order = ORDERS[first]
    world.say(HYGIENE[what], GOOD, order=order, stream=stream)
    reply = world.ask(front, f"rung/first-{first}", stream=stream)
    assert got(front, reply, stream=stream).calls == (OSLO,)
    assert b"so good" not in reply.raw
    assert reply.headers["x-rung-verified"] == "true"


HYGIENE = {
    "empty": Said(()),
    "cut off": Said(("So far ", "so good"), finish="length"),
}


@BOTH
@FRONTS
@pytest.mark.parametrize("back", TIERS)
@pytest.mark.parametrize("what", HYGIENE)
def test_at_the_top_hygiene_flags_and_withholds_nothing(world, what, back, front, stream):
    """Nobody asked for it, and agents know by themselves how to go on from there."""
    world.uppers[TIERS[back]].say(HYGIENE[what], stream=stream)
    reply = world.ask(front, f"tier:{TIERS[back]}", stream=stream)
    found = got(front, reply, stream=stream)
    assert (found.words, found.finish) == (HYGIENE[what].text, HYGIENE[what].finish)
    assert world.gateway.outcome(reply.headers["x-rung-request-id"]).verified is False


@BOTH
@FRONTS
def test_arguments_that_are_no_json_are_flagged_and_stay_readable(world, front, stream):
    """A broken call must not break the caller's own parser: Messages knows only objects."""
    bad = BAD["invalid arguments"]
    world.say(bad, bad, calling("weather", f'{{"city": "{MARK}'), stream=stream)
    reply = world.ask(front, "rung/best", stream=stream)
    [call] = got(front, reply, stream=stream).calls
    assert call.name == "weather"
    assert reply.headers["x-rung-verified"] == "false"
    if front == "messages":
        assert isinstance(call.arguments, dict)
    assert MARK in json.dumps(call.arguments)


@FRONTS
def test_at_the_top_a_bad_call_after_its_text_ends_in_an_error_event(world, front):
    world.say(Said(), Said(), calling("weather", {"town": 1}, "So ", "then."), stream=True)
    reply = world.ask(front, "tier:c", stream=True)
    failed = CALLERS[front].broken(reply.body)
    assert "invalid arguments" in failed.message
    assert b"then." in reply.body


@BOTH
@FRONTS
@FIRSTS
def test_a_tier_is_shown_its_own_bad_call_and_mends_it(world, first, front, stream):
    upper = world.uppers[TIERS[first]]
    world.say(*[Said()] * 3, stream=stream)
    upper.say(BAD["invalid arguments"], GOOD, stream=stream)
    reply = world.ask(front, f"rung/mending-{first}", stream=stream)
    assert got(front, reply, stream=stream).calls == (OSLO,)
    assert MARK.encode() not in reply.raw
    assert reply.headers["x-rung-verified"] == "true"
    assert [one.kind.value for one in world.history(reply)] == ["first", "repair"]
    before, again = (upper.read(body) for body in upper.bodies())
    assert again.tools == before.tools
    said, result, told = again.turns[len(before.turns) :]
    assert said == assistant(*BAD["invalid arguments"].calls)
    assert (result.id, result.failed) == ("call_9", True)
    assert "invalid arguments" in result.text
    assert "Answer again" in told.pieces[0]


# ------------------------------------------------------------------ what breaks, who leaves


def broken_off(dialect, words, how):
    """A streamed answer that does not end: its connection does, or the provider says why."""
    error = how == "error"
    if dialect == "ollama":
        return Says((words, "more"), after=1, cut=not error, error="scripted" if error else None)
    if dialect == "messages":
        told = [anthropic_server.message_start(), *anthropic_server.text_events(0, words)[:-1]]
        if error:
            return anthropic_server.stream(*told, anthropic_server.error_event("api_error"))
        return anthropic_server.stream(*told, Pause(0.02), Cut(how == "reset"), end=())
    if error:
        wrong = {"error": {"message": "scripted", "code": 500}}
        return openai_server.stream(openai_server.chunk({"content": words}), wrong)
    return openai_server.cut_stream(words, hard=how == "reset")


def plays(world, dialect, script):
    upper = world.uppers[TIERS[dialect]]
    upper.plays(script)
    return upper


@FRONTS
@pytest.mark.parametrize("back", TIERS)
@pytest.mark.parametrize("how", ["cut", "reset", "error"])
def test_what_breaks_after_its_release_ends_in_each_dialects_error_event(world, how, back, front):
    plays(world, back, broken_off(back, "so far so good", how))
    reply = world.ask(front, f"tier:{TIERS[back]}", Asked(), stream=True)
    assert reply.status == 200
    failed = CALLERS[front].broken(reply.body)
    assert b"so far so good" in reply.body
    assert failed.message.startswith("No tier gave an answer")
    if front != "responses":
        assert failed.request_id == reply.headers["x-rung-request-id"]
    [attempt] = world.history(reply)
    assert attempt.released
    assert (attempt.failure.fault.value == "cut_stream") is (how != "error")
    assert attempt.usage.input_tokens > 0
    assert attempt.usage.output_tokens > 0


@BOTH
@FRONTS
@FIRSTS
def test_a_stream_cut_before_its_release_is_unseen(world, first, front, stream):
    order = ORDERS[first]
    world.say(Said(), GOOD, order=order, stream=stream)
    if stream or first != "ollama":
        plays(world, first, broken_off(first, MARK, "cut"))
    else:
        world.uppers["c"].says(Says(raw=b'{"message": {"content": "zebra'))
    reply = world.ask(front, f"rung/first-{first}", stream=stream)
    assert got(front, reply, stream=stream).calls == (OSLO,)
    assert MARK.encode() not in reply.raw
    assert world.history(reply)[0].failure is not None


@FRONTS
@pytest.mark.parametrize("back", TIERS)
def test_a_caller_who_leaves_ends_the_call_of_every_dialect(world, back, front):
    upper = plays(world, back, stalled(back, "so far so good"))
    if back == "ollama":
        upper.state.hung_up.clear()
    caller = CALLERS[front]
    before = len(world.gateway.outcomes())
    body = caller.body(Asked(), f"tier:{TIERS[back]}", stream=True)
    with Wire(world.gateway.port) as wire:
        wire.send(request(path=caller.path, body=body)).until(b"so far")
    assert upper.left(1.0)
    outcome = world.gateway.booked(before + 1)[0]
    assert (outcome.ended_by, outcome.served) == (EndedBy.CLIENT, None)
    [attempt] = outcome.history
    assert attempt.usage.source is UsageSource.ESTIMATED
    assert attempt.usage.input_tokens > 0
    assert attempt.usage.output_tokens > 0


# ------------------------------------------------------------------ errors


def refusals(status, kind, wait=None):
    """The same refusal in each dialect's words."""
    headers = {} if wait is None else {"retry-after": wait}
    return (
        openai_server.status(status, f"chat says {status}", headers=headers),
        anthropic_server.error(status, kind, f"messages says {status}", headers=headers),
        Says(status=status, error=f"ollama says {status}"),
    )


REFUSED = {
    "rejected": (400, "invalid_request_error", 400, "invalid_request_error"),
    "a key that is wrong": (401, "authentication_error", 502, None),
    "rate limited": (429, "rate_limit_error", 429, "rate_limit_error"),
    "overloaded": (529, "overloaded_error", 503, "overloaded_error"),
    "broken": (500, "api_error", 502, None),
}


def refuse_all(world, chat_, messages_, ollama_):
    for name, refusal in zip("abc", (chat_, messages_, ollama_), strict=True):
        world.uppers[name].plays(refusal)


@BOTH
@FRONTS
@pytest.mark.parametrize("how", REFUSED)
def test_what_all_tiers_refuse_is_told_in_the_callers_envelope(world, front, how, stream):
    status, kind, wanted, named = REFUSED[how]
    refuse_all(world, *refusals(status, kind))
    reply = world.ask(front, "rung/error", Asked(), stream=stream)
    overloaded = front == "messages" and wanted == 503
    assert reply.status == (529 if overloaded else wanted), reply.body
    assert reply.headers["content-type"] == "application/json"
    told = CALLERS[front].error(reply.json)
    if named:
        assert told.kind == named
    for tier in "abc":
        assert f"{tier}: " in told.message
    assert told.request_id == reply.headers["x-rung-request-id"]
    assert reply.headers["x-request-id"] == told.request_id
    assert reply.headers.get("request-id") == (told.request_id if front == "messages" else None)
    assert [one.failure.status for one in world.history(reply)] == [status] * 3


@FRONTS
def test_the_shortest_wait_that_a_provider_asked_for_is_passed_on(world, front):
    chat_, _, ollama_ = refusals(429, "rate_limit_error", wait="30")
    _, messages_, _ = refusals(429, "rate_limit_error", wait="12")
    refuse_all(world, chat_, messages_, ollama_)
    reply = world.ask(front, "rung/error", Asked(), stream=False)
    assert (reply.status, reply.headers["retry-after"]) == (429, "12")


@BOTH
@FRONTS
def test_different_failures_are_told_in_one_message(world, front, stream):
    chat_, _, _ = refusals(429, "", wait="20")
    _, messages_, _ = refusals(529, "overloaded_error")
    _, _, ollama_ = refusals(500, "")
    refuse_all(world, chat_, messages_, ollama_)
    reply = world.ask(front, "rung/error", Asked(), stream=stream)
    assert reply.status == 502
    told = CALLERS[front].error(reply.json).message
    for said in ("chat says 429", "messages says 529", "ollama says 500"):
        assert said in told


@FRONTS
def test_a_wrong_request_is_refused_before_anyone_is_asked(world, front):
    world.say()
    caller = CALLERS[front]
    for body in (b"{", b"[]", json.dumps({"model": "rung"}).encode()):
        reply = ask(world.gateway.port, request(path=caller.path, body=body))
        assert reply.status == 400, reply.body
        told = caller.error(reply.json)
        assert told.kind == "invalid_request_error"
        assert told.request_id == reply.headers["x-request-id"]
    missing = caller.body(Asked(), "tier:none-such")
    reply = ask(world.gateway.port, request(path=caller.path, body=missing))
    assert reply.status == 404
    assert caller.error(reply.json).kind == "not_found_error"
    assert [upper.asked for upper in world.uppers.values()] == [0, 0, 0]


# ------------------------------------------------------------------ heartbeats

PATHS = {"chat": chat.FRONT, "responses": responses.FRONT, "messages": messages.FRONT}


@pytest.fixture
async def slow_doors(tmp_path):
    """The doors in this process, over a tier that thinks for a while, with an eager heartbeat."""
    ladder = f'[tiers.slow]\nprovider = "{READY_MADE}"\n[ladders.default]\ntiers = ["slow"]'
    config = parsed_config(ladder, tmp_path / "rung.toml", {})
    reply = Reply("Good morning.", seconds=0.12)
    parts = assemble(config, ledger=False, ready={"slow": ScriptedProvider([reply, reply])})
    gates = Gates(parts.intake.parts.callers)
    doors = {name: Door(f, parts.intake, heartbeat_seconds=0.02) for name, f in PATHS.items()}
    yield Router(
        [gates.route(CALLERS[name].path, Access.CALL, POST=door) for name, door in doors.items()]
    )
    await parts.close()


@pytest.fixture
async def http(slow_doors):
    import httpx2

    transport = httpx2.ASGITransport(app=slow_doors)
    async with httpx2.AsyncClient(transport=transport, base_url="http://rung") as client:
        yield client


@FRONTS
async def test_a_stream_with_heartbeats_is_still_one_of_its_dialect(http, front):
    caller = CALLERS[front]
    reply = await http.post(caller.path, content=caller.body(Asked(), "rung", stream=True))
    beat = PATHS[front].heartbeat
    assert reply.content.startswith(beat * 2)
    assert caller.heard(reply.content).words == "Good morning."


@FRONTS
async def test_after_heartbeats_what_passed_nothing_ends_in_an_error_event(http, front):
    """The status has left by then, so the stream has to tell it."""
    caller = CALLERS[front]
    asked = Asked(schema={"type": "object"})
    reply = await http.post(caller.path, content=caller.body(asked, "rung", stream=True))
    beat = PATHS[front].heartbeat
    assert (reply.status_code, reply.content.count(beat) > 1) == (200, True)
    failed = caller.broken(reply.content.replace(beat, b""))
    assert "json_schema failed" in failed.message
    assert b"Good morning" not in reply.content.replace(failed.message.encode(), b"")


async def test_openais_own_client_reads_streams_with_heartbeats(http):
    client = openai.AsyncOpenAI(base_url="http://rung/v1", api_key="unused", http_client=http)
    said = [{"role": "user", "content": "Hi"}]
    told = [
        chunk.choices[0].delta.content or ""
        async for chunk in await client.chat.completions.create(
            model="rung", messages=said, stream=True
        )
    ]
    assert "".join(told) == "Good morning."
    async with client.responses.stream(model="rung", input="Hi") as events:
        kinds = [event.type async for event in events]
        final = await events.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert final.output_text == "Good morning."
