"""Sub-agents and background work, recognised by the headers of Claude Code and Codex."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.types import Directions, Lane
from rung.server.harnesses import LONGEST_AGENT, NOBODY, Asker, asker
from rung.server.headers import directions

ROOT, CHILD = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


def sent(**named: str) -> list[tuple[bytes, bytes]]:
    return [(key.replace("_", "-").encode(), value.encode()) for key, value in named.items()]


def codex(thread: str = ROOT, source: str = "user", **more: str) -> list[tuple[bytes, bytes]]:
    told = {"session_id": ROOT, "thread_id": thread, "thread_source": source}
    metadata = {"x_codex_turn_metadata": json.dumps(told)}
    return sent(session_id=ROOT, thread_id=thread, **metadata, **more)


@pytest.mark.parametrize(
    ("headers", "agent", "lane"),
    [
        (sent(), None, None),
        (sent(x_app="cli"), None, None),
        (sent(x_app="cli-bg"), None, Lane.BACKGROUND),
        (sent(X_App="CLI-BG"), None, Lane.BACKGROUND),
        (sent(x_claude_code_agent_id="a-17"), "a-17", None),
        (sent(x_claude_code_agent_id="  "), None, None),
        (sent(x_claude_code_request_class="main"), None, None),
        (sent(x_claude_code_request_class="auxiliary"), None, None),
        (sent(x_claude_code_request_class="subagent"), "subagent", None),
        (sent(x_claude_code_request_class="workflow", x_claude_code_agent_id="a-1"), "a-1", None),
        (codex(), None, None),
        (codex(CHILD, "subagent"), f"subagent {CHILD}", None),
        (codex(CHILD, x_openai_subagent="collab_spawn"), f"collab_spawn {CHILD}", None),
        (codex(CHILD, x_openai_subagent="review"), f"review {CHILD}", None),
        (codex(x_openai_subagent="review"), "review", None),
        (codex(x_openai_subagent="compact"), None, None),
        (codex(CHILD, x_codex_parent_thread_id=ROOT), CHILD, None),
        (
            codex(x_openai_subagent="memory_consolidation"),
            "memory_consolidation",
            Lane.BACKGROUND,
        ),
        (codex(source="memory_consolidation"), "memory_consolidation", Lane.BACKGROUND),
        (codex(x_openai_memgen_request="true"), None, Lane.BACKGROUND),
    ],
)
def test_who_asks(headers, agent, lane):
    assert asker(headers) == Asker(agent, lane)


@pytest.mark.parametrize(
    "metadata", ["", "no json", "[1]", '{"thread_source": 7}', "[" * 4_000, '{"a":' * 2_000]
)
def test_metadata_that_cannot_be_read_says_nothing(metadata):
    headers = sent(session_id=ROOT, thread_id=ROOT, x_codex_turn_metadata=metadata)
    assert asker(headers) == NOBODY


def test_the_lane_that_a_caller_names_stands_over_what_its_client_implies():
    headers = sent(x_app="cli-bg", x_rung_lane="interactive")
    assert directions(headers).lane is Lane.INTERACTIVE


def test_a_sub_agent_and_its_lane_are_part_of_what_a_request_asks():
    headers = sent(x_app="cli-bg", x_claude_code_agent_id="a-17")
    assert directions(headers) == Directions(lane=Lane.BACKGROUND, agent="a-17")


NAMES = st.sampled_from(
    [
        *(b"x-app", b"x-claude-code-agent-id", b"x-claude-code-request-class"),
        *(b"x-openai-subagent", b"x-codex-turn-metadata", b"x-codex-parent-thread-id"),
        *(b"thread-id", b"session-id"),
    ]
)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=300))))
def test_any_bytes_make_a_name_that_fits_a_ledger_and_a_terminal(headers):
    agent = asker(headers).agent
    assert agent is None or (agent.isascii() and agent.isprintable() and agent.strip() == agent)
    assert agent is None or 0 < len(agent) <= 2 * LONGEST_AGENT + 1
