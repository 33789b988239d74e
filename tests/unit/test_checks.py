"""The builders a library user imports as ``from rung import checks``."""

from __future__ import annotations

import json

import pytest

from rung import checks
from rung.core.errors import RequestError
from rung.core.parts import ToolCall
from rung.core.types import Finish
from rung.core.verdicts import Status, Weight
from rung.verifiers.base import run
from support.subjects import subject

GERMAN = "Es ist nicht so, dass die Katze das will."
ENGLISH = "It is not that the cat would have wanted this to be so."
GIVEN = "f.txt\n```\nx\n```\n"
DIFF = "--- a/f.txt\n+++ b/f.txt\n@@ -1 +1 @@\n-x\n+z\n"


def asking(question, text):
    return {"question": question, "text": text}


def editing(old):
    call = ToolCall("1", "Edit", json.dumps({"old_string": old}))
    return asking("Fix x = 1", "") | {"tool_calls": (call,)}


SCHEMA = {"type": "object", "required": ["risks"]}
GOOD_AND_BAD = [
    (checks.json_schema(SCHEMA), {"text": '{"risks": []}'}, {"text": "{}"}),
    (checks.json_object(), {"text": "{}"}, {"text": "[]"}),
    (checks.labels("spam", "ham"), {"text": "Spam."}, {"text": "It is spam"}),
    (checks.labels("US", "us", ignore_case=False), {"text": "us"}, {"text": "Us"}),
    (checks.function(str.isupper), {"text": "YES"}, {"text": "no"}),
    (checks.length(words=(1, 2)), {"text": "so short"}, {"text": "not so short"}),
    (checks.regex(r"\d+", whole=True), {"text": "42"}, {"text": "42 and more"}),
    (
        checks.language("en"),
        {"text": ENGLISH},
        {"text": GERMAN},
    ),
    (checks.code_parses("python"), {"text": "a = 1"}, {"text": "a = = 1"}),
    (checks.sql("CREATE TABLE t (a)"), {"text": "SELECT a FROM t"}, {"text": "SELECT b FROM t"}),
    (checks.arithmetic(), {"text": "2 + 2 = 4"}, {"text": "2 + 2 = 5"}),
    (checks.numbers_grounded("4"), {"text": "It is 4."}, {"text": "It is 5."}),
    (checks.names_grounded("Rome"), {"text": "It is Rome."}, {"text": "It is Paris."}),
    (checks.quotes_present(), {"text": "none"}, {"text": 'He said "so it goes on".'}),
    (checks.placeholders_kept(), asking("{a}", "x {a}"), asking("{a}", "x")),
    (checks.diff_applies(), asking(GIVEN, DIFF), asking(GIVEN, DIFF.replace("-x", "-y"))),
    (checks.edit_grounded(), editing("x = 1"), editing("y = 1")),
    (checks.not_empty(), {"text": "x"}, {"text": " "}),
    (checks.not_cut_off(), {"text": "x"}, {"text": "x", "finish": Finish.LENGTH}),
    (checks.not_refused(), {"text": "Sure."}, {"text": "I'm sorry, but I can't help with that."}),
    (checks.not_hedged(), {"text": "It is 4."}, {"text": "I'm not sure, maybe 4."}),
]


@pytest.mark.parametrize(
    ("check", "good", "bad"), GOOD_AND_BAD, ids=lambda x: getattr(x, "name", "")
)
async def test_each_check_passes_the_good_and_rejects_the_bad(check, good, bad):
    assert (await run(check, subject(**good))).status is Status.PASSED
    assert (await run(check, subject(**bad))).status is Status.FAILED


def test_an_explicit_check_is_a_required_gate():
    assert {check.weight for check, _, _ in GOOD_AND_BAD} == {Weight.REQUIRED}


def test_every_public_builder_is_tried_here():
    names = {"json_schema", "json_object", "labels", "function", "not_empty", "not_cut_off"}
    names |= {"length", "regex", "language", "code_parses", "sql", "arithmetic", "diff_applies"}
    names |= {"numbers_grounded", "names_grounded", "quotes_present", "placeholders_kept"}
    names |= {"edit_grounded", "logprobs"}
    names |= {"behaviour"}  # it needs a box: test_verifier_behaviour.py tries it
    names |= {"unit_tests"}  # as above: test_unit_tests.py tries it
    names |= {"command"}  # as above: test_verifier_command.py tries it
    names |= {"ruff"}  # as above: test_verifier_ruff.py tries it
    names |= {"judge"}  # it needs a tier: test_verifier_judge.py tries it
    builders = set(checks.__all__) - {"Verify", "verifiers"}
    assert builders == names | {"not_refused", "not_hedged"}


def test_a_bad_schema_is_the_callers_error():
    with pytest.raises(RequestError, match="/type"):
        checks.json_schema({"type": "strin"})


def test_a_function_has_a_name_and_a_time():
    check = checks.function(bool, name="any", timeout_seconds=2)
    assert (check.name, check.timeout_seconds) == ("any", 2)


def test_what_verify_takes():
    one = checks.not_empty()
    assert checks.verifiers(one) == (one,)
    assert [check.name for check in checks.verifiers([one, str.isupper])] == [
        "not_empty",
        "isupper",
    ]
    assert checks.verifiers(()) == ()
    assert [check.name for check in checks.verifiers("pytest -q")] == ["command"]
    assert checks.split([one, "team", "./check.sh"])[0] == ("team",)
    for wrong in ("pytest", 5, [one, "x"], None):
        with pytest.raises(RequestError, match="verify= takes"):
            checks.verifiers(wrong)
