"""The module under test as the tests see it, while its code runs in another process.

Its functions, classes, iterators and errors are stand-ins that ask the other process. Whatever
comes back is a builtin value made anew, or another stand-in. A stand-in never lets the other
process decide whether it equals a value of the tests: what the tests know must not be told, and an
answer to it would prove nothing.
"""

from __future__ import annotations

import functools
import json
import secrets
import sys
import types
from collections.abc import Callable
from typing import Any

from .crossing import BrokenValueError, CannotCrossError, decode, encode
from .frames import LONGEST
from .standins import STAND_INS, number_of

MOST_MESSAGES = 20_000
_LONGEST_LABEL = 500
_CALLED_BACK = (
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodType),
    *(types.MethodDescriptorType, functools.partial),
)
_PLAIN_TYPES = (int, float, str, bool, bytes, list, tuple, dict, set, frozenset)
"""What they make of a value is no secret of the tests."""


class StopJudgingError(BaseException):
    """Nothing that the code does can be judged any more. Not for tests to catch."""


class UnjudgedError(BaseException):
    """This test asks for what cannot be judged from outside. Not for tests to catch."""


class Session:
    """The conversation with the process that runs the code.

    ``broken`` is why nothing it says counts any more. ``unjudged`` is why the test that runs cannot
    be judged so, ``failed`` why it has failed, whatever it makes of that. ``beside`` says that the
    tests hand over values of their own that cannot cross, which nothing the code does brings about.
    ``last`` is the last call as people write it, ``used`` is whether they asked it for anything.
    """

    def __init__(self, exchange: Callable[[bytes], bytes | str]) -> None:
        self._exchange = exchange
        self._given: list[Any] = []
        self._shown: dict[int, Any] = {}
        self.errors: dict[str, type[BaseException]] = {}
        self.broken: str | None = None
        self.unjudged: str | None = None
        self.beside = False
        self.failed: str | None = None
        self.calls = 0
        self.used = False
        self._messages = 0
        self.last = ""

    def do(
        self, of: int, does: str, name: str | None = None, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Ask for one thing and give its result, or raise what it raised."""
        given = list(args)
        message = {"do": does, "of": of, "name": name, "kwargs": self._to(kwargs or {})}
        self.calls += does == "call"
        self.used = self.used or does != "import"
        self._messages += 1
        if self._messages > MOST_MESSAGES:
            raise self._unjudged(f"the tests ask more than {MOST_MESSAGES:,} times")
        reply = self._ask({**message, "args": self._to(given)})
        if "raised" in reply:
            raise _outside_of_loops(self._error(reply["raised"]), name)
        if "cannot" in reply:
            # It has given something, so a test that expects an error must not see one.
            said = f"the answer's code gave {str(reply['cannot'])[:200]}, which no test can look at"
            self.failed = self.failed or said
            raise TypeError(said)
        result = self._from(reply["value"])
        if result is None:
            # What works in place gives nothing. From any other call, changed arguments would be
            # a way to change what the tests compare its result with.
            for place, now in reply.get("changed", {}).items():
                self._change(given, place, now)
        return result

    def refused(self, what: str) -> UnjudgedError:
        """What to raise where a test asks for more than can be judged from outside."""
        return self._unjudged(what)

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        if self.broken is not None:
            raise StopJudgingError(self.broken)
        number = secrets.token_hex(16)
        words = json.dumps({"id": number, **message}).encode()
        if len(words) > LONGEST:
            raise self._unjudged(f"an argument takes {len(words):,} bytes")
        while True:
            reply = self._read(self._exchange(words))
            if reply.get("id") == number:
                return self._checked(reply)
            if "ask" not in reply or "id" in reply:
                raise self._stop("the answer's process wrote what answers no call")
            words = self._called_back(reply)

    def _read(self, said: bytes | str) -> dict[str, Any]:
        if isinstance(said, str):
            raise self._stop(said)
        try:
            reply = json.loads(said, parse_constant=_no_constant)
        except (ValueError, RecursionError, MemoryError):
            raise self._stop("the answer's process wrote what is no answer") from None
        if type(reply) is not dict:
            raise self._stop("the answer's process wrote what is no answer")
        return reply

    def _checked(self, reply: dict[str, Any]) -> dict[str, Any]:
        if len({"value", "raised", "cannot"} & reply.keys()) != 1:
            raise self._stop("the answer's process wrote what is no answer")
        if type(reply.get("changed", {})) is not dict:
            raise self._stop("the answer's process wrote what is no answer")
        return reply

    def _called_back(self, asked: dict[str, Any]) -> bytes:
        """Call a function of the tests that the code was given."""
        self._messages += 1
        number = asked["ask"]
        if self._messages > MOST_MESSAGES or type(number) is not int:
            raise self._stop("the answer's process called back without end, or nothing")
        if not 0 <= number < len(self._given):
            raise self._stop("the answer's process called what it was not given")
        args, kwargs = self._from(asked.get("args")), self._from(asked.get("kwargs"))
        try:
            result = {"did": self._to(self._given[number](*args, **kwargs))}
        except Exception as error:  # noqa: BLE001 - the code under test may expect it
            if isinstance(error, AssertionError):
                self.failed = self.failed or f"in a function that the code called: {error}"
            result = {"failed": [type(error).__name__, str(error)[:1_000]]}
        return json.dumps(result).encode()

    def _to(self, value: object) -> Any:
        try:
            return encode(value, self._refer)
        except CannotCrossError as error:
            raise self._unjudged(f"the tests hand {error} to the answer's code") from None

    def _from(self, said: Any) -> Any:
        try:
            return decode(said, self._resolve)
        except (BrokenValueError, RecursionError):
            raise self._stop("the answer's process sent what is no value") from None

    def _refer(self, value: object) -> dict[str, Any]:
        number = number_of(value)
        if number is not None:
            return {"ref": ["own", number]}
        if isinstance(value, _CALLED_BACK) or any(value is kind for kind in _PLAIN_TYPES):
            self._given.append(value)
            return {"ref": ["asked", len(self._given) - 1]}
        # What the answer's code made must not choose how it is judged.
        of_code = isinstance(value, (types.CoroutineType, BaseException))
        if not of_code and not any(value is kind for kind in self.errors.values()):
            self.beside = True
        raise CannotCrossError(f"a value of the type {type(value).__name__}")

    def _resolve(self, said: Any) -> Any:
        if type(said) is not list or [type(each) for each in said] != [int, str, str]:
            raise BrokenValueError("no reference")
        number, kind, label = said
        if number not in self._shown:
            self._shown[number] = self._shown_as(number, kind, label[:_LONGEST_LABEL])
        return self._shown[number]

    def _shown_as(self, number: int, kind: str, label: str) -> Any:
        if kind == "error":
            return self._error_class(label)
        if kind == "wait":
            return self._waiting(number)
        if kind not in STAND_INS:
            raise BrokenValueError("an unknown kind of reference")
        return STAND_INS[kind](self, number, label)

    async def _waiting(self, number: int) -> Any:
        return self.do(number, "await")

    def _error_class(self, descent: str) -> type[BaseException]:
        """The tests' own class for an error of the code's, made after its line of descent."""
        base: type[BaseException] = Exception
        for name in reversed(descent.split(":")):
            if not name.replace(".", "_").isidentifier():
                raise BrokenValueError("no name")
            if name not in {*self.errors, "BaseException"}:
                made = {"__getattr__": self._refusing}
                own = name.rpartition(".")[2]
                self.errors[name] = _known_error(name) or type(own, (base,), made)
            base = self.errors.get(name, base)
        return base

    def _refusing(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise self._unjudged(f"the tests look at {name} of an error of the answer's own")

    def _error(self, said: Any) -> BaseException:
        try:
            kind = self._error_class(said["of"][:_LONGEST_LABEL])
            text = said["text"][:2_000]
            args = None if said["args"] is None else self._from(said["args"])
            return _made(kind, args, text)
        except (TypeError, KeyError, AttributeError, BrokenValueError):
            raise self._stop("the answer's process sent what is no error") from None

    def _change(self, given: list[Any], place: object, now: Any) -> None:
        index = int(place) if isinstance(place, str) and place.isdecimal() else -1
        if not 0 <= index < len(given):
            raise self._stop("the answer's process changed what it was not given")
        changed = self._from(now)
        if type(changed) is type(given[index]):
            renew(given[index], changed)

    def _stop(self, why: str) -> StopJudgingError:
        self.broken = self.broken or why
        return StopJudgingError(why)

    def _unjudged(self, why: str) -> UnjudgedError:
        self.unjudged = self.unjudged or why
        return UnjudgedError(why)


def _outside_of_loops(error: BaseException, name: str | None) -> BaseException:
    """``error``, unless it would end a loop of the tests early, and with it what they assert."""
    if isinstance(error, (StopIteration, StopAsyncIteration)) and name != "__next__":
        return RuntimeError(f"{type(error).__name__} raised: {error}")
    return error


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _known_error(name: str) -> type[BaseException] | None:
    """The builtin or the standard library's error of that name, if tests may be shown it.

    None of unittest's: with those, tests say that they were skipped.
    """
    module, _, own = name.rpartition(".")
    if module.partition(".")[0] not in sys.stdlib_module_names - {"unittest"} | {""}:
        return None
    # What the tests have not imported they cannot look for.
    kind = getattr(sys.modules.get(module or "builtins"), own, None)
    if not isinstance(kind, type):
        return None
    return kind if issubclass(kind, (Exception, SystemExit)) else None


def _made(kind: type[BaseException], args: Any, text: str) -> BaseException:
    for given in (args, [text]):
        if type(given) is list:
            try:
                error = kind(*given)
                if str(error) == text:
                    return error
            except Exception:  # noqa: BLE001, S112 - one that takes other arguments
                continue
    error = kind.__new__(kind)
    error.args = (text,)
    return error


def renew(old: Any, new: Any) -> None:
    """Give ``old`` the content of ``new``, keeping inner lists and tables where they were."""
    if type(old) is list:
        for index, (was, now) in enumerate(zip(old, new, strict=False)):
            if type(was) is type(now) and type(was) in (list, dict, set):
                renew(was, now)
                new[index] = was
        old[:] = new
    elif type(old) is bytearray:
        old[:] = new
    else:
        old.clear()
        old.update(new)
