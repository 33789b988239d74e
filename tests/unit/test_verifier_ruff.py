"""ruff: what it says is read from its JSON, nothing in an answer silences it, doubt abstains."""

from __future__ import annotations

import json

import pytest

from rung.core.errors import ConfigError, RungError
from rung.core.verdicts import Status
from rung.verifiers import ruff as module
from rung.verifiers.base import LONGEST_REASON
from rung.verifiers.catalogue import KINDS, build
from rung.verifiers.kit import Kit
from rung.verifiers.python_code import apart, sources
from rung.verifiers.ruff import Ruff, ruff
from support.command_boxes import Ended, ToldBox
from support.gates import verdict

CODE = "Here:\n\n```python\nimport os\n```\n"


def violation(row=1, code="F401", message="`os` imported but unused", filename="/job/answer.py"):
    location = {"row": row, "column": 8}
    return {"code": code, "message": message, "filename": filename, "location": location}


def said(*violations):
    return json.dumps(list(violations)).encode()


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(module, "installed", lambda: "/somewhere/ruff")


async def judged(ended, answer=CODE, gate=None):
    box = ToldBox(ended)
    return await verdict((gate or ruff()).equipped(Kit(box, None)), answer), box


async def test_nothing_found_passes_and_a_fault_is_told_with_its_line_of_the_answer():
    found, _ = await judged(Ended(0, b"[]"))
    assert found.status is Status.PASSED
    found, _ = await judged(Ended(1, said(violation())))
    assert found.status is Status.FAILED
    assert "line 4 of the answer: F401 `os` imported but unused, at 'import os'" in found.reason


@pytest.mark.parametrize(
    "ended",
    [
        Ended(1, b"[]"),
        Ended(0, said(violation())),
        Ended(0, b""),
        Ended(0, b"all is well"),
        Ended(0, b"[1]"),
        Ended(0, b'{"code": 1}'),
        Ended(2, b"[]", b"ruff failed"),
        Ended(None, b"[]", signal=11),
        Ended(None, b"[]", ended_by="wall"),
        Ended(101, b"", b"panicked"),
        Ended(127, b"", b"not found"),
        RungError("no bubblewrap", fix="install it"),
    ],
)
async def test_what_is_no_clear_finding_abstains(ended):
    found, _ = await judged(ended)
    assert found.status is Status.ABSTAINED, found.reason


async def test_a_list_that_was_cut_at_the_limit_still_fails_with_what_came():
    whole = said(*(violation(1) for _ in range(50)))
    found, _ = await judged(Ended(None, whole[:-40], ended_by="output"))
    assert found.status is Status.FAILED
    assert len(found.reason) <= LONGEST_REASON
    nothing, _ = await judged(Ended(None, b"[", ended_by="output"))
    assert nothing.status is Status.ABSTAINED


@pytest.mark.parametrize(
    "strange",
    [
        {},
        {"location": None, "filename": 5},
        {"location": {"row": "x"}, "code": {}, "message": [1]},
        {"location": {"row": 10**9}, "filename": "/job/answer.py"},
        {"message": "\x1b[2J\u202e" * 300, "filename": "/job/answer.py"},
    ],
)
async def test_strange_findings_are_told_as_far_as_they_go(strange):
    found, _ = await judged(Ended(1, said(strange)))
    assert found.status is Status.FAILED
    assert found.reason.isprintable()
    assert len(found.reason) <= LONGEST_REASON


async def test_it_abstains_with_the_fix_where_ruff_or_a_box_is_missing(monkeypatch):
    found = await verdict(ruff(), CODE)
    assert (found.status, "no sandbox" in found.reason) == (Status.ABSTAINED, True)
    monkeypatch.setattr(module, "installed", lambda: None)
    found, box = await judged(Ended())
    assert (found.status, "rung[code]" in found.reason) == (Status.ABSTAINED, True)
    assert box.errands == []


async def test_an_answer_without_python_fails_and_runs_nothing():
    for answer in ("```js\n1\n```", "```python\n\n```", "", "   \n"):
        found, box = await judged(Ended(0, b"[]"), answer)
        assert (found.status, box.errands) == (Status.FAILED, []), answer


async def test_the_command_is_isolated_and_has_the_rules_and_the_files():
    gate = ruff(select=("E", "F401"), ignore=("E501",), line_length=100)
    _, box = await judged(Ended(0, b"[]"), "```python -v.py\nx = 1\n```", gate)
    (errand,) = box.errands
    assert errand.argv[:2] == ("/somewhere/ruff", "check")
    wanted = {"--isolated", "--ignore-noqa", "--no-cache", "--output-format=json"}
    wanted |= {"--select=E,F401", "--ignore=E501", "--line-length=100", "--no-fix"}
    assert wanted <= set(errand.argv)
    assert errand.argv[-2:] == ("--", "-v.py")
    assert list(errand.files) == ["-v.py"]


async def test_format_is_a_second_run_of_each_block_by_itself():
    answer = "```python\nx = 1\n```\nand\n```python\ny =  2\n```"
    box = ToldBox(Ended(0, b"[]"))
    gate = ruff(format=True).equipped(Kit(box, None))
    assert (await verdict(gate, answer)).status is Status.PASSED
    lint, layout = box.errands
    assert lint.files == {"answer.py": b"x = 1\n\n\n\ny =  2\n"}
    assert layout.argv[1:3] == ("format", "--check")
    assert layout.files == {"answer.py": b"x = 1\n", "answer_2.py": b"y =  2\n"}


@pytest.mark.parametrize(
    "comment",
    [
        *("# ruff: noqa", "#ruff:noqa", "# flake8: noqa", "# ruff: ignore[F401]", "# fmt: off"),
        *(
            "# RUFF : disable[E]",
            "# isort: skip_file",
            "# ruff: isort: skip_file",
            "# yapf: disable",
        ),
        "# fmt:skip",
    ],
)
async def test_what_would_silence_ruff_or_its_formatter_is_taken_out(comment):
    _, box = await judged(Ended(0, b"[]"), f"```python\nimport os  {comment}\n```")
    text = box.files["answer.py"].decode()
    assert comment not in text
    assert len(text) == len(f"import os  {comment}\n")


async def test_what_only_joining_the_blocks_breaks_is_no_fault():
    answer = "```python\nx = 1\n```\nthen\n```python\nimport os\nprint(os)\n```"
    late, _ = await judged(Ended(1, said(violation(5, "E402", "not at top"))), answer)
    assert late.status is Status.PASSED
    early, _ = await judged(Ended(1, said(violation(1, "E402", "not at top"))), answer)
    assert early.status is Status.FAILED


def test_labelled_blocks_are_files_and_the_rest_is_one():
    answer = (
        "```python src/a.py\na = 1\n```\n```python\nb = 1\n```\n"
        "```py title=answer.py\nc = 1\n```\n```js x.js\n1\n```\n```\nnot python\n```"
    )
    found = {each.path: (each.text, each.line) for each in sources(answer, "answer.py")}
    assert found == {
        "src/a.py": ("a = 1\n", 2),
        "answer.py": ("c = 1\n", 8),
        "answer_2.py": ("b = 1\n", 5),
    }
    assert len({each.path for each in apart(answer, "answer.py")}) == 3


def test_blocks_without_a_language_count_where_none_names_python():
    assert [each.text for each in sources("```\nx = 1\n```", "a.py")] == ["x = 1\n"]
    assert sources("```python\nx = 1\n```\n```\n1\n```", "a.py")[0].text == "x = 1\n"
    assert sources("\n\nx = 1  ", "a.py")[0] == module.Source("a.py", "x = 1\n", 3)


async def test_paths_that_lead_out_fail():
    for path in ("../x.py", "a/../../x.py"):
        found, box = await judged(Ended(0, b"[]"), f"```python {path}\nx = 1\n```")
        assert (found.status, box.errands) == (Status.FAILED, []), path


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"select": ["--fix"]}, "select"),
        ({"select": "E"}, "select"),
        ({"ignore": ["E,F"]}, "ignore"),
        ({"format": "yes"}, "format"),
        ({"line_length": 500}, "line_length"),
        ({"file": "../a.py"}, "file"),
        ({"file": "a.txt"}, "file"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"fix": True}, "fix"),
    ],
)
def test_options_that_are_wrong_are_named(options, place):
    with pytest.raises(ConfigError) as caught:
        build("own", KINDS["ruff"], options)
    assert caught.value.problems[0].place == place


def test_options_become_the_check():
    made = build("own", KINDS["ruff"], {"select": ["B"], "format": True, "timeout_seconds": 5})
    assert isinstance(made, Ruff)
    assert (made.name, made.select, made.format, made.seconds) == ("own", ("B",), True, 5.0)
