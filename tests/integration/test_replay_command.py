"""`rung replay` as a process: one document, its exit codes, and outcomes of public benchmarks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.gateway import rung

LINES = "".join(
    f"q{n},{model},{right},{cost}\n"
    for n in range(30)
    for model, right, cost in (("small", n % 2, 0.001), ("large", n % 3 > 0, 0.02))
)
SWE = Path(os.environ.get("RUNG_TEST_DATA", "")) / "swebench_verified_bashonly.dev.jsonl.gz"
MINI = "GPT-5 mini (2025-08-07) (medium reasoning)"
SONNET = "Claude 4.5 Sonnet (20250929)"
OPUS = "Claude 4.5 Opus medium (20251101)"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "outcomes.csv").write_text("query_id,model,correct,cost_usd\n" + LINES)
    return tmp_path


def test_json_is_one_document_and_its_errors_too(folder):
    args = ("replay", "--outcomes", "outcomes.csv", "--ladder", "small,large", "--json")
    made = rung(folder, *args, "--plot", "p.svg")
    assert (made.returncode, made.stderr) == (0, "")
    found = json.loads(made.stdout)
    assert found["ladder"] == ["small", "large"]
    # Right where the number is odd, or no multiple of three: all but each sixth.
    assert found["quality"][0] == pytest.approx(25 / 30)
    assert (folder / "p.svg").stat().st_size > 1000
    wrong = rung(folder, "replay", "--outcomes", "outcomes.csv", "--ladder", "tiny", "--json")
    assert wrong.returncode == 2
    assert "no model 'tiny'" in json.loads(wrong.stdout)["error"]["message"]


@pytest.mark.skipif(not SWE.is_file(), reason="RUNG_TEST_DATA names no folder with SWE-bench")
def test_what_a_public_benchmark_shows_of_ladders_is_found_again(folder):
    def played(*args: str):
        made = rung(folder, "replay", "--outcomes", str(SWE), "--json", *args)
        assert made.returncode == 0, made.stderr
        return json.loads(made.stdout)

    three = f"{MINI},{SONNET},{OPUS}"
    sound = played("--ladder", three, "--baseline", SONNET)
    erring = played("--ladder", three, "--false-accept", "20%", "--false-reject", "20%")
    # A sound check lifts a ladder above its best model, a poor one sinks it below.
    best = next(row for row in sound["controls"] if row["name"] == "best single")
    assert best["of"] == OPUS
    assert sound["quality"][0] > best["quality"][0] > erring["quality"][0]
    # Three dear tiers cost more than the middle one alone.
    assert sound["controls"][0]["ladder_has"]["saved"][0] < 0
    # What nobody solves takes more than half of the money.
    tail = played("--ladder", f"DeepSeek V3.2 Reasoner,{MINI},{OPUS}")
    assert tail["unserved"][0] < 0.25
    assert tail["unserved_cost"][0] > 0.5
