"""Subjects for verifiers: a request and an answer, with only what a test cares about."""

from __future__ import annotations

from typing import Any

from rung.core.types import (
    Answer,
    Attempt,
    Kind,
    Message,
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
    **answer: Any,
) -> Subject:
    said = Answer(text, **answer)
    asked = Message(Role.USER, (Text(question),))
    request = Request("r", "chat", (asked,), sampling=Sampling(max_tokens=max_tokens))
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
