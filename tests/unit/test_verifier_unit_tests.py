"""Unit tests as a gate, without a sandbox: what is read, what is relayed, what is concluded."""

from __future__ import annotations

import json
import math
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.errors import ConfigError, RungError
from rung.core.verdicts import Status, Trust
from rung.verifiers import unit_tests_cases as cases
from rung.verifiers import unit_tests_source as sources
from rung.verifiers.base import run
from rung.verifiers.unit_inside import crossing
from rung.verifiers.unit_inside.cases import same
from rung.verifiers.unit_inside.crossing import BrokenValueError, CannotCrossError, plain, unplain
from rung.verifiers.unit_inside.remote import Session, StopJudgingError, renew
from rung.verifiers.unit_tests import from_options, unit_tests
from rung.verifiers.unit_tests_canaries import in_cases, in_source
from rung.verifiers.unit_tests_code import NoCodeError, code_of
from rung.verifiers.unit_tests_report import Expected, NoReportError, Report, Result, judged, read
from support.subjects import subject

ADD = "from solution import add\ndef test_add(): assert add(1, 2) == 3\n"


class TestSource:
    def test_tests_are_found_without_being_run(self):
        found = sources.read(
            "import pytest, os, unittest\nfrom app.core import f\n"
            "def test_a(): pass\nasync def test_b(): pass\ndef helper(): pass\n"
            "@pytest.fixture\ndef test_data(): pass\n"
            "@pytest.mark.skip(reason='x')\ndef test_c(): pass\n"
            "class TestX:\n    def test_d(self): pass\n    def help(self): pass\n"
            "class Y(unittest.TestCase):\n    def test_e(self): pass\n"
            "    @unittest.expectedFailure\n    def test_f(self): pass\n"
        )
        assert found.module == "app.core"
        assert found.tests == ("test_a", "test_b", "TestX.test_d", "Y.test_e")
        assert found.left_out == {"test_c", "Y.test_f"}
        assert found.free == ()

    def test_names_without_an_import_are_the_answers(self):
        found = sources.read(
            "import math\nx = 1\nassert f(x, [y for y in range(3)]) == g + math.pi"
        )
        assert (found.tests, found.free, found.module) == (("(module)",), ("f", "g"), "solution")

    @pytest.mark.parametrize(
        ("tests", "place", "said"),
        [
            ("def helper(): pass", "tests", "no test"),
            ("", "tests", "no test"),
            ("import pytest\n@pytest.mark.skip\ndef test_a(): pass", "tests", "no test"),
            ("def test_a(:", "tests", "no Python"),
            ("def test_a(): pass\0", "tests", "no Python"),
            ("(" * 5_000, "tests", "no Python"),
            ("from a import x\nfrom b import y\ndef test_a(): pass", "module", "several modules"),
            ("from .a import x\ndef test_a(): pass", "tests", "relative import"),
            ("import rung_inside\ndef test_a(): pass", "module", "cannot be the module"),
            ("#" * (sources.LARGEST + 1), "tests", "longer than"),
        ],
    )
    def test_what_cannot_be_run_is_refused_with_its_fix(self, tests, place, said):
        with pytest.raises(ConfigError) as error:
            sources.read(tests)
        (problem,) = error.value.problems
        assert problem.place == place
        assert said in problem.message
        assert problem.fix

    @pytest.mark.parametrize("name", ["", "a-b", "../x", "a..b", "pytest", "unittest.mock", "a b"])
    def test_a_module_that_cannot_be_imported_is_refused(self, name):
        with pytest.raises(ConfigError):
            sources.read(ADD, name)

    @pytest.mark.parametrize(
        "line", ["with redirect_stdout(x): f()", "def test_b(capsys): f()", "mock.patch('a.b')"]
    )
    def test_tests_that_look_into_the_process_are_known_by_their_words(self, line):
        assert sources.read(ADD).reaches == ""
        assert sources.read(f"{ADD}\n{line}").reaches


class TestCases:
    def test_lines_and_lists_are_the_same(self):
        given_cases = [{"call": "f", "args": [1]} | {"expect": None}, {"call": "g", "raises": "E"}]
        lines = "\n\n".join(map(json.dumps, given_cases))
        assert cases.read(lines) == cases.read(given_cases)
        assert [case["id"] for case in cases.read(lines)] == ["case 1", "case 2"]

    @pytest.mark.parametrize(
        "case",
        [
            "f(1) == 2",
            {"args": [1], "expect": 1},
            {"call": "f"},
            {"call": "f", "expect": 1, "raises": "ValueError"},
            {"call": "f", "expect": 1, "arguments": []},
            {"call": "f; import os", "expect": 1},
            {"call": "f", "args": 1, "expect": 1},
            {"call": "f", "kwargs": [1], "expect": 1},
            {"call": "f", "expect": object()},
            {"call": "f", "raises": "not a name"},
            {"call": "f", "expect": 1, "approx": "a little"},
            {"call": "f", "expect": 1, "approx": math.nan},
        ],
    )
    def test_a_case_that_says_nothing_is_refused_with_its_number(self, case):
        with pytest.raises(ConfigError, match="case 2"):
            cases.read([{"call": "f", "expect": 1}, case])

    @pytest.mark.parametrize("bad", ["", [], 5, None, {"call": "f"}, "{", "[" * 100_000])
    def test_no_cases_are_refused(self, bad):
        with pytest.raises(ConfigError):
            cases.read(bad)

    @pytest.mark.parametrize(
        ("got", "wanted", "approx", "equal"),
        [
            (1, 1.0, None, True),
            (True, 1, None, True),
            ((1, (2,)), [1, [2]], None, True),
            ([1], (1,), None, False),
            (-0.0, 0.0, None, True),
            (math.nan, math.nan, None, True),
            ([math.nan], [math.nan], None, True),
            (1.0, math.nan, None, False),
            (0.1 + 0.2, 0.3, None, False),
            (0.1 + 0.2, 0.3, 0.0, True),
            ({"a": (1.05,)}, {"a": [1]}, 0.1, True),
            (1.05, 1, 0.01, False),
            ("1", 1, 0.5, False),
            (True, 1.1, 0.5, False),
            (math.inf, 5, 0.5, False),
        ],
    )
    def test_equal_means_what_python_means_but_for_tuples_and_no_numbers(
        self, got, wanted, approx, equal
    ):
        assert same(got, wanted, approx) is equal


class TestCode:
    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            ("```python\na\n```", "a\n"),
            ("Text\n```\na\n```\nmore", "a\n"),
            ("```bash\npip\n```\n```py\na\n```", "a\n"),
            ("```python\nb\n```\n```python solution.py\na\n```", "a\n"),
            ("```python\n# src/solution.py\na\n```\n```python\nb\n```", "# src/solution.py\na\n"),
            ("def f(): pass", "def f(): pass"),
        ],
    )
    def test_the_one_block_is_the_module(self, answer, code):
        assert code_of(answer, "solution") == code

    @pytest.mark.parametrize(
        "answer",
        [
            "",
            " \n",
            "```python\na\n```\n```python\nb\n```",
            "```sql\nSELECT\n```",
            "```\n```\n" * 2_001,
        ],
    )
    def test_none_or_several_are_told(self, answer):
        with pytest.raises(NoCodeError):
            code_of(answer, "solution")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters(), max_size=5)
    | st.binary(max_size=5)
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.uuids(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=3)
        | st.frozensets(st.integers() | st.text(max_size=2), max_size=3)
        | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=8,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*crossing._DECODERS, "ref", "x"]), inner, max_size=2)
    ),
    max_leaves=10,
)
EXACT = {type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set}
EXACT |= {frozenset, range}


class TestCrossing:
    @given(VALUES)
    def test_values_cross_unchanged_as_text(self, value):
        back = unplain(json.loads(json.dumps(plain(value))))
        assert back == value
        assert type(back) is type(value)

    @given(JSON)
    def test_whatever_is_sent_is_a_value_of_a_known_type_or_refused(self, said):
        try:
            value = unplain(said)
        except BrokenValueError:
            return
        kind = type(value)
        known = kind in EXACT or f"{kind.__module__}.{kind.__qualname__}" in crossing._STANDARD
        assert known or (issubclass(kind, tuple) and hasattr(kind, "_fields"))

    @pytest.mark.parametrize(
        "fields",
        [["__class__"], ["_x"], ["count"], ["class"], ["a b"], ["__eq__"], [5], ["a", "a"]],
    )
    def test_names_of_a_tuples_fields_take_the_place_of_nothing(self, fields):
        with pytest.raises(BrokenValueError):
            unplain({"named": ["Point", fields, list(fields)]})

    def test_what_equals_everything_does_not_cross(self):
        class Equal(int):
            def __eq__(self, other):
                return True

            __hash__ = int.__hash__

        assert type(unplain(plain(Equal(3), lower=True))) is int
        with pytest.raises(CannotCrossError):
            plain(Equal(3))

    def test_depth_is_bounded_both_ways(self):
        nested = []
        for _ in range(crossing.DEEPEST + 5):
            nested = [nested]
        with pytest.raises(CannotCrossError, match="nested deeper"):
            plain(nested)
        with pytest.raises(BrokenValueError):
            unplain(nested)

    def test_inner_lists_stay_where_they_are_when_renewed(self):
        inner = [1]
        old = [inner, {"a": 1}, 5]
        renew(old, [[2, 3], {"b": 2}])
        assert old == [[2, 3], {"b": 2}]
        assert old[0] is inner


def session(*replies):
    """A session whose other side says these, given each message."""
    waiting = iter(replies)

    def exchange(words):
        said = next(waiting)
        return said(json.loads(words)) if callable(said) else said

    return Session(exchange)


def answer(**reply):
    return lambda asked: json.dumps({"id": asked["id"], **reply}).encode()


class TestSession:
    def test_an_answer_is_taken_by_its_id(self):
        assert session(answer(value=4)).do(0, "call", "add", [2, 2]) == 4

    @pytest.mark.parametrize(
        "said",
        [
            b"",
            b"null",
            b"[]",
            b"\xff",
            b"[" * 100_000,
            b'{"value": 4}',
            b'{"id": "0", "value": 4}',
            b'{"id": null, "ask": 0}',
            b'{"ask": true, "args": [], "kwargs": {"dict": []}}',
            b'{"ask": -1, "args": [], "kwargs": {"dict": []}}',
            b'{"value": NaN}',
            answer(),
            answer(value=4, raised={}),
            answer(value={"ref": [1, "call"]}),
            answer(value={"ref": [1, "__class__", "x"]}),
            answer(value={"x": 1}),
            answer(value=None, changed=5),
            answer(value=None, changed={"7": 1}),
            answer(value=None, changed={"x": 1}),
            answer(raised={"of": "A B", "text": "", "args": None}),
            answer(raised={"of": 5, "text": "", "args": None}),
            answer(raised=5),
            "it ended",
        ],
    )
    def test_what_is_no_answer_stops_all_judging(self, said):
        made = session(said, answer(value=4))
        with pytest.raises(StopJudgingError):
            made.do(0, "call", "add", [1])
        assert made.broken
        with pytest.raises(StopJudgingError):
            made.do(0, "call", "add", [1])

    @pytest.mark.parametrize(
        ("of", "kind"),
        [
            ("ValueError:Exception:BaseException", ValueError),
            ("Own:KeyError:LookupError:Exception:BaseException", KeyError),
            ("json.decoder.JSONDecodeError:ValueError:Exception", json.JSONDecodeError),
            ("unittest.case.SkipTest:Exception:BaseException", Exception),
            ("KeyboardInterrupt:BaseException", Exception),
            ("int", Exception),
            ("os.system", Exception),
        ],
    )
    def test_errors_are_builtins_or_made_after_them(self, of, kind):
        made = session(answer(raised={"of": of, "text": "said", "args": ["said"]}))
        with pytest.raises(kind) as raised:
            made.do(0, "call", "f")
        assert "SkipTest" not in {each.__name__ for each in type(raised.value).__mro__[1:]}
        assert "said" in str(raised.value)

    def test_arguments_change_only_where_nothing_is_given(self):
        numbers = [1, 2]
        session(answer(value=0, changed={"0": []})).do(0, "call", "f", [numbers])
        assert numbers == [1, 2]
        session(answer(value=None, changed={"0": [3]})).do(0, "call", "f", [numbers])
        assert numbers == [3]


def report(*outcomes, **more):
    results = tuple(Result(name, outcome, "said") for name, outcome in outcomes)
    return Report(results, **more)


class TestReport:
    @pytest.mark.parametrize(
        ("outcomes", "status", "said"),
        [
            ([("a", "passed"), ("b", "passed")], Status.PASSED, "2 tests passed"),
            ([("a", "passed"), ("b[0]", "passed"), ("b[1]", "passed")], Status.PASSED, "3 tests"),
            ([("a", "passed")], Status.FAILED, 'did not run: "b"'),
            ([], Status.FAILED, "2 of the tests did not run"),
            ([("a", "passed"), ("b", "failed")], Status.FAILED, "1 of 2 tests failed: b: said"),
            ([("a", "unjudged"), ("b", "failed")], Status.FAILED, "1 of 2"),
            ([("a", "passed"), ("b", "unjudged")], Status.ABSTAINED, "cannot be judged: said"),
            ([("a", "passed"), ("b", "skipped")], Status.ABSTAINED, "skipped themselves"),
            ([("a", "skipped"), ("b", "skipped")], Status.ABSTAINED, "no test ran"),
            ([("(module)", "failed")], Status.FAILED, "the body of the tests"),
            ([("a", "passed"), ("b", "PASSED")], Status.FAILED, "did not run"),
        ],
    )
    def test_a_pass_is_every_expected_test_run_and_none_failed(self, outcomes, status, said):
        found = judged(Expected(("a", "b")), report(*outcomes), "")
        assert found.status is status
        assert said in found.reason

    def test_so_many_may_skip_themselves_as_the_operator_says(self):
        outcomes = report(("a", "passed"), ("b", "skipped"))
        assert judged(Expected(("a", "b"), skipped=1), outcomes, "").status is Status.PASSED
        left_out = Expected(("a",), frozenset({"b"}))
        assert judged(left_out, outcomes, "").status is Status.PASSED

    @pytest.mark.parametrize("canary", [("x", "passed"), ("x", "skipped"), ("y", "passed")])
    def test_a_canary_that_did_not_fail_takes_the_pass_away(self, canary):
        expected = Expected(("a",), canaries=("x",))
        assert judged(expected, report(("a", "passed"), ("x", "failed")), "").status == "passed"
        found = judged(expected, report(("a", "passed"), canary), "")
        assert found.status is Status.ABSTAINED

    @given(st.binary() | JSON.map(lambda said: json.dumps(said).encode()))
    def test_whatever_comes_is_a_report_or_refused(self, said):
        with suppress(NoReportError):
            assert isinstance(read(said), Report)

    @pytest.mark.parametrize(
        "result",
        [
            {"id": "a"},
            {"id": 5, "outcome": "passed"},
            {"id": "a", "outcome": ["passed"]},
            "a",
            None,
        ],
    )
    def test_results_of_other_shapes_are_refused(self, result):
        with pytest.raises(NoReportError):
            read(json.dumps({"results": [result]}).encode())


class TestCanaries:
    def test_each_test_gets_a_twin_that_expects_the_impossible(self):
        planted = in_source(
            f"{ADD}import unittest\nclass TestX(unittest.TestCase):\n"
            "    def test_b(self): self.assertEqual(add(1, 1), 2)\n"
        )
        compile(planted.tests, "tests", "exec")
        assert len(planted.ids) == 3 + 2
        assert planted.tests.count("add(1, 2) == ") == 2
        assert planted.tests.count("add(1, 1)") == 2
        assert not set(planted.ids) & set(in_source(ADD).ids)

    def test_cases_are_shuffled_among_twins(self):
        given_cases = cases.read([{"call": "f", "args": [n], "expect": n} for n in range(20)])
        planted = in_cases(given_cases)
        assert len(planted.tests) == 40
        assert len(planted.ids) == 20
        assert [case["id"] for case in planted.tests][:20] != [case["id"] for case in given_cases]


class Line:
    """One side of a box that says what it is told to."""

    sandboxed = True

    def __init__(self, *says, ran=None):
        self.says = list(says)
        self.sent = []
        self.ran = ran

    def send(self, frame):
        self.sent.append(frame)

    async def receive(self):
        return self.says.pop(0) if self.says else None


class TellingBox:
    def __init__(self, *lines):
        self.lines = lines
        self.errands = ()

    @asynccontextmanager
    async def talk(self, *errands):
        self.errands = errands
        if isinstance(self.lines[0], Exception):
            raise self.lines[0]
        yield self.lines


ENDED = SimpleNamespace(ended_by="exit", status=0, signal=None, stdout=b"", stderr=b"")
PASSED = b'R{"results": [{"id": "test_add", "outcome": "passed"}], "calls": 2}'


async def verdict(*lines, tests=ADD, **options):
    box = TellingBox(*lines)
    gate = unit_tests(tests, **options).equipped(SimpleNamespace(box=box))
    return box, await run(gate, subject("```python\ndef add(a, b): return a + b\n```"))


class TestRelay:
    async def test_frames_are_handed_on_and_neither_side_sees_the_others_files(self):
        tests = Line(b'C{"id": 1}', PASSED)
        code = Line(b'{"id": 1, "value": 3}')
        box, found = await verdict(tests, code)
        assert found.status is Status.PASSED
        assert found.trust is Trust.SPLIT
        assert code.sent[1:] == [b'{"id": 1}']
        assert tests.sent[1:] == [b'A{"id": 1, "value": 3}']
        judge, answering = box.errands
        assert "solution.py" in answering.files
        assert "solution.py" not in judge.files
        assert b"def add" not in tests.sent[0]
        everything = b"".join([*answering.files.values(), *answering.modules.values(), *code.sent])
        assert b"test_add" not in everything

    async def test_code_that_has_gone_is_told_to_the_tests_once_for_each_call(self):
        tests = Line(b"C1", b"C2", PASSED)
        code = Line(ran=ENDED)
        _, found = await verdict(tests, code)
        assert found.status is Status.PASSED
        assert all(b"ended its own process with status 0" in said for said in tests.sent[1:])
        assert len(code.sent) == 1

    @pytest.mark.parametrize(
        "lines",
        [
            (Line(ran=ENDED), Line()),
            (Line(b"R"), Line()),
            (Line(b"Rnull"), Line()),
            (RungError("no bubblewrap", fix="install it"),),
        ],
    )
    async def test_what_comes_to_no_report_abstains(self, lines):
        _, found = await verdict(*lines)
        assert found.status is Status.ABSTAINED

    async def test_a_report_without_the_nonce_is_not_believed_beside_the_code(self):
        box, found = await verdict(Line(PASSED), mode="in_process")
        assert found.status is Status.ABSTAINED
        assert found.trust is Trust.CANARY
        assert len(box.errands) == 1

    async def test_split_says_when_only_beside_would_do(self):
        _, found = await verdict(tests=ADD + "import sys\nsys.stdout", mode="split")
        assert found.status is Status.ABSTAINED
        assert "stdout" in found.reason


class TestOptions:
    def test_paths_are_read_when_the_configuration_is(self, tmp_path):
        (tmp_path / "t.py").write_text(ADD)
        (tmp_path / "c.jsonl").write_text('{"call": "add", "args": [1, 2], "expect": 3}\n')
        assert from_options({"tests": str(tmp_path / "t.py")}).suite.tests == ("test_add",)
        made = from_options({"cases": str(tmp_path / "c.jsonl"), "module": "app", "mode": "split"})
        assert (made.suite.tests, made.suite.module, made.mode) == (("case 1",), "app", "split")

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"tests": "nowhere.py"},
            {"tests": 5},
            {"tests": ""},
            {"tests": "a\0b"},
            {"tests": "t.py", "cases": []},
            {"cases": "nowhere.jsonl"},
            {"cases": []},
            {"cases": [{"call": "f", "expect": 1}], "mode": "fast"},
            {"cases": [{"call": "f", "expect": 1}], "mode": 5},
            {"cases": [{"call": "f", "expect": 1}], "module": "a b"},
            {"cases": [{"call": "f", "expect": 1}], "skipped": -1},
            {"cases": [{"call": "f", "expect": 1}], "timeout_seconds": 0},
        ],
    )
    def test_wrong_options_are_refused_with_their_fix(self, options):
        with pytest.raises(ConfigError) as error:
            from_options(options)
        assert all(problem.fix for problem in error.value.problems)

    async def test_without_a_box_it_abstains(self):
        found = await run(unit_tests(ADD), subject("```python\nx\n```"))
        assert found.status is Status.ABSTAINED
        assert "install bubblewrap" in found.reason
