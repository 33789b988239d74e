"""What the commands that read the ledger and the configuration show."""

import json
from dataclasses import replace

import pytest

from rung.cli import bill as bills
from rung.cli import config as configs
from rung.cli import doctor as doctors
from rung.cli import inbox
from rung.core.engine import Exhausted, Exhaustion
from rung.core.errors import RequestError
from rung.core.types import Answer, Directions, Message, Role, Status, Text, Verdict
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
