"""Runs the operator's tests here, while the code that they test runs somewhere else.

The first frame says what to do. Then each frame that is written begins with one letter: C asks the
other process for something, and the next frame is its answer (A) or why there is none (X); R is the
report, and the last.
"""

from __future__ import annotations

import json
import types
from typing import Any

from .cases import run_cases
from .frames import Pipe
from .harness import Results, install, run_source
from .remote import Session, StopJudgingError
from .standins import of_module


def main() -> None:
    """Run all tests and report."""
    pipe = Pipe()
    hello = pipe.receive()
    if hello is None:
        return
    told = json.loads(hello)

    def exchange(message: bytes) -> bytes | str:
        pipe.send(b"C" + message)
        reply = pipe.receive()
        if reply is None:
            raise SystemExit
        return reply[1:] if reply[:1] == b"A" else reply[1:].decode()

    session = Session(exchange)
    report = _report(told, session)
    pipe.send(b"R" + json.dumps(report).encode())


def _report(told: dict[str, Any], session: Session) -> dict[str, Any]:
    results = Results(told.get("source", ""), lambda: _known(session), lambda: session.last)
    try:
        session.do(0, "import")
    except BaseException as error:  # noqa: BLE001 - whatever importing the code raises is its fault
        said = session.broken or f"{type(error).__name__}: {error}"
        return {"results": [], "import": said[:500], "calls": session.calls}
    module = _Module(told["module"], session)
    if "cases" in told:
        run_cases(told["cases"], lambda name: getattr(module, name), results, _begin(session))
    else:
        install(told["module"], module)
        given, missing = _given(told["free"], module)
        if missing:
            return {"results": [], "missing": missing, "calls": session.calls}
        run_source(told["source"], given, results, _begin(session))
    told_of = {"calls": session.calls, "beside": session.beside, "used": session.used}
    return {"results": results.of, **told_of}


def _given(names: list[str], module: Any) -> tuple[dict[str, Any], list[str]]:
    """What a source without an import means by the names that it does not define."""
    given, missing = {}, []
    for name in names:
        try:
            given[name] = getattr(module, name)
        except (AttributeError, StopJudgingError):
            missing.append(name)
    return given, missing


def _begin(session: Session) -> Any:
    def begin() -> None:
        session.unjudged = session.failed = None
        session.last = ""

    return begin


def _known(session: Session) -> tuple[str, str] | None:
    """What is known of a test whatever it made of what it saw."""
    if session.broken is not None:
        return "failed", session.broken
    if session.failed is not None:
        return "failed", session.failed
    return None if session.unjudged is None else ("unjudged", session.unjudged)


class _Module(types.ModuleType):
    """The module under test: names are asked for, once each."""

    def __init__(self, name: str, session: Session) -> None:
        super().__init__(name)
        self.__dict__["rung_session"] = session

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = of_module(self.__dict__["rung_session"], name)
        self.__dict__[name] = found
        return found

    def __setattr__(self, name: str, value: object) -> None:
        raise self.__dict__["rung_session"].refused(
            f"the tests set {name} in the answer's module: only a test beside the code"
            " (mode in_process) can do that"
        )
