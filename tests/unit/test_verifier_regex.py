"""regex: what matches passes, what does not fails, whatever the pattern takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.errors import ConfigError
from rung.core.verdicts import Status
from rung.verifiers.regex import regex
from support.gates import seconds, status, verdict

TABLE = [
    # gate, good answers, mutations
    (regex(r"[A-Z]{3}-\d+", whole=True), ["ABC-12", " ABC-1\n"], ["AB-12", "ABC-", "x ABC-12", ""]),
    (regex(r"^Answer: \d+$"), ["Answer: 12"], ["Answer: twelve", "So, Answer: 12"]),
    (regex(r"a|b", whole=True), ["a", "b"], ["ab", "ac", "cb"]),
    (regex(forbid=r"(?i)as an ai"), ["Paris."], ["As an AI, I say Paris."]),
    (regex("x", forbid="y"), ["x"], ["xy", "z"]),
    (regex(r"(\w+) \1", whole=True), ["so so"], ["so what"]),
    (regex(r"^(?!.*secret).+$", whole=True), ["plain"], ["a secret"]),
    (regex("(?x) a b # letters", whole=False), ["ab"], ["a b"]),
]


@pytest.mark.parametrize(("gate", "good", "bad"), TABLE)
async def test_good_answers_pass_and_mutations_fail(gate, good, bad):
    for answer in good:
        assert await status(gate, answer) is Status.PASSED, answer
    for answer in bad:
        assert await status(gate, answer) is Status.FAILED, answer


async def test_the_reason_tells_the_pattern_the_line_and_the_advice():
    found = await verdict(regex("^x$", advice="write x alone"), "y")
    assert '"^x$"' in found.reason
    assert found.reason.endswith("write x alone")
    assert "line 2" in (await verdict(regex(forbid="bad"), "fine\nbad")).reason


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^(a+)+$", "a" * 1_000_000 + "b"),
        (r"(x+x+)+y", "x" * 1_000_000),
        (r"(?:.*a){20}", "a" * 19 + "b" * 1_000_000),
        (r"(?s)x{100}\pL{100}y", "x" * 300_000),
        (r"^(?=(a+)+$)", "a" * 40 + "b"),
        (r"(a*)*\1b", "a" * 40),
        ("x", "\ud800" * 100_000),
    ],
)
async def test_patterns_and_answers_made_to_explode_end_in_time(pattern, text):
    took, found = await seconds(regex(pattern, timeout_seconds=4), text)
    assert took < 7
    assert found.status is not Status.PASSED


def test_what_is_no_pattern_is_refused():
    wrong = [{"pattern": "("}, {"pattern": "a)|(b", "whole": True}, {}, {"forbid": "["}]
    wrong += [{"pattern": "a" * 20_000}]
    for options in wrong:
        with pytest.raises(ConfigError):
            regex(**options)


@settings(max_examples=60)
@given(word=st.text(max_size=8), answer=st.text(max_size=30))
async def test_a_literal_is_found_where_it_stands(word, answer):
    wanted = re.escape(word).replace("\\ ", " ")
    if re.search(r"\\[^\W\d_]|\\[<>\"'!,;:=@`/%]", wanted) or not word:
        return
    found = await status(regex(wanted), answer)
    readable = answer.strip().encode("utf-8", "replace").decode()
    assert (found is Status.PASSED) == (word in readable)
