"""What `rung probe run` may spend, draw and send."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.cli.probe_queries import of_file, stored
from rung.core.errors import RequestError
from rung.core.parts import HostedTool, Message, Role, Text
from rung.core.types import Need, Request
from rung.ledger import Ledger
from rung.ledger.bodies import packed, store
from rung.measuring import Capped, unfit
from rung.orders import NO_PURSE, Hold, Purse, Refused, Wish
from support.routed import finished

REQUEST = Request("r1", "chat", (Message(Role.USER, (Text("hi"),)),))


def wish(name: str, worst: int) -> Wish:
    return Wish(name, REQUEST, worst)


# ------------------------------------------------------------------ money


@given(
    most=st.integers(0, 1000),
    calls=st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1), st.booleans()), max_size=30),
)
def test_no_more_is_spent_than_was_allowed_however_calls_overlap(most, calls) -> None:
    async def spend() -> tuple[int, int]:
        purse, under_way, spent = Capped(NO_PURSE, most), [], 0
        for number, (worst, share, ends) in enumerate(calls):
            found = await purse.reserve(wish(str(number), worst))
            if isinstance(found, Hold):
                under_way.append((found, int(worst * share)))
            if ends and under_way:
                hold, cost = under_way.pop(0)
                purse.settle(hold, cost)
                purse.settle(hold, cost)
                spent += cost
        return spent, purse.spent_nanousd

    spent, told = asyncio.run(spend())
    assert spent == told <= most


def test_what_the_other_purse_refuses_is_not_held() -> None:
    class Empty(Purse):
        async def reserve(self, wish: Wish) -> Hold | Refused:
            return Refused("no money")

    async def twice() -> list[object]:
        purse = Capped(Empty(), 10)
        return [await purse.reserve(wish(name, 10)) for name in "ab"]

    first, second = asyncio.run(twice())
    assert first == second == Refused("no money")


def test_a_free_call_needs_no_budget() -> None:
    assert isinstance(asyncio.run(Capped(NO_PURSE, 0).reserve(wish("a", 0))), Hold)
    assert isinstance(asyncio.run(Capped(NO_PURSE, 0).reserve(wish("a", 1))), Refused)


# ------------------------------------------------------------------ what can be asked again


@pytest.mark.parametrize("need", [Need.EMBEDDINGS, Need.STATE])
def test_what_another_tier_could_not_be_asked_is_left_out(need: Need) -> None:
    assert unfit(REQUEST) is None
    asked = Request("r1", "chat", REQUEST.messages, needs=frozenset({need}))
    assert unfit(asked) is not None


def test_a_tool_that_the_provider_runs_is_not_run_again() -> None:
    tools = (HostedTool("web_search", b"{}", "responses"),)
    assert unfit(Request("r1", "responses", REQUEST.messages, tools=tools)) is not None


# ------------------------------------------------------------------ the sample


def keep(ledger: Ledger, name: str, body: object, category: str = "coding") -> None:
    ledger.append_now(finished(name, [True], category))
    ledger.enqueue(lambda c: store(c, packed(name, [("request", body)], 1.0))).result()


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def chat(said: str) -> dict[str, object]:
    return {"model": "rung", "messages": [{"role": "user", "content": said}]}


def test_a_greater_sample_holds_the_smaller_one(ledger: Ledger) -> None:
    for number in range(20):
        keep(ledger, f"r{number}", chat(f"What is {number}?"))
    few, more = (
        [one.id for one in stored(ledger, "default", 0.0, None, most).queries] for most in (5, 12)
    )
    assert more[:5] == few
    assert len(set(more)) == 12
    assert sorted(few) != few


def test_only_the_ladders_own_of_the_category_whose_words_are_there_are_drawn(ledger) -> None:
    keep(ledger, "asked", chat("What is 1?"))
    keep(ledger, "prose", chat("What is 2?"), "prose")
    ledger.append_now(finished("unkept", [True]))
    found = stored(ledger, "default", 0.0, "coding", 10)
    assert [one.id for one in found.queries] == ["asked"]
    assert found.there == 1
    assert stored(ledger, "other", 0.0, None, 10).queries == []


@pytest.mark.parametrize(
    "body",
    [
        "plain text",
        7,
        {"left_out_bytes": 2_000_000},
        {"model": "rung"},
        {"messages": "none"},
        [{"role": "user"}],
        [{"role": "nobody", "parts": [{"text": "hi"}]}],
    ],
)
def test_a_body_that_is_no_request_is_left_out_and_counted(ledger: Ledger, body: object) -> None:
    keep(ledger, "odd", body)
    found = stored(ledger, "default", 0.0, None, 10)
    assert found.queries == []
    assert sum(found.unfit.values()) == 1


def test_turns_that_came_without_a_body_are_asked_as_they_were(ledger: Ledger) -> None:
    keep(ledger, "turns", [{"role": "user", "parts": [{"text": "hi"}]}])
    (found,) = stored(ledger, "default", 0.0, None, 10).queries
    assert found.request.question == "hi"


def test_a_file_gives_each_request_a_name_of_its_own_that_stays(tmp_path: Path) -> None:
    file = tmp_path / "asked.jsonl"
    lines = [{"prompt": f"What is {number}?", "category": "sums"} for number in range(6)]
    file.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    first = of_file(file, None, 10)
    file.write_text("\n".join(map(json.dumps, reversed(lines))), "utf-8")
    assert [one.id for one in of_file(file, None, 10).queries] == [one.id for one in first.queries]
    assert {one.category for one in first.queries} == {"sums"}
    assert of_file(file, "prose", 10).queries == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "asks for nothing"),
        ("{", "line 1 is not JSON"),
        ("[1]", "line 1 is no JSON object"),
        ('{"prompt": "hi"}\n{"prompt": ""}', "line 2 asks for nothing"),
    ],
)
def test_a_line_that_asks_for_nothing_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "asked.jsonl"
    file.write_text(text, "utf-8")
    with pytest.raises(RequestError, match=said):
        of_file(file, None, 10)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="No such file"):
        of_file(tmp_path / "none.jsonl", None, 10)
