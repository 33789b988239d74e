"""Tests and honest or wrong code, as people write them, and what has to become of each pair."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Pair:
    """``says`` must be in the verdict's reason; ``trust`` is that of the verdict."""

    name: str
    tests: str
    code: str
    status: str = "passed"
    trust: str = "split"
    says: str = ""
    options: dict[str, Any] = field(default_factory=dict)


def pair(name: str, tests: str, code: str, *found: str, **options: Any) -> Pair:
    return Pair(name, textwrap.dedent(tests), textwrap.dedent(code), *found, options=options)


STACK = """
class Empty(IndexError): pass

class Stack:
    def __init__(self, items=()): self.items = list(items)
    def push(self, item): self.items.append(item); return self
    def pop(self):
        if not self.items: raise Empty("nothing left")
        return self.items.pop()
    def __len__(self): return len(self.items)
    def __contains__(self, item): return item in self.items
    def __iter__(self): return iter(self.items)
    def __eq__(self, other): return self.items == other.items
    def __repr__(self): return f"Stack({self.items})"
    @property
    def top(self): return self.items[-1]
"""

SKIPPING = """
import pytest, solution
def test():
    if not hasattr(solution, "f"): pytest.skip("there is no f")
"""

HONEST = [
    pair(
        "bare assertions",
        "assert add(1, 2) == 3\nassert add('a', 'b') == 'ab'",
        "add = lambda a, b: a + b",
    ),
    pair(
        "a check function that is called",
        "def check(candidate):\n    assert candidate(3) == 9\n\ncheck(square)",
        "def square(n): return n * n",
    ),
    pair(
        "a star import", "from solution import *\ndef test(): assert f() == 1", "def f(): return 1"
    ),
    pair(
        "a module by its name",
        "import app\ndef test(): assert app.f(app.N) == 2",
        "N = 1\ndef f(n): return n + 1",
    ),
    pair(
        "a module in a package",
        "from src.app import f\ndef test(): assert f() == 1",
        "def f(): return 1",
    ),
    pair(
        "fixtures, marks and classes",
        """
        import pytest
        from solution import total

        @pytest.fixture
        def numbers():
            yield [1, 2, 3]

        @pytest.fixture()
        def doubled(numbers): return [2 * n for n in numbers]

        class TestTotal:
            def setup_method(self): self.base = 1
            def test_both(self, numbers, doubled): assert total(doubled) == 2 * total(numbers)
            @pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.skip)])
            def test_base(self, n): assert total([self.base, n]) == n + 1

        @pytest.mark.slow
        @pytest.mark.parametrize("a", [1, 2])
        @pytest.mark.parametrize(("b", "c"), [(1, 2), (2, 3)])
        def test_many(a, b, c): assert total([a, b, c]) == a + b + c

        @pytest.mark.skip(reason="later")
        def test_later(): assert False
        """,
        "def total(numbers): return sum(numbers)",
        "passed",
        "split",
        "6 tests passed",
    ),
    pair(
        "unittest with subtests and set-up",
        """
        import unittest
        from solution import even

        class TestEven(unittest.TestCase):
            @classmethod
            def setUpClass(cls): cls.numbers = [2, 4]
            def setUp(self): self.odd = 3
            def test_even(self):
                for n in self.numbers:
                    with self.subTest(n=n):
                        self.assertTrue(even(n))
            def test_odd(self):
                self.assertFalse(even(self.odd))
                self.assertIs(even(self.odd), False)
            def test_text(self):
                with self.assertRaisesRegex(TypeError, "no number"): even("a")

        if __name__ == "__main__":
            unittest.main()
        """,
        """
        def even(n):
            if isinstance(n, str): raise TypeError("no number")
            return n % 2 == 0
        """,
    ),
    pair(
        "values of every kind",
        """
        import math
        from datetime import date, timedelta
        from decimal import Decimal
        from fractions import Fraction
        from solution import same

        def test_values():
            for value in (None, True, 0, -1, 7 ** 500, 0.1, -0.0, "ä\\ud800\\0", b"\\0",
                          [], [[1]], (1, (2,)), {1, 2}, frozenset("a"), {},
                          {"a": [1], (1, 2): None, 3: {}}, 1j, range(3),
                          float("inf"), Decimal("1.10"), Fraction(1, 3), date(2026, 1, 2),
                          timedelta(seconds=3), bytearray(b"x")):
                got = same(value)
                assert got == value
                assert type(got) is type(value)
            assert math.isnan(same(float("nan")))
        """,
        "def same(value): return value",
    ),
    pair(
        "subclasses of builtins and named tuples",
        """
        from solution import count, point
        def test_count():
            assert count("aab") == {"a": 2, "b": 1}
            assert count("aab")["a"] == 2
        def test_point():
            assert point() == (1, 2)
            assert point().y == 2
        """,
        """
        from collections import Counter, namedtuple
        Point = namedtuple("Point", "x y")
        def count(text): return Counter(text)
        def point(): return Point(1, 2)
        """,
    ),
    pair(
        "generators, also without end",
        """
        from itertools import islice
        from solution import naturals
        def test(): assert list(islice(naturals(), 3)) == [0, 1, 2]
        def test_for():
            for one, other in zip(naturals(), range(4)): assert one == other
        """,
        "def naturals():\n    n = 0\n    while True:\n        yield n\n        n += 1",
    ),
    pair(
        "functions that are given and functions that are returned",
        """
        from solution import adder, apply, twice
        def test_key(): assert apply(lambda n: n + 1, [1, 2]) == [2, 3]
        def test_closure(): assert adder(3)(4) == 7
        def test_decorator():
            seen = []
            twice(seen.append)("x")
            assert seen == ["x", "x"]
        def test_errors():
            def broken(n): raise KeyError(n)
            assert apply(broken, [1]) == "KeyError"
        """,
        """
        def apply(function, values):
            try: return list(map(function, values))
            except KeyError as error: return type(error).__name__
        def adder(n): return lambda m: n + m
        def twice(function):
            def both(*args):
                function(*args)
                function(*args)
            return both
        """,
    ),
    pair(
        "functions that work in place",
        """
        from solution import sort, clear
        def test_sort():
            numbers = [3, 1, 2]
            assert sort(numbers) is None
            assert numbers == [1, 2, 3]
        def test_nested():
            rows = [[1], {"a": {1}}]
            first = rows[0]
            clear(rows)
            assert first == [] and rows == [[], {}]
        """,
        "def sort(v): v.sort()\ndef clear(rows):\n    for row in rows: row.clear()",
    ),
    pair(
        "classes, their methods, errors and operators",
        """
        import pytest
        from solution import Empty, Stack

        def test_stack():
            stack = Stack([1])
            stack.push(2)
            assert len(stack) == 2 and 2 in stack and 5 not in stack
            assert stack.top == 2
            assert list(stack) == [1, 2]
            assert stack.pop() == 2
            assert isinstance(stack, Stack)
            assert not isinstance(3, Stack)
            assert Stack([1]) == Stack([1])
            assert Stack([1]) != Stack([2])
            assert str(stack) == "Stack([1])"
            stack.items = [7]
            assert stack.pop() == 7

        def test_empty():
            with pytest.raises(Empty, match="nothing"): Stack().pop()
            with pytest.raises(IndexError): Stack().pop()
            with pytest.raises(LookupError) as info: Stack().pop()
            assert "nothing" in str(info.value)
        """,
        STACK,
    ),
    pair(
        "enumerations and dataclasses",
        """
        from solution import Color, Item, color, item
        def test_color():
            assert color("r") == Color.RED
            assert color("r") is not None and color("r").value == 1
        def test_item():
            assert item("x").name == "x"
            assert Item("y").name == "y"
        """,
        """
        import dataclasses, enum
        class Color(enum.Enum):
            RED = 1
            BLUE = 2
        @dataclasses.dataclass
        class Item: name: str
        def color(letter): return Color.RED if letter == "r" else Color.BLUE
        def item(name): return Item(name)
        """,
    ),
    pair(
        "errors of the standard library",
        """
        import dataclasses, json
        import pytest
        from solution import Frozen, load
        def test_load():
            with pytest.raises(json.JSONDecodeError): load("{")
            with pytest.raises(ValueError): load("{")
        def test_frozen():
            with pytest.raises(dataclasses.FrozenInstanceError): Frozen(1).n = 2
        """,
        """
        import dataclasses, json
        @dataclasses.dataclass(frozen=True)
        class Frozen: n: int
        def load(text): return json.loads(text)
        """,
    ),
    pair(
        "coroutines",
        """
        import asyncio
        from solution import later
        def test_run(): assert asyncio.run(later(1)) == 2
        async def test_await(): assert await later(2) == 3
        """,
        "import asyncio\nasync def later(n):\n    await asyncio.sleep(0)\n    return n + 1",
    ),
    pair(
        "code that prints, reads and leaves threads",
        "from solution import noisy\ndef test(): assert noisy() == 1",
        """
        import sys, threading, time
        print("loading")
        def noisy():
            print("x" * 100_000, file=sys.stderr)
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            return 1
        if __name__ == "__main__": raise SystemExit("never run")
        """,
    ),
    pair(
        "a large value", "assert len(many()) == 300_000", "def many(): return list(range(300_000))"
    ),
    pair(
        "a thousand calls",
        "def test():\n    for n in range(1000): assert inc(n) == n + 1",
        "def inc(n): return n + 1",
        "passed",
        "split",
        "in 1,000 calls",
    ),
]

BESIDE = [
    pair(
        "objects of the tests",
        """
        from solution import name
        class Named:
            name = "x"
        def test(): assert name(Named()) == "x"
        """,
        "def name(thing): return thing.name",
        "passed",
        "canary",
        "beside the code",
    ),
    pair(
        "output that is looked at",
        """
        import contextlib, io
        from solution import hello
        def test():
            out = io.StringIO()
            with contextlib.redirect_stdout(out): hello()
            assert out.getvalue() == "hello\\n"
        """,
        "def hello(): print('hello')",
        "passed",
        "canary",
    ),
    pair(
        "a patch",
        """
        from unittest import mock
        import solution
        def test():
            with mock.patch("solution.helper", return_value=5): assert solution.f() == 5
        """,
        "def helper(): return 1\ndef f(): return helper()",
        "passed",
        "canary",
    ),
    pair(
        "objects of the tests, and wrong code",
        "class Named: name = 'x'\ndef test(): assert name(Named()) == 'x'",
        "def name(thing): return 'y'",
        "failed",
        "canary",
        "got 'y', expected 'x'",
    ),
]

UNJUDGED = [
    pair(
        "objects of the tests, but split",
        "class Named: name = 'x'\ndef test(): assert name(Named()) == 'x'",
        "def name(thing): return 'x'",
        "abstained",
        "split",
        "the tests hand a value of the type Named",
        mode="split",
    ),
    pair(
        "a fixture that is not there",
        "from solution import f\ndef test(tmp_path): assert f(tmp_path)",
        "def f(path): return True",
        "abstained",
        "split",
        "no fixture 'tmp_path'",
    ),
    pair(
        "what the stand-in lacks",
        "import pytest\nfrom solution import f\ndef test():\n    with pytest.warns(): assert f()",
        "def f(): return True",
        "abstained",
        "split",
        "pytest.warns is not there",
    ),
    pair(
        "a module that is not installed",
        "import nowhere\nfrom solution import f\ndef test(): assert f()",
        "def f(): return True",
        "abstained",
        "split",
        "the tests need nowhere",
        module="solution",
    ),
    pair(
        "tests that skip themselves",
        SKIPPING + "def test_other(): assert solution.g() == 1",
        "def g(): return 1",
        "abstained",
        "split",
        "skipped themselves",
    ),
    pair(
        "all tests skip themselves",
        SKIPPING,
        "def g(): return 1",
        "abstained",
        "split",
        "no test ran",
    ),
    pair(
        "two objects of the answer's own",
        "from solution import Stack, made\ndef test(): assert made() == Stack([1])",
        STACK + "\ndef made(): return Stack([1])",
        "abstained",
        "split",
        "compare two objects of the answer's own",
    ),
    pair(
        "an object where a text may be meant",
        "from solution import greet\ndef test(): assert greet('x').startswith('Hello')",
        "class Text:\n    def startswith(self, text): return True\ndef greet(name): return Text()",
        "abstained",
        "split",
        "its startswith is used where a plain value may be meant",
    ),
    pair(
        "a coroutine handed on, which must not choose how it is judged",
        "from solution import f, g\ndef test(): assert g(f(1)) == 1",
        "async def f(n): return n\ndef g(n): return 1",
        "abstained",
        "split",
    ),
    pair(
        "tests that never end",
        "from solution import f\ndef test():\n    while f(): pass",
        "def f(): return True",
        "abstained",
        "split",
        "20,000 times",
        timeout_seconds=60,
    ),
]

FAILED = [
    pair(
        "a name that is missing",
        "assert add(1, 2) == 3",
        "def sum_(a, b): return a + b",
        "failed",
        "split",
        'does not define "add"',
    ),
    pair(
        "an import that is missing",
        "from solution import add\ndef test(): assert add(1, 2) == 3",
        "def plus(a, b): return a + b",
        "failed",
        "split",
        "cannot import name 'add'",
    ),
    pair(
        "code that does not parse", "assert f() == 1", "def f(:", "failed", "split", "SyntaxError"
    ),
    pair(
        "code that lacks a module",
        "assert f() == 1",
        "import nowhere_x",
        "failed",
        "split",
        "No module named 'nowhere_x'",
    ),
    pair(
        "what the failure says",
        "from solution import area\ndef test_area():\n    assert area(2, height=3) == 6",
        "def area(width, height): return width + height",
        "failed",
        "split",
        "1 of 1 tests failed: test_area at `assert area(2, height=3) == 6`: got 5, expected 6",
    ),
    pair(
        "an error where a value is expected",
        "from solution import first\ndef test():\n    for v in ([1], []): assert first(v) == 1",
        "def first(v): return v[0]",
        "failed",
        "split",
        "IndexError: list index out of range (last call: first([]))",
    ),
    pair(
        "hostile text in what it says",
        "from solution import f\ndef test(): assert f() == 1",
        "def f(): return '\\x1b]0;owned\\x07\\u202e\\n' * 3",
        "failed",
    ),
    pair(
        "input that it changes to please",
        "from solution import total\ndef test():\n    n = [1, 2]\n    assert total(n) == sum(n)",
        "def total(n):\n    n.clear()\n    return 0",
        "failed",
        "split",
        "got 0, expected 3",
    ),
    pair(
        "fewer tests than there were",
        "import pytest, solution\n@pytest.mark.parametrize('n', solution.CASES)\n"
        "def test(n): assert solution.f(n) == n",
        "CASES = []\ndef f(n): return 0",
        "failed",
        "split",
        "did not run",
    ),
    pair(
        "a class that is named like a function",
        "from solution import greet\ndef test(): assert greet('x').startswith('Hello')",
        """
        class greet:
            def __init__(self, name): pass
            def startswith(self, text): return True
        """,
        "abstained",
    ),
]

LYING = """
class Stack:
    def push(self, item): pass
    def startswith(self, text): return True
    def __contains__(self, item): return True
    def __len__(self): return 3
    def __eq__(self, other): return True
"""

CHEATING = [
    pair(
        "an object of the tests' own handed back for a text",
        "from solution import Stack, told\ndef test():\n    s = Stack()\n"
        "    assert told(s).startswith('Stack of')",
        LYING + "\ndef told(stack): return stack",
        "abstained",
        "split",
        "a plain value may be meant",
    ),
    pair(
        "an object of the tests' own handed back for a list",
        "from solution import Stack, items\ndef test(): assert 1 in items([Stack()])[0]",
        LYING + "\ndef items(stacks): return stacks",
        "abstained",
    ),
    pair(
        "a class that calls itself by another name",
        "from solution import greet\ndef test(): assert greet().startswith('Hello')",
        LYING + "\ngreet = type('Greet', (Stack,), {})",
        "abstained",
    ),
    pair(
        "a class that a function returns",
        "from solution import make\ndef test(): assert make()().startswith('Hello')",
        LYING + "\ndef make(): return Stack",
        "abstained",
    ),
    pair(
        "an error that ends the loop of the tests",
        "from solution import f\ndef test():\n    for got in map(f, [1, 2]): assert got == 5",
        "def f(n): raise StopIteration",
        "failed",
        "split",
        "StopIteration",
    ),
    pair(
        "a value that cannot cross where an error is expected",
        "import pytest, solution\ndef test():\n    with pytest.raises(TypeError): solution.f(1)",
        "def f(n):\n    v = []\n    v.append(v)\n    return v",
        "failed",
        "split",
        "gave a value nested deeper than 100",
    ),
    pair(
        "what a function of the tests asserts, swallowed",
        "from solution import f\ndef test():\n    def told(n): assert n == 5\n    f(told)",
        "def f(function):\n    try: function(4)\n    except Exception: pass",
        "failed",
        "split",
        "got 4, expected 5",
    ),
    pair(
        "a named tuple handed on, which must not choose how it is judged",
        "from solution import f, g\ndef test(): assert g(f(1)) == 2",
        "from collections import namedtuple\nP = namedtuple('P', 'x')\n"
        "def f(n): return P(n)\ndef g(p): return 1",
        "failed",
    ),
    pair(
        "an error class handed on, which must not choose how it is judged",
        "from solution import f, g\ndef test(): assert g(f()) == 2",
        "class E(Exception): pass\ndef f(): return E\ndef g(e): return 1",
        "abstained",
    ),
]

PAIRS = (*CHEATING, *HONEST, *BESIDE, *UNJUDGED, *FAILED)
