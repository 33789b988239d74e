"""A JSON Schema, compiled once, and the check of a value by it: on the event loop, or in a child.

Most values are checked in microseconds. Where schema and value could take much longer (see
schema_cost.py), the same check runs in a child process with a time limit.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rung.core.errors import RequestError
from rung.verifiers import schema_run, strict_json
from rung.verifiers.base import shown
from rung.verifiers.child import ended
from rung.verifiers.schema_cost import Cost, cost
from rung.verifiers.schema_document import refused

LARGEST_SCHEMA = 256_000
DEEPEST_SCHEMA = 128
TIMEOUT_SECONDS = 5.0

INLINE_NANOSECONDS = 20_000_000
"""What a check may take on the event loop at worst; beyond, it goes to a child process."""
_INLINE_FAULT_VISITS = 25_000
"""Visits up to which faults are listed here: the library lists all, each for up to 40 us."""
_INLINE_FRAMES = 8_000
"""Nested calls of the library that fit any stack; it overflows 8 MB between 60,000 and 250,000."""
_LARGE = 16_000

_TURNS = threading.BoundedSemaphore(4)
"""Children at a time, over all schemas and event loops: what they share is the machine."""
_TURN_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Compiled:
    """A schema ready for use.

    ``validator`` is ``None`` where patterns need look-around: such a schema only runs in a child.
    ``cost`` is ``None`` where it cannot be counted.
    """

    text: str
    validator: Any
    cost: Cost | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What a schema says of a value: ``valid``, or the first ``faults``.

    ``valid`` is ``None`` where the check did not end; ``faults`` are empty where they are too many.
    """

    valid: bool | None
    faults: tuple[str, ...] = ()
    unknown: str = ""


# ------------------------------------------------------------------ schemas


def compiled(text: str) -> Compiled:
    """The schema that ``text`` is, from a cache where it was used before.

    Raises RequestError, naming the place inside the schema, where it is no schema, is too large, or
    refers to another document.
    """
    if len(text) > LARGEST_SCHEMA:
        raise refused(f"it has {len(text):,} characters, more than {LARGEST_SCHEMA:,}")
    # A compiled schema of 200 KB takes 30 MB, one of 2 KB some kilobytes.
    found = _large(text) if len(text) > _LARGE else _small(text)
    if isinstance(found, RequestError):
        raise RequestError(found.message, param=found.param, fix=found.fix)
    return found


@lru_cache(maxsize=256)
def _small(text: str) -> Compiled | RequestError:
    return _attempted(text)


@lru_cache(maxsize=4)
def _large(text: str) -> Compiled | RequestError:
    return _attempted(text)


def _attempted(text: str) -> Compiled | RequestError:
    """The refusal as a value: an agent sends the same schema, good or bad, a hundred times."""
    try:
        return _compile(text)
    except RequestError as error:
        return error.with_traceback(None)


def _compile(text: str) -> Compiled:
    import jsonschema_rs

    try:
        root = strict_json.parse(text)
    except strict_json.NotJsonError as error:
        raise refused(str(error).replace("the answer", "it")) from error
    if len(strict_json.sizes(root)) > DEEPEST_SCHEMA + 1:
        raise refused(f"it is nested more than {DEEPEST_SCHEMA} levels deep")
    worst = cost(root)
    try:
        return Compiled(text, schema_run.compiled(text, linear=True), worst)
    except jsonschema_rs.ValidationError as error:
        fault = error
    except ValueError as error:  # not of the schema as such: a number or text it cannot hold
        raise refused(shown(str(error), 200)) from error
    try:  # look-around and back-references need the other engine, whose time is not bounded
        schema_run.compiled(text, linear=False)
    except ValueError:
        raise _not_a_schema(fault) from fault
    return Compiled(text, None, None)


def _not_a_schema(error: Any) -> RequestError:
    fault = schema_run.innermost(error)
    place = "".join(f"/{part}" for part in fault.instance_path)
    return refused(shown(schema_run.message(fault), 200), shown(place, 200))


# ------------------------------------------------------------------ values


def judged_here(schema: Compiled, text: str, value: Any, share: float = 1.0) -> Judged | None:
    """Check ``value``, which ``text`` is, where that is sure to be quick; else ``None``.

    ``share`` is the part of the time for quick checks that this one may take at worst.
    """
    visits, nanoseconds = _bounds(schema, text, value)
    if nanoseconds <= INLINE_NANOSECONDS * share:
        if schema.validator.is_valid(value):
            return Judged(valid=True)
        if visits <= _INLINE_FAULT_VISITS * share:
            return Judged(valid=False, faults=tuple(schema_run.faults(schema.validator, value)))
    return None


def _bounds(schema: Compiled, text: str, value: Any) -> tuple[float, float]:
    """How many visits and nanoseconds validating takes at most; infinite where that is unknown."""
    worst = schema.cost
    if worst is None or schema.validator is None:
        return math.inf, math.inf
    sizes = strict_json.sizes(value)
    if worst.frames * len(sizes) > _INLINE_FRAMES:
        return math.inf, math.inf
    most_bytes = len(text) if text.isascii() else 4 * len(text)
    return worst.visits(sizes), worst.nanoseconds(sizes, most_bytes)


async def judged_in_child(schema: Compiled, text: str, timeout_seconds: float) -> Judged:
    """The same check of the value that ``text`` is, in a process that is killed in time."""
    import jsonschema_rs

    packages = Path(jsonschema_rs.__file__).parent.parent
    seconds = timeout_seconds * 0.8
    work = {
        "schema": schema.text,
        "linear": schema.validator is not None,
        "answer": text,
        "seconds": seconds,
        "packages": str(packages),
    }
    while not _TURNS.acquire(blocking=False):  # noqa: ASYNC110 - shared by all event loops
        await asyncio.sleep(_TURN_SECONDS)
    try:
        said = await _asked(work, seconds)
    finally:
        _TURNS.release()
    return _concluded(said, seconds)


async def _asked(work: dict[str, Any], seconds: float) -> list[bytes]:
    """The lines that the child wrote before it ended or was killed."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", schema_run.__file__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    said: list[bytes] = []
    try:
        with suppress(TimeoutError, ConnectionError):
            await asyncio.wait_for(_converse(child, json.dumps(work).encode(), said), seconds)
    finally:
        await ended(child)
    return said


async def _converse(child: asyncio.subprocess.Process, work: bytes, said: list[bytes]) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(work)
    await child.stdin.drain()
    child.stdin.close()
    while line := await child.stdout.readline():
        said.append(line)
    await child.wait()


def _concluded(said: list[bytes], seconds: float) -> Judged:
    lines = [json.loads(line) for line in said if line.endswith(b"\n")]
    match lines:
        case [True, *_]:
            return Judged(valid=True)
        case [False, *_, list(faults)]:
            return Judged(valid=False, faults=tuple(str(fault) for fault in faults))
        case [False]:
            return Judged(valid=False)
    unknown = f"the check did not end within {seconds:g} s, or within its memory"
    return Judged(valid=None, unknown=unknown)
