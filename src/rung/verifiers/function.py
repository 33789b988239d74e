"""Any Python callable as a check."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from rung.core.errors import ConfigError, Problem
from rung.core.verdicts import Trust, Weight
from rung.verifiers.base import Finding, Subject, abstained, failed, passed

TIMEOUT_SECONDS = 30.0
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Function:
    """Calls ``call`` with the answer's text, or with the `Subject` where ``wants_subject``.

    What it returns is the finding: ``True`` passed, ``False`` failed, ``None`` abstained, a text
    failed with that text as the reason, a `Finding` itself. Anything else, an empty text and every
    exception abstain. It may be ``async``; a plain one runs in a thread of its own.
    """

    call: Callable[..., Any] = field(repr=False)
    wants_subject: bool = False
    name: str = "function"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.CODE
    timeout_seconds: float = TIMEOUT_SECONDS

    @property
    def inline(self) -> bool:
        """An async function belongs on the event loop that its clients and locks live on."""
        return _is_async(self.call)

    def check(self, subject: Subject) -> Finding | Awaitable[Finding]:
        """Call it and read what it returned."""
        result = self.call(subject if self.wants_subject else subject.answer.text)
        return self._awaited(result) if inspect.isawaitable(result) else self._read(result)

    async def _awaited(self, result: Awaitable[object]) -> Finding:
        return self._read(await result)

    def _read(self, result: object) -> Finding:
        match result:
            case Finding():
                return result
            case True:
                return passed(f"{self.name} returned True")
            case False:
                return failed(f"{self.name} returned False")
            case None:
                return abstained(f"{self.name} returned None")
            case str() if result.strip():
                return failed(result)
        kind = f"{type(result).__module__}.{type(result).__qualname__}".removeprefix("builtins.")
        understood = "True, False, None, a reason as text or a Finding"
        return abstained(f"{self.name} returned {kind}, which is none of {understood}")


def function(
    call: Callable[..., Any],
    *,
    name: str | None = None,
    weight: Weight = Weight.REQUIRED,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Function:
    """The check that ``call`` makes. It takes one argument: the text, or ``subject`` if so named.

    An argument annotated `Subject` is given the subject too. Raises ConfigError where ``call``
    cannot be called with one argument.
    """
    return Function(
        call, _wants_subject(call), name or _name(call), weight, Trust.CODE, timeout_seconds
    )


def load(path: str) -> Callable[..., Any]:
    """The callable at ``package.module:function``; raises ConfigError with the fix."""
    module_name, _, attribute = path.partition(":")
    if not module_name or not attribute:
        raise _refused(
            path, "is not of the form module:function", 'write function = "checks:valid"'
        )
    try:
        found: Any = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # boundary: importing runs the operator's code
        said = f"cannot be imported: {type(error).__name__}: {error}"
        fix = "install the package it is in, or add its folder to PYTHONPATH"
        raise _refused(path, said, fix) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise _refused(
                path, f"does not exist: {module_name} has no {attribute}", "check the name"
            )
        found = getattr(found, part)
    if not callable(found):
        raise _refused(
            path, f"is {type(found).__name__}, which cannot be called", "name a function"
        )
    return found  # type: ignore[no-any-return]


def _refused(path: str, said: str, fix: str) -> ConfigError:
    return ConfigError([Problem("function", f"{path!r} {said}.", fix)])


def _is_async(call: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(
        getattr(type(call), "__call__", None)  # noqa: B004  # the method, not whether there is one
    )


def _wants_subject(call: Callable[..., Any]) -> bool:
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):  # some builtins tell nothing
        return False
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    needed = [p for p in positional if p.default is p.empty]
    forced = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(needed) > 1 or forced or not (positional or takes_any):
        said = f"{_name(call)} cannot be called with one argument."
        raise ConfigError([Problem("function", said, "let it take the text, or `subject`")])
    if not positional:
        return False
    first = positional[0]
    return first.name == "subject" or first.annotation in (Subject, "Subject", "base.Subject")


def _name(call: Callable[..., Any]) -> str:
    name = getattr(call, "__name__", type(call).__name__)
    code = getattr(call, "__code__", None)
    if name == "<lambda>" and code is not None:
        return f"lambda at {code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}"
    return str(name)
