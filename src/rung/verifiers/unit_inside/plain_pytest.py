"""What tests mostly use of pytest, for sandboxes that have none, and the same where there is one.

No plug-ins, no configuration, nothing found on disk: `raises`, `approx`, `mark`, `param`,
`fixture`, `skip`, `fail`. Anything else is missing, and a test that asks for it is not judged.
"""

from __future__ import annotations

import cmath
import re
import types
from typing import Any

MARKS = "rung_marks"
FIXTURE = "rung_fixture"


class MissingError(BaseException):
    """The stand-in has no such thing. Not for tests to catch."""


class Skipped(Exception):  # noqa: N818 - the name that pytest gives it
    """A test skips itself."""


class LeftOut(Skipped):
    """A test is marked not to run, whatever the code is."""


class Failed(AssertionError):  # noqa: N818 - as above
    """A test says that it fails."""


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise MissingError(f"pytest.{name} is not there: the tests run under a small stand-in")


def skip(reason: str = "", **_: Any) -> None:
    """Leave this test out."""
    raise Skipped(reason)


def fail(reason: str = "", **_: Any) -> None:
    """Fail this test."""
    raise Failed(reason)


class ExceptionInfo:
    """What was raised."""

    value: Any = None

    @property
    def type(self) -> Any:
        return type(self.value)

    def match(self, pattern: str) -> bool:
        assert re.search(pattern, str(self.value)), f"{pattern!r} is not in {str(self.value)!r}"
        return True

    def __str__(self) -> str:
        return repr(self.value)


class _Raises:
    def __init__(self, expected: Any, match: str | None) -> None:
        self._expected = expected
        self._match = match
        self._info = ExceptionInfo()

    def __enter__(self) -> ExceptionInfo:
        return self._info

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> bool:
        if kind is None:
            raise Failed(f"nothing was raised where {_named(self._expected)} was expected")
        if not issubclass(kind, self._expected):
            return False
        self._info.value = error
        if self._match is not None:
            self._info.match(self._match)
        return True


def _named(expected: Any) -> str:
    several = expected if isinstance(expected, tuple) else (expected,)
    return " or ".join(getattr(each, "__name__", str(each)) for each in several)


def raises(expected: Any, *call: Any, match: str | None = None, **kwargs: Any) -> Any:
    """The block, or the call, raises one of ``expected``."""
    manager = _Raises(expected, match)
    if not call:
        return manager
    with manager as info:
        call[0](*call[1:], **kwargs)
    return info


class approx:  # noqa: N801 - the name that pytest gives it
    """Equal to numbers that are nearly the same, in lists and tables too."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, expected: Any, rel: Any = None, abs: Any = None, **_: Any) -> None:  # noqa: A002
        self._expected, self._rel, self._abs = expected, rel, abs

    def __eq__(self, other: object) -> bool:
        return near(other, self._expected, self._rel, self._abs)

    def __repr__(self) -> str:
        return f"approx({self._expected!r})"


def near(got: Any, wanted: Any, rel: float | None = None, abs_: float | None = None) -> bool:
    """Whether two values are the same but for small differences between numbers."""
    if isinstance(wanted, dict):
        same = isinstance(got, dict) and got.keys() == wanted.keys()
        return same and all(near(got[key], wanted[key], rel, abs_) for key in wanted)
    if isinstance(wanted, (list, tuple)):
        same = isinstance(got, type(wanted)) and len(got) == len(wanted)
        return same and all(near(a, b, rel, abs_) for a, b in zip(got, wanted, strict=True))
    if got == wanted:
        return True
    if not _is_number(wanted) or not _is_number(got) or not cmath.isfinite(wanted):
        return False
    return bool(abs(got - wanted) <= _room(wanted, rel, abs_))


def _room(wanted: Any, rel: float | None, abs_: float | None) -> float:
    if rel is None and abs_ is not None:
        return abs_
    share = 1e-6 if rel is None else rel
    return float(max(share * abs(wanted), 1e-12 if abs_ is None else abs_))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, complex)) and not isinstance(value, bool)


class _Param:
    def __init__(self, *values: Any, marks: Any = (), id: Any = None) -> None:  # noqa: A002, ARG002
        self.values = values
        self.marks = marks if isinstance(marks, (list, tuple)) else [marks]


param = _Param


class _Mark:
    """One mark: of the test that it is called with, or first called with what it says."""

    def __init__(self, name: str, said: tuple[Any, Any] | None = None) -> None:
        self.name = name
        self.args: Any = said[0] if said else ()
        self.kwargs: Any = said[1] if said else {}
        self._ready = said is not None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        marks_a_test = len(args) == 1 and not kwargs and callable(args[0])
        if not (self._ready or marks_a_test):
            return _Mark(self.name, (args, kwargs))
        (test,) = args
        setattr(test, MARKS, [*getattr(test, MARKS, []), self])
        return test


class _Marks:
    def __getattr__(self, name: str) -> _Mark:
        return _Mark(name)


mark = _Marks()


def fixture(function: Any = None, **_: Any) -> Any:
    """A function whose result tests get by its name."""
    if function is None:
        return fixture
    setattr(function, FIXTURE, True)
    return function
