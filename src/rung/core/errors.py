"""Whose fault it was.

    RungError
    ├── RequestError    the caller's: a bad body, an unknown model, no key
    │   └── RateError   more of them than the caller's key may make in a minute
    ├── UpstreamError   a provider's: every tier failed, or one that was pinned
    ├── ConfigError     the operator's: rung.toml, the environment, a missing package
    └── LedgerError     the store's: locked, full, corrupt, from a newer version

Each names what was wrong, where, and the fix, and carries the HTTP status and exit code that fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class RungError(Exception):
    """Base of all errors that rung raises on purpose. ``fix`` says what to do next, if anything."""

    status = 500
    exit_code = 1

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return self.message if self.fix is None else f"{self.message} Fix: {self.fix}"


class RequestError(RungError):
    """The caller's request cannot be served as it is. ``param`` names the field at fault."""

    status = 400
    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(message, fix=fix)
        self.status = status
        self.param = param
        self.code = code


class RateError(RequestError):
    """Too much at once. ``retry_after_seconds`` is when it would fit, ``None`` where it never will.

    The status is 429.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        code: str = "rate_limited",
        fix: str | None = None,
    ) -> None:
        super().__init__(message, status=429, code=code, fix=fix)
        self.retry_after_seconds = retry_after_seconds


class UpstreamError(RungError):
    """No tier gave an answer. ``retry_after_seconds`` is the soonest any of them asked for."""

    status = 502
    exit_code = 4

    def __init__(
        self, message: str, *, status: int = 502, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration: where, what, and the fix."""

    place: str
    message: str
    fix: str | None = None

    def __str__(self) -> str:
        said = f"{self.place}: {self.message}"
        return said if self.fix is None else f"{said} Fix: {self.fix}"


class ConfigError(RungError):
    """The configuration is wrong; ``problems`` holds every fault found, not only the first."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem] | str, *, fix: str | None = None) -> None:
        listed = (Problem("rung", problems, fix),) if isinstance(problems, str) else tuple(problems)
        if isinstance(problems, str):
            super().__init__(problems, fix=fix)
        else:
            super().__init__("\n".join(str(problem) for problem in listed))
        self.problems = listed


class LedgerError(RungError):
    """The ledger cannot be read or written; nothing was lost, nothing was answered unrecorded.

    ``passing`` says that it may by itself be well again: a full disk, a server that is away.
    """

    status = 503
    exit_code = 5

    def __init__(self, message: str, *, fix: str | None = None, passing: bool = False) -> None:
        super().__init__(message, fix=fix)
        self.passing = passing
