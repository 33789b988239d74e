"""Runs inside a sandbox: calls a function of an answer's code on inputs, and says what came out.

Started as ``python behaviour_run.py``. Reads JSON from stdin: ``files`` (pieces of one module),
``function``, ``inputs`` (argument lists) and ``seconds`` for each call. Writes one line of JSON:
``outputs``, a list of [how, what] with how "value", "raised" or "late", or ``error``, a list of
[name, text] where the function is not there. The code may write what it likes in its place.
"""

import builtins
import contextlib
import hashlib
import io
import itertools
import json
import os
import random
import signal
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

MODULE = "answer"

_MOST_ITEMS = 10_000
_DEEPEST = 60
_DIGITS = ".9g"
"""Sums in another order differ in their last digits."""


class _LateError(BaseException):
    """A call took too long."""


def _main() -> None:
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    work = json.load(sys.stdin)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    signal.signal(signal.SIGALRM, _too_late)
    module, error = _loaded(work["files"], work["seconds"])
    function = getattr(module, work["function"], None)
    said: dict[str, Any] = {"error": error}
    if callable(function):
        said = {"outputs": [_output(function, args, work["seconds"]) for args in work["inputs"]]}
    told.write(json.dumps(said) + "\n")
    told.flush()
    # Threads that the code has left behind must not keep this from ending.
    os._exit(0)


def _too_late(*_: object) -> None:
    raise _LateError


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _loaded(files: list[str], seconds: float) -> tuple[types.ModuleType, tuple[str, str]]:
    """The module that all pieces make which run, and what the first of the others failed by."""
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    error = ("", "")
    for text in files:
        try:
            with _limited(seconds), contextlib.redirect_stdout(io.StringIO()):
                code = builtins.compile(text, f"{MODULE}.py", "exec")
                exec(code, module.__dict__)  # noqa: S102 - what the sandbox is for
        except BaseException as raised:  # noqa: BLE001 - boundary: the answer's own code
            error = error if error[0] else (type(raised).__name__, _text_of(raised))
    return module, error


def _text_of(error: BaseException) -> str:
    try:
        return str(error)[:200]
    except BaseException:  # noqa: BLE001 - boundary: the answer's own code
        return ""


def _output(function: Callable[..., Any], args: list[Any], seconds: float) -> tuple[str, str]:
    printed = io.StringIO()
    random.seed(0)
    try:
        with _limited(seconds), contextlib.redirect_stdout(printed):
            result = function(*args)
            # A function that returns nothing works in place, or prints.
            meant = result if result is not None else [None, args, printed.getvalue()]
            said = json.dumps(_plain(meant, _DEEPEST))
    except _LateError:
        return "late", ""
    except BaseException as raised:  # noqa: BLE001 - boundary: the answer's own code
        return "raised", type(raised).__name__
    return "value", hashlib.sha256(said.encode()).hexdigest()


def _plain(value: Any, depth: int) -> Any:
    """A value as JSON that equal ones share: tuples are lists, 2.0 is 2."""
    if not depth:
        raise RecursionError
    below = depth - 1
    match value:
        case None | bool() | str():
            return value
        case int() | float():
            return {"number": _number(value)}
        case dict():
            pairs = [[_plain(key, below), _plain(held, below)] for key, held in value.items()]
            return {"dict": sorted(pairs, key=json.dumps)}
        case set() | frozenset():
            return {"set": sorted((_plain(each, below) for each in value), key=json.dumps)}
        case _ if isinstance(value, list | tuple) or hasattr(value, "__next__"):
            return [_plain(each, below) for each in itertools.islice(value, _MOST_ITEMS)]
        case _:
            return _plain_object(value, below)


def _plain_object(value: Any, depth: int) -> Any:
    if hasattr(value, "tolist"):
        return _plain(value.tolist(), depth)
    fields = getattr(value, "__dict__", None)
    inside = repr(value) if fields is None or callable(value) else _plain(fields, depth)
    return {type(value).__name__: inside}


def _number(value: Any) -> str:
    if isinstance(value, float) and not value.is_integer():
        short = format(value, _DIGITS)
        value = float(short)
        if not value.is_integer():
            return short
    return hex(int(value))


if __name__ == "__main__":
    _main()
