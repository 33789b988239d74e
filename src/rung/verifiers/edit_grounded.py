"""Does each edit that the answer makes begin from text that was read before?

An edit tool (Claude Code's `Edit`, and others by their usual names) takes the old text that it is
to replace. It has to stand in an earlier tool result, in what the user wrote, or in what the
assistant
itself wrote to a file before; the line numbers that reading tools print do not matter. It cannot
know whether the text has since changed, or stands in the file only once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from rung.core.parts import Role, Text, ToolCall, ToolResult
from rung.core.types import Request
from rung.core.verdicts import Trust, Weight
from rung.verifiers import options
from rung.verifiers.base import (
    Finding,
    Subject,
    abstained,
    failed,
    nothing_to_judge,
    passed,
    shown,
)
from rung.verifiers.material import quoted, unread

LONGEST_READ = 8_000_000
"""Characters of a conversation that are searched."""
MOST_EDITS = 200

TOOLS: Mapping[str, str] = MappingProxyType(
    {
        "Edit": "old_string",
        "MultiEdit": "old_string",
        "edit": "oldString",
        "replace": "old_string",
        "edit_file": "old_string",
        "str_replace": "old_str",
        "str_replace_editor": "old_str",
        "str_replace_based_edit_tool": "old_str",
    }
)
"""Edit tools as clients name them, and the argument that is the old text, at any depth."""

# "    12→text" and "12\ttext": how reading tools number lines.
_NUMBERED = re.compile(r"^[ ]{0,10}\d{1,7}(?:\u2192|\t|: |\|)", re.MULTILINE)
_READABLE = (Text, ToolResult)
_CLEARED = "[Old tool result content cleared]"


@dataclass(frozen=True, slots=True)
class EditGrounded:
    """Passes an answer whose edits replace text that the conversation holds.

    ``tools`` maps an edit tool's name to the argument that is its old text.
    """

    tools: Mapping[str, str] = field(default_factory=lambda: TOOLS)
    name: str = "edit_grounded"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = 10.0

    def check(self, subject: Subject) -> Finding:
        """Collect what was read, look for each old text."""
        edits = list(self._edits(subject))
        if not edits:
            return nothing_to_judge("the answer edits no text")
        if len(edits) > MOST_EDITS:
            return abstained(f"the answer has {len(edits):,} edits, too many to check")
        texts = list(_read_before(subject.request))
        if sum(map(len, texts)) > LONGEST_READ:
            return abstained("the conversation is too long to be searched")
        read = "\n".join(_plain(text) for text in texts)
        for label, old in edits:
            wanted = old.replace("\r\n", "\n")
            if wanted not in read:
                return _not_read(label, wanted, read, subject.request)
        return passed(f"{len(edits)} edit{'s' if len(edits) > 1 else ''} of text that was read")

    def _edits(self, subject: Subject) -> Iterator[tuple[str, str]]:
        for number, call in enumerate(subject.answer.tool_calls, 1):
            argument = self.tools.get(call.name)
            if argument is not None:
                label = f'call {number} ("{call.name}")'
                olds = _texts(_arguments(call), argument)
                yield from ((label, old) for old in olds if old.strip())


def edit_grounded(tools: Mapping[str, str] | None = None) -> EditGrounded:
    """The check; ``tools`` are edit tools and the names of their old text, instead of `TOOLS`."""
    return EditGrounded(TOOLS if tools is None else MappingProxyType(dict(tools)))


def from_options(given: options.Options) -> EditGrounded:
    """The check that a table of the configuration asks for."""
    tools = given.get("tools")
    if tools is None:
        return edit_grounded()
    known = isinstance(tools, Mapping) and all(isinstance(each, str) for each in tools.values())
    if not known or not tools:
        fix = 'write tools = { edit_file = "old_text" }'
        raise options.wrong("tools", "tools names edit tools and their argument.", fix)
    return edit_grounded(tools)


# ------------------------------------------------------------------ what was read


def _read_before(request: Request) -> Iterator[str]:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolCall):
                yield from _texts(_arguments(part), None)
            elif isinstance(part, _READABLE) and message.role is not Role.ASSISTANT:
                yield part.text


def _plain(text: str) -> str:
    """The text as read and, where lines are numbered, also without their numbers."""
    whole = text.replace("\r\n", "\n")
    bare = _NUMBERED.sub("", whole)
    return whole if bare == whole else f"{whole}\n{bare}"


def _arguments(call: ToolCall) -> Any:
    if call.custom:
        return call.arguments
    try:
        return json.loads(call.arguments)
    except (ValueError, RecursionError):
        return None


def _texts(value: Any, key: str | None) -> Iterator[str]:
    """All texts in a JSON value, or those under one key."""
    waiting = [(value, key is None)]
    while waiting:
        at, wanted = waiting.pop()
        if isinstance(at, dict):
            waiting += [(inner, key is None or name == key) for name, inner in at.items()]
        elif isinstance(at, list):
            waiting += [(inner, wanted) for inner in at]
        elif wanted and isinstance(at, str):
            yield at


def _not_read(label: str, old: str, read: str, request: Request) -> Finding:
    if unread(request) or _CLEARED in read:
        return abstained(f"{label}: its old text may stand in what is not there to be searched")
    lines = [line for line in old.split("\n") if line.strip()]
    lost = next((line for line in lines[:1_000] if line not in read), None)
    if lost is None:
        said = "its lines were read, but never together as they stand there"
    else:
        said = f"nothing that was read holds {quoted(lost.strip())}"
    return failed(
        f"{shown(label, 80)} replaces text that was not read before: {said}; "
        "read the file again and copy the old text exactly"
    )
