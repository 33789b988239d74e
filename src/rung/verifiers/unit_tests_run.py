"""Runs unit tests on an answer's code in sandboxes, and relays what they say to each other.

The tests' process and the code's are strangers: neither sees the other's files, memory or pipes.
What the tests ask goes through here, one frame for one frame, bounded in bytes, number and time.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rung.verifiers.base import shown
from rung.verifiers.kit import CommandBox, Dialogue, Errand
from rung.verifiers.unit_tests_report import NoReportError, Report, read

MOST_FRAMES = 300_000
LONGEST_ANSWER = (8 << 20) - 1024
REPORT_SECONDS = 5.0
"""What the tests' process may take longer than the code's: it has to say what became of it."""

_PYTHON = "rung:python"
_INSIDE = Path(__file__).with_name("unit_inside")
_ENDS = {
    "wall": "did not answer within {seconds:g} s",
    "cpu": "took more than {seconds:g} s of the processor",
    "memory": "took more memory than it may",
    "output": "wrote more than it may",
    "processes": "started more processes than it may",
    "storage": "wrote more files than it may",
}


@dataclass(frozen=True, slots=True)
class Work:
    """What is run: the answer's ``code`` as ``module``, and ``tests``, a source or cases."""

    code: str
    module: str
    tests: Mapping[str, Any]
    seconds: float


async def split(box: CommandBox, work: Work) -> tuple[Report, bool]:
    """Tests in one sandbox, code in another; and whether they were sandboxes.

    Raises NoReportError where the tests' process came to no end, RungError where nothing runs.
    """
    judge = _errand("judge", {}, work.seconds + REPORT_SECONDS)
    answer = _errand("answer", {_file(work.module): _bytes(work.code)}, work.seconds)
    async with box.talk(judge, answer) as (tests, code):
        tests.send(_hello(work))
        code.send(json.dumps({"module": work.module}).encode())
        for _ in range(MOST_FRAMES):
            said = await tests.receive()
            if said is None:
                raise NoReportError(f"the tests' own process {_how(tests, work.seconds)}")
            if said[:1] == b"R":
                return read(said[1:]), tests.sandboxed
            tests.send(await _answered(code, said[1:], work.seconds))
    raise NoReportError("the tests and the code exchange messages without end")


async def beside(box: CommandBox, work: Work) -> tuple[Report, bool]:
    """Tests and code in one process of one sandbox. Raises as `split`."""
    nonce = secrets.token_hex(32)
    errand = _errand("beside", {_file(work.module): _bytes(work.code)}, work.seconds)
    async with box.talk(errand) as (both,):
        both.send(_hello(work, nonce=nonce))
        said = await both.receive()
        if said is None:
            raise NoReportError(f"the process of tests and code {_how(both, work.seconds)}")
        report = read(said[1:]) if said[:1] == b"R" else None
    if report is None or not secrets.compare_digest(report.nonce.encode(), nonce.encode()):
        raise NoReportError("the report is not from the tests")
    return report, both.sandboxed


async def _answered(code: Dialogue, message: bytes, seconds: float) -> bytes:
    """What the code's process answers, or why it does not."""
    if code.ran is None:
        code.send(message)
        reply = await code.receive()
        if reply is not None and len(reply) <= LONGEST_ANSWER:
            return b"A" + reply
    return f"Xthe answer's code {_how(code, seconds)}".encode()


def _how(ended: Dialogue, seconds: float) -> str:
    """How a process ended that should not have."""
    ran = ended.ran
    if ran is None:
        return _ENDS["output"]
    if ran.ended_by != "exit":
        return _ENDS.get(ran.ended_by, "reached a limit").format(seconds=seconds)
    if ran.status is None:
        return f"was ended by signal {ran.signal}"
    last = ran.stderr[-300:].decode("utf-8", "replace").strip().rpartition("\n")[2]
    said = f": {shown(last, 120)}" if last else ""
    return f"ended its own process with status {ran.status}{said}"


def _hello(work: Work, **more: Any) -> bytes:
    return json.dumps({"module": work.module, **work.tests, **more}).encode()


def _errand(program: str, files: Mapping[str, bytes], seconds: float) -> Errand:
    """One of the programs that run inside, with ``files`` beside it."""
    start = f"rung_{program}.py"
    run = f"from rung_inside.{program} import main\nmain()\n".encode()
    laid = {**files, start: run}
    return Errand((_PYTHON, start), laid, b"", seconds, modules=_programs())


@cache
def _programs() -> Mapping[str, bytes]:
    files = sorted(_INSIDE.glob("*.py"))
    return {f"rung_inside/{file.name}": file.read_bytes() for file in files}


def _file(module: str) -> str:
    return module.replace(".", "/") + ".py"


def _bytes(code: str) -> bytes:
    return code.encode("utf-8", "surrogatepass")
