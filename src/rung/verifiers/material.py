"""What the gates on text read: the answer's own text, and what its request had given to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from rung.core.parts import File, Image, Message, Opaque, Role, ToolResult
from rung.core.types import Need, Request
from rung.core.verdicts import Status, Weight
from rung.verifiers.base import Finding, Subject, abstained, nothing_to_judge, shown

LONGEST = 2_000_000
"""Characters of an answer, and of what was given to read, that are read; more are not judged."""

SCORE = 0.3
"""The chance that an answer is right which such a check, as a signal, has failed; a guess until it
is calibrated."""

_LONGEST_SHOWN = 60


def text_of(subject: Subject) -> str | Finding:
    """The answer's text, or what is found where there is none to judge, or too much."""
    text = subject.answer.text
    if subject.answer.tool_calls and not text.strip():
        if Need.TOOLS in subject.request.needs:
            return nothing_to_judge("the answer is a tool call, with no text to judge")
        return abstained("the answer is a tool call, with no text to judge")
    if len(text) > LONGEST:
        return abstained(f"the answer has {len(text):,} characters, too many to check")
    return text


def given(request: Request) -> str | Finding:
    """All text that the model was given: everything but its own turns; or why it is not read."""
    texts = [message.text for message in request.messages if message.role is not Role.ASSISTANT]
    length = sum(map(len, texts))
    if length > LONGEST:
        return abstained(f"the request has {length:,} characters, too many to compare with")
    return "\n".join(texts)


def compared(subject: Subject, judge: Callable[[str, str], Finding]) -> Finding:
    """What ``judge`` finds of the answer's text and all that was given, where both are read.

    What the answer is said to make up may stand in a picture: then nothing is found.
    """
    text, source = text_of(subject), given(subject.request)
    if isinstance(text, Finding):
        return text
    if isinstance(source, Finding):
        return source
    found = judge(text, source)
    if found.status is Status.FAILED and unread(subject.request):
        return abstained(f"the request shows more than text, maybe this too: {found.reason}")
    return found


def unread(request: Request) -> bool:
    """Whether the model was given something that is no text: pictures, documents, sounds."""
    return any(isinstance(part, Image | File | Opaque) for part in _parts(request.messages))


def _parts(messages: tuple[Message, ...]) -> Iterator[object]:
    for message in messages:
        if message.role is not Role.ASSISTANT:
            for part in message.parts:
                yield from part.parts if isinstance(part, ToolResult) else (part,)


def weighed(found: Finding, weight: Weight) -> Finding:
    """``found``, with a score where it is a signal that failed."""
    if weight is not Weight.SIGNAL or found.status is not Status.FAILED:
        return found
    return replace(found, reason=f"{found.reason} (uncalibrated)", score=SCORE)


def quoted(text: str, longest: int = _LONGEST_SHOWN) -> str:
    """A piece of hostile text, short and on one line, between quotes."""
    return f'"{shown(text, longest)}"'


def listed(texts: list[str], most: int = 5) -> str:
    """The first few of ``texts``, quoted, and how many more there are."""
    more = f" and {len(texts) - most:,} more" if len(texts) > most else ""
    return ", ".join(quoted(text, 40) for text in texts[:most]) + more
