"""function: any Python callable is a check, and none of them can pass by accident."""

from __future__ import annotations

import asyncio
import functools
import threading

import pytest

from rung.core.errors import ConfigError
from rung.core.verdicts import Status, Trust, Weight
from rung.verifiers.base import Finding, Subject, failed, passed, run
from rung.verifiers.function import function, load
from support.subjects import subject


async def verdict(call, text="answer", **options):
    return await run(function(call, **options), subject(text))


@pytest.mark.parametrize(
    ("returned", "status"),
    [
        (True, Status.PASSED),
        (False, Status.FAILED),
        (None, Status.ABSTAINED),
        ("the sum is wrong", Status.FAILED),
        ("", Status.ABSTAINED),
        (" \n", Status.ABSTAINED),
        (passed("fine"), Status.PASSED),
        (failed("bad"), Status.FAILED),
        (1, Status.ABSTAINED),
        (0, Status.ABSTAINED),
        (1.0, Status.ABSTAINED),
        ([True], Status.ABSTAINED),
        (object(), Status.ABSTAINED),
        (Status.PASSED, Status.FAILED),
    ],
    ids=repr,
)
async def test_what_a_function_returns_is_its_finding(returned, status):
    async def later(_):
        return returned

    assert (await verdict(lambda _: returned)).status is status
    assert (await verdict(later)).status is status


async def test_a_text_is_the_reason_of_the_failure():
    assert (await verdict(lambda text: f"{text!r} is too short", "x")).reason == "'x' is too short"


async def test_a_wrong_type_is_named():
    assert "returned fractions.Fraction" in (await verdict(returns_fraction)).reason


def returns_fraction(_):
    from fractions import Fraction

    return Fraction(1)


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), SystemExit(0), GeneratorExit()])
async def test_an_exception_abstains(error):
    def check(_):
        raise error

    async def later(_):
        raise error

    assert (await verdict(check)).status is Status.ABSTAINED
    if not isinstance(error, GeneratorExit):
        assert (await verdict(later)).status is Status.ABSTAINED


async def test_a_function_that_hangs_abstains_in_time():
    release = threading.Event()
    found = await verdict(lambda _: release.wait(), timeout_seconds=0.1)
    release.set()
    assert found.status is Status.ABSTAINED
    found = await verdict(lambda _: asyncio.sleep(60), timeout_seconds=0.1)
    assert found.status is Status.ABSTAINED


class Callable:
    def __call__(self, text):
        return text == "answer"


class AsyncCallable:
    async def __call__(self, text):
        await asyncio.sleep(0)
        return text == "answer"


def wants_text(text, least=3):
    return len(text) >= least


def wants_subject(subject):
    return subject.answer.text == "answer" and subject.request.question == "What is it?"


def wants_annotated(it: Subject):
    return it.answer.text == "answer"


class Methods:
    def check(self, text):
        return text == "answer"


@pytest.mark.parametrize(
    "call",
    [
        Callable(),
        AsyncCallable(),
        wants_text,
        wants_subject,
        wants_annotated,
        Methods().check,
        functools.partial(wants_text, least=2),
        lambda *args: args == ("answer",),
        lambda text, /: bool(text),
        str.isalpha,
        AsyncCallable().__call__,
    ],
    ids=lambda call: getattr(call, "__name__", type(call).__name__),
)
async def test_every_form_of_callable_is_given_what_it_asks_for(call):
    assert (await verdict(call)).status is Status.PASSED


@pytest.mark.parametrize(
    "call", [lambda: True, lambda _a, _b: True, lambda _a, *, _b: True], ids=["none", "two", "key"]
)
def test_what_cannot_be_called_with_one_argument_is_refused(call):
    with pytest.raises(ConfigError, match="one argument"):
        function(call)


def test_names():
    assert function(wants_text).name == "wants_text"
    assert function(Callable()).name == "Callable"
    assert function(lambda text: True).name.startswith("lambda at test_verifiers_function.py:")
    assert function(wants_text, name="long enough").name == "long enough"


def test_a_function_is_a_required_gate_of_the_operators_code():
    check = function(wants_text)
    assert (check.weight, check.trust) == (Weight.REQUIRED, Trust.CODE)


async def test_async_functions_share_the_callers_loop():
    own = asyncio.get_running_loop()

    async def check(_):
        return asyncio.get_running_loop() is own

    assert (await verdict(check)).status is Status.PASSED


async def test_plain_functions_leave_the_loops_thread():
    own = threading.current_thread()
    assert (await verdict(lambda _: threading.current_thread() is not own)).status is Status.PASSED


# ------------------------------------------------------------------ by name


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "own_checks.py").write_text(
        "def valid(text): return text == 'answer'\n"
        "class Group:\n    valid = staticmethod(valid)\n"
        "N = 3\n"
    )
    (tmp_path / "broken_checks.py").write_text("raise SystemExit('no')\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("module")
async def test_a_function_is_loaded_by_name():
    assert (await verdict(load("own_checks:valid"))).status is Status.PASSED
    assert (await verdict(load("own_checks:Group.valid"))).status is Status.PASSED


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("own_checks", "not of the form"),
        (":valid", "not of the form"),
        ("own_checks:", "not of the form"),
        ("own_checks:missing", "has no missing"),
        ("own_checks:N", "cannot be called"),
        ("no_such_module_at_all:f", "ModuleNotFoundError"),
        ("broken_checks:f", "SystemExit"),
        ("..:f", "cannot be imported"),
        ("a b:f", "cannot be imported"),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_the_fix(path, said):
    with pytest.raises(ConfigError, match=said) as caught:
        load(path)
    assert caught.value.problems[0].fix


def test_a_finding_keeps_its_score():
    check = function(lambda _: Finding(Status.FAILED, "unlikely", 0.1))
    assert check.check(subject()).score == 0.1
