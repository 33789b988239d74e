"""Second looks: what is drawn, what is left alone, what becomes a label, and what it may cost."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rung import Reply, ScriptedProvider
from rung import audits as audits_module
from rung.assemble import Assembly, assemble
from rung.audits import below, drawn, turned_down, unaudited
from rung.config import Config
from rung.core.errors import ConfigError, LedgerError, RequestError
from rung.core.labels import Label, LabelSource
from rung.core.parts import HostedTool, Message, Role, Text, ToolCall
from rung.core.types import (
    Directions,
    Failure,
    Fault,
    Need,
    Request,
    Usage,
    UsageSource,
)
from rung.file_tables import FileTable
from rung.fittings import READY_MADE
from rung.inspection import problems
from rung.ledger import Ledger
from rung.ledger.bill import BillBy, bill
from rung.ledger.bill_json import to_json
from rung.ledger.judged import judged
from rung.verifiers.base import Verifier
from rung.verifiers.function import function

PRICE = {"input_usd_per_mtok": "1", "output_usd_per_mtok": "2"}
DOWN = Failure(Fault.UNAVAILABLE, "gone")


def verdict(*, right: bool) -> str:
    return json.dumps({"fault": "" if right else "it is not so", "right": right, "sure": 90})


def said(*lines: Any, judge: dict[str, bool] | None = None) -> ScriptedProvider:
    """Answers in turn; to a judge's question, what ``judge`` says of the text it is about."""
    left = list(lines)

    def reply(ask: Any) -> Any:
        if ask.request.dialect != "judge":
            return left.pop(0)
        asked = ask.messages[-1].text
        (found,) = [right for text, right in (judge or {}).items() if f"text]\n{text}\n" in asked]
        return verdict(right=found)

    return ScriptedProvider([reply], cycle=True)


def assembled(folder: Path, *providers: ScriptedProvider, **ladder: Any) -> Assembly:
    names = [chr(ord("a") + place) for place in range(len(providers))]
    tier = {"provider": READY_MADE, "price": PRICE, "retries": 0, "repairs": 0}
    rules = {"tiers": names[:2], "audit": "100%", **ladder}
    tiers = dict.fromkeys(names, tier) | {"a": tier | {"price": "free"}}
    table = {"baseline": names[-1], "tiers": tiers, "ladders": {"default": rules}}
    config = Config(FileTable.model_validate(table), None, folder / "ledger.db", folder, {})
    return assemble(config, ready=dict(zip(names, providers, strict=True)))


def gate(*wrong: str) -> Verifier:
    return function(lambda text: text not in wrong or "rejected", name="gate")


def question(name: str = "req-1", **more: Any) -> Request:
    return Request(name, "library", (Message(Role.USER, (Text("what is it?"),)),), **more)


async def settled(parts: Assembly) -> None:
    assert parts.audits is not None
    while parts.audits._tasks:
        await asyncio.wait(set(parts.audits._tasks))


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 the provider has no event of its own
            await asyncio.sleep(0)


async def audited(parts: Assembly, *checks: Verifier, **more: Any) -> list[Label]:
    """Serve one request, let its audit end, and say what is labelled."""
    try:
        await parts.intake.answer(question(**more), extra=checks)
        await settled(parts)
        with Ledger.open(parts.config.ledger) as ledger:
            return list(ledger.find("req-1").labels)
    finally:
        await parts.close()


def told(labels: list[Label]) -> list[tuple[int | None, bool]]:
    assert {label.source for label in labels} <= {LabelSource.AUDIT}
    return [(label.attempt, label.right) for label in labels]


# ------------------------------------------------------------------ what is drawn


def test_the_draw_is_of_the_share_and_always_the_same() -> None:
    names = [f"{n:022x}" for n in range(20_000)]
    once = [drawn(name, 0.02) for name in names]
    assert once == [drawn(name, 0.02) for name in names]
    assert sum(once) == pytest.approx(400, abs=80)
    assert not any(drawn(name, 0.0) for name in names)
    assert all(drawn(name, 1.0) for name in names)
    # A larger share holds the smaller one: raising it keeps what was drawn before.
    assert all(drawn(name, 0.1) for name, hit in zip(names, once, strict=True) if hit)


# ------------------------------------------------------------------ what becomes a label


async def test_an_answer_that_a_better_tier_gives_too_was_right(tmp_path: Path) -> None:
    labels = await audited(assembled(tmp_path, said("Paris"), said("paris.")))
    assert told(labels) == [(0, True)]
    assert labels[0].by == "tier:b"


async def test_a_different_answer_that_is_judged_wrong_was_wrong(tmp_path: Path) -> None:
    top = said("Paris", judge={"Lyon": False, "Paris": True})
    labels = await audited(assembled(tmp_path, said("Lyon"), top))
    assert told(labels) == [(0, False)]
    assert labels[0].note == "it is not so"


async def test_an_answer_in_other_words_that_is_judged_right_was_right(tmp_path: Path) -> None:
    top = said("Paris", judge={"It is Paris.": True})
    assert told(await audited(assembled(tmp_path, said("It is Paris."), top))) == [(0, True)]


@pytest.mark.parametrize("right", [True, False])
async def test_a_judge_that_cannot_tell_two_numbers_apart_decides_nothing(
    tmp_path: Path, right: bool
) -> None:
    top = said("12", judge={"12": right, "13": right})
    assert await audited(assembled(tmp_path, said("13"), top)) == []


@pytest.mark.parametrize("reply", ["right!", '{"right": true}', DOWN, ""])
async def test_a_judge_that_says_nothing_of_use_decides_nothing(tmp_path: Path, reply: Any) -> None:
    top = ScriptedProvider(["12", reply, reply, reply], cycle=False)
    assert await audited(assembled(tmp_path, said("13"), top)) == []


async def test_a_second_answer_that_fails_the_requests_gates_says_nothing(tmp_path: Path) -> None:
    top = said("13")
    assert await audited(assembled(tmp_path, said("12"), top), gate("13")) == []
    assert len(top.calls) == 1


async def test_texts_that_are_nearly_the_same_are_judged(tmp_path: Path) -> None:
    long = "the total of all the items in the list that you sent me is {}"
    top = said(long.format(12), judge={long.format(13): False, long.format(12): True})
    parts = assembled(tmp_path, said(long.format(13)), top, compare="text")
    assert told(await audited(parts)) == [(0, False)]


async def test_a_rejected_draft_that_says_what_was_verified_was_right(tmp_path: Path) -> None:
    checks = function(lambda text: text == "Paris" or "a capital letter, please", name="form")
    labels = await audited(assembled(tmp_path, said("paris"), said("Paris")), checks)
    assert told(labels) == [(0, True)]


async def test_a_rejected_draft_that_is_judged_wrong_was_rejected_rightly(tmp_path: Path) -> None:
    top = said("12", judge={"13": False, "12": True})
    labels = await audited(assembled(tmp_path, said("13"), top), gate("13"))
    assert told(labels) == [(0, False)]


async def test_where_nothing_passed_each_draft_is_judged_alone(tmp_path: Path) -> None:
    top = said("12", judge={"13": False, "12": True})
    parts = assembled(tmp_path, said("13"), top, on_exhausted="error")
    assert told(await audited(parts, gate("12", "13"))) == [(0, False), (1, True)]


async def test_the_tier_that_audits_may_stand_on_no_ladder(tmp_path: Path) -> None:
    top, other = said(), said("Paris")
    labels = await audited(assembled(tmp_path, said("Paris"), top, other, audit_by="c"))
    assert [label.by for label in labels] == ["tier:c"]
    assert top.calls == []


async def test_the_second_answer_is_asked_for_without_a_stream_and_with_its_gates(
    tmp_path: Path,
) -> None:
    top = said("Paris")
    parts = assembled(tmp_path, said("Paris"), top)
    await audited(parts, gate(), stream=True, model="gpt-6.1-sol")
    (call,) = top.calls
    assert (call.stream, call.request.audit_of, call.request.model) == (
        False,
        "req-1",
        "gpt-6.1-sol",
    )


# ------------------------------------------------------------------ what is left alone


@pytest.mark.parametrize(
    "more",
    [
        {"directions": Directions(tier="a")},
        {"model": "tier:a"},
        {"tools": (HostedTool("web_search", b"{}", "responses"),)},
        {"audit_of": "another"},
    ],
    ids=["pinned", "pinned by the model", "hosted tools", "an audit"],
)
async def test_some_requests_get_no_second_look(tmp_path: Path, more: Any) -> None:
    top = said()
    assert await audited(assembled(tmp_path, said("Paris"), top), **more) == []
    assert top.calls == []


async def test_tool_calls_and_what_the_top_answered_get_none(tmp_path: Path) -> None:
    call = Reply(tool_calls=(ToolCall("c1", "find", "{}"),))
    parts = assembled(tmp_path, said(call, DOWN), said("Paris"))
    try:
        for name in ("req-1", "req-2"):
            await parts.intake.answer(question(name))
            await settled(parts)
        assert parts.ledger is not None
        assert parts.ledger.newest_labels() == []
    finally:
        await parts.close()


async def test_why_there_is_no_second_look_is_a_reason_in_words(tmp_path: Path) -> None:
    parts = assembled(tmp_path, said("Paris"), said("Paris"))
    outcome = (await parts.intake.answer(question())).outcome
    await parts.close()
    assert unaudited(outcome, "b") is None
    assert below(outcome, "b")
    assert below(outcome, "elsewhere")
    assert not below(outcome, "a")
    assert list(turned_down(outcome)) == []
    embedding = replace(outcome, request=replace(outcome.request, needs=frozenset({"embeddings"})))
    assert unaudited(embedding, "b") == "two models' embeddings do not compare"
    assert Need.EMBEDDINGS in embedding.request.needs


# ------------------------------------------------------------------ never in the way


async def test_the_answer_does_not_wait_for_the_audit(tmp_path: Path) -> None:
    parts = assembled(tmp_path, said("Paris"), said(Reply("Paris", seconds=30)))
    assert parts.audits is not None
    parts.audits.last_seconds = 0.0
    try:
        async with asyncio.timeout(5):
            served = await parts.intake.answer(question())
        assert served.outcome.answer is not None
        assert len(parts.audits._tasks) == 1
    finally:
        async with asyncio.timeout(5):
            await parts.close()
    assert parts.audits._tasks == set()


async def test_what_a_cut_off_audit_cost_is_on_the_bill_all_the_same(tmp_path: Path) -> None:
    top = said(Reply("Paris", seconds=30))
    parts = assembled(tmp_path, said("Paris"), top)
    assert parts.audits is not None
    parts.audits.last_seconds = 0.0
    await parts.intake.answer(question())
    await until(lambda: top.calls)
    await parts.close()
    with Ledger.open(parts.config.ledger) as ledger:
        total = bill(ledger).total
    assert (total.requests, total.beside.audited, total.beside.audit_calls) == (1, 1, 1)


async def test_audits_run_a_few_at_a_time_and_too_many_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audits_module, "MOST_KEPT", 6)
    go, running, most = asyncio.Event(), 0, 0

    class Slow(ScriptedProvider):
        async def call(self, ask):
            nonlocal running, most
            running += 1
            most = max(most, running)
            await go.wait()
            running -= 1
            async for event in super().call(ask):
                yield event

    top = Slow(["Paris"], cycle=True)
    parts = assembled(tmp_path, ScriptedProvider(["Paris"], cycle=True), top)
    try:
        for n in range(9):
            await parts.intake.answer(question(f"req-{n}"))
        await until(lambda: running == audits_module.MOST_AT_ONCE)
        go.set()
        await settled(parts)
    finally:
        await parts.close()
    assert most == audits_module.MOST_AT_ONCE
    assert len(top.calls) == 6
    assert sum("too many audits" in record.message for record in caplog.records) == 3


@pytest.mark.parametrize("error", [LedgerError("the disk is full"), RequestError("no"), OSError()])
async def test_a_failing_audit_is_nobodys_trouble(
    tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    parts = assembled(tmp_path, said("Paris"), said("Paris"))
    assert parts.audits is not None

    class Broken:
        def add_label(self, given: Label) -> object:
            raise error

        def queue_audit(self, outcome: object) -> None:
            raise error

    parts.audits.book = Broken()
    assert await audited(parts) == []
    assert any("no audit of req-1" in record.message for record in caplog.records)


async def test_a_tier_that_is_down_leaves_no_label(tmp_path: Path) -> None:
    assert await audited(assembled(tmp_path, said("Paris"), said(DOWN))) == []


@pytest.mark.parametrize(("cap", "calls"), [("0.001", 0), ("0.009", 1), ("0.1", 3)])
async def test_an_audit_stays_within_the_ladders_cap(tmp_path: Path, cap: str, calls: int) -> None:
    # An answer without a limit counts as 4,096 tokens; this one uses almost as many.
    usage = Usage(10, 4000, source=UsageSource.PROVIDER)
    judge = {"Lyon": False, "Paris": True}
    top = said(Reply("Paris", usage=usage), judge=judge)
    labels = await audited(assembled(tmp_path, said("Lyon"), top, max_usd=cap))
    assert len(top.calls) == calls
    assert len(labels) == (calls == 3)


# ------------------------------------------------------------------ the bill


async def test_audits_are_inside_the_spend_and_the_savings_and_nowhere_else(tmp_path: Path) -> None:
    top = said("Paris", judge={"Lyon": False, "Paris": True})
    parts = assembled(tmp_path, said("Lyon"), top)
    await audited(parts, gate())
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        made = bill(ledger, by=BillBy.DAY)
        report = judged(ledger)
    total = to_json(made)["total"]
    assert (total["requests"], total["attempts"], total["answered"]) == (1, 1, 1)
    assert (total["audited"], total["audit_calls"]) == (1, 3)
    assert total["audits_nanousd"] == report.audits.cost_nanousd > 0
    tiers = sum(line.spend_nanousd for line in made.tiers)
    assert [line.key for line in made.tiers] == ["a"]
    assert total["spend_nanousd"] == tiers + total["audits_nanousd"]
    assert total["blended_nanousd"] == total["spend_nanousd"]
    (saving,) = total["savings"]
    assert (saving["requests"], saving["spend_nanousd"]) == (1, total["spend_nanousd"])
    assert (total["escalation"]["hits"], total["escalation"]["trials"]) == (0, 1)
    assert sum(line.spend_nanousd for line in made.lines) == total["spend_nanousd"]
    assert {line.key.tier for line in report.lines} == {"a"}
    assert report.audits.audited == report.audits.labelled == 1


# ------------------------------------------------------------------ by a human


async def queued(folder: Path) -> Ledger:
    parts = assembled(folder, said("13"), said("12"), audit_by="human")
    assert await audited(parts, gate("13")) == []
    return Ledger.open(folder / "ledger.db")


async def test_a_human_finds_what_was_drawn_in_the_inbox(tmp_path: Path) -> None:
    with await queued(tmp_path) as ledger:
        (item,) = ledger.inbox_items()
        assert (item.request_id, item.kind, item.state) == ("req-1", "audit", "open")
        entry = ledger.inbox_entry("req-1")
        assert [draft["text"] for draft in entry.answers] == ["13", "12"]
        # It was answered: the bill has nothing in the inbox.
        assert bill(ledger).total.inbox == 0


async def test_what_a_human_says_of_it_is_the_audits_label(tmp_path: Path) -> None:
    with await queued(tmp_path) as ledger:
        draft = Label("req-1", right=False, source=LabelSource.HUMAN, created_unix=1.0, attempt=0)
        ledger.label_by_hand(draft)
        assert ledger.inbox_entry("req-1").item.state == "open"
        stored, new = ledger.label_by_hand(replace(draft, right=True, attempt=None, by="ann"))
        assert new
        assert (stored.source, stored.attempt, stored.by) == (LabelSource.AUDIT, 1, "ann")
        entry = ledger.inbox_entry("req-1")
        assert (entry.item.state, entry.closing.note) == ("dismissed", "labelled right")
        # Settled: what is said from now on is somebody's own opinion.
        again, _ = ledger.label_by_hand(replace(draft, right=True, attempt=1))
        assert again.source is LabelSource.HUMAN


async def test_a_ladder_of_one_tier_may_be_audited_by_a_human(tmp_path: Path) -> None:
    parts = assembled(tmp_path, said("Paris"), tiers=["a"], audit_by="human")
    await audited(parts)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert [item.kind for item in ledger.inbox_items()] == ["audit"]


# ------------------------------------------------------------------ what cannot be


@pytest.mark.parametrize(
    ("ladder", "place", "fault"),
    [
        ({"tiers": ["a"]}, "audit", "nobody above it"),
        ({"audit_by": "a"}, "audit_by", "lowest tier"),
        ({"audit_by": "x"}, "audit_by", "no tier 'x'"),
        ({"audit": 0, "audit_by": "b"}, "audit_by", "does nothing"),
    ],
)
def test_audits_that_cannot_be_are_told(
    tmp_path: Path, ladder: dict[str, Any], place: str, fault: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        assembled(tmp_path, said(), said(), **ladder)
    (problem,) = raised.value.problems
    assert problem.place == f"ladders.default.{place}"
    assert fault in problem.message
    assert problem.fix


@pytest.mark.parametrize("share", ["two", "200%", "-1%", "2 %%", -0.1, 1.5, "nan%"])
def test_a_share_that_is_none_is_refused(share: Any) -> None:
    ladder = {"tiers": ["a"], "audit": share}
    table = {"tiers": {"a": {"provider": "embedded"}}, "ladders": {"default": ladder}}
    with pytest.raises(ValueError, match="audit"):
        FileTable.model_validate(table)


def test_without_a_ledger_nothing_is_audited(tmp_path: Path) -> None:
    tier = {"provider": READY_MADE, "price": "free"}
    ladder = {"tiers": ["a", "b"], "audit": 1.0}
    table = {"tiers": {"a": tier, "b": tier}, "ladders": {"default": ladder}}
    config = Config(FileTable.model_validate(table), None, tmp_path / "l.db", tmp_path, {})
    parts = assemble(config, ledger=False, ready={"a": said("x"), "b": said("x")})
    assert parts.audits is None
    assert parts.intake.parts.after is None
    assert problems(config, ("a", "b")) == []
