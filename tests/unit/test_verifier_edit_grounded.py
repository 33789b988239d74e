"""edit_grounded: edits of what was read pass, edits of what was made up fail."""

from __future__ import annotations

import json

import pytest

from rung.core.errors import ConfigError
from rung.core.parts import Image, Message, Role, Text, ToolCall, ToolResult
from rung.core.types import Need, Request
from rung.core.verdicts import Status
from rung.verifiers.base import run
from rung.verifiers.catalogue import KINDS, build
from rung.verifiers.edit_grounded import TOOLS, edit_grounded
from support.subjects import subject

FILE = "def add(a, b):\n    return a - b\n\n\nprint(add(1, 2))\n"
NUMBERED = "".join(f"{n:6}\u2192{line}\n" for n, line in enumerate(FILE.split("\n"), 1))
TABBED = "".join(f"{n}\t{line}\n" for n, line in enumerate(FILE.split("\n"), 1))


def read(text, *more, name="Read"):
    """A conversation in which a tool gave ``text``."""
    asked = Message(Role.USER, (Text("Fix it."),))
    called = Message(Role.ASSISTANT, (Text("Let me look."), ToolCall("1", name, "{}"), *more))
    gave = Message(Role.TOOL, (ToolResult("1", (Text(text),)),))
    return Request("r", "messages", (asked, called, gave), needs=frozenset({Need.TOOLS}))


def edit(old, new="x", name="Edit", argument=None):
    arguments = {"file_path": "/a.py", argument or TOOLS.get(name, "old_string"): old, "new": new}
    return ToolCall("9", name, json.dumps(arguments))


async def judged(request, *calls, gate=None):
    return await run(gate or edit_grounded(), subject("", request=request, tool_calls=calls))


GOOD = [
    "    return a - b",
    "def add(a, b):\n    return a - b",
    "return a - b\n\n\nprint(add(1, 2))",
    "def add(a, b):\r\n    return a - b",
    "",
]
MUTATIONS = [
    "    return a + b",
    "def add(a, b):\n  return a - b",
    "def add(a, b):\n\n    return a - b",
    "def sub(a, b):",
    "print(add(1, 2))\ndef add(a, b):",
    "def add(a, b):\n    ...\nprint(add(1, 2))",
]


@pytest.mark.parametrize("shown", [FILE, NUMBERED, TABBED, FILE.replace("\n", "\r\n")])
@pytest.mark.parametrize("old", GOOD)
async def test_text_that_was_read_passes_however_it_was_shown(shown, old):
    found = await judged(read(shown), edit(old))
    assert found.status is Status.PASSED, found.reason
    assert found.vacuous == (not old)


@pytest.mark.parametrize("shown", [FILE, NUMBERED, TABBED])
@pytest.mark.parametrize("old", MUTATIONS)
async def test_each_mutation_fails(shown, old):
    found = await judged(read(shown), edit(old))
    assert found.status is Status.FAILED, found.reason
    assert "read the file again" in found.reason


@pytest.mark.parametrize("name", TOOLS)
async def test_edit_tools_are_known_by_name(name):
    assert (await judged(read(FILE), edit("nowhere", name=name))).status is Status.FAILED
    assert (await judged(read(FILE), edit("return a - b", name=name))).status is Status.PASSED


async def test_every_edit_of_every_call_counts():
    many = {"edits": [{"old_string": "return a - b"}, {"old_string": "nowhere"}]}
    found = await judged(read(FILE), ToolCall("1", "MultiEdit", json.dumps(many)))
    assert (found.status, '"nowhere"' in found.reason) == (Status.FAILED, True)
    found = await judged(read(FILE), edit("return a - b"), edit("nowhere"))
    assert 'call 2 ("Edit")' in found.reason


async def test_what_the_assistant_wrote_to_a_file_counts_and_what_it_said_does_not():
    wrote = ToolCall("2", "Write", json.dumps({"content": "fresh = 1\n"}))
    assert (await judged(read("ok", wrote), edit("fresh = 1"))).status is Status.PASSED
    assert (await judged(read("ok", Text("fresh = 1")), edit("fresh = 1"))).status is Status.FAILED


async def test_what_the_user_wrote_counts():
    told = Request("r", "chat", (Message(Role.USER, (Text(f"Fix this:\n{FILE}"),)),))
    assert (await judged(told, edit("return a - b"))).status is Status.PASSED


async def test_what_cannot_be_searched_is_not_held_against_the_edit():
    shot = Message(Role.TOOL, (ToolResult("1", (Image("image/png", "aaaa"),)),))
    request = read("ok")
    shown = Request("r", "chat", (*request.messages, shot))
    assert (await judged(shown, edit("x = 1"))).status is Status.ABSTAINED
    cleared = read("[Old tool result content cleared]")
    assert (await judged(cleared, edit("x = 1"))).status is Status.ABSTAINED


async def test_other_calls_and_broken_arguments_are_nothing_to_judge():
    for call in (ToolCall("1", "Bash", '{"old_string": "x"}'), ToolCall("1", "Edit", "{"),
                 ToolCall("1", "Edit", '{"old_string": 5}')):  # fmt: skip
        assert (await judged(read(FILE), call)).vacuous
    assert (await judged(read(FILE))).vacuous


async def test_tools_may_be_configured():
    gate = build("own", KINDS["edit_grounded"], {"tools": {"patch": "before"}})
    bad = edit("nowhere", name="patch", argument="before")
    assert (await judged(read(FILE), bad, gate=gate)).status is Status.FAILED
    assert (await judged(read(FILE), edit("nowhere"), gate=gate)).vacuous
    for tools in ({}, {"a": 5}, "Edit", ["Edit"]):
        with pytest.raises(ConfigError):
            build("own", KINDS["edit_grounded"], {"tools": tools})


async def test_long_conversations_end_in_time():
    for shown, old in [("x\n" * 1_000_000, "x\n" * 400_000 + "y"), ("1\t" * 900_000, "z"),
                       (" " * 1_900_000, "z" * 1_000_000)]:  # fmt: skip
        found = await judged(read(shown), edit(old))
        assert found.status is Status.FAILED
        assert found.seconds < 8
