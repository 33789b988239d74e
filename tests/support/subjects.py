"""Subjects for verifiers: a request and an answer, with only what a test cares about.

And answers that grow: the same answer as the deltas that it could have come in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from rung.core.growth import CallGrowth, Delta
from rung.core.parts import HostedTool, Message, Role, Text, Tool, ToolCall
from rung.core.types import (
    Answer,
    Attempt,
    Kind,
    Need,
    Request,
    Sampling,
    Usage,
)
from rung.core.verdicts import Verdict
from rung.verifiers.base import Subject


def subject(
    text: str = "",
    *,
    question: str = "What is it?",
    max_tokens: int | None = None,
    usage: Usage | None = None,
    siblings: tuple[Attempt, ...] = (),
    needs: frozenset[Need] = frozenset(),
    request: Request | None = None,
    **answer: Any,
) -> Subject:
    said = Answer(text, **answer)
    asked = Message(Role.USER, (Text(question),))
    limits = Sampling(max_tokens=max_tokens)
    request = request or Request("r", "chat", (asked,), sampling=limits, needs=needs)
    return Subject(request, attempt("own", said, usage=usage), said, siblings)


def offering(*tools: Tool | HostedTool, **request: Any) -> Request:
    """A request that offers ``tools``."""
    asked = Message(Role.USER, (Text("What is it?"),))
    plain = {"messages": (asked,), "needs": frozenset({Need.TOOLS} if tools else ())}
    return Request("r", "chat", tools=tools, **(plain | request))


def tool(name: str, schema: object = None, **more: Any) -> Tool:
    """A tool whose arguments satisfy ``schema``; without one, whatever comes."""
    parameters = b"" if schema is None else json.dumps(schema).encode()
    return Tool(name, parameters=parameters, **more)


def call(name: str, arguments: object = "{}", *, id: str = "c1", **more: Any) -> ToolCall:  # noqa: A002
    """A call of a tool; ``arguments`` that are no text are written as JSON."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return ToolCall(id, name, text, **more)


def growing(answer: Answer, sizes: Iterable[int]) -> Iterator[Delta]:
    """The answer in pieces of ``sizes`` characters, then the rest; names come first and whole."""
    given = iter(sizes)
    for piece in _cut(answer.text, given):
        yield Delta(text=piece)
    for index, one in enumerate(answer.tool_calls):
        yield Delta(calls=(CallGrowth(index, one.name),))
        for piece in _cut(one.arguments, given):
            yield Delta(calls=(CallGrowth(index, arguments=piece),))


def _cut(text: str, sizes: Iterator[int]) -> Iterator[str]:
    while text:
        size = next(sizes, len(text))
        yield text[:size]
        text = text[size:]


def attempt(
    name: str,
    answer: Answer | str | None,
    *,
    usage: Usage | None = None,
    verdicts: tuple[Verdict, ...] = (),
) -> Attempt:
    said = Answer(answer) if isinstance(answer, str) else answer
    return Attempt(
        name, "small", Kind.FIRST, 0.0, 1.0, answer=said, usage=usage or Usage(), verdicts=verdicts
    )
