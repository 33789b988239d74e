"""A machine with nothing on it: no configuration, no key, no server. The model that comes along."""

import json
import sqlite3

import pytest

from rung.ledger import Ledger
from support.gateway import LISTENS, ask, chat, request, rung, running

pytestmark = pytest.mark.model

PROMPT = "Give me a JSON object with name and age of: Ada, 36"
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.fixture
def person(tmp_path):
    path = tmp_path / "person.json"
    path.write_text(json.dumps(PERSON))
    return "person.json"


def test_a_question_with_a_schema_gets_a_valid_object(tmp_path, person):
    done = rung(tmp_path, "ask", PROMPT, "--schema", person, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    found = json.loads(told["text"])
    assert set(found) == {"name", "age"}
    assert isinstance(found["age"], int)
    assert told["verified"] is True
    assert told["tier"] in {"local", "local-careful"}
    assert told["attempts"]
    assert {"verifier": "json_schema", "passed": True} in [
        {key: verdict[key] for key in ("verifier", "passed")} for verdict in told["verdicts"]
    ]
    assert told["cost_nanousd"] == 0
    assert done.stderr == ""


def test_what_cannot_be_is_not_answered_but_queued(tmp_path):
    (tmp_path / "never.json").write_text('{"const": 7, "type": "string"}')
    done = rung(tmp_path, "ask", PROMPT, "--schema", "never.json", "--json")
    assert done.returncode == 3
    told = json.loads(done.stdout)
    assert (told["verified"], told["text"], told["tier"]) == (False, None, None)
    assert told["inbox"] == told["id"]
    assert told["draft"]
    assert {attempt["tier"] for attempt in told["attempts"]} == {"local", "local-careful"}
    assert all(
        any(verdict["passed"] is False for verdict in attempt["verdicts"])
        for attempt in told["attempts"]
    )
    for_people = rung(tmp_path, "ask", PROMPT, "--schema", "never.json")
    assert for_people.returncode == 3
    assert for_people.stdout == ""
    assert "No tier's answer passed" in for_people.stderr
    assert "inbox" in for_people.stderr
    listed = json.loads(rung(tmp_path, "inbox", "list", "--json").stdout)
    assert told["inbox"] in json.dumps(listed)


def test_the_whole_way_of_a_newcomer(tmp_path):
    asked = rung(tmp_path, "ask", "Say hello.", "--max-tokens", "12", "--project", "first")
    assert asked.returncode == 0
    assert asked.stdout.strip()
    assert "rung explain" in asked.stderr
    name = asked.stderr.split()[-1]

    explained = rung(tmp_path, "explain")
    assert explained.returncode == 0
    assert name in explained.stdout
    assert "it was served" in explained.stdout

    bill = json.loads(rung(tmp_path, "bill", "--by", "project", "--json").stdout)
    assert bill["total"]["requests"] == 1
    assert "first" in json.dumps(bill)

    checked = rung(tmp_path, "config", "check")
    assert checked.returncode == 0
    doctor = rung(tmp_path, "doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "all is well" in doctor.stdout


def test_serve_needs_no_configuration(tmp_path):
    # The built-in port may be taken on this machine: only that is configured.
    with running(tmp_path, "serve", "--port", "0") as process:
        url = process.until(LISTENS)[1]
        assert "the built-in ladder: local -> local-careful" in process.err
        port = int(url.rpartition(":")[2])
        reply = ask(port, request(body=chat("Say hello.", max_tokens=8)))
        assert reply.status == 200
        assert reply.headers["x-rung-tier"] == "local"
        process.child.terminate()
        assert process.wait() == 0
    assert "Traceback" not in process.err


def test_init_writes_a_ladder_that_works_and_spares_what_is_there(tmp_path):
    made = rung(tmp_path, "init")
    assert made.returncode == 0, made.stderr
    assert rung(tmp_path, "config", "check").returncode == 0
    answered = rung(tmp_path, "ask", "Say hello.", "--max-tokens", "8", "--json")
    assert answered.returncode == 0, answered.stderr
    before = (tmp_path / "rung.toml").read_bytes()
    again = rung(tmp_path, "init")
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert (tmp_path / "rung.toml").read_bytes() == before


def test_the_ledger_is_for_its_owner_only(tmp_path):
    assert rung(tmp_path, "ask", "Say hello.", "--max-tokens", "4").returncode == 0
    path = tmp_path / "data" / "rung" / "ledger.db"
    assert path.stat().st_mode & 0o077 == 0
    with sqlite3.connect(path) as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    ledger.close()


def test_the_demo_is_one_json_document_whose_bill_is_the_ledgers(tmp_path):
    done = rung(tmp_path, "demo", "--local-only", "--json", "--ledger", "demo.db", seconds=110)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    tasks, total = told["tasks"], told["bill"]["total"]
    with Ledger.open(tmp_path / "demo.db", create=False) as ledger:
        booked = {outcome.request.id: outcome for outcome in ledger.recent(100)}
    assert {task["id"] for task in tasks} == set(booked)
    assert len(tasks) == total["requests"] == 10
    spent = sum(a.cost_nanousd for outcome in booked.values() for a in outcome.history)
    assert spent > 0
    assert total["spend_nanousd"] == spent
    assert sum(tier["spend_nanousd"] for tier in told["bill"]["tiers"]) == spent
    assert sum(task["cost_nanousd"] for task in tasks) == spent
    assert total["inbox"] == sum(task["inbox"] is not None for task in tasks)
    assert total["verified"] == sum(task["verified"] is True for task in tasks)
