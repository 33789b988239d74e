"""`rung probe run` beside a gateway: what is asked, what it costs, what is known afterwards."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from rung.ledger import Ledger
from rung.tuner.censored import How
from rung.tuner.from_ledger import ledger_outcomes
from rung.tuner.observing import complete
from support.gateway import Gateway, ask, chat, request, rung, running
from support.openai_server import Call, OpenAIServer, Pause, Step, status, text

CONFIG = """
[server]
port = 0
[breakers]
off = true
[tiers.a]
provider = "openai_compatible"
model = "model-a"
base_url = "{a}"
price = {{input_usd_per_mtok = 1000, output_usd_per_mtok = 1000}}
retries = 0
repairs = 0
[tiers.b]
provider = "openai_compatible"
model = "model-b"
base_url = "{b}"
price = {{input_usd_per_mtok = 10000, output_usd_per_mtok = 10000}}
retries = 0
repairs = 0
[verifiers.kind]
kind = "label_set"
labels = ["spam", "ham"]
[ladders.default]
tiers = ["a", "b"]
verify = ["kind"]
store_bodies = true
[routing]
"""

PRIVATE = """
[private]
detect = true
[tiers.cloud]
provider = "openai_compatible"
model = "model-c"
base_url = "{url}"
price = {{input_usd_per_mtok = 1, output_usd_per_mtok = 1}}
local = false
[ladders.beyond]
tiers = ["cloud"]
verify = ["kind"]
"""

SERVED = 12
A_CALL, B_CALL = 0.015, 0.15
"""Ten tokens read and five written, by their prices."""


def number_of(call: Call) -> int:
    said = call.json["messages"][-1]["content"]
    return int(re.search(r"\d+", said)[0])


BROKEN = 1001
"""Of this mail the cheap provider has only errors to tell."""


SLOW = 1002
"""This one's answer nobody waits for."""


def cheap(call: Call) -> Iterable[Step]:
    """Wrong on every third."""
    number = number_of(call)
    if number == BROKEN:
        return status(500)(call)
    if number == SLOW:
        return [Pause(20.0)]
    return text("I do not know" if number % 3 == 0 else "spam")(call)


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[Gateway, OpenAIServer, OpenAIServer]]:
    """A gateway that has served a few requests, of which only the hard ones came to the top."""
    folder = tmp_path_factory.mktemp("probed")
    with OpenAIServer(cheap) as a, OpenAIServer(text("ham")) as b:
        with Gateway(folder, CONFIG.format(a=a.base_url, b=b.base_url)) as gateway:
            for number in range(SERVED):
                said = chat(f"Is mail number {number} spam?", max_tokens=20)
                assert ask(gateway.port, request(body=said)).status == 200
            gateway.booked(SERVED)
        yield gateway, a, b


def probe(gateway: Gateway, *arguments: str, code: int = 0) -> dict:
    command = ("probe", "run", *arguments, "--json", "--config", str(gateway.config))
    done = rung(gateway.folder, *command)
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def test_a_run_is_estimated_capped_resumed_and_then_known(served, tmp_path: Path):
    gateway, a, b = served
    before = len(a.calls), len(b.calls)

    estimated = probe(gateway, "--dry-run")
    assert [(each["tier"], each["calls"]) for each in estimated["estimate"]] == [
        ("a", SERVED),
        ("b", SERVED),
    ]
    assert estimated["measured"] is None
    refused = probe(gateway, code=2)
    assert f"{2 * SERVED} calls" in refused["error"]["message"]
    assert (len(a.calls), len(b.calls)) == before

    some = probe(gateway, "--budget", "1.5", "--yes", "--at-once", "3")
    assert 0 < float(some["measured"]["cost_usd"]) <= 1.5
    assert "budget" in some["measured"]["stopped"]
    asked = len(a.calls) + len(b.calls) - sum(before)
    assert 0 < asked < 2 * SERVED

    file = tmp_path / "outcomes.jsonl"
    rest = probe(gateway, "--yes", "--write", str(file))
    assert rest["known"] == asked
    assert (len(a.calls), len(b.calls)) == (before[0] + SERVED, before[1] + SERVED)
    assert rest["measured"]["stopped"] is None
    passed = {each["tier"]: each["passed"] for each in rest["tiers"]}
    assert passed == {"a": 8, "b": SERVED}

    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert len(rows) == rest["written"] == 2 * SERVED
    assert {row["cost_usd"] for row in rows if row["model"] == "a"} == {A_CALL}
    assert {row["cost_usd"] for row in rows if row["model"] == "b"} == {B_CALL}
    nothing = probe(gateway)
    assert nothing["known"] == 2 * SERVED
    assert len(a.calls) == before[0] + SERVED


def test_what_was_probed_is_spent_and_is_no_traffic(served):
    gateway, *_ = served
    probe(gateway, "--yes")
    done = rung(gateway.folder, "bill", "--json", "--config", str(gateway.config))
    bill = json.loads(done.stdout)
    assert bill["total"]["requests"] == SERVED
    probed = SERVED * (A_CALL + B_CALL)
    traffic = SERVED * A_CALL + 4 * B_CALL
    assert float(bill["total"]["spend_usd"]) == pytest.approx(probed + traffic)
    checked = rung(gateway.folder, "ledger", "check", "--config", str(gateway.config))
    assert checked.returncode == 0, checked.stdout


def test_the_ledger_then_tells_every_tier_of_the_requests_that_stopped_below(served):
    gateway, *_ = served
    probe(gateway, "--yes")
    with Ledger.open(gateway.ledger) as ledger:
        seen = ledger_outcomes(ledger, "default", ("a", "b"))
    assert len(seen) == SERVED
    assert (seen.how[:, 0] == How.TRAFFIC).all()
    assert sorted(seen.how[:, 1]) == sorted([How.PROBE] * 8 + [How.TRAFFIC] * 4)
    assert seen.accepted[:, 0].sum() == 8
    whole = complete(seen)
    assert len(whole.outcomes) == SERVED
    assert whole.outcomes.weight is not None
    assert whole.outcomes.weight.tolist() == [1.0] * SERVED


def test_requests_of_a_file_are_asked_once_and_no_provider_fault_is_an_outcome(served, tmp_path):
    gateway, *_ = served
    asked = [f"Is mail number {number} spam?" for number in (3, 4, 4, BROKEN)]
    lines = [json.dumps({"prompt": said, "category": "mail"}) for said in asked]
    (tmp_path / "asked.jsonl").write_text("\n".join(lines), "utf-8")
    command = ("--requests", str(tmp_path / "asked.jsonl"), "--tiers", "a", "--yes")

    found = probe(gateway, *command)
    assert found["unfit"] == {"the file has it twice": 1}
    assert (found["requests"], found["drawn_from"]) == (3, 3)
    told = {name: found["measured"][name] for name in ("passed", "failed", "unanswered")}
    assert told == {"passed": 1, "failed": 1, "unanswered": 1}
    assert [(each["tier"], each["judged"]) for each in found["tiers"]] == [("a", 2)]

    again = probe(gateway, *command, code=4)
    assert again["known"] == 2
    assert again["measured"]["unanswered"] == 1


def test_what_was_asked_before_ctrl_c_is_not_asked_again(served, tmp_path):
    gateway, a, _ = served
    numbers = [*range(2001, 2007), SLOW]
    lines = [json.dumps({"prompt": f"Is mail number {number} spam?"}) for number in numbers]
    file = tmp_path / "asked.jsonl"
    file.write_text("\n".join(lines), "utf-8")
    command = ("probe", "run", "--requests", str(file), "--tiers", "a", "--yes", "--at-once", "2")
    config = ("--config", str(gateway.config))

    def asked() -> list[int]:
        return [number_of(call) for call in a.calls if number_of(call) in numbers]

    with running(gateway.folder, *command, *config) as process:
        until = time.monotonic() + 20
        while len(set(asked())) < len(numbers):
            assert time.monotonic() < until, process.err
            time.sleep(0.02)
        process.interrupt()
        assert process.wait() == 130
    file.write_text("\n".join(lines[:-1]), "utf-8")
    rest = probe(gateway, *command[2:])
    assert rest["known"] >= len(numbers) - 2
    answered = sorted(set(asked()) - {SLOW})
    assert answered == numbers[:-1]
    assert len(asked()) <= len(numbers) + 1


def test_a_private_request_of_a_file_goes_to_no_cloud_tier(served, tmp_path):
    gateway, a, b = served
    calls = len(a.calls) + len(b.calls)
    config = gateway.config.read_text("utf-8") + PRIVATE.format(url=a.base_url)
    (tmp_path / "rung.toml").write_text(config, "utf-8")
    said = json.dumps({"prompt": "Is mail 7 of jo.smith@example.com spam?"})
    (tmp_path / "asked.jsonl").write_text(said, "utf-8")
    command = ("probe", "run", "--requests", "asked.jsonl", "--tiers", "cloud", "--yes", "--json")
    done = rung(tmp_path, *command, "--config", str(tmp_path / "rung.toml"))
    assert done.returncode == 4, (done.stdout, done.stderr)
    assert json.loads(done.stdout)["measured"]["refused"] == {"private_no_local_tier": 1}
    assert len(a.calls) + len(b.calls) == calls
