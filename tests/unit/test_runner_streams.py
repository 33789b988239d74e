"""Streams through the loop: what leaves, what is broken off, what a broken-off call costs."""

import asyncio
from dataclasses import replace
from pathlib import Path

from rung.assemble import assemble
from rung.config import parse
from rung.core.growth import CallGrowth, Delta
from rung.core.parts import Choice, Message, Role, Text, Tool, ToolCall, ToolChoice
from rung.core.types import (
    Answer,
    EndedBy,
    Failure,
    Fault,
    Finish,
    Need,
    Phase,
    Request,
    SchemaRequest,
    Usage,
    UsageSource,
)
from rung.core.verdicts import Status
from rung.delivery import PREAMBLE_CHARACTERS
from rung.fittings import READY_MADE
from rung.intake import Intake
from rung.providers.base import Done
from rung.providers.scripted import Reply, ScriptedProvider

LOOK = Tool("look", parameters=b'{"type":"object","properties":{"at":{"type":"string"}}}')
GOOD = ToolCall("c1", "look", '{"at":"it"}')
BAD = ToolCall("c1", "look", '{"at":7}')
UNKNOWN = ToolCall("c1", "leap", "{}")
LONG = "word " * (PREAMBLE_CHARACTERS // 5)


class Watcher:
    """A sink that keeps what it was given."""

    def __init__(self):
        self.released = []

    async def release(self, tier, delta):
        self.released.append((tier, delta.text, bool(delta.calls)))

    def watch(self, action, history):
        pass

    @property
    def text(self):
        return "".join(text for _, text, _ in self.released)


class Plays:
    """Gives its events, and counts how far it got and whether it was closed early."""

    dialect = "scripted"

    def __init__(self, *events):
        self.events = events
        self.given = 0

    async def call(self, ask):
        for event in self.events:
            self.given += 1
            yield event
            await asyncio.sleep(0)

    async def close(self):
        pass


def intake_over(*providers, ladder=""):
    names = [chr(ord("a") + n) for n in range(len(providers))]
    once = "retries = 0\nrepairs = 0"
    text = "".join(f'[tiers.{n}]\nprovider = "{READY_MADE}"\n{once}\n' for n in names)
    text += f"[ladders.default]\ntiers = {names}\n{ladder}"
    config = parse(text, Path("rung.toml"), {})
    parts = assemble(config, ledger=False, ready=dict(zip(names, providers, strict=True)))
    numbers = iter(range(10_000))
    return Intake(
        replace(parts.intake.parts, book=None),
        clock=asyncio.get_running_loop().time,
        wall=lambda: 1_700_000_000.0,
        new_id=lambda: f"id-{next(numbers)}",
    )


def asked(**changes):
    made = Request("r-1", "library", (Message(Role.USER, (Text("hi"),)),), stream=True)
    return replace(made, **changes)


async def answer(*providers, ladder="", sink=None, **changes):
    return await intake_over(*providers, ladder=ladder).answer(asked(**changes), sink=sink)


TOOLS = {"tools": (LOOK,), "needs": frozenset({Need.TOOLS})}


async def test_a_bad_call_behind_a_preamble_climbs_and_nothing_of_it_leaves():
    low = ScriptedProvider(Reply("Let me look.", tool_calls=(BAD,)))
    high = ScriptedProvider(Reply("Looking.", tool_calls=(GOOD,)))
    sink = Watcher()
    served = await answer(low, high, sink=sink, **TOOLS)
    outcome = served.outcome
    assert (outcome.served, outcome.verified) == (1, True)
    assert [a.released for a in outcome.attempts] == [False, True]
    assert {tier for tier, _, _ in sink.released} == {"b"}
    assert [delta.calls for delta in served.held if delta.calls]
    verdicts = {v.verifier: v for v in outcome.attempts[0].verdicts}
    assert verdicts["tool_calls"].reason.startswith("invalid arguments")


async def test_after_a_long_text_a_bad_call_is_the_end_and_never_served():
    low = ScriptedProvider(Reply(LONG, tool_calls=(BAD,)))
    high = ScriptedProvider([])
    sink = Watcher()
    outcome = (await answer(low, high, sink=sink, **TOOLS)).outcome
    assert (outcome.served, outcome.verified, len(outcome.attempts)) == (None, False, 1)
    assert not any(calls for _, _, calls in sink.released)
    assert high.calls == []


async def test_text_alone_that_offers_tools_is_served_and_proves_nothing():
    sink = Watcher()
    served = await answer(ScriptedProvider(LONG), ScriptedProvider([]), sink=sink, **TOOLS)
    assert (served.outcome.served, served.outcome.verified) == (0, None)
    assert sink.text == LONG
    verdict = next(v for v in served.outcome.attempts[0].verdicts if v.verifier == "tool_calls")
    assert (verdict.status, verdict.vacuous) == (Status.PASSED, True)


async def test_in_mode_hold_nothing_leaves_before_the_verdict():
    sink = Watcher()
    low, high = ScriptedProvider(Reply(LONG, tool_calls=(BAD,))), ScriptedProvider(LONG)
    served = await answer(low, high, ladder='stream = "hold"', sink=sink, **TOOLS)
    assert (served.outcome.served, sink.released) == (1, [])


async def test_in_mode_pass_a_bad_call_leaves_and_is_only_noted():
    sink = Watcher()
    low = ScriptedProvider(Reply("Hm.", tool_calls=(BAD,)))
    outcome = (
        await answer(low, ScriptedProvider([]), ladder='stream = "pass"', sink=sink, **TOOLS)
    ).outcome
    assert (outcome.served, outcome.verified, outcome.ungated) == (0, None, True)
    assert any(calls for _, _, calls in sink.released)
    verdict = next(v for v in outcome.attempts[0].verdicts if v.verifier == "tool_calls")
    assert verdict.status is Status.FAILED


async def test_mode_pass_is_for_streams_alone():
    low = ScriptedProvider(Reply("Hm.", tool_calls=(BAD,)))
    high = ScriptedProvider(Reply("", tool_calls=(GOOD,)))
    outcome = (await answer(low, high, ladder='stream = "pass"', **TOOLS, stream=False)).outcome
    assert (outcome.served, outcome.verified) == (1, True)


async def test_a_call_of_a_tool_that_nobody_offered_is_broken_off_and_billed_as_far_as_it_came():
    known = Usage(90, 0, source=UsageSource.PROVIDER)
    endless = Plays(
        Delta("Let me leap.", usage=known),
        Delta(calls=(CallGrowth(0, "leap"),)),
        *[Delta(calls=(CallGrowth(0, "", "more "),))] * 500,
        Done(Answer("", tool_calls=(UNKNOWN,)), Usage()),
    )
    high = ScriptedProvider(Reply("", tool_calls=(GOOD,)))
    outcome = (await answer(endless, high, **TOOLS)).outcome
    draft = outcome.attempts[0]
    assert outcome.served == 1
    assert endless.given < 10
    assert draft.aborted
    assert (draft.phase, draft.ended_by) == (Phase.STREAM, EndedBy.GATEWAY)
    assert draft.answer == Answer("Let me leap.", Finish.UNKNOWN)
    assert draft.usage.input_tokens == 90
    assert draft.usage.output_tokens > 0
    assert draft.usage.source is UsageSource.ESTIMATED
    (verdict,) = draft.verdicts
    assert (verdict.verifier, verdict.status) == ("tool_calls", Status.FAILED)
    assert verdict.reason.startswith("broken off: unknown tool")
    assert outcome.escalated


async def test_json_that_can_no_longer_be_is_broken_off():
    endless = Plays(
        Delta("Sure! Here "),
        *[Delta("is more prose. ")] * 500,
        Done(Answer("x"), Usage()),
    )
    schema = SchemaRequest({"type": "object"})
    outcome = (await answer(endless, ScriptedProvider("{}"), schema=schema)).outcome
    assert (outcome.served, outcome.verified) == (1, True)
    assert endless.given < 20


async def test_the_top_tier_is_never_broken_off():
    prose = Plays(*[Delta("prose ")] * 50, Done(Answer("prose " * 50), Usage()))
    outcome = (await answer(prose, schema=SchemaRequest({"type": "object"}))).outcome
    assert prose.given == 51
    assert (outcome.served, outcome.best.answer.text) == (None, "prose " * 50)


async def test_a_call_written_as_text_is_salvaged_and_held_until_it_is_whole():
    written = (
        '<tool_call>\n{"name": "look", "arguments": {"at": "' + "x" * 500 + '"}}\n</tool_call>'
    )
    low = ScriptedProvider(
        Reply(written, chunks=tuple(written[i : i + 9] for i in range(0, len(written), 9)))
    )
    sink = Watcher()
    outcome = (await answer(low, ScriptedProvider([]), sink=sink, **TOOLS)).outcome
    attempt = outcome.attempts[0]
    assert (outcome.served, outcome.verified, sink.released) == (0, True, [])
    assert attempt.answer.salvaged
    assert [call.name for call in attempt.answer.tool_calls] == ["look"]
    assert attempt.answer.finish is Finish.TOOL_CALLS


async def test_a_choice_that_a_tool_be_called_is_a_gate():
    low, high = ScriptedProvider("No need."), ScriptedProvider(Reply("", tool_calls=(GOOD,)))
    choice = ToolChoice(Choice.REQUIRED)
    outcome = (await answer(low, high, tool_choice=choice, **TOOLS)).outcome
    assert (outcome.served, outcome.verified) == (1, True)


async def test_without_a_choice_of_tools_there_is_no_gate_on_them():
    choice = ToolChoice(Choice.NONE)
    outcome = (await answer(ScriptedProvider("Hello."), tool_choice=choice, tools=(LOOK,))).outcome
    checks = {check.name for check in outcome.plan.steps[0].checks}
    assert "tool_calls" not in checks


async def test_what_no_tier_passed_is_told_again_to_a_client_that_repeats_its_stream():
    low, high = ScriptedProvider("No."), ScriptedProvider("Never.")
    body = b'{"messages":[{"role":"user","content":"hi"}]}'
    told = {"tool_choice": ToolChoice(Choice.REQUIRED), "session": "s", "body": body, **TOOLS}
    intake = intake_over(low, high)
    first = (await intake.answer(asked(**told))).outcome
    again = (await intake.answer(asked(**told, id="r-2", stream=False))).outcome
    assert (first.served, again is first) == (None, True)
    assert (len(low.calls), len(high.calls)) == (1, 1)


async def test_a_stream_that_broke_is_served_when_it_is_repeated_and_is_no_new_work():
    broken = Reply("", failure=Failure(Fault.CUT_STREAM, "cut"))
    provider = ScriptedProvider([broken, "Here."])
    body = b'{"messages":[{"role":"user","content":"hi"}]}'
    intake = intake_over(provider)
    first = (await intake.answer(asked(session="s", body=body))).outcome
    again = (await intake.answer(asked(session="s", body=body, id="r-2", stream=False))).outcome
    assert first.served is None
    assert (again.answer.text, again.request.resend_of) == ("Here.", "r-1")
