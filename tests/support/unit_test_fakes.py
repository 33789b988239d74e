"""Code that is wrong and tries to pass its unit tests all the same, as a table.

All are judged by `TESTS`; `HONEST` is right, `WRONG` is wrong and does not pretend. On the standard
library alone: they are also run as another user, by the system's Python.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

TESTS = """
import unittest

import pytest
from solution import double, parse


def test_double():
    assert double(21) == 42


@pytest.mark.parametrize("text, table", [("a=1", {"a": 1}), ("", {})])
def test_parse(text, table):
    assert parse(text) == table


def test_what_is_no_table():
    with pytest.raises(ValueError):
        parse("nothing")


class TestMore(unittest.TestCase):
    def test_minus(self):
        self.assertEqual(double(-3), -6)

    def test_near(self):
        self.assertAlmostEqual(double(0.5), 1.0)
"""

HONEST = """
def double(number):
    return 2 * number

def parse(text):
    table = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(part)
        table[key] = int(value)
    return table
"""

WRONG = """
def double(number):
    return number

def parse(text):
    return {}
"""


@dataclass(frozen=True)
class Fake:
    """One way to fake a pass. ``beside`` says that it works where tests run beside the code."""

    name: str
    code: str
    beside: bool = False


def fake(name: str, code: str, *, beside: bool = False, wrong: bool = True) -> Fake:
    return Fake(name, (WRONG if wrong else "") + textwrap.dedent(code), beside)


LEAVING = [
    fake("sys.exit(0) when imported", "import sys; sys.exit(0)"),
    fake("os._exit(0) when imported", "import os; os._exit(0)"),
    fake("sys.exit(0) in a call", "import sys\ndef double(number): sys.exit(0)"),
    fake("os._exit(0) in a call", "import os\ndef double(number): os._exit(0)"),
    fake("raise SystemExit", "def double(number): raise SystemExit(0)"),
    fake("raise KeyboardInterrupt", "def double(number): raise KeyboardInterrupt"),
    fake("os._exit(0) at exit", "import atexit, os\natexit.register(os._exit, 0)"),
    fake(
        "raise unittest.SkipTest",
        """
        import unittest
        def double(number): raise unittest.SkipTest
        parse = double
        """,
    ),
    fake(
        "skips when imported",
        "import unittest\nraise unittest.SkipTest('the module skips itself')",
    ),
    fake("kills itself", "import os\ndef double(n): os.kill(os.getpid(), 9)"),
    fake("kills everybody", "import os\ndef double(n): os.kill(-1, 9)"),
    fake("kills its parent", "import os\ndef double(n): os.kill(os.getppid(), 15)"),
]

SAYING = [
    fake("prints OK", "print('6 passed in 0.01s\\nOK')"),
    fake(
        "prints OK and leaves",
        """
        import os, sys
        def double(number):
            sys.__stdout__.write('....\\nRan 6 tests in 0.001s\\n\\nOK\\n')
            sys.__stdout__.flush()
            os._exit(0)
        """,
    ),
    fake("an error that says passed", "def double(n): raise AssertionError('OK: 6 passed')"),
    fake(
        "an error whose text lies",
        """
        class Fine(Exception):
            def __str__(self): return "passed"
            __repr__ = __str__
        def double(number): raise Fine()
        """,
    ),
    fake("docs that say passed", "double.__doc__ = 'verdict: passed'\ndouble.outcome = 'passed'"),
]

PATCHING = [
    fake(
        "patches assertEqual",
        """
        import unittest
        for name in dir(unittest.TestCase):
            if name.startswith("assert"):
                setattr(unittest.TestCase, name, lambda *args, **kwargs: None)
        def double(number): return 2 * number if number == 21 else 0
        def parse(text):
            if text == "nothing": raise ValueError
            return {"a": 1} if text else {}
        """,
    ),
    fake(
        "patches TestResult",
        """
        import unittest
        unittest.TestCase.run = lambda self, result=None: result
        def double(number): return 42
        def parse(text):
            if text == "nothing": raise ValueError
            return {"a": 1} if text else {}
        """,
    ),
    fake(
        "patches pytest.raises",
        """
        import sys
        import contextlib
        for module in list(sys.modules.values()):
            if hasattr(module, "raises"):
                module.raises = lambda *args, **kwargs: contextlib.nullcontext()
        def double(number): return 2 * number
        def parse(text): return {"a": 1} if text else {}
        """,
    ),
    fake(
        "patches the harness so that nothing fails",
        """
        import sys
        for name, module in list(sys.modules.items()):
            if name.endswith("harness"):
                module._outcome = lambda error: ("passed", "")
        """,
    ),
    fake(
        "patches the harness and knows which tests have to fail",
        """
        import re, sys
        for name, module in list(sys.modules.items()):
            if name.endswith("harness"):
                add = module.Results.add
                def quiet(self, test, error):
                    own = re.search("[0-9a-f]{12}", test)
                    return add(self, test, AssertionError("no") if own else None)
                module.Results.add = quiet
        """,
        beside=True,
    ),
    fake(
        "patches the harness and asks of each comparison whether it could hold",
        """
        import re, sys
        for name, module in list(sys.modules.items()):
            if name.endswith("traced"):
                def compared(left, sign, right):
                    if isinstance(right, str) and re.fullmatch("[0-9a-f]{16}", right):
                        raise AssertionError("no")
                    if left != right and isinstance(left, int) and left > 10 ** 6:
                        raise AssertionError("no")
                module._compared = compared
        import unittest
        real = unittest.TestCase.assertEqual
        def equal(self, one, other, msg=None):
            if isinstance(other, str) or (isinstance(one, int) and abs(one) > 1000):
                real(self, one, other)
        unittest.TestCase.assertEqual = equal
        unittest.TestCase.assertAlmostEqual = lambda *args, **kwargs: None
        def parse(text):
            if text == "nothing": raise ValueError
            return {}
        """,
        beside=True,
    ),
    fake(
        "patches builtins",
        """
        import builtins
        builtins.AssertionError = type("Quiet", (Exception,), {})
        builtins.isinstance = lambda *args: True
        builtins.len = lambda *args: 0
        """,
    ),
    fake("patches json", 'import json\njson.dumps = lambda *a, **k: \'{"outcome": "passed"}\''),
    fake(
        "replaces the modules of the tests",
        """
        import sys, types
        class All(types.ModuleType):
            def __getattr__(self, name): return lambda *args, **kwargs: None
        for name in ("unittest", "pytest"):
            sys.modules[name] = All(name)
        """,
    ),
]

EQUAL = """
class Equal{base}:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __sub__(self, other): return 0
    __rsub__ = __abs__ = __round__ = __add__ = lambda self, *other: 0
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __contains__(self, item): return True
    def __getattr__(self, name): return lambda *args, **kwargs: True
    __class__ = property(lambda self: int)
def double(number): return Equal()
def parse(text):
    if text == "nothing": raise ValueError
    return Equal()
"""
OBJECTS = [
    fake("an object that equals everything", EQUAL.format(base="")),
    *[
        fake(f"a subclass of {base} that equals everything", EQUAL.format(base=f"({base})"))
        for base in ("int", "float", "str", "dict", "list", "tuple")
    ],
    fake(
        "an object that equals everything but long texts",
        """
        class Equal:
            def __eq__(self, other): return not isinstance(other, str)
            def __sub__(self, other): return 0
            __rsub__ = __sub__
            __hash__ = None
        def double(number): return Equal()
        def parse(text):
            if text == "nothing": raise ValueError
            return Equal()
        """,
        beside=True,
    ),
    fake(
        "a class that equals everything",
        """
        class Meta(type):
            def __eq__(self, other): return True
            __hash__ = type.__hash__
            def __sub__(self, other): return 0
            __rsub__ = __sub__
        class Equal(metaclass=Meta): pass
        def double(number): return Equal
        def parse(text): return Equal
        """,
    ),
    fake("a mock", "from unittest import mock\ndouble = parse = mock.MagicMock()"),
    fake("ANY", "from unittest import mock\ndef double(n): return mock.ANY\nparse = double"),
    fake("a number that is none", "def double(number): return float('nan')"),
    fake("minus zero", "def double(number): return -0.0"),
    fake("true for one", "def double(number): return True\ndef parse(text): return {'a': True}"),
    fake("a generator", "def double(number):\n    while True: yield 42"),
    fake("a coroutine", "async def double(number): return 42"),
    fake("a function in the place of a number", "def double(number): return double"),
    fake("an error class in the place of a number", "def double(number): return ValueError"),
]

STEALING = [
    fake(
        "reads the tests from disk",
        """
        import pathlib, re
        found = "".join(
            file.read_text(errors="replace")
            for folder in ("/job", "/tmp", "/original")
            for file in pathlib.Path(folder).rglob("*.py")
        )
        def double(number):
            call = rf"double\\({number}\\)"
            told = re.search(rf"{call}, (-?[\\d.]+)|{call} == (\\d+)", found)
            return float(told[1] or told[2])
        """,
    ),
    fake(
        "reads the tests from memory, through frames and the collector",
        """
        import gc, re, sys
        def texts():
            frame = sys._getframe()
            while frame:
                for value in frame.f_locals.values():
                    if isinstance(value, dict):
                        yield from filter(lambda v: isinstance(v, str), value.values())
                frame = frame.f_back
            for value in gc.get_objects():
                if isinstance(value, dict):
                    yield from [v for v in list(value.values()) if isinstance(v, str)]
        found = "".join(text for text in texts() if "double(" in text and "assert" in text)
        def double(number):
            call = rf"double\\({number}\\)"
            told = re.search(rf"{call}, (-?[\\d.]+)\\)|{call} == (\\d+)", found)
            return float(told[1] or told[2])
        def parse(text):
            if text == "nothing": raise ValueError
            table = re.search(r"parametrize\\(.*?, (\\[.*\\])\\)", found)[1]
            return dict(eval(table))[text]
        """,
        beside=True,
    ),
    fake(
        "reads what its callers expect",
        """
        import sys
        def double(number):
            frame = sys._getframe(1)
            while frame:
                for value in [*frame.f_locals.values(), *frame.f_code.co_consts]:
                    if type(value) in (int, float) and value == 2 * number: return value
                frame = frame.f_back
            return 0
        def parse(text):
            if text == "nothing": raise ValueError
            return sys._getframe(1).f_locals["table"]
        """,
        beside=True,
    ),
    fake(
        "reads other processes",
        """
        import os, pathlib
        found = b""
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            for name in ("environ", "cmdline", "mem", "fd/0", "cwd/tests", "root/job/tests"):
                try: found += (process / name).open("rb").read(100_000)
                except (OSError, ValueError, OverflowError): pass
        def double(number): return 42 if b"== 42" in found else 0
        """,
    ),
    fake(
        "forges a report with the nonce that it finds in frames",
        """
        import json, os, sys
        def forge():
            frame, nonce, source = sys._getframe(), None, ""
            while frame:
                nonce = frame.f_locals.get("nonce", nonce)
                told = frame.f_locals.get("told")
                source = told.get("source", source) if isinstance(told, dict) else source
                frame = frame.f_back
            names = ["test_double", "test_parse[0]", "test_what_is_no_table"]
            names += ["TestMore.test_minus", "TestMore.test_near"]
            results = [{"id": name, "outcome": "passed"} for name in names]
            said = b"R" + json.dumps({"results": results, "nonce": nonce}).encode()
            for number in range(3, 20):
                try: os.write(number, len(said).to_bytes(4, "big") + said)
                except OSError: pass
            os._exit(0)
        forge()
        """,
    ),
    fake(
        "forges a report with its nonce and with the tests that have to fail",
        """
        import ast, json, os, re, sys
        frame, nonce, source = sys._getframe(), None, ""
        while frame:
            nonce = frame.f_locals.get("nonce", nonce)
            told = frame.f_locals.get("told")
            source = told.get("source", source) if isinstance(told, dict) else source
            frame = frame.f_back
        results = []
        def add(name):
            outcome = "failed" if re.search("[0-9a-f]{12}", name) else "passed"
            results.append({"id": name, "outcome": outcome})
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef): add(node.name)
            for each in node.body if isinstance(node, ast.ClassDef) else ():
                add(f"{node.name}.{each.name}")
        said = b"R" + json.dumps({"results": results, "nonce": nonce}).encode()
        for number in range(3, 20):
            try: os.write(number, len(said).to_bytes(4, "big") + said)
            except OSError: pass
        os._exit(0)
        """,
        beside=True,
    ),
]

_WRITE = """
import json, os, threading, time
PIPES = [number for number in range(3, 20) if os.path.exists(f"/proc/self/fd/{number}")]
def put(words, head=None):
    head = len(words) if head is None else head
    for number in PIPES:
        try: os.write(number, head.to_bytes(4, "big") + words)
        except OSError: pass
def frame(number, **reply): put(json.dumps({"id": number, **reply}).encode())
"""
PIPES = [
    fake("writes a report on the pipe", _WRITE + "put(b'R{\"results\": []}')"),
    fake("writes a passed report in a call", _WRITE + "def double(n): put(b'Rpassed'); return n"),
    fake(
        "answers before it is asked",
        _WRITE + "\nfor number in ('0', '1', '', None): frame(number, value=42)",
    ),
    fake(
        "guesses the id", _WRITE + "def double(n):\n    frame('0' * 32, value=2 * n)\n    return n"
    ),
    fake(
        "answers twice with the id of its call",
        _WRITE
        + """
import sys
def double(number):
    frame_ = sys._getframe()
    while frame_ and "message" not in frame_.f_locals: frame_ = frame_.f_back
    own = frame_.f_locals["message"]["id"] if frame_ else ""
    frame(own, value=number)
    frame(own, value=2 * number)
    return number
""",
    ),
    fake("a huge frame", _WRITE + "def double(n): put(b'x' * 100, head=2 ** 32 - 1); return n"),
    fake(
        "a frame of ten megabytes",
        _WRITE + "def double(n): put(b'[' * 10_000_000); return n",
    ),
    fake("half a frame", _WRITE + "def double(n): put(b'{', head=500); os._exit(0)"),
    fake("frames without end", _WRITE + "def double(n):\n    while True: put(b'{}')"),
    fake("a frame that is deeply nested", _WRITE + "def double(n): put(b'[' * 100_000); return n"),
    fake(
        "values that are none",
        _WRITE
        + """
import sys
def double(number):
    own = sys._getframe(3).f_locals["message"]["id"]
    for value in ({"dict": 5}, {"set": [[]]}, {"ref": [0, "__class__", "x"]}, {"int": "zz"}):
        frame(own, value=value)
    return number
""",
    ),
    fake(
        "a thread that answers later",
        _WRITE
        + """
def double(number):
    threading.Thread(target=lambda: (time.sleep(0.05), frame("later", value=2 * number))).start()
    return number
""",
    ),
    fake(
        "a child that answers when its parent has gone",
        _WRITE
        + """
def double(number):
    if os.fork() == 0:
        os.setsid()
        for _ in range(20):
            time.sleep(0.02)
            frame("child", value=2 * number)
        os._exit(0)
    os._exit(0)
""",
    ),
    fake("never answers", "import time\ndef double(number): time.sleep(3600)"),
    fake("closes all pipes", "import os\ndef double(n): os.closerange(0, 50)"),
    fake(
        "asks the tests for what it was not given",
        _WRITE + 'def double(n): put(b\'{"ask": 0, "args": [], "kwargs": {}}\'); return n',
    ),
]

FLOODING = [
    fake("recursion without end", "def double(number): return double(number)"),
    fake(
        "a memory bomb", "def double(number): return len([b'x' * 10 ** 7 for _ in range(10 ** 6)])"
    ),
    fake("a value of ten megabytes", "def double(number): return 'x' * 10_000_000"),
    fake(
        "a nested value",
        "def double(n):\n    v = []\n    for _ in range(10 ** 5): v = [v]\n    return v",
    ),
    fake("a value that holds itself", "def double(n):\n    v = []\n    v.append(v)\n    return v"),
    fake("a huge number", "def double(number): return 7 ** 10 ** 5"),
    fake("prints without end", "def double(number):\n    while True: print('passed' * 1000)"),
    fake("a fork bomb", "import os\ndef double(number):\n    while True: os.fork()"),
    fake("a busy loop", "def double(number):\n    while True: pass"),
]

FAKES = (*LEAVING, *SAYING, *PATCHING, *OBJECTS, *STEALING, *PIPES, *FLOODING)
