"""Work that could run for ever, in a process that is killed in time.

The child is `child_run`, started afresh for each piece of work: isolated, without packages, without
an environment, bounded in memory and time, unable to write files. What it cannot finish is unknown.
"""

from __future__ import annotations

import asyncio
import json
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
    sent = json.dumps({**work, "task": task, "seconds": seconds}).encode()
    while not _TURNS.acquire(blocking=False):  # noqa: ASYNC110 - shared by all event loops
        await asyncio.sleep(_TURN_SECONDS)
    try:
        said = await _asked(sent, seconds)
    finally:
        _TURNS.release()
    if not said.endswith(b"\n"):
        raise UnfinishedError(f"the check did not end within {seconds:g} s, or within its memory")
    return json.loads(said)


async def _asked(work: bytes, seconds: float) -> bytes:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", "-W", "ignore", child_run.__file__),
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
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    return said


async def _converse(child: asyncio.subprocess.Process, work: bytes) -> bytes:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(work)
    await child.stdin.drain()
    child.stdin.close()
    said = await child.stdout.read(MOST_SAID)
    while len(said) < MOST_SAID and (more := await child.stdout.read(MOST_SAID - len(said))):
        said += more
    return said
