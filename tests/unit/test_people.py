"""Labels and the closing of inbox entries: added to, never changed, each entry closed once."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from rung.account import stored_json
from rung.answering import Given, answer, as_case, dismiss, schema_verdict
from rung.core.engine import Exhausted, Exhaustion
from rung.core.errors import RequestError
from rung.core.labels import Closing, InboxState, Label, LabelSource
from rung.core.outcome import Outcome
from rung.core.plan import Plan, Step
from rung.core.types import Answer, Failure, Fault, SchemaRequest
from rung.core.verdicts import Check, Status, Verdict, Weight
from rung.ledger import Ledger
from rung.ledger.bill import bill
from rung.ledger.bill_json import to_json
from rung.ledger.people import counted
from support.outcomes import outcome

SCHEMA = {"type": "object", "required": ["total"]}
WRONG = Verdict("json_schema", Status.FAILED, "no object", at=1.0)


on_sqlite = pytest.mark.parametrize("ledger_place", ["sqlite"], indirect=True)
"""Looks into the file itself, or at it through the command line."""


@pytest.fixture
def ledger(ledger_place):
    with Ledger.open(ledger_place) as opened:
        yield opened


def label(name: str = "req-1", *, right: bool = True, **more) -> Label:
    return Label(name, right, **{"source": LabelSource.HUMAN, "created_unix": 1.0} | more)


def waiting(name: str = "wait-1", gates: tuple[str, ...] = ("json_schema",), **more) -> Outcome:
    """Two drafts around a failed call, none of which passed."""
    made = outcome(name)
    checks = tuple(Check(gate, Weight.REQUIRED) for gate in gates)
    first = replace(made.attempts[0], answer=Answer("twelve"), verdicts=(WRONG,))
    broken = replace(first, id=f"{name}.1", answer=None, failure=Failure(Fault.CONNECT, "down"))
    last = replace(first, id=f"{name}.2", tier="large", answer=Answer('{"total": 12}'))
    return replace(
        made,
        request=replace(made.request, schema=SchemaRequest(SCHEMA)),
        plan=Plan("default", (Step("tiny", checks), Step("large", checks, 500))),
        attempts=(first, broken, last),
        decision=Exhausted(Exhaustion.TOP_REACHED, 0),
        served=None,
        verified=False,
        inbox=True,
        **more,
    )


async def answered(ledger: Ledger, name: str = "wait-1", **given) -> Closing:
    entry = ledger.inbox_entry(name)
    text = given.get("text")
    verdict = None if text is None else await schema_verdict(entry, text)
    return answer(ledger, entry, Given(**given), verdict, 2_000_000_000.0)


# ------------------------------------------------------------------ labels


def test_a_label_of_no_attempt_is_one_of_the_served_answer(ledger: Ledger) -> None:
    ledger.append_now(outcome())
    stored, new = ledger.add_label(label(by="ann", note="as I said"))
    assert new
    assert (stored.attempt, stored.by, stored.note) == (0, "ann", "as I said")
    assert ledger.find("req-1").labels == (stored,)
    assert stored_json(ledger.find("req-1"))["labels"][0]["source"] == "human"


def test_the_same_opinion_of_a_source_is_stored_once(ledger: Ledger) -> None:
    ledger.append_now(outcome())
    first, _ = ledger.add_label(label())
    again, new = ledger.add_label(label(created_unix=9.0, attempt=0))
    assert (again, new) == (first, False)
    _, by_another = ledger.add_label(label(by="ann"))
    assert by_another
    assert len(ledger.find("req-1").labels) == 2


def test_the_last_label_of_a_source_counts_and_those_of_others_stay(ledger: Ledger) -> None:
    ledger.append_now(outcome())
    ledger.add_label(label(right=True))
    feedback, _ = ledger.add_label(label(right=True, source=LabelSource.FEEDBACK))
    changed, _ = ledger.add_label(label(right=False))
    back, new = ledger.add_label(label(right=True))
    kept = ledger.find("req-1").labels
    assert new
    assert [each.right for each in kept] == [True, True, False, True]
    assert counted(kept) == (feedback, back)
    assert [each.id for each in ledger.newest_labels(2)] == [back.id, changed.id]


@pytest.mark.parametrize("name", ["req", "req-1x", "", "last", "req-1\0", "%"])
def test_only_the_whole_id_of_a_request_is_labelled(ledger: Ledger, name: str) -> None:
    ledger.append_now(outcome("req-1"))
    with pytest.raises(RequestError) as raised:
        ledger.add_label(label(name))
    assert raised.value.status == 404
    assert ledger.newest_labels() == []


@pytest.mark.parametrize("attempt", [None, 1, 3, -1])
def test_what_is_no_answer_is_not_labelled(ledger: Ledger, attempt: int | None) -> None:
    ledger.append_now(waiting())
    with pytest.raises(RequestError) as raised:
        ledger.add_label(label("wait-1", attempt=attempt))
    assert (raised.value.status, raised.value.param) == (400, "attempt")


def test_words_that_no_column_holds_are_labels_all_the_same(ledger: Ledger) -> None:
    ledger.append_now(outcome())
    given = label(note="a\0b\ud800", by="\ud800")
    stored, _ = ledger.add_label(given)
    assert ledger.find("req-1").labels == (stored,)
    assert ledger.add_label(given) == (stored, False)


def test_a_label_stays_when_a_transaction_behind_it_fails(ledger: Ledger) -> None:
    ledger.append_now(waiting())
    bad = label("wait-1", attempt=7)
    closed = Closing("wait-1", InboxState.DISMISSED, 1.0)
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        ledger.close_entry(closed, [label("wait-1", attempt=0), bad])
    assert ledger.inbox_entry("wait-1").item.state == "open"
    assert ledger.newest_labels() == []


# ------------------------------------------------------------------ answers


async def test_an_answer_closes_the_entry_and_labels_every_draft(ledger: Ledger) -> None:
    ledger.append_now(waiting())
    closed = await answered(ledger, text='{"total": 13}', by="ann", note="read the page")
    assert closed.verified is True
    entry = ledger.inbox_entry("wait-1")
    assert (entry.item.state, entry.closing) == ("answered", closed)
    told = [(each.attempt, each.right, each.source) for each in ledger.find("wait-1").labels]
    assert told == [(0, False, LabelSource.INBOX), (2, False, LabelSource.INBOX)]


async def test_a_draft_that_says_the_same_was_right(ledger: Ledger) -> None:
    ledger.append_now(waiting())
    await answered(ledger, text='{ "total": 12 }')
    assert [each.right for each in ledger.find("wait-1").labels] == [False, True]


async def test_an_accepted_draft_is_right_and_stays_unproven(ledger: Ledger) -> None:
    ledger.append_now(waiting())
    closed = await answered(ledger, accepted=2)
    assert (closed.text, closed.attempt, closed.verified) == ('{"total": 12}', 2, False)
    (only,) = ledger.find("wait-1").labels
    assert (only.attempt, only.right) == (2, True)


@pytest.mark.parametrize("place", [1, 3, 7])
async def test_what_is_no_draft_cannot_be_accepted(ledger: Ledger, place: int) -> None:
    ledger.append_now(waiting())
    with pytest.raises(RequestError, match=f"attempt {place + 1}") as raised:
        await answered(ledger, accepted=place)
    assert raised.value.fix == "these are: 1, 3"
    assert ledger.inbox_entry("wait-1").item.state == "open"


@pytest.mark.parametrize(
    ("gates", "text", "verified"),
    [
        (("json_schema",), '{"total": 1}', True),
        (("json_schema", "tool_calls"), '{"total": 1}', True),
        (("json_schema", "team"), '{"total": 1}', None),
        (("json_schema",), "twelve", False),
    ],
)
async def test_an_answer_is_verified_where_every_gate_has_seen_it(
    ledger: Ledger, gates: tuple[str, ...], text: str, verified: bool | None
) -> None:
    ledger.append_now(waiting(gates=gates))
    assert (await answered(ledger, text=text)).verified is verified


async def test_without_a_schema_nothing_proves_an_answer(ledger: Ledger) -> None:
    made = waiting(gates=("team",))
    ledger.append_now(replace(made, request=replace(made.request, schema=None)))
    assert (await answered(ledger, text="words")).verified is None


async def test_of_two_people_one_answers_and_the_other_is_told(ledger: Ledger) -> None:
    ledger.append_now(waiting())
    entry = ledger.inbox_entry("wait-1")
    begin, ended = threading.Barrier(8), []

    def close(name: str) -> None:
        begin.wait()
        try:
            ended.append(answer(ledger, entry, Given(text=name, by=name), None, 2e9))
        except RequestError as error:
            ended.append(error)

    threads = [threading.Thread(target=close, args=(f"p{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (won,) = [each for each in ended if isinstance(each, Closing)]
    lost = [each for each in ended if isinstance(each, RequestError)]
    assert {each.status for each in lost} == {409}
    assert f"already answered by '{won.by}' at 2033-05-18" in lost[0].message
    assert ledger.inbox_entry("wait-1").closing == won
    assert len(ledger.newest_labels()) == 2


def test_what_was_dismissed_has_no_answer(ledger: Ledger) -> None:
    ledger.append_now(waiting())
    dismiss(ledger, ledger.inbox_entry("wait-1"), Given(note="a test"), 2e9)
    entry = ledger.inbox_entry("wait-1")
    assert (entry.item.state, entry.closing.text, entry.closing.note) == (
        "dismissed",
        None,
        "a test",
    )
    assert ledger.newest_labels() == []
    with pytest.raises(RequestError, match="already dismissed at"):
        ledger.close_entry(Closing("wait-1", InboxState.ANSWERED, 1.0, "late"))


def test_what_never_waited_is_not_closed(ledger: Ledger) -> None:
    ledger.append_now(outcome())
    with pytest.raises(RequestError, match="not in the inbox") as raised:
        ledger.close_entry(Closing("req-1", InboxState.ANSWERED, 1.0, "x"))
    assert raised.value.status == 404


async def test_a_human_answer_can_be_labelled_itself(ledger: Ledger) -> None:
    ledger.append_now(waiting())
    await answered(ledger, text="words")
    stored, _ = ledger.add_label(label("wait-1", source=LabelSource.AUDIT))
    assert stored.attempt is None


async def test_an_account_and_the_bill_tell_of_the_human(ledger: Ledger) -> None:
    ledger.append_now(waiting())
    before = stored_json(ledger.find("wait-1"))
    assert before["human"] is None
    await answered(ledger, text='{"total": 13}')
    told = stored_json(ledger.find("wait-1"))
    assert (told["human"]["state"], told["human"]["text"]) == ("answered", '{"total": 13}')
    assert told["why"][-1].endswith("a human answered.")
    assert (told["decision"], told["cost_nanousd"]) == (before["decision"], before["cost_nanousd"])
    total = to_json(bill(ledger))["total"]
    assert (total["inbox"], total["by_human"], total["answered"]) == (1, 1, 0)


async def test_an_answered_entry_is_a_test_case(ledger: Ledger) -> None:
    ledger.append_now(waiting())
    await answered(ledger, accepted=2)
    case = json.loads(json.dumps(as_case(ledger.inbox_entry("wait-1"))))
    assert case["schema"]["schema"] == SCHEMA
    assert case["messages"][0]["parts"][0]["text"] == "the secret question"
    assert (case["answer"]["text"], case["answer"]["accepted_from"]) == ('{"total": 12}', "large")
    (rejected,) = case["rejected"]
    assert (rejected["tier"], rejected["text"]) == ("tiny", "twelve")
    assert rejected["verdicts"][0]["reason"] == "no object"


@on_sqlite
def test_the_database_keeps_answers_and_dismissals_apart(ledger: Ledger) -> None:
    ledger.append_now(waiting())
    with closing(sqlite3.connect(ledger.database.place)) as connection:
        for state, text in (("answered", None), ("dismissed", "x"), ("open", "x")):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(
                    "INSERT INTO closings (request_id, created_unix, state, text, note)"
                    " VALUES ('wait-1', 1, ?, ?, '')",
                    (state, text),
                )
