"""Conversations in a running gateway: where their turns start, across restarts and side by side."""

from __future__ import annotations

import json
from contextlib import ExitStack
from decimal import Decimal

import pytest

from support.gateway import Gateway, Upstream, ask, request, rung, toml
from support.openai_server import tool_call

# So near each other that a climb with a chance of one in three is worth avoiding.
PRICES = {
    "a": (1.9, 9.5, 0.095, 2.375),
    "b": (2, 10, 0.1, 2.5),
}
TOOL = {
    "type": "function",
    "function": {
        "name": "bash",
        "parameters": {
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
        },
    },
}
SYSTEM = "You are a coding agent. " + "Know this. " * 4_000
VALID, INVALID = {"command": "make test"}, {}


def priced(config: str) -> str:
    """With prices for tiers a and b in place of none."""
    for name, (sent, said, read, write) in PRICES.items():
        told = (
            f"price = {{ input_usd_per_mtok = {sent}, output_usd_per_mtok = {said}, "
            f"cache_read_usd_per_mtok = {read}, cache_write_usd_per_mtok = {write} }}"
        )
        head, mark, rest = config.partition(f"[tiers.{name}]")
        config = head + mark + rest.replace('price = "free"', f"{told}\nlocal = false", 1)
    return config


class Stage:
    """A gateway with two tiers, the lower of which can be told to fail."""

    def __init__(self, opened: ExitStack, folder) -> None:
        self.a, self.b = opened.enter_context(Upstream()), opened.enter_context(Upstream())
        self.b.say(self.answer(VALID))
        self.a.say(self.answer(VALID))
        config = priced(toml(self.a.base_url, self.b.base_url))
        self.gateway = opened.enter_context(Gateway(folder, config))
        self.said: dict[str, list[dict]] = {}

    @staticmethod
    def answer(arguments: dict) -> object:
        return tool_call("bash", arguments)

    def turn(self, session: str, *, fails: bool = False, output: str = "ok", **headers: str) -> str:
        """One turn of a session; which tier answered it."""
        self.a.say(self.answer(INVALID if fails else VALID))
        name = session + headers.get("x-claude-code-agent-id", "")
        first = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"Do {name}."}]
        messages = self.said.setdefault(name, first)
        body = {"model": "rung", "messages": messages, "tools": [TOOL]}
        sent = [("x-session-id", session), *headers.items()]
        made = request("POST", "/v1/chat/completions", json.dumps(body).encode(), headers=sent)
        told = ask(self.gateway.port, made)
        assert told.status == 200, told.body
        place = len(messages)
        call = {"id": f"call_{place}", "type": "function"}
        call["function"] = {"name": "bash", "arguments": json.dumps({"command": f"run {place}"})}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"call_{place}", "content": output})
        return told.headers["x-rung-tier"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """One gateway for all: each test has sessions of its own."""
    with ExitStack() as opened:
        yield Stage(opened, tmp_path_factory.mktemp("gateway"))


def why(stage: Stage) -> str:
    return stage.gateway.outcomes()[0].plan.route.why


def test_a_conversation_stays_where_it_climbed_and_the_one_beside_it_stays_below(stage):
    assert stage.turn("one-0", fails=True) == "b"
    assert stage.turn("two-0") == "a"
    assert stage.turn("one-0") == "b"
    assert why(stage).startswith("stays at b")
    assert stage.turn("two-0") == "a"
    assert len({each.request.conversation for each in stage.gateway.outcomes()[:4]}) == 2


def test_a_restart_in_the_middle_forgets_nothing(stage):
    assert stage.turn("one-1", fails=True) == "b"
    stage.gateway.stop()
    stage.gateway.start()
    assert stage.turn("one-1") == "b"
    assert why(stage).startswith("stays at b")


def test_a_sub_agent_begins_below_beside_its_main_loop(stage):
    assert stage.turn("one-2", fails=True) == "b"
    assert stage.turn("one-2", **{"x-claude-code-agent-id": "explore-1"}) == "a"
    assert stage.turn("one-2") == "b"
    _, agent, _ = stage.gateway.outcomes()[:3]
    assert agent.request.agent == "explore-1"


def test_tool_errors_in_a_row_raise_the_next_turn(stage):
    error = "Process exited with code 1\nOutput:\nboom {}"
    for number in range(3):
        assert stage.turn("one-3", output=error.format(number)) == "a"
    assert stage.turn("one-3", output="Process exited with code 0\n") == "b"
    assert why(stage) == "raised from a to b: 3 tool errors in a row"
    assert stage.turn("one-3") == "b"


def test_turns_of_one_conversation_at_once_are_all_answered(stage):
    stage.turn("one-4", fails=True)
    body = json.dumps({"model": "rung", "messages": stage.said["one-4"], "tools": [TOOL]}).encode()
    made = request("POST", "/v1/chat/completions", body, headers=[("x-session-id", "one-4")])
    assert [ask(stage.gateway.port, made).headers["x-rung-tier"] for _ in range(4)] == ["b"] * 4


def test_background_work_of_claude_code_is_booked_in_its_lane(stage):
    stage.turn("one-5", **{"x-app": "cli-bg"})
    stage.turn("one-5", **{"x-app": "cli-bg", "x-rung-lane": "batch"})
    assert [each.request.lane for each in stage.gateway.outcomes()[:2]] == ["batch", "background"]


def test_the_command_line_tells_a_conversation_turn_by_turn(stage):
    stage.turn("one-6", fails=True)
    stage.turn("one-6")
    stage.turn("two-6")
    folder, first = stage.gateway.folder, stage.gateway.outcomes()[2]
    told = json.loads(rung(folder, "conversation", first.request.id, "--json").stdout)
    assert [(turn["entry"], turn["tier"]) for turn in told["turns"]] == [("a", "b"), ("b", "b")]
    assert told["tiers"] == {"b": 2}
    assert "expected over 10 turns: a $" in told["turns"][1]["why"]
    costs = [Decimal(turn["cost_usd"]) for turn in told["turns"]]
    assert Decimal(told["cost_usd"]) == sum(costs)
    assert set(told["baselines_usd"]) == {"b"}
    shown = rung(folder, "conversation").stdout
    assert "1 turn, $" in shown
    assert "b alone would have been" in shown
    both = rung(folder, "conversation", told["turns"][0]["id"], "--session").stdout
    assert all(turn["id"] in both for turn in told["turns"])
    explained = rung(folder, "explain", told["turns"][1]["id"]).stdout
    assert "stays at b" in explained
    assert told["conversations"][0] in explained


def test_a_key_that_is_none_is_an_error_with_a_fix(stage):
    stage.turn("one-7")
    told = rung(stage.gateway.folder, "conversation", "no-such-thing")
    assert told.returncode != 0
    assert "no-such-thing" in told.stderr
