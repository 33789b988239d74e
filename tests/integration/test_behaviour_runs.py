"""behaviour in a real sandbox: what agrees, what does not, and what hostile code comes to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rung.core.verdicts import Status
from rung.sandbox import Limits, Sandbox, UnavailableError
from rung.verifiers.base import run
from rung.verifiers.behaviour import behaviour
from rung.verifiers.kit import Kit
from support.command_boxes import Errands
from support.subjects import subject

LIMITS = Limits(cpu_seconds=20, memory_bytes=256 << 20, output_bytes=200_000)


@pytest_asyncio.fixture
async def kit() -> AsyncIterator[Kit]:
    box = Sandbox(LIMITS)
    try:
        await box.prove()
        yield Kit(Errands(box, LIMITS), None)
    except UnavailableError as error:
        pytest.skip(str(error))
    finally:
        await box.close()


async def judged(kit, code, function="f", inputs=((1, 2), (3, 4)), seconds=10.0):
    check = behaviour(function, [list(each) for each in inputs], timeout_seconds=seconds)
    answer = code if "```" in code else f"Here:\n\n```python\n{code}\n```\n"
    return await run(check.equipped(kit), subject(answer))


def body(expression: str, parameters: str = "a, b") -> str:
    return f"def f({parameters}):\n    {expression}\n"


SAME = {
    "sums": [
        body("return a + b"),
        body("return sum((a, b))"),
        "f = lambda a, b: float(b + a)",
        "import functools\nimport operator\n"
        + body("return functools.reduce(operator.add, (a, b))"),
        body("print('thinking'); return a + b + 1e-14"),
        "```python\n>>> f(1, 2)\n```\n```python\n" + body("return a + b") + "```\n```\n3\n```",
        "```python\n"
        + body("return k + a + b")
        + "```\n```python\nk = 0\nassert f(1, 2) == 4\n```",
        "import atexit\natexit.register(print, 'bye')\n" + body("return a + b"),
        "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
        + body("return a + b"),
        "if __name__ == '__main__':\n    raise SystemExit\n" + body("return a + b"),
    ],
    "lists": [
        body("return [a, b]"),
        body("return a, b"),
        body("yield a\n    yield b"),
        body("return iter([a, b])"),
    ],
    "sets": [body("return {a, b, 'x'}"), body("return frozenset(['x', b, a])")],
    "objects": [
        "class P:\n    def __init__(self, a):\n        self.a = a\n" + body("return P(a)"),
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    a: int\n"
        + body("return P(a=a)"),
    ],
    "prints": [body("print(a, b)"), body("print(f'{a} {b}'); return None")],
    "raises on one": [
        body("if a > 1: raise ValueError('no')\n    return a"),
        body("if a == 3: raise ValueError\n    return a"),
    ],
    "hangs on one": [
        body("while a > 1: pass\n    return a"),
        body("import time\n    time.sleep(100 * (a > 1))\n    return a"),
    ],
    "leaves on one": [
        body("if a > 1: exit()\n    return a"),
        body("if a > 1: raise SystemExit(0)\n    return a"),
    ],
}


async def test_code_agrees_by_what_it_does(kit):
    said = {}
    for name, codes in SAME.items():
        found = [await judged(kit, code, seconds=5.0) for code in codes]
        for code, each in zip(codes, found, strict=True):
            assert each.vacuous, (each.reason, code)
        assert len({each.says for each in found}) == 1, (name, found)
        said[name] = found[0].says
    assert len(set(said.values())) == len(SAME)


async def test_a_function_that_works_in_place_is_known_by_what_it_leaves(kit):
    inputs = [([3, 1, 2],), ([],)]
    sorts = await judged(kit, body("xs.sort()", "xs"), inputs=inputs)
    also = await judged(kit, body("xs[:] = sorted(xs)", "xs"), inputs=inputs)
    turns = await judged(kit, body("xs.reverse()", "xs"), inputs=inputs)
    assert sorts.says == also.says != turns.says


SWALLOWS = """import time

def f(a, b):
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass
"""
WRITES_OVER = """import os

def f(a, b):
    for n in range(3, 9):
        try:
            os.write(n, b"{}")
        except OSError:
            pass
"""
UNTOLD = {
    "does not parse": ("def f(a, b:", Status.FAILED),
    "is prose": ("```\nI would add them.\n```", Status.FAILED),
    "another name": ("def g(a, b):\n    return a + b", Status.FAILED),
    "raises always": (body("raise KeyError(a)"), Status.FAILED),
    "takes one argument": (body("return a", "a"), Status.FAILED),
    "recurses": (body("return f(a, b)"), Status.FAILED),
    "gives what contains itself": (body("x = []; x.append(x); return x"), Status.FAILED),
    "lacks a module": ("import no_such_module\n" + body("return a"), Status.ABSTAINED),
    "dies": (body("import os; os._exit(0)"), Status.ABSTAINED),
    "kills itself": (body("import os; os.kill(os.getpid(), 9)"), Status.ABSTAINED),
    "swallows its time": (SWALLOWS, Status.ABSTAINED),
    "floods": (body("import os\n    while True: os.write(3, b'x' * 65536)"), Status.ABSTAINED),
    "eats memory": (body("x = bytearray()\n    while True: x += bytes(1 << 24)"), Status.FAILED),
    "writes over the answer": (WRITES_OVER, Status.ABSTAINED),
}


@pytest.mark.parametrize("name", UNTOLD)
async def test_hostile_and_broken_code_says_nothing(kit, name):
    code, status = UNTOLD[name]
    found = await judged(kit, code, seconds=3.0)
    assert (found.status, found.says) == (status, None), found.reason


async def test_code_that_reports_made_up_outputs_is_a_group_of_its_own(kit):
    honest = await judged(kit, body("return a + b"))
    faked = await judged(
        kit,
        "import json, os\nsaid = {'outputs': [['value', 'ab' * 32], ['value', 'cd' * 32]]}\n"
        "os.write(3, json.dumps(said).encode() + b'\\n')\nos._exit(0)",
    )
    assert faked.says != honest.says
