"""`rung tune` across processes: from a file of outcomes to a ladder that is planned by."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess

import pytest

from support.gateway import RUNG, environment, rung
from support.outcomes_made import independent

TOML = "\n".join(
    f'[tiers.{tier}]\nprovider = "openai_compatible"\nbase_url = "http://127.0.0.1:1/v1"\n'
    f'model = "{model}"\nprice = "free"\n'
    for tier, model in (("cheap", "m0"), ("middle", "m1"), ("top", "m2"))
)
LADDER = '[ladders.default]\ntiers = ["top"]\nverify = ["grep -q yes"]\n'
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
    (folder / "body.txt").write_text("Say yes")
    planned = json.loads(rung(folder, "explain", "--body", "body.txt", "--json").stdout)
    names = {"m0": "cheap", "m1": "middle", "m2": "top"}
    assert planned["tiers"] == [names[model] for model in document["ladder"]]
    watched = json.loads(rung(folder, "tune", "--check", "--json").stdout)
    assert [each["ladder"] for each in watched["certificates"]] == ["default"]


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
