"""Agents' transcripts as their clients send them, built round by round.

The shapes of results are those of Claude Code (``is_error``, ``<tool_use_error>``), Codex (a head
with the exit code), opencode (plain output) and aider (reflections in the user's turn).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from rung.core.parts import Message, Role, Text, Tool, ToolCall, ToolResult
from rung.core.types import Directions, Request

SYSTEM = "You are an interactive agent that helps users with software engineering."
NOTHING_ASKED = Directions()
TOOLS = (Tool("Bash"), Tool("Edit"), Tool("Read"))


@dataclass
class Transcript:
    """A conversation that grows; ``request()`` is what its client would send now."""

    system: Sequence[str] = (SYSTEM,)
    asked: str = "The date parser drops the time zone. Fix it."
    tools: tuple[Tool, ...] = TOOLS
    session: str = "s-1"
    directions: Directions = NOTHING_ASKED
    messages: list[Message] = field(default_factory=list)
    rounds: int = 0

    def __post_init__(self) -> None:
        if self.asked:
            self.user(self.asked)

    def user(self, *texts: str) -> Transcript:
        self.messages.append(Message(Role.USER, tuple(Text(text) for text in texts)))
        return self

    def says(self, text: str) -> Transcript:
        self.messages.append(Message(Role.ASSISTANT, (Text(text),)))
        return self

    def calls(
        self, name: str, arguments: dict[str, object], result: str, *, error: bool = False
    ) -> Transcript:
        """One call and what came back."""
        return self.at_once([(name, arguments, result, error)])

    def at_once(self, made: Sequence[tuple[str, dict[str, object], str, bool]]) -> Transcript:
        """Several calls in one go."""
        self.rounds += 1
        ids = [f"call_{self.rounds}_{place}" for place in range(len(made))]
        calls = [
            ToolCall(one, name, json.dumps(told))
            for one, (name, told, _, _) in zip(ids, made, strict=True)
        ]
        self.messages.append(Message(Role.ASSISTANT, tuple(calls)))
        for one, (_, _, text, error) in zip(ids, made, strict=True):
            self.messages.append(Message(Role.TOOL, (ToolResult(one, (Text(text),), error),)))
        return self

    # ------------------------------------------------------------------ Claude Code

    def bash(self, command: str, output: str, status: int = 0) -> Transcript:
        text = f"Exit code {status}\n{output}" if status else output
        return self.calls("Bash", {"command": command, "description": "d"}, text, error=status != 0)

    def edit(self, result: str = "The file /p/dates.py has been updated.") -> Transcript:
        told = {"file_path": "/p/dates.py", "old_string": f"a{self.rounds}", "new_string": "b"}
        return self.calls("Edit", told, result)

    def refused_edit(self) -> Transcript:
        said = "<tool_use_error>String to replace not found in file.</tool_use_error>"
        told = {"file_path": "/p/dates.py", "old_string": f"x{self.rounds}", "new_string": "b"}
        return self.calls("Edit", told, said, error=True)

    # ------------------------------------------------------------------ Codex

    def command(self, line: str, output: str, status: int = 0) -> Transcript:
        head = f"Chunk ID: 9369b3\nWall time: 0.0100 seconds\nProcess exited with code {status}\n"
        text = f"{head}Original token count: 16\nOutput:\n{output}"
        return self.calls("exec_command", {"cmd": line}, text)

    def patch(self) -> Transcript:
        line = f"apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: a{self.rounds}.py\nEOF"
        return self.command(line, "Success. Updated the following files:\nM a.py\n")

    def request(self, **changes: object) -> Request:
        told = tuple(Text(text) for text in self.system)
        prompt = (Message(Role.SYSTEM, told),) if told else ()
        values = {
            "id": "r-1",
            "dialect": "messages",
            "messages": (*prompt, *self.messages),
            "tools": self.tools,
            "session": self.session,
            "directions": self.directions,
            **changes,
        }
        return Request(**values)  # type: ignore[arg-type]
