"""behaviour: what the check makes of a run. Real runs: integration/test_behaviour_runs.py."""

from __future__ import annotations

import json

import pytest

from rung import checks
from rung.core.errors import ConfigError, RungError
from rung.core.verdicts import Status, Weight
from rung.verifiers.base import run
from rung.verifiers.behaviour import Behaviour, behaviour, from_options
from rung.verifiers.catalogue import KINDS, build
from rung.verifiers.kit import Kit
from support.command_boxes import Ended, ToldBox
from support.subjects import call, subject

ADD = "```python\ndef add(a, b):\n    return a + b\n```"
INPUTS = [[1, 2], [3, 4]]


def value(text: str) -> list[str]:
    return ["value", text]


async def judged(outputs, answer=ADD, **ended):
    """The verdict on an answer whose run ended so."""
    stdout = outputs if isinstance(outputs, bytes) else json.dumps(outputs).encode()
    box = ToldBox(Ended(stdout=stdout, **ended))
    check = behaviour("add", INPUTS).equipped(Kit(box, None))
    return await run(check, subject(answer))


async def test_equal_outputs_say_the_same_and_prove_nothing():
    one = await judged({"outputs": [value("a"), value("b")]})
    same = await judged({"outputs": [value("a"), value("b")]})
    other = await judged({"outputs": [value("a"), value("c")]})
    assert (one.status, one.vacuous, one.score) == (Status.PASSED, True, None)
    assert one.says == same.says
    assert None not in {one.says, other.says}
    assert one.says != other.says


async def test_an_error_is_an_output_too():
    one = await judged({"outputs": [value("a"), ["raised", "ValueError"]]})
    other = await judged({"outputs": [value("a"), ["raised", "KeyError"]]})
    late = await judged({"outputs": [value("a"), ["late", ""]]})
    assert len({one.says, other.says, late.says}) == 3
    assert "gave an output on 1 of 2 inputs" in one.reason


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ({"outputs": [["raised", "ValueError"]] * 2}, "no output on any of 2 inputs: ValueError"),
        ({"outputs": [["late", ""], ["late", ""]]}, "too slow"),
        ({"error": ["SyntaxError", "bad"]}, "defines no function add: SyntaxError: bad"),
        ({"error": ["", ""]}, "defines no function add"),
    ],
)
async def test_code_that_gives_nothing_is_doubted_and_says_nothing(outputs, reason):
    found = await judged(outputs)
    assert (found.status, found.says) == (Status.FAILED, None)
    assert found.score is not None
    assert found.score < 0.5
    assert reason in found.reason
    assert found.reason.endswith("(uncalibrated)")


@pytest.mark.parametrize(
    "stdout",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 100_000,
        b'{"outputs": []}',
        b'{"outputs": [["value", "a"]]}',
        b'{"outputs": [["value", "a"], ["value", 5]]}',
        b'{"outputs": [["value", "a"], ["passed", "b"]]}',
        b'{"outputs": "ab"}',
        b'{"error": "x"}',
        b'{"error": [1, 2]}',
        b'{"says": "x", "status": "passed"}',
        b"null",
    ],
)
async def test_nonsense_in_place_of_outputs_abstains(stdout):
    found = await judged(stdout)
    assert (found.status, found.says) == (Status.ABSTAINED, None)


async def test_a_limit_abstains_whatever_was_said_before():
    found = await judged({"outputs": [value("a"), value("b")]}, ended_by="wall", status=None)
    assert (found.status, found.says) == (Status.ABSTAINED, None)


async def test_what_the_sandbox_lacks_is_no_fault_of_the_code():
    lacking = "ModuleNotFoundError"
    for outputs in ({"error": [lacking, "numpy"]}, {"outputs": [["raised", lacking]] * 2}):
        assert (await judged(outputs)).status is Status.ABSTAINED


async def test_without_a_sandbox_it_says_so():
    found = await judged({"outputs": [value("a"), value("b")]}, sandboxed=False)
    assert found.reason.startswith("not sandboxed: ")
    bare = await run(behaviour("add", INPUTS), subject(ADD))
    assert (bare.status, "bubblewrap" in bare.reason) == (Status.ABSTAINED, True)
    check = Behaviour("add", ("[1, 2]",), ToldBox(RungError("no box", fix="get one")))
    broken = await run(check, subject(ADD))
    assert broken.status is Status.ABSTAINED
    assert "no box (fix: get one)" in broken.reason


async def test_an_answer_without_code_abstains():
    for answer in ("```sql\nSELECT 1\n```", " \n", "```python ../x.py\na = 1\n```"):
        found = await judged({"outputs": []}, answer)
        assert (found.status, found.says) == (Status.ABSTAINED, None), answer
    box = ToldBox()
    check = behaviour("add", INPUTS).equipped(Kit(box, None))
    assert (await run(check, subject("", tool_calls=(call("f"),)))).status is Status.ABSTAINED
    assert not box.errands


async def test_the_run_is_given_all_pieces_of_the_code_and_the_inputs():
    box = ToldBox()
    answer = "```python helper.py\nK = 1\n```\n```python\nfrom helper import K\n```\n" + ADD
    await run(behaviour("add", INPUTS).equipped(Kit(box, None)), subject(answer))
    (errand,) = box.errands
    work = json.loads(errand.stdin)
    assert work["inputs"] == INPUTS
    assert [text.split()[0] for text in work["files"]] == ["K", "from", "def"]
    assert set(errand.files) == {"helper.py", "answer.py", "behaviour_run.py"}
    assert 0 < work["seconds"] < errand.seconds


async def test_an_answer_cannot_take_the_drivers_place():
    box = ToldBox()
    answer = "```python behaviour_run.py\nprint('faked')\n```\n" + ADD
    await run(behaviour("add", INPUTS).equipped(Kit(box, None)), subject(answer))
    assert b"faked" not in box.files["behaviour_run.py"]


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"inputs": INPUTS}, "function"),
        ({"function": "a b", "inputs": INPUTS}, "function"),
        ({"function": 5, "inputs": INPUTS}, "function"),
        ({"function": "add"}, "inputs"),
        ({"function": "add", "inputs": []}, "inputs"),
        ({"function": "add", "inputs": [1, 2]}, "inputs"),
        ({"function": "add", "inputs": "ab"}, "inputs"),
        ({"function": "add", "inputs": [[{1}]]}, "inputs"),
        ({"function": "add", "inputs": [[float("nan")]]}, "inputs"),
        ({"function": "add", "inputs": [[1]] * 1_001}, "inputs"),
        ({"function": "add", "inputs": INPUTS, "timeout_seconds": 0}, "timeout_seconds"),
    ],
)
def test_wrong_options_are_told_by_their_place(options, place):
    with pytest.raises(ConfigError) as caught:
        from_options(options)
    (problem,) = caught.value.problems
    assert problem.place == place
    assert problem.fix


def test_it_is_a_signal_wherever_it_comes_from():
    assert checks.behaviour("add", INPUTS).weight is Weight.SIGNAL
    made = build("same", KINDS["behaviour"], {"function": "add", "inputs": INPUTS})
    assert (made.weight, made.name) == (Weight.SIGNAL, "same")
