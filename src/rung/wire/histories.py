"""Conversations as strict providers take them: every call known by its id, its result behind it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rung.core.parts import Message, Part, Role, ToolCall, ToolResult
from rung.wire import ids


def called(messages: Iterable[Message]) -> set[str]:
    """The ids of all calls, as their providers gave them."""
    return {
        ids.unwrap(part.id)
        for message in messages
        for part in message.parts
        if isinstance(part, ToolCall)
    }


def answered(messages: Iterable[Message]) -> list[Message]:
    """The same with each result right behind the turn that called for it.

    Callers of Responses may speak between a call and its result; other dialects refuse that. A
    result whose call is not there stays where it is.
    """
    groups: list[list[Message]] = []
    waiting: dict[str, list[Message]] = {}
    for message in messages:
        home = waiting.pop(_answers(message), None) if message.role is Role.TOOL else None
        if home is not None:
            home.append(message)
            continue
        groups.append([message])
        waiting |= {part.id: groups[-1] for part in message.parts if isinstance(part, ToolCall)}
    return [message for group in groups for message in group]


def _answers(message: Message) -> str:
    return next((part.call_id for part in message.parts if isinstance(part, ToolResult)), "")


def distinct(messages: Sequence[Message]) -> Sequence[Message]:
    """The same with no id used for two calls; the later ones, and their results, get others.

    Some servers count their calls from 0 in every answer. The same conversation always gets the
    same ids.
    """
    parts = [part for message in messages for part in message.parts]
    taken = {part.id for part in parts if isinstance(part, ToolCall)}
    if len(taken) == sum(isinstance(part, ToolCall) for part in parts):
        return messages
    return _Names(taken).told(messages)


class _Names:
    """Gives names to calls. ``_open`` holds those of the last turn that used an id."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._uses: dict[str, int] = {}
        self._open: dict[str, deque[str]] = {}

    def told(self, messages: Sequence[Message]) -> list[Message]:
        told = []
        for message in messages:
            for part in message.parts:
                if isinstance(part, ToolCall):
                    self._open.pop(part.id, None)
            told.append(replace(message, parts=tuple(self._part(part) for part in message.parts)))
        return told

    def _part(self, part: Part) -> Part:
        if isinstance(part, ToolCall):
            name = self._name(part.id)
            self._open.setdefault(part.id, deque()).append(name)
            return part if name == part.id else replace(part, id=name)
        if isinstance(part, ToolResult) and (names := self._open.get(part.call_id)):
            name = names.popleft() if len(names) > 1 else names[0]
            return part if name == part.call_id else replace(part, call_id=name)
        return part

    def _name(self, own: str) -> str:
        if own not in self._uses:
            self._uses[own] = 1
            return own
        while True:
            self._uses[own] += 1
            name = f"{own}_{self._uses[own]}"
            if name not in self._taken:
                self._taken.add(name)
                return name
