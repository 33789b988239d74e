"""Whether an agent goes round in circles: the same calls to the same end, over and over.

`environment` sends an agent that gets nowhere to a dearer tier after a few rounds. This looks for
the one that nobody watches and that would go on until its money is gone. An agent that waits,
presses one key many times or is woken every hour to find nothing does its work well, so whatever
looks like that has to go on for much longer. Read from the end: a conversation that is in no circle
costs a few comparisons, however long it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rung.core.environment import SAYS_ERROR, STATUS, WAITERS, reflects
from rung.core.parts import Message, Part, Role, Text, ToolCall, ToolResult
from rung.core.reports import FAILED, report
from rung.core.turns import NOTICES, WRAPPERS
from rung.core.types import Request

MOST_STEPS = 6
"""Steps of one circle."""

PATIENCE = 5
"""How many times as long a circle may go on that can well be somebody who waits."""

NEWS_CHARS = 40
"""A shorter result that is no failure ("ok", "done") says little of whether anything has changed:
keys are pressed and robots moved many times in a row."""

COMPARED_CHARS, ALL_COMPARED_CHARS = 8_000, 150_000
"""Longer results are the same only where no character differs, and so are all of them once so much
was read (7 ms)."""

HEAD_CHARS, TAIL_CHARS = 400, 1_600
"""What is read of a result to see whether it reports a failure."""

MOST_NAMED, NAME_CHARS = 3, 40

WAITS = re.compile(
    r"check|job|progress|watch|ping|health|queue|tail|heartbeat|inbox|mail|notif", re.IGNORECASE
)
"""Names of tools, beside `WAITERS`, that are asked again and again until there is something new."""

WAITS_IN_SHELL = re.compile(
    r"\b(?:sleep|wait|watch|tail -[fF]|--watch|--wait|--follow|inotifywait|pgrep|status)\b"
)
"""What in a command's text gives away that it waits, or asks how something fares."""

COMMAND_CHARS = 2_000
"""What is read of a call's arguments to see whether it waits."""

TIMES = re.compile(
    r"\d{1,4}[-/]\d\d[-/]\d\d(?:[T ])?|\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|(?<!\d)\d{1,9}(?:\.\d{1,9})?\s?(?:ns|us|µs|ms|s|secs?|seconds?|minutes?|min)\b"
    r"|Chunk ID: \w{1,40}|\"duration_seconds\": ?[\d.]{1,20}|0x[0-9a-f]{6,16}"
)
"""What differs in two results though nothing has: times, durations, addresses, Codex's numbers."""

_CLIENTS = (*NOTICES, *(f"<{name}>" for name in WRAPPERS))
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Loop:
    """The circle at a conversation's end: so many ``steps``, gone through ``times`` times or more.

    ``talk``: the user's own words are among what repeats. That may be a clock that wakes an agent
    now and then, so whoever believes it has to know how fast the turns follow each other.
    """

    steps: int
    times: int
    tools: tuple[str, ...] = ()
    talk: bool = False

    @property
    def words(self) -> str:
        """What goes round, fit for a log: no word of a call's arguments or of a result."""
        if not self.tools:
            return f"the same was said and answered {self.times} times in a row"
        if self.steps == 1 and len(self.tools) == 1:
            return f"{self.tools[0]} was called {self.times} times in a row, to the same end"
        named = ", ".join(self.tools[:MOST_NAMED])
        more = len(self.tools) - MOST_NAMED
        named += f" and {more} more" if more > 0 else ""
        return f"the same {self.steps} steps ({named}) were gone through {self.times} times"


@dataclass(frozen=True, slots=True)
class _Step:
    """What the assistant did in one go, and what came back."""

    calls: tuple[ToolCall, ...]
    said: tuple[str, ...]
    results: tuple[ToolResult, ...]
    told: tuple[str, ...]


class _Steps:
    """A conversation's steps, the newest first, read only as far as they are asked for."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._rest = _backwards(messages)
        self._read: list[_Step] = []
        self._left = ALL_COMPARED_CHARS
        self.times_differ = False

    def at(self, place: int) -> _Step | None:
        """The step so far from the end, ``None`` before the first."""
        while len(self._read) <= place:
            step = next(self._rest, None)
            if step is None:
                return None
            self._read.append(step)
        return self._read[place]

    def alike(self, place: int, other: int) -> bool:
        """Whether two steps did the same, to the same end."""
        later, earlier = self.at(place), self.at(other)
        if later is None or earlier is None or not (later.results or later.told):
            return False
        return (
            _same_calls(later.calls, earlier.calls)
            and later.told == earlier.told
            and (bool(later.calls) or later.said == earlier.said)
            and self._same_results(later.results, earlier.results)
        )

    def _same_results(self, some: Sequence[ToolResult], others: Sequence[ToolResult]) -> bool:
        if len(some) != len(others):
            return False
        return all(self._same_result(*pair) for pair in zip(some, others, strict=True))

    def _same_result(self, one: ToolResult, other: ToolResult) -> bool:
        if one.parts == other.parts:
            return one.is_error == other.is_error
        plain = all(isinstance(part, Text) for part in (*one.parts, *other.parts))
        if one.is_error != other.is_error or not plain:
            return False
        text, before = one.text, other.text
        longest = max(len(text), len(before))
        if longest > COMPARED_CHARS or self._left < 0:
            return False
        self._left -= 2 * longest
        if TIMES.sub("#", text) != TIMES.sub("#", before):
            return False
        self.times_differ = True
        return True


def loop(request: Request, same_calls: int) -> Loop | None:
    """The circle that the conversation is in, if it has gone through it ``same_calls`` times."""
    steps = _Steps(request.messages)
    for size in range(1, MOST_STEPS + 1):
        if steps.alike(0, size):
            found = _circle(steps, size, same_calls)
            if found is not None:
                return found
    return None


def _circle(steps: _Steps, size: int, same_calls: int) -> Loop | None:
    """The circle of so many steps, where it has been gone through often enough."""
    steps.times_differ = False
    alike, enough = 0, size * (same_calls * PATIENCE - 1)
    while alike < enough and steps.alike(alike, alike + size):
        alike += 1
    times = 1 + alike // size
    if times < same_calls:
        return None
    circle = [step for place in range(size) if (step := steps.at(place)) is not None]
    talk = any(step.told and not all(map(reflects, step.told)) for step in circle)
    if not talk and times < same_calls * PATIENCE and _may_wait(circle, steps.times_differ):
        return None
    names = dict.fromkeys(_shown(call.name) for step in reversed(circle) for call in step.calls)
    return Loop(size, times, tuple(names), talk)


# ------------------------------------------------------------------ steps


def _backwards(messages: Sequence[Message]) -> Iterator[_Step]:
    """The steps, the newest first. What came before the assistant first spoke is part of none."""
    did: list[Message] = []
    back: list[Message] = []
    for message in reversed(messages):
        if message.role is Role.ASSISTANT:
            did.append(message)
        elif message.role is not Role.SYSTEM:
            if did:
                yield _step(did, back)
                did, back = [], []
            back.append(message)
    if did:
        yield _step(did, back)


def _step(did: Sequence[Message], back: Sequence[Message]) -> _Step:
    calls, said = [], []
    for part in _parts(did):
        if isinstance(part, ToolCall):
            calls.append(part)
        elif isinstance(part, Text):
            said.append(part.text)
    results, told = [], []
    for part in _parts(back):
        if isinstance(part, ToolResult):
            results.append(part)
        elif isinstance(part, Text) and (own := part.text.strip()) and not _wrapped(own):
            told.append(own)
    return _Step(tuple(calls), tuple(said), tuple(results), tuple(told))


def _wrapped(text: str) -> bool:
    """Whether a client said it, and not its user."""
    return text.startswith(_CLIENTS)


def _parts(messages: Sequence[Message]) -> Iterator[Part]:
    for message in reversed(messages):
        yield from message.parts


def _same_calls(some: Sequence[ToolCall], others: Sequence[ToolCall]) -> bool:
    """Whether they call the same. Their ids differ always."""
    if len(some) != len(others):
        return False
    return all(
        (one.name, one.arguments, one.namespace) == (other.name, other.arguments, other.namespace)
        for one, other in zip(some, others, strict=True)
    )


# ------------------------------------------------------------------ those who wait


def _may_wait(circle: Sequence[_Step], times_differ: bool) -> bool:
    """Whether it can well be somebody who waits for something, or does one small thing often."""
    if any(_failed(result) for step in circle for result in step.results):
        return _waits(circle)
    quiet = all(len(result.text) <= NEWS_CHARS for step in circle for result in step.results)
    told = any(step.told for step in circle)
    return times_differ or (quiet and not told) or _waits(circle)


def _waits(circle: Sequence[_Step]) -> bool:
    """Whether one of the steps is made for waiting."""
    return any(
        WAITERS.search(call.name)
        or WAITS.search(call.name)
        or WAITS_IN_SHELL.search(call.arguments[:COMMAND_CHARS])
        for step in circle
        for call in step.calls
    )


def _failed(result: ToolResult) -> bool:
    text = result.text
    ends = f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}" if len(text) > TAIL_CHARS else text
    status = STATUS.search(ends[: 2 * HEAD_CHARS])
    if status is not None and any(int(code) for code in status.groups() if code is not None):
        return True
    return result.is_error or SAYS_ERROR.match(ends) is not None or report(ends) is FAILED


def _shown(name: str) -> str:
    """A tool's name, which its client chose, fit for a log and a header."""
    return _UNPRINTABLE.sub("?", name)[:NAME_CHARS] or "?"
