"""What the commands that read the ledger and the configuration show."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from rung.cli import bill as bills
from rung.cli import config as configs
from rung.cli import doctor as doctors
from rung.cli import explain as explains
from rung.cli import inbox
from rung.core.engine import Exhausted, Exhaustion
from rung.core.errors import RequestError
from rung.core.parts import Image, Message, Role, Text, Tool, ToolCall, ToolResult
from rung.core.plan import Step, StreamMode
from rung.core.types import Answer, Directions
from rung.core.verdicts import Status, Verdict
from rung.ledger import Ledger
from rung.ledger.bill import BillBy
from rung.verifiers import catalogue
from support.outcomes import outcome

DAY = 86_400.0
HOSTILE = "[bold]draft[/] :smile: \x1b[31m"


def waiting(name, at):
    """An outcome that nothing passed."""
    made = outcome(name)
    wrong = Verdict("json_schema", Status.FAILED, "no [object]", at=1.0)
    attempt = replace(made.attempts[0], answer=Answer(HOSTILE), verdicts=(wrong,))
    asked = (Message(Role.USER, (Text("two\nlines"),)),)
    return replace(
        made,
        request=replace(made.request, messages=asked),
        attempts=(attempt,),
        decision=Exhausted(Exhaustion.TOP_REACHED, 0),
        served=None,
        verified=False,
        started_unix=at,
        baselines={},
        inbox=True,
    )


@pytest.fixture
def path(tmp_path):
    """A configuration with a ledger of five requests over four days."""
    (tmp_path / "rung.toml").write_text(
        'ledger = "ledger.db"\n[tiers.local]\nprovider = "embedded"\n'
        '[ladders.default]\ntiers = ["local"]\n'
    )
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        for place, project in enumerate(("one", "two", "two")):
            made = outcome(f"req-{place}", started_unix=place * DAY)
            request = replace(made.request, directions=Directions(project=project))
            ledger.append_now(replace(made, request=request))
        ledger.append_now(waiting("wait-2", 3 * DAY))
        ledger.append_now(waiting("wait-1", 2 * DAY))
    return tmp_path / "rung.toml"


# ------------------------------------------------------------------ inbox


def test_the_inbox_lists_what_waits_oldest_first(path, capsys):
    inbox.list(path=path, json=True)
    told = json.loads(capsys.readouterr().out)
    assert [item["request_id"] for item in told] == ["wait-1", "wait-2"]
    assert {item["state"] for item in told} == {"open"}
    inbox.list(path=path)
    shown = capsys.readouterr().out
    assert "2 waiting" in shown
    assert shown.index("wait-1") < shown.index("wait-2")
    assert "1970-01-03 00:00:01 UTC" in shown


def test_an_empty_inbox_says_so(path, tmp_path, capsys):
    (tmp_path / "ledger.db").unlink()
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append_now(outcome())
    inbox.list(path=path)
    assert capsys.readouterr().out == "The inbox is empty.\n"
    inbox.list(path=path, json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_one_that_waits_is_shown_with_every_answer_and_what_was_wrong(path, capsys):
    inbox.show("wait-1", path=path)
    shown = capsys.readouterr().out
    assert "two\nlines" in shown
    assert "[bold]draft[/] :smile: [31m" in shown
    assert "json_schema: no [object]" in shown
    assert "\x1b" not in shown
    inbox.show("wait-1", path=path, json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["item"]["request_id"] == "wait-1"
    assert told["answers"][0]["text"] == HOSTILE
    assert told["request"]["messages"][0]["role"] == "user"


def test_tool_calls_that_wait_are_shown_as_one_would_write_them(path, tmp_path, capsys):
    asked = (
        Message(Role.USER, (Text("find it"), Image("image/png", "aGk="))),
        Message(Role.ASSISTANT, (ToolCall("c1", "find", '{"x": 1}', "files"),)),
        Message(Role.TOOL, (ToolResult("c1", (Text("no [file]"),)),)),
    )
    made = waiting("wait-3", 4 * DAY)
    answer = Answer("", tool_calls=(ToolCall("c2", "send", "[bold]\x1b[31m"),))
    made = replace(
        made,
        request=replace(made.request, messages=asked),
        attempts=(replace(made.attempts[0], answer=answer),),
    )
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append_now(made)
    inbox.show("wait-3", path=path)
    shown = capsys.readouterr().out
    for line in ("(image/png)", 'calls files.find({"x": 1})', "result: no [file]"):
        assert line in shown
    assert "calls send([bold][31m)" in shown
    inbox.show("wait-3", path=path, json=True)
    (told,) = json.loads(capsys.readouterr().out)["answers"]
    assert told["tool_calls"][0]["name"] == "send"


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ({"type": "function", "function": {"name": "find", "arguments": "{}"}}, "calls find({})"),
        ({"no": "call"}, "calls {'no': 'call'}"),
        ("words", "calls words"),
    ],
)
def test_tool_calls_as_older_versions_kept_them_are_shown(path, tmp_path, capsys, call, shown):
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        (answers,) = connection.execute(
            "SELECT answers_json FROM inbox WHERE request_id = 'wait-1'"
        ).fetchone()
        old = [answer | {"tool_calls": [call]} for answer in json.loads(answers)]
        connection.execute("UPDATE inbox SET answers_json = ?", (json.dumps(old),))
        connection.commit()
    inbox.show("wait-1", path=path)
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize("name", ["req-0", "nothing-like-it"])
def test_what_never_waited_is_not_shown(path, name):
    with pytest.raises(RequestError):
        inbox.show(name, path=path)


# ------------------------------------------------------------------ bill


def billed(capsys, path, **options):
    bills.bill(path=path, json=True, **options)
    return json.loads(capsys.readouterr().out)


def test_the_bill_ends_before_the_moment_that_it_is_until(path, capsys):
    def requests(**span):
        return billed(capsys, path, **span)["total"]["requests"]

    assert requests() == 5
    assert requests(until="1970-01-02") == 1
    assert requests(until="1970-01-02T00:00:01") == 2
    assert requests(since="1970-01-02", until="1970-01-03") == 1
    assert requests(since="1970-01-03") == 3
    assert requests(until="1d") == 5
    assert requests(since="1d") == 0


@pytest.mark.parametrize("by", BillBy)
def test_the_bill_split_by_anything_sums_to_the_whole(path, capsys, by):
    told = billed(capsys, path, by=by)
    assert sum(line["spend_nanousd"] for line in told["lines"]) == 500
    assert told["total"]["spend_nanousd"] == 500
    bills.bill(path=path, by=by)
    assert f"By {by.value}" in capsys.readouterr().out


def test_the_bill_by_project_names_each(path, capsys):
    told = billed(capsys, path, by=BillBy.PROJECT)
    counts = {line["key"]: line["requests"] for line in told["lines"]}
    assert (counts.pop("one"), counts.pop("two")) == (1, 2)
    assert list(counts.values()) == [2]


def test_the_bill_tells_what_is_out_of_the_ordinary_only_where_there_is_any(path, tmp_path, capsys):
    oddities = ("sent again", "tool calls", "lost in translation", "passed un-gated")
    bills.bill(path=path)
    shown = capsys.readouterr().out
    assert not any(oddity in shown for oddity in oddities)
    total = billed(capsys, path)["total"]
    counted = ("resent", "tool_answers", "salvaged", "tool_failures", "lossy", "ungated")
    assert {total[name] for name in counted} == {0}
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append_now(calling("call-1"))
        ledger.append_now(calling("call-2", resend_of="call-1"))
    bills.bill(path=path)
    shown = capsys.readouterr().out
    assert all(oddity in shown for oddity in oddities)
    assert "2 answers, 2 salvaged from text, 2 rejected" in shown
    total = billed(capsys, path)["total"]
    assert [total[name] for name in counted] == [1, 2, 2, 2, 2, 1]
    assert (total["requests"], total["spend_nanousd"]) == (6, 700)


def test_a_span_with_nothing_but_a_broken_request_is_still_a_bill(path, tmp_path, capsys):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append_now(calling("call-1", started_unix=20 * DAY))
        ledger.append_now(calling("call-2", started_unix=21 * DAY, resend_of="call-1"))
    bills.bill(path=path, since="1970-01-21", until="1970-01-22")
    shown = capsys.readouterr().out
    assert "0, 0 verified" in shown
    assert "1 broken before, counted once" in shown


# ------------------------------------------------------------------ explain


def calling(name, started_unix=10 * DAY, **asked):
    """An outcome that calls a tool, with everything there is to tell about it."""
    made = outcome(name, started_unix=started_unix)
    refused = Verdict("tool_calls", Status.FAILED, "no [tool]", at=1.0)
    empty = Verdict("not_empty", Status.PASSED, "no text", at=1.0, vacuous=True)
    answer = Answer("", tool_calls=(ToolCall("", "find", "{}"),), dialect="ollama", salvaged="xml")
    attempt = replace(
        made.attempts[0],
        answer=answer,
        verdicts=(empty, refused),
        losses=("[top_k]",),
        released=True,
    )
    plan = replace(made.plan, steps=(Step("tiny"),), stream=True, stream_mode=StreamMode.PASS)
    request = replace(made.request, tools=(Tool("find"),), **asked)
    return replace(made, request=request, plan=plan, attempts=(attempt,))


def test_explain_tells_tool_calls_losses_dialects_and_what_had_nothing_to_judge(
    path, tmp_path, capsys
):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.append_now(calling("call-1", resend_of="req-0"))
    explains.explain("call-1", path=path)
    shown = capsys.readouterr().out
    for words in (
        "by chat",
        "sent again after the stream of req-0 broke",
        "stream mode pass",
        "left un-gated",
        "tiny was asked in ollama:",
        "called find, salvaged from text (xml)",
        "left out [top_k]",
        "- not_empty: no text (nothing to judge)",
        "tool_calls: no [tool]",
    ):
        assert words in shown
    explains.explain("call-1", path=path, json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["attempts"][0]["tool_calls"] == ["find"]


def test_explain_says_none_of_it_of_a_plain_request(path, capsys):
    explains.explain("req-0", path=path)
    shown = capsys.readouterr().out
    for words in (
        "sent again",
        "stream mode",
        "un-gated",
        "called",
        "left out",
        "nothing to judge",
    ):
        assert words not in shown


# ------------------------------------------------------------------ configuration


def test_the_configuration_is_shown_without_a_secret(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-also-secret")
    path = tmp_path / "rung.toml"
    path.write_text(
        '[tiers.a]\nprovider = "openai"\nmodel = "gpt-4o"\napi_key_env = "MY_KEY"\n'
        '[tiers.b]\nprovider = "openai_compatible"\nmodel = "m"\nprice = "free"\n'
        'base_url = "http://me:hidden@127.0.0.1:9/v1"\n'
        '[ladders.default]\ntiers = ["a", "b"]\n'
    )
    configs.show(path=path, json=True)
    told = capsys.readouterr().out
    configs.show(path=path)
    shown = capsys.readouterr().out
    for text in (told, shown):
        assert "MY_KEY" in text
        assert "127.0.0.1:9" in text
        for secret in ("sk-", "hidden"):
            assert secret not in text
    assert json.loads(told)["tiers"]["a"]["timeout_seconds"] == 120


def test_a_broken_plug_in_is_told_by_the_doctor(path, monkeypatch, capsys):
    broken = catalogue.PlugIns({}, ("the plug-in 'x' is not available: [why]",))
    monkeypatch.setattr(catalogue, "plug_ins", lambda: broken)
    monkeypatch.setattr(doctors.sys, "exit", lambda _: None)
    doctors.doctor(path=path, json=True)
    assert json.loads(capsys.readouterr().out)["warnings"] == list(broken.warnings)
    doctors.doctor(path=path)
    assert broken.warnings[0] in capsys.readouterr().out
