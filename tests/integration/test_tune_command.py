"""`rung tune` across processes: from a file of outcomes to a ladder that is planned by."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess

import pytest

from support.gateway import RUNG, Gateway, Upstream, ask, environment, request, rung
from support.openai_server import text
from support.outcomes_made import independent

TOML = "\n".join(
    f'[tiers.{tier}]\nprovider = "openai_compatible"\nbase_url = "http://127.0.0.1:1/v1"\n'
    f'model = "{model}"\nprice = "free"\n'
    for tier, model in (("cheap", "m0"), ("middle", "m1"), ("top", "m2"))
)
LADDER = '[ladders.default]\ntiers = ["top"]\nverify = ["grep -q yes"]\n'
NAMES = {"m0": "cheap", "m1": "middle", "m2": "top"}
WORLD = independent((0.6, 0.7, 0.9), (0.01, 0.02, 0.50))


@pytest.fixture
def folder(tmp_path):
    """A folder with a rung.toml of one tier, and packed outcomes that speak for more."""
    outcomes = WORLD.drawn(300, 1)
    with gzip.open(tmp_path / "o.jsonl.gz", "wt") as file:
        for row, query in enumerate(outcomes.queries):
            for column, model in enumerate(outcomes.models):
                line = {"query_id": query, "model": model}
                line |= {"correct": outcomes.correct[row, column]}
                file.write(json.dumps(line | {"cost_usd": outcomes.cost[row, column] / 1e9}) + "\n")
    (tmp_path / "rung.toml").write_text(TOML + LADDER)
    return tmp_path


def truth(policy: dict) -> tuple[float, float]:
    """What a policy without conditions truly comes to."""
    part = policy.get("part", {"share": 0.0, "rungs": policy["all"]["rungs"]})
    figures = []
    for rungs in (policy["all"]["rungs"], part["rungs"]):
        columns = [int(each["model"][1:]) for each in rungs]
        figures.append((WORLD.quality(*columns), WORLD.cost(*columns)))
    shares = (1 - part["share"], part["share"])
    return tuple(sum(s * f[at] for s, f in zip(shares, figures, strict=True)) for at in (0, 1))


def test_a_ladder_is_found_certified_applied_and_planned_by(folder):
    found = rung(folder, "tune", "--outcomes", "o.jsonl.gz", "--json")
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    document = json.loads(found.stdout)
    assert document["certified"] is True
    assert document["baseline"]["model"] == "m2"
    assert document["saved"] > 0.5
    quality, cost = truth(document["policy"])
    assert quality >= WORLD.quality(2)
    assert document["cost_usd"] == pytest.approx(cost, rel=0.2)

    written = rung(folder, "tune", "--outcomes", "o.jsonl.gz", "--apply", "--yes")
    assert written.returncode == 0, written.stderr
    assert written.stdout.splitlines()[0].startswith("Use ")
    assert rung(folder, "config", "check").returncode == 0
    lines = [json.dumps({"prompt": f"Say yes to number {number}"}) for number in range(400)]
    (folder / "prompts.jsonl").write_text("\n".join(lines))
    planned = json.loads(rung(folder, "route", "test", "prompts.jsonl", "--json").stdout)
    again = json.loads(rung(folder, "route", "test", "prompts.jsonl", "--json").stdout)
    assert again == planned
    part = document["policy"]["part"]
    drawn = [each for each in planned if each["rule"] == "default-part"]
    assert len(drawn) / len(planned) == pytest.approx(part["share"], abs=0.1)
    for each in planned:
        told = part if each in drawn else document["policy"]["all"]
        assert each["tiers"] == [NAMES[rung["model"]] for rung in told["rungs"]]
        chance = part["share"] if each in drawn else 1 - part["share"]
        assert each["propensity"] == pytest.approx(chance)
    (folder / "body.txt").write_text(json.loads(lines[planned.index(drawn[0])])["prompt"])
    said = rung(folder, "explain", "--body", "body.txt").stdout
    assert f"by rule default-part (drawn: {part['share']:.0%} of requests)" in said
    watched = json.loads(rung(folder, "tune", "--check", "--json").stdout)
    assert [each["ladder"] for each in watched["certificates"]] == ["default"]


def turn(gateway: Gateway, *said: str) -> dict:
    """The account of one turn of a conversation, in which both spoke by turns."""
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": one} for n, one in enumerate(said)]
    body = json.dumps({"model": "rung", "messages": messages}).encode()
    answered = ask(gateway.port, request("POST", "/v1/chat/completions", body))
    assert answered.status == 200, answered.body
    account = f"/v1/requests/{answered.headers['x-rung-request-id']}"
    return ask(gateway.port, request("GET", account)).json


def test_a_share_that_was_applied_is_drawn_by_the_gateway_and_stays_after_a_restart(folder):
    prompts = [f"Say yes to number {number}" for number in range(40)]
    with Upstream() as upstream:
        upstream.say(text("yes"))
        tiers = TOML.replace("http://127.0.0.1:1/v1", upstream.base_url)
        checked = '[ladders.default]\ntiers = ["top"]\nverify = ["yes"]\n'
        checked += '[verifiers.yes]\nkind = "regex"\npattern = "yes"\n[server]\nport = 0\n'
        (folder / "rung.toml").write_text(tiers + checked)
        written = rung(folder, "tune", "--outcomes", "o.jsonl.gz", "--apply", "--yes")
        assert written.returncode == 0, written.stderr
        config = (folder / "rung.toml").read_text()
        with Gateway(folder, config) as gateway:
            first = [turn(gateway, prompt) for prompt in prompts]
        with Gateway(folder, config) as gateway:
            later = [turn(gateway, prompt, "yes", "And again?") for prompt in prompts]
        said = rung(folder, "explain", first[0]["id"]).stdout
    assert [each["ladder"] for each in later] == [each["ladder"] for each in first]
    drawn = [each for each in first if each["ladder"] == "default-part"]
    assert 5 < len(drawn) < 30
    told = {json.dumps(each["plan"]["route"]["drawn"]) for each in first}
    assert told == {
        '"drawn: 40% of requests"',
        '"not drawn for rule default-part: 40% of requests are"',
    }
    assert {each["plan"]["route"]["propensity"] for each in drawn} == {0.4}
    assert first[0]["plan"]["route"]["drawn"] in said
    (watched,) = json.loads(rung(folder, "tune", "--check", "--json").stdout)["certificates"]
    assert watched["requests"] == 80


def test_the_same_seed_gives_the_same_document_in_another_process(folder):
    def run(hashes: str) -> dict:
        arguments = ("tune", "--outcomes", "o.jsonl.gz", "--seed", "3", "--json")
        document = json.loads(rung(folder, *arguments, env={"PYTHONHASHSEED": hashes}).stdout)
        return {name: value for name, value in document.items() if name != "seconds"}

    assert run("1") == run("2")


def test_ctrl_c_ends_it_in_words(folder):
    """A pipe without a writer keeps it reading for as long as it takes."""
    os.mkfifo(folder / "pipe.jsonl")
    process = subprocess.Popen(
        [RUNG, "tune", "--outcomes", "pipe.jsonl", "--baseline", "m2"],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with (folder / "pipe.jsonl").open("w") as writer:  # waits until it reads
        writer.write('{"query_id": "q1", "model": "m2", ')
        writer.flush()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.strip() == "rung: interrupted."
