"""What the tools of an agent say of its work: errors in a row, the same call over again, red tests.

The environment is a verifier that costs nothing: whoever keeps failing should be somebody dearer on
the next turn. Only what came after the user's last words counts, and of each result only its ends
are read. Results are hostile text: the worst that they can bring about is a dearer tier.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rung.core.parts import Message, Role, Text, ToolCall, ToolResult
from rung.core.reports import FAILED, PASSED, report
from rung.core.turns import NOTICES, WRAPPERS
from rung.core.types import Request

MOST_ROUNDS = 20
"""Rounds of calls and results that are looked at, counted from the end."""

MOST_RESULTS = 8
"""Results of one round that are looked at."""

HEAD_CHARS, TAIL_CHARS = 400, 1_600
"""What is read of a result: its beginning, where clients tell how it ended, and its end."""

ARGUMENT_CHARS = 400
"""What is read of a call's arguments, to see what it does."""

LOOKED_AROUND = 10
"""How many rounds back a call may lie that is made over again."""

READERS = re.compile(
    r"read|grep|glob|search|fetch|view|list|find|cat\b|ls\b|get_|lookup", re.IGNORECASE
)
"""Names of tools that bring text of others: what it says is no news of the agent's work."""

WAITERS = re.compile(r"stdin|output|wait|poll|status|sleep|monitor|todo|task", re.IGNORECASE)
"""Names of tools that are rightly called over again."""

EDITORS = re.compile(r"edit|patch|str_replace|^write|write_?file|create_?file|apply", re.IGNORECASE)
"""Names of tools that change files."""

READING = re.compile(
    r"(?:cd [^;&|]{1,200}(?:&&|;)\s*)?(?:sudo )?"
    r"(?:cat|grep|egrep|rg|ag|head|tail|less|sed -n|awk|find|ls|diff|cmp|wc|stat|file|which|test|\["
    r"|git (?:log|diff|show|grep|status|blame)|journalctl|docker logs|kubectl (?:logs|get|describe)"
    r"|pgrep|jq|strings)\b"
)
"""Commands that bring text of others; that they found nothing (status 1) is an answer too."""

CHANGING = re.compile(
    r"apply_patch|git apply|\bsed -i|\bperl -p?i|\bpatch -|\btee |<<\s*'?\"?EOF|>\s*\w"
)
"""What in a command gives away that it changes files."""

STATUS = re.compile(
    r"(?:^|\n)(?:Process exited with code|Exit code:?|exit code:?|Exit status:?"
    r"|Command exited with (?:code|status)) (-?\d{1,4})\b"
    r"|^<returncode>(-?\d{1,4})</returncode>"
    r"|\"exit_code\": ?(-?\d{1,4})\b"
)
"""How Claude Code, Codex, mini-swe-agent and their like tell a command's exit status."""

SAYS_ERROR = re.compile(
    r"\s{0,8}(?:<tool_use_error>|<error>|Error:|ERROR:|error:|Error executing|"
    r"execution error|exec_command failed|apply_patch verification failed|Traceback \(most recent)"
)
"""How a result begins that is nothing but an error."""

ENDS_IN_TRACEBACK = re.compile(
    r"Traceback \(most recent call last\):\n(?: .*\n){1,80}"
    r"[\w.]{1,80}(?:Error|Exception)\b.{0,400}\s*\Z"
)

NOT_ITS_FAULT = (
    "The user doesn't want to",
    "[Request interrupted",
    "<tool_use_error>Cancelled",
    "User rejected",
    "The user rejected",
    "exec_command failed: rejected by user",
)
"""Beginnings of results that report somebody's wish, or another call's error."""

REFLECTIONS = (
    "# Fix any errors below",
    "I ran this command:",
    "The LLM did not conform",
    "# 1 SEARCH/REPLACE block failed",
    "The output of the last command",
    "<returncode>",
    "Observation:",
)
"""How clients that offer no tools (aider, mini-swe-agent) tell in the user's place what came of an
answer."""

_FAILED_BLOCKS = re.compile(r"# \d{1,3} SEARCH/REPLACE blocks? failed")
_CLIENTS = (*NOTICES, *(f"<{name}>" for name in WRAPPERS))


@dataclass(frozen=True, slots=True)
class Trouble:
    """How a conversation fares since its user spoke last, in rounds.

    ``errors``: rounds in a row, at the end, in which a tool failed. ``repeats``: rounds in a row,
    at the end, that made an earlier call again and got the same. ``reds``: edits after which tests
    failed, since they last passed.
    """

    errors: int = 0
    repeats: int = 0
    reds: int = 0

    @property
    def count(self) -> int:
        """The worst of the three: they overlap, so they do not add up."""
        return max(self.errors, self.repeats, self.reds)

    @property
    def words(self) -> str:
        """The worst in words; empty where nothing is wrong."""
        if not self.count:
            return ""
        if self.reds == self.count:
            return f"tests failed after {_times(self.reds, 'edit')}"
        if self.errors == self.count:
            return f"{_times(self.errors, 'tool error')} in a row"
        return f"{_times(self.repeats, 'call')} made over again with the same result"


NO_TROUBLE = Trouble()


@dataclass(slots=True)
class _Round:
    """What was called in one go, and what came back."""

    calls: dict[str, ToolCall] = field(default_factory=dict)
    results: list[ToolResult] = field(default_factory=list)
    told: str = ""
    said: str = ""

    @property
    def begun(self) -> bool:
        """Whether its answer has been met, going backwards: what comes next is another round."""
        return bool(self.calls or self.said or self.told)

    def take(self, message: Message) -> None:
        """Add one message of it."""
        for part in message.parts:
            if isinstance(part, ToolResult):
                self.results.append(part)
            elif isinstance(part, ToolCall):
                self.calls[part.id] = part
            elif message.role is Role.ASSISTANT and isinstance(part, Text):
                self.said = self.said or part.text[:TAIL_CHARS]


@dataclass(frozen=True, slots=True)
class _Seen:
    """One round as it counts. ``tests``: FAILED, PASSED or None where none ran."""

    failed: bool
    edited: bool
    tests: str | None
    mark: int | None


def trouble(request: Request) -> Trouble:
    """Read how the conversation fares; nothing where its last words are the user's own."""
    found = [_seen(each) for each in _rounds(request.messages)]
    if not found:
        return NO_TROUBLE
    return Trouble(_errors(found), _repeats(found), _reds(found))


# ------------------------------------------------------------------ rounds


def _rounds(messages: Sequence[Message]) -> list[_Round]:
    """The rounds since the user spoke, the oldest first."""
    rounds: list[_Round] = []
    current = _Round()
    for message in reversed(messages):
        own = _not_wrapped(message) if message.role is Role.USER else ""
        if own and not reflects(own):
            break
        if (own or message.role is Role.TOOL) and current.begun:
            rounds.append(current)
            current = _Round()
            if len(rounds) == MOST_ROUNDS:
                break
        current.told = current.told or own
        current.take(message)
    rounds.append(current)
    return [each for each in reversed(rounds) if each.results or each.told]


def reflects(own: str) -> bool:
    """Whether a client tells in the user's place what came of an answer."""
    return own.startswith(REFLECTIONS) or _FAILED_BLOCKS.match(own) is not None


def _not_wrapped(message: Message) -> str:
    for part in message.parts:
        if isinstance(part, Text):
            own = part.text.lstrip()
            if own and not own.startswith(_CLIENTS):
                return own
    return ""


# ------------------------------------------------------------------ what a round says


def _seen(each: _Round) -> _Seen:
    if each.told:
        return _reflected(each)
    failed = edited = False
    tests: str | None = None
    for result in each.results[:MOST_RESULTS]:
        call = each.calls.get(result.call_id)
        name = call.name if call is not None else result.name
        told = call.arguments[:ARGUMENT_CHARS] if call is not None else ""
        reads = bool(READERS.search(name)) or bool(READING.match(_command(told)))
        ends = _ends(result)
        bad = _failed(result, ends, reads=reads)
        failed = failed or bad
        edited = edited or (not bad and _edits(name, told, reads=reads))
        if not reads:
            tests = _worse(tests, report(ends))
    return _Seen(failed, edited, tests, _mark(each))


def _reflected(each: _Round) -> _Seen:
    """What a client told of an answer in the user's place. The answer itself was an edit."""
    ends = f"{each.told[:HEAD_CHARS]}\n{each.told[-TAIL_CHARS:]}"
    tests = report(ends)
    status = STATUS.search(ends)
    code = next((int(one) for one in status.groups() if one is not None), 0) if status else 0
    ran = each.told.startswith(("<returncode>", "Observation:"))
    failed = code != 0 if ran else tests is not PASSED
    edited = not ran or bool(CHANGING.search(each.said))
    return _Seen(failed, edited, tests, hash((each.said, each.told[-TAIL_CHARS:])))


def _ends(result: ToolResult) -> str:
    text = result.text
    if len(text) <= HEAD_CHARS + TAIL_CHARS:
        return text
    return f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"


def _failed(result: ToolResult, ends: str, *, reads: bool) -> bool:
    if ends.lstrip().startswith(NOT_ITS_FAULT):
        return False
    status = STATUS.search(ends[: HEAD_CHARS * 2])
    if status is not None:
        code = next(int(one) for one in status.groups() if one is not None)
        return code > 1 if reads else code != 0
    if result.is_error:
        return True
    if SAYS_ERROR.match(ends) is not None:
        return not reads or ends.lstrip().startswith("<")
    return not reads and "Traceback" in ends and ENDS_IN_TRACEBACK.search(ends) is not None


def _edits(name: str, told: str, *, reads: bool) -> bool:
    if EDITORS.search(name) is not None and WAITERS.search(name) is None:
        return True
    return not reads and CHANGING.search(told) is not None


_COMMAND = re.compile(r'"(?:command|cmd|script|input)"\s{0,4}:\s{0,4}\[?\s{0,4}"')
_SHELL = re.compile(r'(?:bash|sh|zsh)",\s{0,4}"-l?c",\s{0,4}"')


def _command(told: str) -> str:
    """The command line in a call's arguments, empty where there is none."""
    begins = _COMMAND.search(told)
    if begins is None:
        return ""
    rest = told[begins.end() :]
    shell = _SHELL.match(rest)
    return rest[shell.end() :] if shell is not None else rest


def _mark(each: _Round) -> int | None:
    """The same for rounds that made the same calls and got the same; ``None`` for mere waiting."""
    if not each.calls or all(WAITERS.search(call.name) for call in each.calls.values()):
        return None
    calls = [(call.name, call.arguments) for call in each.calls.values()]
    results = [
        (len(text := one.text), text[:HEAD_CHARS], text[-TAIL_CHARS:]) for one in each.results
    ]
    return hash((*calls, *results))


def _worse(one: str | None, other: str | None) -> str | None:
    return FAILED if FAILED in {one, other} else one or other


# ------------------------------------------------------------------ counting


def _errors(found: Sequence[_Seen]) -> int:
    return _last_in_a_row(each.failed for each in reversed(found))


def _repeats(found: Sequence[_Seen]) -> int:
    """Rounds in a row that an earlier one had made already, with nothing changed in between."""
    again: list[bool] = []
    marks: list[int | None] = []
    for each in found:
        if each.edited:
            marks.clear()
        again.append(each.mark is not None and each.mark in marks[-LOOKED_AROUND:])
        marks.append(each.mark)
    return _last_in_a_row(reversed(again))


def _last_in_a_row(those: Iterable[bool]) -> int:
    count = 0
    for each in those:
        if not each:
            break
        count += 1
    return count


def _reds(found: Sequence[_Seen]) -> int:
    """Edits that did not turn the tests green. A first red run before any edit is no failure."""
    reds, edited = 0, False
    for each in found:
        edited = edited or each.edited
        if each.tests is PASSED:
            reds, edited = 0, False
        elif each.tests is FAILED and edited:
            reds, edited = reds + 1, False
    return reds


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
