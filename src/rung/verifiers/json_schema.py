"""Is the answer the JSON that a schema asks for?

JSON Schema in full, drafts 4 to 2020-12, `format` included, references inside the document only.
Most answers are checked in microseconds on the event loop. Where schema and answer could take much
longer (see schema_cost.py), the same check runs in a child process with a time limit.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import threading
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from rung.core.errors import RequestError
from rung.core.types import Need, Trust, Weight
from rung.verifiers import schema_run, strict_json
from rung.verifiers.base import Finding, Subject, abstained, failed, passed, shown
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
class JsonSchema:
    """Passes an answer whose text is one JSON value that satisfies the schema.

    An answer that only calls tools passes: a schema promises the form of text.
    """

    compiled: Compiled | None = field(default=None, repr=False)
    name: str = "json_schema"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = TIMEOUT_SECONDS
    inline: ClassVar[bool] = True

    def check(self, subject: Subject) -> Finding | Awaitable[Finding]:
        """Parse, then validate."""
        text = subject.answer.text
        if subject.answer.tool_calls and not text.strip():
            if Need.TOOLS in subject.request.needs:
                return passed("the answer is a tool call; the schema is for text")
            return failed("the answer is a tool call, and no tool was offered")
        if len(text) > strict_json.LONGEST:
            return abstained(f"the answer has {len(text):,} characters, too many to check")
        try:
            value = strict_json.parse(text)
        except strict_json.NotJsonError as error:
            return failed(str(error))
        if self.compiled is None:
            return _any_object(value)
        return _validated(self.compiled, text, value, self.timeout_seconds)


def json_schema(
    schema: Mapping[str, Any] | bool | None,
    *,
    name: str = "json_schema",
    weight: Weight = Weight.REQUIRED,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> JsonSchema:
    """The check for ``schema``; ``None`` asks for any JSON object.

    Raises RequestError, naming the place inside the schema, where it is no schema, is too large, or
    refers to another document.
    """
    compiled = None if schema is None else _compiled(_text(schema))
    return JsonSchema(compiled, name, weight, Trust.DATA, timeout_seconds)


# ------------------------------------------------------------------ schemas


def _text(schema: Mapping[str, Any] | bool) -> str:
    """The schema as JSON text, the key of the cache."""
    if not isinstance(schema, Mapping | bool):
        raise refused(f"a schema is an object or a boolean, not {type(schema).__name__}")
    try:
        text = json.dumps(schema, allow_nan=False, separators=(",", ":"), default=_plain)
    except RecursionError as error:
        raise refused(f"it is nested more than {DEEPEST_SCHEMA} levels deep") from error
    except (TypeError, ValueError) as error:
        raise refused(f"it is not JSON: {shown(str(error), 100)}") from error
    if len(text) > LARGEST_SCHEMA:
        raise refused(f"it has {len(text):,} characters, more than {LARGEST_SCHEMA:,}")
    return text


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _compiled(text: str) -> Compiled:
    # A compiled schema of 200 KB takes 30 MB, one of 2 KB some kilobytes.
    return _compiled_large(text) if len(text) > _LARGE else _compiled_small(text)


@lru_cache(maxsize=256)
def _compiled_small(text: str) -> Compiled:
    return _compile(text)


@lru_cache(maxsize=4)
def _compiled_large(text: str) -> Compiled:
    return _compile(text)


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


# ------------------------------------------------------------------ answers


def _any_object(value: Any) -> Finding:
    if isinstance(value, dict):
        return passed("the answer is a JSON object")
    kinds = {list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
    return failed(f"the answer is {kinds.get(type(value), 'a number')}, not a JSON object")


def _validated(
    compiled: Compiled, text: str, value: Any, timeout_seconds: float
) -> Finding | Awaitable[Finding]:
    """Validate here where that is sure to be quick, else in a child."""
    visits, nanoseconds = _bounds(compiled, text, value)
    if nanoseconds <= INLINE_NANOSECONDS:
        if compiled.validator.is_valid(value):
            return passed("the answer satisfies the schema")
        if visits <= _INLINE_FAULT_VISITS:
            return _invalid(schema_run.faults(compiled.validator, value))
    return _in_child(compiled, text, timeout_seconds)


def _bounds(compiled: Compiled, text: str, value: Any) -> tuple[float, float]:
    """How many visits and nanoseconds validating takes at most; infinite where that is unknown."""
    worst = compiled.cost
    if worst is None or compiled.validator is None:
        return math.inf, math.inf
    sizes = strict_json.sizes(value)
    if worst.frames * len(sizes) > _INLINE_FRAMES:
        return math.inf, math.inf
    most_bytes = len(text) if text.isascii() else 4 * len(text)
    return worst.visits(sizes), worst.nanoseconds(sizes, most_bytes)


async def _in_child(compiled: Compiled, text: str, timeout_seconds: float) -> Finding:
    """The same validation in a process of its own, killed when its time is over."""
    import jsonschema_rs

    packages = Path(jsonschema_rs.__file__).parent.parent
    seconds = timeout_seconds * 0.8
    work = {
        "schema": compiled.text,
        "linear": compiled.validator is not None,
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
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
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


def _concluded(said: list[bytes], seconds: float) -> Finding:
    lines = [json.loads(line) for line in said if line.endswith(b"\n")]
    match lines:
        case [True, *_]:
            return passed("the answer satisfies the schema")
        case [False, *_, list(faults)]:
            return _invalid([str(fault) for fault in faults])
        case [False]:
            return failed("the answer does not satisfy the schema; its faults are too many to list")
    return abstained(f"the check did not end within {seconds:g} s, or within its memory")


def _invalid(faults: list[str]) -> Finding:
    return failed("the answer does not satisfy the schema: " + "; ".join(faults))
