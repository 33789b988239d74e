"""Unit tests on model code in real sandboxes: what people write is judged, and by whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import pytest

from rung.boxes import CommandRoom
from rung.core.verdicts import Status, Trust, Verdict
from rung.sandbox import Limits, Sandbox, UnavailableError, Unsandboxed
from rung.verifiers.base import LONGEST_REASON, run
from rung.verifiers.unit_tests import UnitTests, unit_tests
from support.subjects import subject
from support.unit_test_pairs import PAIRS, STACK, Pair

AT_ONCE = 3
ADD = "def add(a, b): return a + b"


def judged(*checks: tuple[UnitTests, str], make: Any = Sandbox) -> list[Verdict]:
    """The verdicts on some code each, in one box; skips where there is none."""

    async def all_of_them() -> list[Verdict]:
        room = CommandRoom(make)
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(gate: UnitTests, code: str) -> Verdict:
            async with turns:
                equipped = gate.equipped(SimpleNamespace(box=room))  # type: ignore[arg-type]
                return await run(equipped, subject(f"Here:\n```python\n{code}\n```"))

        try:
            await room.prove()
            return await asyncio.gather(*(one(*check) for check in checks))
        except UnavailableError as error:
            pytest.skip(str(error))
        finally:
            await room.close()

    return asyncio.run(all_of_them())


@cache
def verdicts() -> dict[str, Verdict]:
    gates = [unit_tests(each.tests, **each.options) for each in PAIRS]
    found = judged(*zip(gates, [each.code for each in PAIRS], strict=True))
    return {each.name: verdict for each, verdict in zip(PAIRS, found, strict=True)}


@pytest.mark.parametrize("each", PAIRS, ids=lambda each: each.name.replace(" ", "-"))
def test_tests_as_people_write_them_are_judged(each: Pair) -> None:
    verdict = verdicts()[each.name]
    assert verdict.status == each.status, verdict.reason
    assert verdict.trust == each.trust, verdict.reason
    assert each.says in verdict.reason
    assert len(verdict.reason) <= LONGEST_REASON
    assert verdict.reason.isprintable()


CASES: Iterable[dict[str, Any]] = [
    {"call": "add", "args": [2, 2], "expect": 4},
    {"call": "add", "args": [], "kwargs": {"a": 1, "b": 2}, "expect": 3},
    {"call": "add", "args": [0.1, 0.2], "expect": 0.3, "approx": True},
    {"call": "add", "args": [1, 1.04], "expect": 2, "approx": 0.1},
    {"call": "add", "args": [[1], [2]], "expect": [1, 2]},
    {"call": "add", "args": [1, "a"], "raises": "TypeError"},
]


def test_cases_need_no_file_of_tests() -> None:
    lines = "\n".join(json.dumps(case) for case in CASES)
    wrong = "def add(a, b): return 4"
    checks = [
        (unit_tests(cases=CASES), ADD),
        (unit_tests(cases=lines), ADD),
        (unit_tests(cases=CASES, mode="in_process"), ADD),
        (unit_tests(cases=CASES), wrong),
        (unit_tests(cases=CASES, mode="in_process"), wrong),
        (unit_tests(cases=[{"call": "pair", "expect": [1, [2]]}]), "def pair(): return 1, (2,)"),
        (unit_tests(cases=[{"call": "nan", "expect": float("nan")}]), "nan = lambda: float('nan')"),
    ]
    found = judged(*checks)
    assert [each.status for each in found] == ["passed"] * 3 + ["failed"] * 2 + ["passed"] * 2
    assert [each.trust for each in found[:3]] == ["split", "split", "canary"]
    assert "case 2: add(a=1, b=2) gave 4, expected 3" in found[3].reason
    assert "5 of 6 tests failed" in found[3].reason


def test_an_object_is_the_same_each_time_it_is_shown() -> None:
    tests = "from solution import Stack\ndef test():\n    s = Stack()\n    assert s.push(1) is s"
    (found,) = judged((unit_tests(tests), STACK))
    assert found.status is Status.PASSED, found.reason


def test_without_a_sandbox_every_verdict_says_so_and_is_trusted_no_more_than_a_command() -> None:
    gate = unit_tests("assert add(1, 2) == 3")
    right, wrong = judged((gate, ADD), (gate, "def add(a, b): return 0"), make=Unsandboxed)
    assert (right.status, wrong.status) == (Status.PASSED, Status.FAILED)
    for each in (right, wrong):
        assert each.reason.startswith("not sandboxed: ")
        assert each.trust is Trust.COMMAND


def test_where_there_is_no_sandbox_it_abstains_and_says_what_helps() -> None:
    class Gone(Sandbox):
        async def prove(self) -> Any:
            raise UnavailableError("bwrap is not installed", fix="install it")

    async def one() -> Verdict:
        gate = unit_tests("assert add(1, 2) == 3")
        kit = SimpleNamespace(box=CommandRoom(Gone))
        return await run(gate.equipped(kit), subject(ADD))  # type: ignore[arg-type]

    found = asyncio.run(one())
    assert found.status is Status.ABSTAINED
    assert "bwrap is not installed (fix: install it)" in found.reason


def test_what_a_check_leaves_when_it_is_cancelled() -> None:
    async def one() -> tuple[int, bool]:
        box = Sandbox(Limits())
        room = CommandRoom(lambda: box)
        try:
            await room.prove()
            gate = unit_tests("assert f() == 3").equipped(SimpleNamespace(box=room))  # type: ignore[arg-type]
            began = asyncio.Event()
            talk = room.talk

            def told(*errands: Any) -> Any:
                began.set()
                return talk(*errands)

            room.talk = told  # type: ignore[method-assign]
            task = asyncio.create_task(run(gate, subject("def f():\n    while True: pass")))
            await began.wait()
            await asyncio.sleep(0.2)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return len(box._shop._jobs), task.cancelled()
        except UnavailableError as error:
            pytest.skip(str(error))
        finally:
            await room.close()

    assert asyncio.run(one()) == (0, True)


@pytest.mark.parametrize("at_once", [1, 2])
def test_checks_that_come_together_do_not_wait_for_each_other_without_end(at_once: int) -> None:
    gate = unit_tests("assert add(1, 2) == 3")
    found = judged(*[(gate, ADD)] * 5, make=partial(Sandbox, at_once=at_once))
    assert {each.status for each in found} == {Status.PASSED}


def test_tests_that_never_use_the_code_prove_nothing() -> None:
    gates = ("def test_true():\n    assert 1 + 1 == 2", "import solution\nassert solution.add")
    idle, used = judged(*((unit_tests(each), ADD) for each in gates))
    assert (idle.status, used.status) == (Status.ABSTAINED, Status.PASSED), (idle, used)
    assert "never use the answer's code" in idle.reason
