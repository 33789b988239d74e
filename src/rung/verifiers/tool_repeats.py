"""The same tool call again and again: inside one answer, or turn after turn to the same end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from rung.core.parts import Message, Role, ToolCall, ToolResult

MOST_ALIKE = 2
"""Calls of one answer that may be the same; three are a loop."""

TURNS = 5
"""Turns in a row with the same call and the same result, after which one more is a loop. Agents
that wait for a job ask three or four times before they do something else."""

_LONGEST_COMPARED = 100_000


class Key(NamedTuple):
    """What makes two calls the same: the tool, and its arguments however they are written."""

    namespace: str
    name: str
    arguments: str


_Results = dict[Key, "ToolResult | None"]


def key_of(call: ToolCall) -> Key:
    """What the call is compared by."""
    plain = call.arguments if call.custom else _canonical(call.arguments)
    return Key(call.namespace, call.name, plain)


def alike(keys: Sequence[Key]) -> tuple[int, int] | None:
    """The place of the first call that is made too often in one answer, and how often."""
    if len(keys) <= MOST_ALIKE:
        return None
    counts = Counter(keys)
    return next(((i, counts[key]) for i, key in enumerate(keys) if counts[key] > MOST_ALIKE), None)


def again(keys: Sequence[Key], messages: Sequence[Message]) -> int | None:
    """The place of the first call that each of the last turns has made, always to the same end."""
    turns = _last_turns(messages)
    if len(turns) < TURNS:
        return None
    return next((i for i, key in enumerate(keys) if _same_end(key, turns)), None)


def _same_end(key: Key, turns: Sequence[_Results]) -> bool:
    results = [turn.get(key) for turn in turns]
    first = results[0]
    return first is not None and all(
        each is not None and (each.parts, each.is_error) == (first.parts, first.is_error)
        for each in results[1:]
    )


def _last_turns(messages: Sequence[Message]) -> list[_Results]:
    """The calls of the assistant's last turns with their results, newest first.

    A word of the user's in between may well ask for the same again: nothing before it counts.
    """
    turns: list[_Results] = []
    results: dict[str, ToolResult] = {}
    inside = False  # messages of the assistant in a row are one turn
    for message in reversed(messages):
        if message.role is Role.SYSTEM:
            continue
        if message.role is Role.USER:
            break
        if message.role is Role.TOOL:
            if inside and len(turns) == TURNS:
                break
            results = {} if inside else results
            results |= {p.call_id: p for p in message.parts if isinstance(p, ToolResult)}
        else:
            if not inside:
                turns.append({})
            calls = (part for part in message.parts if isinstance(part, ToolCall))
            turns[-1] |= {key_of(call): results.get(call.id) for call in calls}
        inside = message.role is Role.ASSISTANT
    return turns


def _canonical(arguments: str) -> str:
    """A text that is the same for the same arguments."""
    if len(arguments) > _LONGEST_COMPARED:
        return arguments
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments.strip() or "{}"
