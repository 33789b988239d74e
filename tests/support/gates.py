"""Running one gate over tables of good answers and of mutations that it has to catch."""

from __future__ import annotations

import time
from typing import Any

from rung.core.parts import Message, Role, Text
from rung.core.types import Request
from rung.core.verdicts import Status, Verdict
from rung.verifiers.base import Verifier, run
from support.subjects import subject


def asking(*texts: str, **more: Any) -> Request:
    """A request whose user turns are ``texts``."""
    messages = tuple(Message(Role.USER, (Text(text),)) for text in texts)
    return Request("r", "chat", messages, **more)


async def verdict(gate: Verifier, answer: str, *given: str) -> Verdict:
    """What the gate says of ``answer`` to a request with the texts ``given``."""
    return await run(gate, subject(answer, request=asking(*(given or ("What is it?",)))))


async def status(gate: Verifier, answer: str, *given: str) -> Status:
    return (await verdict(gate, answer, *given)).status


async def seconds(gate: Verifier, answer: str, *given: str) -> tuple[float, Verdict]:
    """How long the gate took, and what it said."""
    began = time.perf_counter()
    found = await verdict(gate, answer, *given)
    return time.perf_counter() - began, found
