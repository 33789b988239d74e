"""Subjects for verifiers: a request and an answer, with only what a test cares about."""

from __future__ import annotations

from typing import Any

from rung.core.types import (
    Answer,
    Attempt,
    Kind,
    Message,
    Need,
    Request,
    Role,
    Sampling,
    Text,
    Usage,
    Verdict,
)
from rung.verifiers.base import Subject


def subject(
    text: str = "",
    *,
    question: str = "What is it?",
    max_tokens: int | None = None,
    usage: Usage | None = None,
    siblings: tuple[Attempt, ...] = (),
    needs: frozenset[Need] = frozenset(),
    **answer: Any,
) -> Subject:
    said = Answer(text, **answer)
    asked = Message(Role.USER, (Text(question),))
    limits = Sampling(max_tokens=max_tokens)
    request = Request("r", "chat", (asked,), sampling=limits, needs=needs)
    return Subject(request, attempt("own", said, usage=usage), said, siblings)


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
