"""Work that could run for ever, in a process that is killed in time.

The child is `child_run`, started afresh for each piece of work: isolated, without packages, without
an environment, bounded in memory and time, unable to write files. What it cannot finish is unknown.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from rung.verifiers import child_run

MOST_CHILDREN = 4
"""Children that run at a time."""

MOST_SAID = 64 << 10
"""Bytes that a child may say."""

_TURNS = threading.BoundedSemaphore(MOST_CHILDREN)
_TURN_SECONDS = 0.01


class UnfinishedError(Exception):
    """The child did not come to an end within its limits; the message says so."""


async def done(task: str, work: Mapping[str, Any], seconds: float) -> Any:
    """What the task of that name in `child_run` gives for ``work``.

    Raises UnfinishedError where it crashed, or was not done within ``seconds`` or its memory.
    """
    sent = _order(task, work, seconds)
    while not _TURNS.acquire(blocking=False):  # noqa: ASYNC110 - shared by all event loops
        await asyncio.sleep(_TURN_SECONDS)
    try:
        said = await _asked(sent, seconds)
    finally:
        _TURNS.release()
    return _answer(said, seconds)


def done_at_once(task: str, work: Mapping[str, Any], seconds: float) -> Any:
    """As `done`, where there is no event loop yet: for what a configuration says. Blocks."""
    try:
        asked = subprocess.run(  # noqa: S603 - this interpreter, and a script of its own
            _COMMAND,
            input=_order(task, work, seconds),
            capture_output=True,
            check=False,
            timeout=seconds,
            env={},
        )
    except subprocess.TimeoutExpired:
        return _answer(b"", seconds)
    return _answer(asked.stdout, seconds)


_COMMAND = (sys.executable, "-I", "-S", "-W", "ignore", child_run.__file__)


def _order(task: str, work: Mapping[str, Any], seconds: float) -> bytes:
    return json.dumps({**work, "task": task, "seconds": seconds}).encode()


def _answer(said: bytes, seconds: float) -> Any:
    if not said.endswith(b"\n"):
        raise UnfinishedError(f"the check did not end within {seconds:g} s, or within its memory")
    return json.loads(said)


async def _asked(work: bytes, seconds: float) -> bytes:
    child = await asyncio.create_subprocess_exec(
        *_COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    said = b""
    try:
        with suppress(TimeoutError, ConnectionError):
            said = await asyncio.wait_for(_converse(child, work), seconds)
    finally:
        await ended(child)
    return said


async def ended(child: asyncio.subprocess.Process) -> None:
    """Kill a child that has not ended, and see it gone, however often the caller is cancelled."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()
    gone = asyncio.ensure_future(child.wait())
    cancelled = False
    while not gone.done():
        try:
            await asyncio.shield(gone)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def _converse(child: asyncio.subprocess.Process, work: bytes) -> bytes:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(work)
    await child.stdin.drain()
    child.stdin.close()
    said = await child.stdout.read(MOST_SAID)
    while len(said) < MOST_SAID and (more := await child.stdout.read(MOST_SAID - len(said))):
        said += more
    # One that has ended by itself needs no killing, which would reap it behind the loop's back.
    if said.endswith(b"\n"):
        await child.wait()
    return said
