"""Log lines: what they hold, what they never hold, and that nobody waits for their reader."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.config import parse
from rung.core.engine import Accept
from rung.core.errors import LedgerError
from rung.core.outcome import Outcome
from rung.core.plan import Plan, Step
from rung.core.types import Request
from rung.fittings import secrets_of
from rung.telemetry import catalogue as names
from rung.telemetry.booking import Watched, log
from rung.telemetry.logs import FIELDS, LONGEST, Formed, Logs
from rung.telemetry.metrics import Metrics
from rung.telemetry.secrets import secrets_in
from support.outcomes import outcomes

SECRET = "canary-key-of-somebody-0123456789"
OWN = logging.getLogger("rung.test")


@contextmanager
def lines(*, json: bool = True, secrets: tuple[str, ...] = (SECRET,)) -> Iterator[list[str]]:
    """What is logged inside, once it is left."""
    there, here = os.pipe()
    found: list[str] = []
    try:
        with closing(Logs(json=json, secrets=secrets, to=here)):
            yield found
    finally:
        os.close(here)
        with os.fdopen(there, "rb") as pipe:
            found += pipe.read().decode().splitlines()


def told(line: str) -> dict[str, object]:
    read: dict[str, object] = json.loads(line)
    return read


def test_a_line_holds_the_allowed_fields_and_no_others():
    with lines() as found:
        given = {"event": "x", "request_id": "r1", "status": 200, "seconds": 0.5, "attempts": True}
        OWN.warning("hello", extra={**given, "headers": SECRET, "body": "b", "tier": 7})
    [line] = found
    assert told(line).pop("time")
    assert told(line) == {
        "time": told(line)["time"],
        "level": "warning",
        "logger": "rung.test",
        "message": "hello",
        "event": "x",
        "request_id": "r1",
        "status": 200,
        "seconds": 0.5,
    }


@given(st.text(), st.text())
def test_any_words_are_one_line_of_json_without_control_characters(message, field):
    formed = Formed(())
    record = OWN.makeRecord("rung.x", logging.WARNING, "f.py", 1, "%s", (message,), None)
    record.project = field
    for line in (formed.json(record), formed.text(record)):
        assert "\n" not in line
        assert line.isprintable()
    assert len(told(formed.json(record)).get("project", "")) <= LONGEST


def test_keys_in_rungs_own_words_are_cut_out():
    with lines() as found:
        OWN.warning("it said: %s", f"Bearer {SECRET}")
        OWN.warning("it said: sk-ant-api03-Zx8Cv7Bn6Mq5Ws4Ed3", extra={"project": f"a {SECRET}"})
    assert SECRET not in "".join(found)
    assert "Zx8Cv7Bn6Mq5Ws4Ed3" not in "".join(found)
    assert told(found[1])["project"] == "a [key]"


@pytest.mark.parametrize("as_json", [True, False])
def test_of_others_and_of_exceptions_only_the_kind_and_the_place_are_told(as_json):
    with lines(json=as_json, secrets=()) as found:
        try:
            int(SECRET)
        except ValueError:
            logging.getLogger("asyncio").exception("never retrieved: %s", SECRET)
        OWN.error("a bug", exc_info=ValueError(SECRET))
        logging.getLogger("requests").warning("%s", SECRET)
    text = "\n".join(found)
    assert SECRET not in text
    assert "ValueError at test_logs.py" in text
    assert "requests says something at test_logs.py" in text


def test_what_ends_a_thread_is_told_without_its_words(capfd):
    with lines(secrets=()) as found:
        thread = threading.Thread(target=lambda: int(SECRET))
        thread.start()
        thread.join()
    assert told(found[0])["exception"].startswith("ValueError at test_logs.py")
    assert SECRET not in "".join(found) + "".join(capfd.readouterr())


def test_people_are_told_only_what_needs_them():
    with lines(json=False) as found:
        OWN.info("a request ended")
        OWN.warning("look here\x1b[31m")
    assert found == ["warning: look here [31m"]


def test_a_reader_that_is_gone_or_slow_holds_nobody_up():
    there, here = os.pipe()
    os.close(there)
    with closing(Logs(json=True, to=here)):
        for _ in range(1_000):
            OWN.warning("hello")
    os.close(here)


def test_logging_is_given_back_as_it_was():
    root = logging.getLogger()
    before = root.handlers[:], root.level, threading.excepthook, sys.excepthook
    with lines():
        pass
    assert (root.handlers[:], root.level, threading.excepthook, sys.excepthook) == before


@given(outcomes())
def test_a_finished_request_is_one_line_that_says_how_it_ended(outcome):
    with lines() as found:
        log(outcome)
    line = told(found[0])
    assert set(line) <= {*FIELDS, "time", "level", "logger", "message"}
    assert line["cost_nanousd"] == outcome.cost_nanousd
    assert line["attempts"] == len(outcome.attempts)


async def test_a_ledger_that_fails_is_told_of_once_until_it_is_back(caplog):
    class Failing:
        fails = True

        async def append(self, outcome: Outcome) -> None:
            if self.fails:
                raise LedgerError("the disk is full")

    book = Failing()
    watched = Watched(book, Metrics())
    outcome = _outcome()
    for _ in range(2):
        with pytest.raises(LedgerError):
            await watched.append(outcome)
    assert watched.health()[0].value == 0
    book.fails = False
    await watched.append(outcome)
    assert watched.health()[0].value == 1
    events = [record.event for record in caplog.records if hasattr(record, "event")]
    assert events == ["ledger_failed", "ledger_back"]
    failures = watched.metrics.counters[names.LEDGER_FAILURES.name]
    assert list(failures.samples()) == [((), 2)]
    requests = watched.metrics.counters[names.REQUESTS.name]
    assert sum(value for _, value in requests.samples()) == 3


def test_every_place_that_holds_a_secret_is_known():
    text = """
ledger = "postgresql://rung:url-password-1@127.0.0.1/rung"
inbox_webhook = "http://u:url-password-2@127.0.0.1:9/x?token=query-secret-3"
[tiers.a]
provider = "openai_compatible"
model = "m"
base_url = "http://u:url-password-4@127.0.0.1:9/v1"
api_key_env = "A_KEY"
price = "free"
[ladders.default]
tiers = ["a"]
[projects.p]
key_env = ["P_KEY"]
[spending]
webhook = "http://127.0.0.1:9/?key=query-secret-5"
[telemetry]
otlp_endpoint = "http://u:url%2Dpassword-6@127.0.0.1:9"
"""
    env = {
        "A_KEY": "tier-key-7",
        "P_KEY": "project-key-8",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20header-key-9, x-key=header-key-10",
        "PGPASSWORD": "pg-password-11",
        "RUNG_LEDGER_PASSWORD": "pg-password-12",
    }
    config = parse(text, Path("rung.toml"), env)
    found = secrets_in(config, secrets_of(config))
    wanted = {
        *("url-password-1", "url-password-2", "query-secret-3", "url-password-4"),
        *("query-secret-5", "url-password-6", "tier-key-7", "project-key-8", "header-key-9"),
        *("header-key-10", "pg-password-11", "pg-password-12"),
    }
    assert wanted <= {*found}
    assert list(found) == sorted(found, key=len, reverse=True)


def _outcome() -> Outcome:
    plan = Plan("default", (Step("tiny"),))
    request = Request("r", "chat", ())
    return Outcome(request, plan, (), Accept(0, verified=True), None, None, 1.0, 2.0)
