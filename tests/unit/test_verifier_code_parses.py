"""code_parses: code that parses passes, each way of breaking it fails, nothing is run."""

from __future__ import annotations

import pytest

from rung.core.errors import ConfigError
from rung.core.verdicts import Status
from rung.verifiers.code_parses import LANGUAGES, code_parses
from support.gates import seconds, status, verdict


def block(language, text):
    return f"Here it is:\n\n```{language}\n{text}\n```\nDone."


GOOD = {
    "python": "def add(a, b):\n    return a + b\n",
    "py": "async def f():\n    async with x as y:\n        await y\n",
    "json": '{"a": [1, 2.5, null]}',
    "jsonl": '{"a": 1}\n\n{"a": 2}\n',
    "toml": '[a]\nb = "c"\nd = 1979-05-27',
    "xml": "<a b='c'><d/>&amp;</a>",
    "svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
}
MUTATIONS = [
    ("python", "def add(a, b)\n    return a + b\n"),
    ("python", "def add(a, b):\nreturn a + b\n"),
    ("python", "print('a)"),
    ("python", "f(1, 2"),
    ("python", "return 5"),
    ("python", "def f(a, a): pass"),
    ("python", "x = 1\n\ty = 2"),
    ("python", "...\n    existing code\n"),
    ("python", "a\x00b"),
    ("python", "(" * 5_000 + ")" * 5_000),
    ("json", '{"a": 1,}'),
    ("json", "{'a': 1}"),
    ("json", '{"a": 1} // one'),
    ("json", '{"a": 1, "a": 2}'),
    ("jsonl", '{"a": 1}\n{"a": \n'),
    ("toml", "a = b"),
    ("toml", "a = 1\na = 2"),
    ("xml", "<a><b></a></b>"),
    ("xml", "<a>&nbsp;</a>"),
]


@pytest.mark.parametrize("language", GOOD)
async def test_code_that_parses_passes(language):
    assert await status(code_parses(), block(language, GOOD[language])) is Status.PASSED


@pytest.mark.parametrize(("language", "code"), MUTATIONS)
async def test_each_mutation_fails(language, code):
    found = await verdict(code_parses(), block(language, code))
    assert (found.status, "does not parse" in found.reason) == (Status.FAILED, True), found.reason


async def test_the_reason_names_the_line_of_the_answer():
    found = await verdict(code_parses(), "Look:\n\n```python\na = 1\nb = = 2\n```\n")
    assert "line 5 of the answer" in found.reason
    assert "b = = 2" in found.reason


async def test_all_blocks_count_and_those_of_other_languages_are_named():
    good, bad = block("python", "a = 1"), block("python", "a = = 1")
    assert await status(code_parses(), good + "\n" + bad) is Status.FAILED
    found = await verdict(code_parses(), good + "\n" + block("cobol", "MOVE 1 TO"))
    assert (found.status, "1 in other languages not judged" in found.reason) == (
        Status.PASSED,
        True,
    )


async def test_without_a_block_that_is_known_there_is_nothing_to_judge():
    for answer in ("just words", block("cobol", "MOVE 1 TO"), block("", "a = = 1"), ""):
        found = await verdict(code_parses(), answer)
        assert (found.status, found.vacuous) == (Status.PASSED, True), answer


async def test_a_language_asks_for_code_in_it():
    gate = code_parses("Python")
    assert await status(gate, "a = 1\n") is Status.PASSED
    assert await status(gate, "The answer is one.") is Status.FAILED
    assert await status(gate, block("", "a = 1")) is Status.PASSED
    assert await status(gate, block("", "a = = 1")) is Status.FAILED
    assert await status(gate, block("json", "{}")) is Status.FAILED
    with pytest.raises(ConfigError, match="cannot be parsed"):
        code_parses("cobol")
    assert set(LANGUAGES) >= {"python", "json", "jsonl", "toml", "xml"}


async def test_nothing_is_run(tmp_path):
    code = f"open({str(tmp_path / 'ran')!r}, 'w').write('x')\nimport sys; sys.exit(0)\n1 +"
    assert await status(code_parses(), block("python", code)) is Status.FAILED
    assert await status(code_parses(), block("python", code.removesuffix("1 +"))) is Status.PASSED
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "code",
    [
        "x = 1\n" * 300_000,
        "-" * 1_000_000 + "1",
        "a." * 500_000 + "a",
        "[" * 1_000_000,
        "x = " + "9" * 1_000_000,
        "'\\d'\n" * 100_000,
        "lambda: " * 100_000 + "1",
        "(" * 90 + "1" + ")" * 90,
    ],
)
async def test_code_made_to_explode_ends_within_its_limits(code):
    took, found = await seconds(code_parses(timeout_seconds=5), block("python", code))
    assert took < 8
    assert found.status in set(Status)


async def test_entities_that_explode_do_no_harm():
    levels = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "ha">{levels}]><a>&e11;</a>'
    took, found = await seconds(code_parses(timeout_seconds=5), block("xml", bomb))
    assert took < 8
    assert found.status is not Status.PASSED
