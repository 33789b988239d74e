"""Tests that are data: a call, and what it has to give or raise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .crossing import unplain
from .harness import Results
from .plain_pytest import near
from .told import told, told_call


def run_cases(cases: Any, get: Callable[[str], Any], results: Results, begin: Any) -> None:
    """Run every case on what ``get`` finds by its name."""
    for case in cases:
        results.run(case["id"], begin, lambda case=case: _judge(case, get))  # type: ignore[misc]


def _judge(case: dict[str, Any], get: Callable[[str], Any]) -> None:
    args, kwargs = unplain(case["args"]), unplain(case["kwargs"])
    call = told_call(case["call"], args, kwargs)
    wanted = case.get("raises")
    function = get(case["call"])
    try:
        got = function(*args, **kwargs)
    except Exception as error:
        if wanted is not None and _is(error, wanted):
            return
        expected = f"{wanted} to be raised" if wanted else told(unplain(case["expect"]))
        said = f"{type(error).__name__}: {error}"
        raise AssertionError(f"{call} raised {said[:200]}, expected {expected}") from error
    if wanted is not None:
        raise AssertionError(f"{call} gave {told(got)}, expected {wanted} to be raised")
    expected = unplain(case["expect"])
    if not same(got, expected, case.get("approx")):
        raise AssertionError(f"{call} gave {told(got)}, expected {told(expected)}")


def _is(error: Exception, wanted: str) -> bool:
    return any(each.__name__ == wanted for each in type(error).__mro__)


def same(got: Any, wanted: Any, approx: float | None) -> bool:
    """Python's ``==``, but that an expected list takes a tuple, and not-a-number is one.

    JSON, in which cases are written, has no tuples. ``approx`` is the room of numbers: 0 for that
    of rounding.
    """
    got = _listed(got, wanted)
    if approx is not None:
        return near(got, wanted, None, approx or None)
    return _equal(got, wanted)


def _listed(got: Any, wanted: Any) -> Any:
    """``got`` with lists for the tuples that stand where a list is expected."""
    if type(wanted) is list and type(got) in (list, tuple) and len(got) == len(wanted):
        return [_listed(a, b) for a, b in zip(got, wanted, strict=True)]
    if type(wanted) is dict and type(got) is dict:
        return {k: _listed(v, wanted[k]) if k in wanted else v for k, v in got.items()}
    return got


def _equal(got: Any, wanted: Any) -> bool:
    if type(wanted) is float and math.isnan(wanted):
        return type(got) is float and math.isnan(got)
    if type(wanted) in (list, tuple) and type(got) is type(wanted):
        return len(got) == len(wanted) and all(map(_equal, got, wanted))
    if type(wanted) is dict and type(got) is dict:
        return got.keys() == wanted.keys() and all(_equal(got[k], wanted[k]) for k in wanted)
    return bool(got == wanted)
