"""`rung init --preset`, `rung explain --body`, `rung route test`: decisions before any call."""

from __future__ import annotations

import json

import pytest

from support.gateway import rung

PROMPTS = [
    ("Say hi", "local"),
    ("Write a docstring for `def add(a, b): return a + b`", "local"),
    ("Format this JSON with two spaces: {a:1}", "local"),
    ("Implement a thread-safe LRU cache in Go with tests", "workhorse"),
    ("Explain in an essay what led to the first world war", "cheap"),
]


@pytest.fixture
def folder(tmp_path):
    made = rung(tmp_path, "init", "--preset", "articles")
    assert made.returncode == 0, made.stderr
    return tmp_path


def test_the_preset_is_written_without_any_key_and_decides(folder):
    (folder / "p.txt").write_text("Fix the bug in this function: def f(x): retrun x")
    told = json.loads(rung(folder, "explain", "--body", "p.txt", "--json").stdout)
    assert (told["entry"], told["category"], told["ladder"]) == ("workhorse", "coding", "articles")
    assert told["tiers"] == ["workhorse", "premium"]
    assert set(told) >= {"rule", "difficulty", "lane", "excluded"}
    said = rung(folder, "explain", "--body", "p.txt").stdout
    assert "starts at workhorse" in said


def test_a_body_of_any_dialect_is_read(folder):
    asked = {"messages": [{"role": "user", "content": "Say hi"}], "model": "x"}
    for body in (asked, asked | {"max_tokens": 5, "system": "be brief"}, {"input": "Say hi"}):
        (folder / "b.json").write_text(json.dumps(body))
        told = json.loads(rung(folder, "explain", "--body", "b.json", "--json").stdout)
        assert told["entry"] == "local"


def test_a_file_of_prompts_is_held_against_what_was_expected(folder):
    lines = [{"prompt": text, "expect": {"entry": entry}} for text, entry in PROMPTS]
    (folder / "good.jsonl").write_text("\n".join(map(json.dumps, lines)))
    good = rung(folder, "route", "test", "good.jsonl")
    assert good.returncode == 0, good.stdout
    assert f"{len(PROMPTS)} of {len(PROMPTS)} as expected" in good.stdout
    lines[0]["expect"] = {"entry": "premium"}
    (folder / "bad.jsonl").write_text("\n".join(map(json.dumps, lines)))
    bad = rung(folder, "route", "test", "bad.jsonl", "--json")
    assert bad.returncode == 1
    assert [each["missed"] for each in json.loads(bad.stdout)] == [["entry"], [], [], [], []]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "no JSON object"),
        ('{"prompt": ""}', "asks for nothing"),
        ('{"prompt": "x", "expect": {"tier": "a"}}', "expects tier"),
        ('{"prompt": "x", "expect": 7}', "expects"),
        ('{"messages": 7}', "messages"),
    ],
)
def test_a_line_that_is_no_request_is_named(folder, text: str, said: str):
    (folder / "x.jsonl").write_text(text)
    told = rung(folder, "route", "test", "x.jsonl")
    assert told.returncode == 2
    assert said in told.stderr
