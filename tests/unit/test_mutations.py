"""What good answers are spoiled by: every row changes them, the same way each time."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.core.parts import ToolCall
from rung.core.types import Answer
from rung.verifiers.mutating_json import value_of
from rung.verifiers.mutations import LONGEST, TABLE, mutants

CODE = '''Here it is:

```python
# src/clamp.py
import math


def clamp(x, low, high):
    """Keep x within low and high."""
    total = low + high
    if x < low:
        return low
    if x == high and total != 3:
        return high
    for _ in range(total):
        x += 1
    return x
```
'''
TESTS = """```python
import unittest


class TestClamp(unittest.TestCase):
    def test_low(self):
        self.assertEqual(clamp(1, 2, 3), 2)
```
"""
DIFF = """--- a/x.py
+++ b/x.py
@@ -1,2 +1,3 @@
 def f(x):
-    return x
+    y = x + 1
+    return y
"""
PROSE = (
    'The lease is signed by Ann Porter in Rome. "The tenant pays the rent in advance" says {name}.'
    " It ends on 3 May 2024, and yes, the deposit of 1,250.50 euros was paid."
)
RECORD = json.dumps(
    {
        "name": "Ada",
        "city": "Rome",
        "age": 36,
        "height": 1.7,
        "alive": False,
        "tags": ["a", "b"],
        "home": {"street": "Main", "number": 4},
        "none": None,
    }
)
CALL = Answer("", tool_calls=(ToolCall("c1", "weather", '{"city": "Rome", "days": 3}'),))
GOOD = {
    "code": Answer(CODE),
    "tests": Answer(TESTS),
    "diff": Answer(DIFF),
    "bare code": Answer("def f(x):\n    return x + 1"),
    "prose": Answer(PROSE),
    "json": Answer(RECORD),
    "fenced json": Answer(f"```json\n{RECORD}\n```"),
    "many lines": Answer(json.dumps(json.loads(RECORD), indent=2)),
    "label": Answer("positive"),
    "call": CALL,
}


def names(answer, **how):
    return {each.mutation for each in mutants(answer, **how)}


def spoiled(answer, mutation):
    return [m.answer for m in mutants(answer, variants=50) if m.mutation == mutation]


@pytest.mark.parametrize("name", GOOD)
def test_every_mutant_differs_from_its_original_and_from_the_others_of_its_row(name):
    found = [(m.mutation, m.answer.text, m.answer.tool_calls) for m in mutants(GOOD[name])]
    assert found
    assert len(set(found)) == len(found)
    assert all(
        (text, calls) != (GOOD[name].text, GOOD[name].tool_calls) for _, text, calls in found
    )


@pytest.mark.parametrize("name", GOOD)
def test_the_same_seed_makes_the_same_mutants_and_another_one_others(name):
    assert list(mutants(GOOD[name], seed=4)) == list(mutants(GOOD[name], seed=4))


def test_another_seed_makes_others():
    assert list(mutants(GOOD["prose"], seed=1)) != list(mutants(GOOD["prose"], seed=2))


def test_every_row_fits_some_good_answer():
    fitting = set().union(*(names(answer, variants=1) for answer in GOOD.values()))
    assert fitting == {mutation.name for mutation in TABLE}
    assert len(fitting) == len(TABLE)


def test_no_row_makes_more_variants_than_were_asked_for():
    counts = Counter(m.mutation for m in mutants(GOOD["code"], variants=2))
    assert max(counts.values()) == 2


@pytest.mark.parametrize(
    ("mutation", "holds"),
    [
        ("drop a field", lambda v: len(v) == 7 or len(v["home"]) == 1),
        ("add a field", lambda v: "unexpected_note" in {*v, *v["home"]}),
        ("write null", lambda v: list(v.values()).count(None) > 1 or None in flat(v)),
        ("drop an item", lambda v: len(v["tags"]) == 1),
        ("repeat an item", lambda v: len(v["tags"]) == 3),
        ("swap two values", lambda v: (v["name"], v["city"]) == ("Rome", "Ada")),
        ("turn a yes into a no", lambda v: v["alive"] is True),
        ("nest it in another value", lambda v: len(v) == 1),
    ],
)
@pytest.mark.parametrize("name", ["json", "many lines"])
def test_json_stays_json_and_is_wrong_in_one_place(name, mutation, holds):
    found = spoiled(GOOD[name], mutation)
    assert found
    for each in found:
        value = json.loads(each.text)
        assert value != json.loads(RECORD)
        assert holds(value)


def flat(value):
    return [*value["tags"], *(value["home"] or {None: None}).values()]


def test_compact_json_stays_compact():
    assert spoiled(Answer('{"a":1,"b":[2,3]}'), "drop an item")[0].text in {
        '{"a":1,"b":[3]}',
        '{"a":1,"b":[2]}',
    }


def test_what_is_broken_is_no_json():
    for mutation in ("break the JSON", "repeat a key"):
        assert all(value_of(each.text) is None for each in spoiled(GOOD["json"], mutation))


def test_numbers_change_in_their_own_spelling():
    texts = {each.text for each in spoiled(Answer("it is 10"), "change a digit")}
    assert texts
    assert all(text.startswith("it is 1") and text != "it is 10" for text in texts)
    assert {e.text for e in spoiled(Answer("it is 0"), "be off by one")} == {"it is 1"}
    assert spoiled(Answer("1,250.50"), "be off by one") == []


def test_code_is_spoiled_inside_its_block_alone():
    for mutation in ("drop a return", "negate a comparison", "exit with status zero"):
        for each in spoiled(GOOD["code"], mutation):
            head, _, rest = each.text.partition("```python\n# src/clamp.py\n")
            assert head == "Here it is:\n\n"
            assert rest.endswith("\n```\n")


def test_cheats_are_among_them():
    exits = [each.text for each in spoiled(GOOD["code"], "exit with status zero")]
    assert len(exits) == 3
    assert all(
        text.index("exit" if "exit" in text else "Exit") < text.index("def") for text in exits
    )
    assert any("SkipTest" in each.text for each in spoiled(GOOD["tests"], "skip a test"))
    assert any("def no_test" in each.text for each in spoiled(GOOD["tests"], "skip a test"))
    dropped = spoiled(GOOD["tests"], "drop an assertion")[0].text
    assert "assertEqual" not in dropped


def test_only_lines_that_a_diff_adds_are_spoiled_as_code():
    for mutation in ("remove a line of code", "misspell an identifier", "change an operator"):
        for each in spoiled(GOOD["diff"], mutation):
            assert " def f(x):\n-    return x\n" in each.text
    assert any(
        "b/../../x.py" in each.text for each in spoiled(GOOD["diff"], "change a diff's path")
    )


def test_words_beside_code_are_left_alone():
    assert not {"misspell a word", "swap two words", "make up a claim"} & names(GOOD["code"])


def test_calls_are_spoiled_in_their_arguments_and_by_themselves():
    found = names(CALL)
    assert {"drop a field", "call another tool", "call it twice", "leave out a call"} <= found
    assert "cut it off" not in found
    assert all(each.tool_calls for each in spoiled(CALL, "change a type"))


def test_an_answer_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="more than 200,000 characters"):
        next(mutants(Answer("x" * (LONGEST + 1))))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400) | st.sampled_from([CODE, DIFF, RECORD, PROSE]).map(lambda t: t[:300]))
def test_any_text_can_be_spoiled(text):
    for each in mutants(Answer(text), variants=2):
        assert each.answer.text != text


@pytest.mark.parametrize(
    "text",
    ['{"a": ' * 500 + "1" + "}" * 500, "[" * 90_000, '"' * 90_000, "a." * 90_000, "if (" * 50_000],
)
def test_hostile_texts_are_spoiled_in_time(text):
    assert sum(1 for _ in mutants(Answer(text), variants=1)) > 5
