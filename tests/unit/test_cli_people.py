"""`rung inbox answer|dismiss|export` and `rung label`: what they store, refuse and show."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from rung.cli import bill as bills
from rung.cli import explain as explains
from rung.cli import inbox
from rung.cli.label import label
from rung.core.engine import Exhausted, Exhaustion
from rung.core.errors import RequestError
from rung.core.types import Answer, SchemaRequest
from rung.core.verdicts import Status, Verdict
from rung.ledger import Ledger
from support.outcomes import outcome

HOSTILE = "[bold]draft[/] \x1b[31m\nnext"
GOOD = '{"total": 12}'


def waiting(name: str, schema: SchemaRequest | None = None):
    made = outcome(name)
    wrong = Verdict("json_schema", Status.FAILED, "no object", at=1.0)
    first = replace(made.attempts[0], answer=Answer(HOSTILE), verdicts=(wrong,))
    return replace(
        made,
        request=replace(made.request, schema=schema),
        attempts=(first, replace(first, id=f"{name}.1", tier="large", answer=Answer(GOOD))),
        decision=Exhausted(Exhaustion.TOP_REACHED, 0),
        served=None,
        verified=False,
        inbox=True,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of one answered request and two that wait, one of them with a schema."""
    (tmp_path / "rung.toml").write_text(
        'ledger = "ledger.db"\n[tiers.local]\nprovider = "embedded"\n'
        '[ladders.default]\ntiers = ["local"]\n'
    )
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append_now(outcome("req-1", started_unix=1_700_000_009.0))
        ledger.append_now(waiting("free-1"))
        schema = SchemaRequest({"type": "object", "required": ["total"]})
        ledger.append_now(waiting("json-1", schema))
    return tmp_path / "rung.toml"


def told(capsys, command, *arguments, **options):
    command(*arguments, json=True, **options)
    return json.loads(capsys.readouterr().out)


# ------------------------------------------------------------------ answers


def test_an_answer_leaves_the_list_and_stands_with_its_entry(path, capsys) -> None:
    inbox.answer("free", text="it is [red]12[/]", by="ann", note="from the page", path=path)
    assert capsys.readouterr().out == "free-1 is answered.\n"
    assert [each["request_id"] for each in told(capsys, inbox.list, path=path)] == ["json-1"]
    every = told(capsys, inbox.list, all=True, path=path)
    assert [each["state"] for each in every] == ["answered", "open"]
    inbox.list(all=True, path=path)
    assert "1 waiting" in capsys.readouterr().out
    inbox.show("free-1", path=path)
    shown = capsys.readouterr().out
    assert "1. tiny  [bold]draft[/] [31m\nnext" in shown
    assert "2. large" in shown
    assert "answered by ann at " in shown
    assert "it is [red]12[/]" in shown
    assert "from the page" in shown
    closing = told(capsys, inbox.show, "free-1", path=path)["closing"]
    assert (closing["state"], closing["text"]) == ("answered", "it is [red]12[/]")


def test_an_answer_is_held_to_the_requests_own_schema(path, capsys) -> None:
    with pytest.raises(RequestError, match=r"asked for more: .*required") as raised:
        inbox.answer("json-1", text='{"sum": 12}', path=path)
    assert "--force" in (raised.value.fix or "")
    assert len(told(capsys, inbox.list, path=path)) == 2
    assert told(capsys, inbox.answer, "json-1", text=GOOD, path=path)["verified"] is True


def test_force_stores_what_the_schema_refuses_and_warns(path, capsys) -> None:
    inbox.answer("json-1", text="twelve", force=True, path=path)
    said = capsys.readouterr()
    assert said.out == "json-1 is answered.\n"
    assert "schema does not hold" in said.err
    assert told(capsys, inbox.show, "json-1", path=path)["closing"]["verified"] is False


def test_an_answer_may_come_from_a_file_or_standard_input(path, tmp_path, capsys, monkeypatch):
    (tmp_path / "answer.json").write_text(GOOD)
    given = told(capsys, inbox.answer, "json-1", file=tmp_path / "answer.json", path=path)
    assert given["text"] == GOOD
    monkeypatch.setattr("sys.stdin", io.StringIO("piped"))
    assert told(capsys, inbox.answer, "free-1", file=Path("-"), path=path)["text"] == "piped"


def test_an_accepted_draft_is_counted_as_people_see_it(path, capsys) -> None:
    given = told(capsys, inbox.answer, "free-1", accept=2, path=path)
    assert (given["text"], given["attempt"]) == (GOOD, 1)
    inbox.show("free-1", path=path)
    assert "with the draft of attempt 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"text": "a", "accept": 1},
        {"text": "a", "file": Path("b")},
        {"text": "  \n"},
        {"accept": 3},
        {"file": Path("/nowhere/at/all")},
    ],
)
def test_what_is_no_answer_closes_nothing(path, capsys, given) -> None:
    with pytest.raises(RequestError) as raised:
        inbox.answer("free-1", path=path, **given)
    assert raised.value.message
    assert len(told(capsys, inbox.list, path=path)) == 2


@pytest.mark.parametrize("again", [inbox.answer, inbox.dismiss])
def test_whoever_comes_second_is_told_who_was_first(path, again) -> None:
    inbox.dismiss("free-1", note="a test", by="ann", path=path)
    with pytest.raises(RequestError, match="already dismissed by ann at") as raised:
        again("free-1", path=path, **({"text": "x"} if again is inbox.answer else {}))
    assert raised.value.fix == "rung inbox show free-1"


def test_what_was_answered_is_exported_a_case_a_line(path, capsys) -> None:
    inbox.export(path=path)
    assert capsys.readouterr().out == ""
    inbox.answer("free-1", text="a\nb\u2028c", path=path)
    inbox.dismiss("json-1", path=path)
    capsys.readouterr()
    inbox.export(path=path)
    (line,) = capsys.readouterr().out.splitlines()
    case = json.loads(line)
    assert (case["id"], case["answer"]["text"]) == ("free-1", "a\nb\u2028c")
    assert [draft["tier"] for draft in case["rejected"]] == ["tiny", "large"]
    assert told(capsys, inbox.export, path=path) == [case]
    inbox.export(path=path, format="json")
    assert json.loads(capsys.readouterr().out) == [case]


def test_the_bill_and_the_account_say_who_answered(path, capsys) -> None:
    inbox.answer("free-1", text="words", by="ann", path=path)
    capsys.readouterr()
    bills.bill(path=path)
    assert "2 (2 went to the inbox, 1 answered by a human)" in capsys.readouterr().out
    explains.explain("free-1", path=path)
    shown = capsys.readouterr().out
    assert "a human answered." in shown
    assert "answer 1 was wrong, says inbox by ann" in shown
    assert "answered by ann: `rung inbox show`" in shown


# ------------------------------------------------------------------ labels


def test_a_label_of_the_last_request_is_stored_and_listed(path, capsys) -> None:
    label("last", "right", note="checked [by] hand", by="ann", path=path)
    assert capsys.readouterr().out == "req-1: attempt 1 was right\n"
    label("last", "right", note="checked [by] hand", by="ann", path=path)
    assert "as was said before" in capsys.readouterr().out
    label("last", "wrong", attempt=1, path=path)
    capsys.readouterr()
    label(list=True, path=path)
    shown = capsys.readouterr().out
    assert "2 labels" in shown
    assert "checked [by] hand" in shown
    listed = told(capsys, label, "req", list=True, path=path)
    assert [(each["right"], each["counts"]) for each in listed] == [(True, False), (False, True)]


def test_a_draft_that_nobody_got_is_labelled_by_its_number(path, capsys) -> None:
    stored = told(capsys, label, "free-1", "wrong", attempt=2, path=path)
    assert (stored["label"]["attempt"], stored["new"]) == (1, True)
    with pytest.raises(RequestError, match="no answer of free-1 was served"):
        label("free-1", "wrong", path=path)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [((), {}), (("last",), {}), (("last", "right"), {"list": True}), (("nobody", "right"), {})],
)
def test_what_is_no_label_is_refused(path, capsys, arguments, options) -> None:
    with pytest.raises(RequestError):
        label(*arguments, path=path, **options)
    assert told(capsys, label, list=True, path=path) == []


def test_without_labels_the_list_says_how_to_give_one(path, capsys) -> None:
    label(list=True, path=path)
    assert "rung label last right" in capsys.readouterr().out
